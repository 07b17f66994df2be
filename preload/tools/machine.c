// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "conf.h"
#include "findings.h"
#include "machine.h"
#include "smc_uapi.h"
#include "smcnl.h"

#define MAX_GIDS 256

/* What the findings about devices and names depend on */
struct machine {
	bool has_ism; /* other than loopback */
	bool has_rdma; /* a port that SMC-R can use */
	bool has_roce_v1;
	bool has_loopback;
};

static bool read_word(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool is_read;

	if (!file)
		return false;
	is_read = fgets(text, (int)size, file);
	fclose(file);
	if (is_read)
		text[strcspn(text, "\n")] = '\0';
	return is_read;
}

/*
 * The kernel
 */
static int open_smc(int domain, int protocol)
{
	int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, protocol);

	return fd < 0 ? -errno : fd;
}

/* How connections that the rules exclude become TCP */
static const char *demotion_of(int fd)
{
	struct smc_status status;
	socklen_t size = sizeof(status);
	const int off = 0;

	if (!getsockopt(fd, SOL_SMC, SMC_STATUS, &status, &size))
		return "SMC_USE";
	if (!setsockopt(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, &off, sizeof(off)))
		return "TCP_FASTOPEN_NO_COOKIE";
	return NULL;
}

static void found_socket(const char *release, const char *kind, int fd)
{
	const char *demotion = demotion_of(fd);

	if (!demotion) {
		smcp_found_warning("kernel",
				   "%s: %s; no way to TCP, so that rules for "
				   "both leave all on TCP",
				   release, kind);
	} else if (!strcmp(demotion, "SMC_USE")) {
		smcp_found_ok("kernel",
			      "%s: %s; this project's module, a socket is TCP "
			      "until SMC is negotiated",
			      release, kind);
	} else {
		smcp_found_ok("kernel",
			      "%s: %s; the kernel's own module, demotion by %s",
			      release, kind, demotion);
		smcp_found_warning(
			"bugs",
			"known gaps of this module: G1 to G16, G19, G25 (see "
			"libsmc-preload(7)); a splice from a socket can hang");
		smcp_found_cure("this project's module; until then \"use tcp "
				"prog\" for proxies that splice");
	}
	close(fd);
}

static bool is_forbidden(int err)
{
	return err == -EPERM || err == -EACCES;
}

static void found_no_socket(const char *release, int inet_err, int smc_err)
{
	if (is_forbidden(inet_err) || is_forbidden(smc_err)) {
		smcp_found_failure("kernel", SMCP_RESULT_TCP,
				   "%s: a filter (seccomp, SELinux) forbids "
				   "SMC's sockets",
				   release);
		smcp_found_cure("allow socket() with protocol 256 there");
		return;
	}
	smcp_found_failure(
		"kernel", SMCP_RESULT_TCP, "%s: IPPROTO_SMC: %s; AF_SMC: %s",
		release,
		inet_err != -ENOENT ? strerror(-inet_err) : "not wanted",
		smc_err != -ENOENT ? strerror(-smc_err) : "not wanted");
	smcp_found_cure("modprobe smc, or -f auto");
}

/* Return: is there SMC? */
static bool check_kernel(unsigned int families)
{
	int inet = -ENOENT, smc = -ENOENT; /* not wanted */
	struct utsname name;

	uname(&name);
	if (families & SMCP_FAMILY_INET)
		inet = open_smc(AF_INET, IPPROTO_SMC);
	if (inet >= 0) {
		found_socket(name.release, "IPPROTO_SMC", inet);
		return true;
	}
	if (families & SMCP_FAMILY_SMC)
		smc = open_smc(AF_SMC, 0);
	if (smc >= 0) {
		found_socket(name.release, "AF_SMC", smc);
		return true;
	}
	found_no_socket(name.release, inet, smc);
	return false;
}

/*
 * Devices
 */
static int note_ism(struct nlattr **attrs, void *arg)
{
	struct machine *machine = arg;
	const char *id = attrs[SMC_NLA_DEV_PCI_ID]
				 ? nla_get_string(attrs[SMC_NLA_DEV_PCI_ID])
				 : "";

	if (!*id) { /* loopback-ism, on some kernels */
		machine->has_loopback = true;
		return 0;
	}
	machine->has_ism = true;
	smcp_found_ok("device", "ISM device %s: SMC-D", id);
	return 0;
}

/* Netlink may not list it; the module has it if it has the code. */
static bool has_loopback(void)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[256];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, " smc_lo_move_data") ||
			strstr(line, " dibs_lo_move_data");
	fclose(file);
	return found;
}

/* The GIDs that SMC-R can use, each with the interface it is of. */
static void check_gids(struct machine *machine, struct ibv_context *context,
		       const char *device, unsigned int port)
{
	static struct ibv_gid_entry gids[MAX_GIDS];
	ssize_t n = ibv_query_gid_table(context, gids, MAX_GIDS, 0);
	char addr[INET6_ADDRSTRLEN], netdev[IF_NAMESIZE];
	const char *of;
	unsigned int n_usable = 0;
	ssize_t i;

	for (i = 0; i < n; i++) {
		bool is_v2 = gids[i].gid_type == IBV_GID_TYPE_ROCE_V2;

		if (gids[i].port_num != port ||
		    gids[i].gid_type == IBV_GID_TYPE_IB ||
		    (is_v2 &&
		     !IN6_IS_ADDR_V4MAPPED((struct in6_addr *)gids[i].gid.raw)))
			continue;
		if (!is_v2)
			machine->has_roce_v1 = true;
		n_usable++;
		inet_ntop(AF_INET6, gids[i].gid.raw, addr, sizeof(addr));
		of = if_indextoname(gids[i].ndev_ifindex, netdev)
			     ? netdev
			     : "an interface of another namespace";
		smcp_found_ok("device", "%s port %u: active, RoCE v%d %s on %s",
			      device, port, is_v2 ? 2 : 1, addr, of);
	}
	if (n < 0)
		smcp_found_warning("device",
				   "%s port %u: its GIDs cannot be read: %s",
				   device, port, strerror((int)-n));
	if (n_usable || n < 0) {
		machine->has_rdma = true;
		return;
	}
	smcp_found_warning("device", "%s port %u: no GID of an IPv4 address",
			   device, port);
	smcp_found_cure("give its interface an IPv4 address");
}

static void check_ports(struct machine *machine, struct ibv_context *context,
			const char *device)
{
	struct ibv_device_attr attr;
	struct ibv_port_attr port_attr;
	unsigned int port;

	if (ibv_query_device(context, &attr))
		return;
	for (port = 1; port <= attr.phys_port_cnt; port++) {
		if (ibv_query_port(context, (uint8_t)port, &port_attr))
			continue;
		if (port_attr.link_layer != IBV_LINK_LAYER_ETHERNET) {
			smcp_found_warning("device",
					   "%s port %u: not Ethernet, of which "
					   "SMC-R makes no use",
					   device, port);
		} else if (port_attr.state != IBV_PORT_ACTIVE) {
			smcp_found_warning("device", "%s port %u: %s", device,
					   port,
					   ibv_port_state_str(port_attr.state));
			smcp_found_cure("ip link set its interface up, and "
					"look at the cable");
		} else {
			check_gids(machine, context, device, port);
		}
	}
}

/* SMC knows ports by a file of sysfs alone if the device cannot be opened. */
static void check_rdma(struct machine *machine)
{
	struct ibv_context *context;
	struct ibv_device **devices;
	int i, n = 0;

	devices = ibv_get_device_list(&n);
	for (i = 0; devices && i < n; i++) {
		const char *name = ibv_get_device_name(devices[i]);

		context = ibv_open_device(devices[i]);
		if (!context) {
			machine->has_rdma = true;
			smcp_found_warning("device",
					   "%s: cannot be looked at: %s", name,
					   strerror(errno));
			smcp_found_cure("be root, and modprobe ib_uverbs");
			continue;
		}
		check_ports(machine, context, name);
		ibv_close_device(context);
	}
	if (devices)
		ibv_free_device_list(devices);
}

struct names {
	unsigned int n;
	char text[256];
};

/* What SMC has of RDMA; the names that pnet ids give are blank-padded. */
static int note_smcr(struct nlattr **attrs, void *arg)
{
	struct names *names = arg;
	size_t len = strlen(names->text);

	if (!attrs[SMC_NLA_DEV_IB_NAME])
		return 0;
	snprintf(names->text + len, sizeof(names->text) - len, "%s%s",
		 names->n ? " " : "",
		 nla_get_string(attrs[SMC_NLA_DEV_IB_NAME]));
	names->n++;
	return 0;
}

static void check_devices(struct machine *machine)
{
	struct names smcr = {0};

	smcnl_dump_nest(SMC_NETLINK_GET_DEV_SMCD, SMC_GEN_DEV_SMCD,
			SMC_NLA_DEV_MAX, note_ism, machine);
	smcnl_dump_nest(SMC_NETLINK_GET_DEV_SMCR, SMC_GEN_DEV_SMCR,
			SMC_NLA_DEV_MAX, note_smcr, &smcr);
	check_rdma(machine);
	if (!machine->has_loopback)
		machine->has_loopback = has_loopback();
	if (smcr.n && !machine->has_rdma && !machine->has_ism)
		smcp_found_warning("device",
				   "%s: known to SMC, without a usable port",
				   smcr.text);
	if (machine->has_ism || machine->has_rdma) {
		if (machine->has_loopback)
			smcp_found_ok("device", "loopback-ism: SMC-D inside "
						"this host");
	} else if (machine->has_loopback) {
		smcp_found_warning("device", "loopback-ism only: SMC works "
					     "inside this host");
		smcp_found_cure("for other hosts an RDMA or ISM device: rdma "
				"link");
	} else {
		smcp_found_failure("device", SMCP_RESULT_TCP,
				   "no RDMA device that is usable, no ISM "
				   "device, no loopback-ism");
		smcp_found_cure("rdma link add NAME type rxe netdev IFACE, if "
				"there is no hardware; or a module with "
				"CONFIG_SMC_LO");
	}
}

/*
 * Names and limits
 */
static int note_ueid(const char *eid, void *arg)
{
	struct names *names = arg;
	size_t len = strlen(names->text);

	/* The kernel pads with blanks. */
	snprintf(names->text + len, sizeof(names->text) - len, "%s%.*s",
		 names->n ? ", " : "", (int)strcspn(eid, " "), eid);
	names->n++;
	return 0;
}

static void check_eids(const struct machine *machine)
{
	struct names names = {0};
	int rc = smcnl_dump_ueids(note_ueid, &names);

	if (rc < 0) {
		smcp_found_warning("eid", "cannot be asked for: %s",
				   strerror(-rc));
		smcp_found_cure("modprobe smc");
	} else if (names.n) {
		smcp_found_ok("eid", "%s (the other host needs one of them)",
			      names.text);
	} else if (machine->has_ism || machine->has_roce_v1) {
		smcp_found_warning("eid", "no user EID: SMC version 1 alone, "
					  "inside one subnet");
		smcp_found_cure("smcd ueid add NAME, the same on both hosts");
	} else {
		smcp_found_failure("eid", SMCP_RESULT_TCP,
				   "no user EID, SMC version 2 will be "
				   "declined (0x03030008)");
		smcp_found_cure("smcd ueid add NAME, the same on both hosts");
	}
}

static int note_pnet(const char *name, const char *device, void *arg)
{
	struct names *names = arg;
	size_t len = strlen(names->text);

	snprintf(names->text + len, sizeof(names->text) - len, "%s%s %s",
		 names->n ? ", " : "", name, device);
	names->n++;
	return 0;
}

static void check_pnet(void)
{
	struct names names = {0};

	if (!smcnl_dump_pnet(note_pnet, &names) && names.n)
		smcp_found_ok("pnet", "%s", names.text);
}

static void check_buffers(void)
{
	char wmem[32], rmem[32];

	if (read_word("/proc/sys/net/smc/wmem", wmem, sizeof(wmem)) &&
	    read_word("/proc/sys/net/smc/rmem", rmem, sizeof(rmem)))
		smcp_found_ok("buffers", "net.smc.wmem %s, net.smc.rmem %s",
			      wmem, rmem);
}

static int note_limitation(struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr = nlmsg_find_attr(
		nlh, GENL_HDRLEN, SMC_NLA_HS_LIMITATION_ENABLED);

	if (attr)
		*(bool *)arg = nla_get_u8(attr);
	return 0;
}

static void check_limits(void)
{
	bool is_limited = false;

	if (smcnl_dump(SMC_NETLINK_DUMP_HS_LIMITATION, note_limitation,
		       &is_limited))
		return;
	if (!is_limited) {
		smcp_found_ok("limits", "handshakes are not limited");
		return;
	}
	smcp_found_warning("limits", "with many handshakes at a time further "
				     "connections are TCP (limit_smc_hs)");
	smcp_found_cure("sysctl net.smc.limit_smc_hs=0");
}

static void check_namespace(void)
{
	struct stat own, first;

	if (stat("/proc/self/ns/net", &own) || stat("/proc/1/ns/net", &first))
		return;
	if (own.st_ino == first.st_ino && own.st_dev == first.st_dev)
		return;
	smcp_found_ok("netns", "not that of process 1: user EIDs are common to "
			       "all, RDMA devices need not be");
}

/* Return: are there policies in this namespace?  Not without CAP_NET_ADMIN. */
static bool has_ipsec(void)
{
	struct {
		struct nlmsghdr head;
		struct xfrm_userpolicy_id id;
	} req = {
		.head = {.nlmsg_len = sizeof(req),
			 .nlmsg_type = XFRM_MSG_GETPOLICY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	};
	union {
		struct nlmsghdr head;
		char bytes[8192];
	} answer;
	const struct timeval second = {.tv_sec = 1};
	bool found = false;
	ssize_t len;
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	if (send(fd, &req, sizeof(req), 0) == (ssize_t)sizeof(req)) {
		len = recv(fd, &answer, sizeof(answer), 0);
		found = len >= (ssize_t)sizeof(answer.head) &&
			answer.head.nlmsg_type == XFRM_MSG_NEWPOLICY;
	}
	close(fd);
	return found;
}

static void check_security(void)
{
	char text[8];

	if (has_ipsec()) {
		smcp_found_warning("ipsec", "there are policies: connections "
					    "under them are TCP (0x03020000)");
		smcp_found_cure("ip xfrm policy; leave the peers of SMC out");
	}
	if (!read_word("/sys/fs/selinux/enforce", text, sizeof(text)))
		return;
	smcp_found_warning("selinux",
			   "%s: SMC's sockets have the class rawip_socket or "
			   "smc_socket, which a policy may forbid (G19)",
			   *text == '1' ? "enforcing" : "permissive");
	smcp_found_cure("ausearch -m avc shows what it forbids");
}

void smcp_machine_check(unsigned int families)
{
	struct machine machine = {0};

	check_namespace();
	if (!check_kernel(families ? families : SMCP_FAMILY_AUTO))
		return;
	check_devices(&machine);
	check_eids(&machine);
	check_pnet();
	check_buffers();
	check_limits();
	check_security();
}
