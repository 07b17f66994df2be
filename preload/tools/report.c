// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf_counts.h"
#include "reasons.h"
#include "report.h"
#include "sockets.h"
#include "text.h"
#include "util.h"

#define EXIT_NO_DIAG 12

#define JSON_HEAD "{\"version\":1,\"processes\":["

/* "[ffff:...:255.255.255.255]:65535" */
#define NAME_TEXT (INET6_ADDRSTRLEN + 10)

struct row {
	int fd;
	const char *role;
	char local[NAME_TEXT], peer[NAME_TEXT];
	struct smcp_socket socket;
};

struct process {
	pid_t pid;
	char comm[64];
	struct row *rows;
	size_t n, room;
};

/* Sockets of the namespace that was looked at last: most share one. */
struct report {
	bool is_json;
	bool is_all;
	unsigned int n; /* processes that were printed */
	int own_ns;
	struct stat ns; /* st_ino 0: none */
	struct smcp_sockets sockets;
};

__attribute__((format(printf, 1, 2))) static void complain(const char *format,
							   ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "smc_run: --report: %s\n", text);
}

/*
 * What the kernel says
 */
/* Make report->sockets those of the process's network namespace. */
static int look_at_ns(struct report *report, pid_t pid)
{
	bool is_other;
	struct stat ns, own;
	char path[40];
	int fd, rc = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (stat(path, &ns))
		return -errno;
	if (report->ns.st_ino == ns.st_ino && report->ns.st_dev == ns.st_dev)
		return 0;
	if (report->ns.st_ino)
		smcp_sockets_free(&report->sockets);
	report->ns.st_ino = 0;
	if (fstat(report->own_ns, &own))
		return -errno;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* To stay where one is takes no privilege. */
	is_other = own.st_ino != ns.st_ino || own.st_dev != ns.st_dev;
	if (is_other && setns(fd, CLONE_NEWNET))
		rc = -errno;
	close(fd);
	if (rc)
		return rc;
	rc = smcp_sockets_collect(&report->sockets);
	if (!rc)
		report->ns = ns;
	if (is_other && setns(report->own_ns, CLONE_NEWNET))
		return -errno;
	return rc;
}

static void format_name(const struct smcp_name *name, char text[NAME_TEXT])
{
	char addr[INET6_ADDRSTRLEN];

	if (!name->family || !name->port) {
		strcpy(text, "-");
		return;
	}
	inet_ntop(name->family, name->addr, addr, sizeof(addr));
	snprintf(text, NAME_TEXT,
		 name->family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr,
		 name->port);
}

static const char *role_of(const struct smcp_sockets *sockets,
			   const struct smcp_socket *socket)
{
	unsigned int port = socket->local.port;

	if (socket->is_listener)
		return "listen";
	return sockets->listening[port / 8] & 1 << port % 8 ? "accepted"
							    : "client";
}

static int add_row(struct process *process, struct report *report, int fd,
		   uint64_t inode)
{
	struct smcp_socket *socket = smcp_sockets_find(&report->sockets, inode);
	struct row *row;

	if (!socket)
		return 0;
	if (process->n == process->room) {
		process->room = 2 * process->room + 64;
		row = realloc(process->rows, process->room * sizeof(*row));
		if (!row)
			return -ENOMEM;
		process->rows = row;
	}
	smcp_socket_look(socket, process->pid, fd);
	row = &process->rows[process->n++];
	row->fd = fd;
	row->socket = *socket;
	row->role = role_of(&report->sockets, socket);
	format_name(&socket->local, row->local);
	format_name(&socket->peer, row->peer);
	return 0;
}

static int by_fd(const void *a, const void *b)
{
	return ((const struct row *)a)->fd - ((const struct row *)b)->fd;
}

static int read_fds(struct process *process, struct report *report, DIR *dir)
{
	const struct dirent *entry;
	uint64_t inode;
	char link[64];
	ssize_t len;
	int rc = 0;

	while (!rc && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, link,
				 sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = '\0';
		if (sscanf(link, "socket:[%" SCNu64 "]", &inode) == 1)
			rc = add_row(process, report, atoi(entry->d_name),
				     inode);
	}
	return rc;
}

static void read_comm(struct process *process)
{
	char path[40];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)process->pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(process->comm, sizeof(process->comm), file))
		process->comm[strcspn(process->comm, "\n")] = '\0';
	fclose(file);
}

static int read_process(struct process *process, struct report *report)
{
	char path[40];
	DIR *dir;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)process->pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	rc = look_at_ns(report, process->pid);
	if (!rc)
		rc = read_fds(process, report, dir);
	closedir(dir);
	if (rc)
		return rc;
	read_comm(process);
	if (process->n)
		qsort(process->rows, process->n, sizeof(*process->rows), by_fd);
	return 0;
}

/*
 * A table
 */
static const char *mode_text(enum smcp_socket_mode mode)
{
	static const char *const texts[] = {"-", "TCP", "SMC", "SMC-R",
					    "SMC-D"};

	return texts[mode];
}

static const char *reason_text(uint32_t code)
{
	const struct smcp_reason *reason = smcp_reason_find(code);

	return reason ? reason->text : "unknown reason";
}

/* Codes that say no more than that it was the peer have another one, if any. */
static void print_reason(const struct smcp_socket *socket)
{
	if (!socket->reason) {
		putchar('-');
		return;
	}
	printf("0x%08" PRIx32 " %s", socket->reason,
	       reason_text(socket->reason));
	if (socket->peer_reason)
		printf("; peer: 0x%08" PRIx32 " %s", socket->peer_reason,
		       reason_text(socket->peer_reason));
}

static int wider(int width, const char *text)
{
	int len = (int)strlen(text);

	return len > width ? len : width;
}

static void bytes_text(const struct smcp_socket *socket, uint64_t bytes,
		       char text[24])
{
	if (socket->has_bytes)
		snprintf(text, 24, "%" PRIu64, bytes);
	else
		strcpy(text, "-");
}

static void print_table(const struct process *process, bool is_first)
{
	int local = 14, peer = 15;
	char rx[24], tx[24];
	size_t i;

	for (i = 0; i < process->n; i++) {
		local = wider(local, process->rows[i].local);
		peer = wider(peer, process->rows[i].peer);
	}
	printf("%sPID %d ", is_first ? "" : "\n", (int)process->pid);
	smcp_print_plain(process->comm);
	printf("\n%-4s%-10s%-*s  %-*s  %-6s %10s %10s  %s\n", "FD", "ROLE",
	       local, "LOCAL", peer, "PEER", "MODE", "RX", "TX", "REASON");
	for (i = 0; i < process->n; i++) {
		const struct row *row = &process->rows[i];

		bytes_text(&row->socket, row->socket.rx_bytes, rx);
		bytes_text(&row->socket, row->socket.tx_bytes, tx);
		printf("%-3d %-10s%-*s  %-*s  %-6s %10s %10s  ", row->fd,
		       row->role, local, row->local, peer, row->peer,
		       mode_text(row->socket.mode), rx, tx);
		print_reason(&row->socket);
		putchar('\n');
	}
}

/*
 * JSON
 */

static void print_json_name(const char *key, const char *name)
{
	printf(",\"%s\":", key);
	if (*name == '-')
		fputs("null", stdout);
	else
		smcp_print_json(name);
}

static void print_json_reason(const char *number_key, const char *text_key,
			      uint32_t code)
{
	if (!code) {
		printf(",\"%s\":null,\"%s\":null", number_key, text_key);
		return;
	}
	printf(",\"%s\":%" PRIu32 ",\"%s\":", number_key, code, text_key);
	smcp_print_json(reason_text(code));
}

static void print_json_socket(const struct row *row)
{
	static const char *const modes[] = {"undecided", "tcp", "smc", "smc-r",
					    "smc-d"};
	const struct smcp_socket *socket = &row->socket;

	printf("{\"fd\":%d,\"role\":\"%s\"", row->fd, row->role);
	print_json_name("local", row->local);
	print_json_name("peer", row->peer);
	printf(",\"mode\":\"%s\"", modes[socket->mode]);
	if (socket->has_bytes)
		printf(",\"rx\":%" PRIu64 ",\"tx\":%" PRIu64, socket->rx_bytes,
		       socket->tx_bytes);
	else
		fputs(",\"rx\":null,\"tx\":null", stdout);
	print_json_reason("reason", "text", socket->reason);
	print_json_reason("peer_reason", "peer_text", socket->peer_reason);
	putchar('}');
}

static void print_json(const struct process *process, bool is_first)
{
	size_t i;

	printf("%s{\"pid\":%d,\"comm\":", is_first ? "" : ",",
	       (int)process->pid);
	smcp_print_json(process->comm);
	fputs(",\"sockets\":[", stdout);
	for (i = 0; i < process->n; i++) {
		if (i)
			putchar(',');
		print_json_socket(&process->rows[i]);
	}
	fputs("]}", stdout);
}

static int report_one(struct report *report, pid_t pid)
{
	struct process process = {.pid = pid};
	int rc = read_process(&process, report);

	if (!rc && (process.n || !report->is_all)) {
		if (report->is_json && !report->n)
			fputs(JSON_HEAD, stdout);
		if (report->is_json)
			print_json(&process, !report->n);
		else
			print_table(&process, !report->n);
		report->n++;
	}
	free(process.rows);
	return rc;
}

static int report_all(struct report *report)
{
	const struct dirent *entry;
	DIR *dir = opendir("/proc");
	pid_t pid;
	int rc = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		pid = atoi(entry->d_name);
		if (pid <= 0)
			continue;
		/* It may have ended, or be another user's. */
		rc = report_one(report, pid);
		if (rc == -ENOMEM || rc == -EOPNOTSUPP)
			break;
		rc = 0;
	}
	closedir(dir);
	return rc;
}

/* What the BPF side has counted, if it is on */
static void print_bpf(bool is_json)
{
	struct smcp_bpf_counts counts;

	if (!smcp_bpf_counts_read(&counts))
		return;
	printf(is_json ? ",\"bpf\":{\"sockets\":%" PRIu64 ",\"smc\":%" PRIu64
			 ",\"by_rules\":%" PRIu64 ",\"mixed\":%" PRIu64
			 ",\"absent\":%" PRIu64 "}"
		       : "\nBPF: %" PRIu64 " TCP sockets in scope: %" PRIu64
			 " left to SMC, %" PRIu64 " TCP by rules, %" PRIu64
			 " by rules that ask for addresses, %" PRIu64
			 " because SMC was unavailable\n",
	       counts.sockets, counts.smc, counts.by_rules, counts.mixed,
	       counts.absent);
}

static int explain_error(int rc, pid_t pid)
{
	switch (rc) {
	case -EOPNOTSUPP:
		complain("the kernel has no diagnosis of SMC (modprobe "
			 "smc_diag)");
		return EXIT_NO_DIAG;
	case -ENOENT:
	case -ESRCH:
		complain("no process %d", (int)pid);
		break;
	case -EACCES:
	case -EPERM:
		complain("process %d: not permitted (be root)", (int)pid);
		break;
	default:
		complain("%s", strerror(-rc));
	}
	return 1;
}

int smcp_report(pid_t pid, bool is_json)
{
	struct report report = {.is_json = is_json, .is_all = !pid};
	int rc;

	report.own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (report.own_ns < 0) {
		complain("/proc/self/ns/net: %s", strerror(errno));
		return 1;
	}
	rc = pid ? report_one(&report, pid) : report_all(&report);
	if (report.ns.st_ino)
		smcp_sockets_free(&report.sockets);
	close(report.own_ns);
	if (rc)
		return explain_error(rc, pid);
	if (is_json)
		printf("%s]", report.n ? "" : JSON_HEAD);
	if (!pid)
		print_bpf(is_json);
	if (is_json)
		puts("}");
	if (fflush(stdout) || ferror(stdout)) {
		complain("standard output: %s", strerror(errno));
		return 1;
	}
	return 0;
}
