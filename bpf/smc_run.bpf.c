// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The kernel asks update_socket_protocol() for the protocol of each socket that
 * socket(2) is to make.  For TCP sockets of who is in scope the answer is
 * IPPROTO_SMC, if the rules say so and the kernel has it; else it stays what it
 * was.  Nothing here can make socket(2) fail that would not have failed.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "scope.h"

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_TYPE_MASK 0xf
#define SOCK_FLAGS (04000 | 02000000) /* SOCK_NONBLOCK, SOCK_CLOEXEC */
#define IPPROTO_TCP 6
#define IPPROTO_SMC 256
#define SMC_USE_TCP 2
#define CLONE_THREAD 0x00010000

/* More protocols of SOCK_STREAM there are not: TCP, SMC, MPTCP, SCTP. */
#define MAX_PROTOCOLS 8

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/*
 * As much of the kernel's structures as is looked at; where it is in them, the
 * running kernel tells.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct list_head {
	struct list_head *next;
};

struct inet_protosw {
	struct list_head list;
	unsigned short protocol;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct path f_path;
};

struct mm_struct {
	struct file *exe_file;
};

typedef struct {
	unsigned int val;
} kuid_t;

typedef struct {
	unsigned int val;
} kgid_t;

struct cred {
	kuid_t euid;
	kgid_t egid;
};

struct net {
	__u64 net_cookie;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct mm_struct *mm;
	struct task_struct *group_leader;
	const struct cred *cred;
	struct nsproxy *nsproxy;
};

#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smcb_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smcb_counts);
} counts SEC(".maps");

/* Rules are replaced as a whole: a socket is judged by the old or the new ones. */
struct rules {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SMCB_ENTRIES);
	__type(key, __u32);
	__type(value, struct smcb_entry);
} first_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct rules);
} rules SEC(".maps") = {
	.values = {&first_rules},
};

/* Ids, which the kernel never gives a second time */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMCB_SCOPES);
	__type(key, __u64);
	__type(value, struct smcb_label);
} cgroups SEC(".maps"), netnses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMCB_SCOPES);
	__type(key, __u32);
	__type(value, struct smcb_label);
} users SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMCB_SCOPES);
	__type(key, __u64[SMCB_WORDS]);
	__type(value, struct smcb_label);
} programs SEC(".maps");

/* Processes, and what they start: goes with them, unlike a number. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} processes SEC(".maps");

/* Would the kernel know IPPROTO_SMC?  It is not asked to load a module. */
static bool has_smc(const struct smcb_config *is, int family)
{
	const struct list_head *head, *at;
	const struct inet_protosw *of;
	__u64 table = family == AF_INET ? is->protocols : is->protocols6;
	int i;

	if (!table)
		return false;
	/* An element is two pointers, whatever is declared here. */
	head = (const void *)(table + SOCK_STREAM * 2 * sizeof(void *));
	at = BPF_CORE_READ(head, next);
	for (i = 0; i < MAX_PROTOCOLS && at && at != head; i++) {
		of = (const struct inet_protosw *)at;
		if (BPF_CORE_READ(of, protocol) == IPPROTO_SMC)
			return true;
		at = BPF_CORE_READ(at, next);
	}
	return false;
}

/* The file name of the program, cut to what fits */
static void read_name(const struct task_struct *task, __u64 name[SMCB_WORDS])
{
	const unsigned char *from;

	/* A pointer that is NULL gives NULL. */
	from = task->mm->exe_file->f_path.dentry->d_name.name;
	bpf_probe_read_kernel_str(name, SMCB_NAME, from);
}

static bool is_cgroup_in_scope(const struct smcb_config *is)
{
	__u32 i;
	__u64 id;

	for (i = 0; i < SMCB_LEVELS && i < is->n_levels; i++) {
		id = bpf_get_current_ancestor_cgroup_id((int)is->levels[i]);
		if (id && bpf_map_lookup_elem(&cgroups, &id))
			return true;
	}
	return false;
}

/* With a name of its own on the stack: others do not pay for that. */
static __noinline bool is_program_in_scope(struct task_struct *task)
{
	__u64 name[SMCB_WORDS] = {};

	read_name(task, name);
	return bpf_map_lookup_elem(&programs, name);
}

static bool is_in_scope(const struct smcb_config *is, struct task_struct *task)
{
	__u64 cookie;
	__u32 user;

	if (is->kinds & SMCB_CGROUP && is_cgroup_in_scope(is))
		return true;
	if (is->kinds & SMCB_PROCESS &&
	    bpf_task_storage_get(&processes, task->group_leader, NULL, 0))
		return true;
	if (is->kinds & SMCB_NETNS) {
		cookie = task->nsproxy->net_ns->net_cookie;
		if (bpf_map_lookup_elem(&netnses, &cookie))
			return true;
	}
	if (is->kinds & SMCB_USER) {
		user = task->cred->euid.val;
		if (bpf_map_lookup_elem(&users, &user))
			return true;
	}
	return is->kinds & SMCB_PROGRAM && is_program_in_scope(task);
}

/* One socket before the table */
struct hearing {
	__u64 name[SMCB_WORDS];
	__u32 user;
	__u32 group;
	__u32 family; /* enum smcb_family */
	__u32 outcomes; /* enum smcb_outcome, or-ed */
	__u32 next; /* entries before it do not count */
	__u32 tcp_by; /* the first entry for TCP */
	__u32 open; /* enum smcb_role, or-ed: what nothing has settled yet */
	__u32 role; /* enum smcb_role, and what follows is known; or 0 */
	__u32 remote_port;
	__u32 local_port;
	__u32 remote[4];
	__u32 local[4];
};

static bool is_named(const struct smcb_pattern *pattern,
		     const __u64 name[SMCB_WORDS])
{
	int i;

	for (i = 0; i < SMCB_WORDS; i++)
		if ((name[i] & pattern->mask[i]) != pattern->text[i])
			return false;
	return true;
}

/* ::ffff:0:0/96 */
static bool is_ipv4(const __u32 addr[4])
{
	return !(addr[0] | addr[1]) && addr[2] == bpf_htonl(0xffff);
}

/* 0.0.0.0 or :: */
static bool is_any(const __u32 addr[4])
{
	return !(addr[0] | addr[1] | addr[3]) &&
	       (!addr[2] || addr[2] == bpf_htonl(0xffff));
}

static bool has_addr(const struct smcb_endpoint *endpoint, const __u32 addr[4])
{
	int i;

	if (endpoint->addrs == SMCB_ANY)
		return true;
	if ((endpoint->addrs == SMCB_IPV4) != is_ipv4(addr))
		return false;
	for (i = 0; i < 4; i++)
		if ((addr[i] ^ endpoint->addr[i]) & endpoint->mask[i])
			return false;
	return true;
}

static bool has_port(const struct smcb_endpoint *endpoint, __u32 port)
{
	return endpoint->first_port <= port && port <= endpoint->last_port;
}

/* What is not known may be what is excluded. */
static bool has_local(const struct smcb_entry *entry, const struct hearing *of)
{
	bool is_safe = entry->outcome == SMCB_TCP;

	return (is_any(of->local) ? is_safe || entry->on.addrs == SMCB_ANY
				  : has_addr(&entry->on, of->local)) &&
	       (of->local_port ? has_port(&entry->on, of->local_port)
			       : is_safe || (has_port(&entry->on, 0) &&
					     has_port(&entry->on, 65535)));
}

static struct smcb_entry *get_entry(__u32 i)
{
	__u32 first = 0;
	void *table = bpf_map_lookup_elem(&rules, &first);

	return table ? bpf_map_lookup_elem(table, &i) : NULL;
}

/* Of bpf_loop(): 1 ends it. */
static long hear(__u32 i, void *arg)
{
	struct hearing *of = arg;
	const struct smcb_entry *entry;

	if (i < of->next)
		return 0;
	entry = get_entry(i);
	if (!entry)
		return 1;
	if (!(entry->families & of->family) || !(entry->roles & of->open) ||
	    (entry->flags & SMCB_HAS_USER && entry->user != of->user) ||
	    (entry->flags & SMCB_HAS_GROUP && entry->group != of->group) ||
	    (entry->flags & SMCB_HAS_PROGRAM &&
	     !is_named(&entry->program, of->name)))
		return 0;
	if (entry->flags & SMCB_SKIP) {
		of->next = entry->next;
		return 0;
	}
	if (of->role) {
		if (!(entry->roles & of->role) ||
		    (entry->flags & SMCB_HAS_TO &&
		     !(has_addr(&entry->to, of->remote) &&
		       has_port(&entry->to, of->remote_port))) ||
		    (entry->flags & SMCB_HAS_ON && !has_local(entry, of)))
			return 0;
		of->outcomes = entry->outcome;
		of->tcp_by = i;
		return 1;
	}
	if (entry->outcome == SMCB_TCP && !(of->outcomes & SMCB_TCP))
		of->tcp_by = i;
	of->outcomes |= entry->outcome;
	if (!(entry->flags & SMCB_PARTIAL))
		of->open &= ~(__u32)entry->roles;
	return !of->open;
}

/*
 * What does not depend on an address decides; where it would, it is TCP, unless the
 * module will ask again.
 */
static bool is_for_smc(const struct smcb_config *is, struct hearing *of,
		       struct smcb_counts *count)
{
	struct smcb_entry *entry;

	of->open = SMCB_BOTH;
	bpf_loop(SMCB_ENTRIES, hear, of, 0);
	switch (of->outcomes) {
	case SMCB_SMC:
		return true;
	case SMCB_TCP:
		entry = get_entry(of->tcp_by);
		if (entry)
			__sync_fetch_and_add(&entry->count, 1);
		return false;
	default:
		if (of->outcomes && is->has_choice)
			return true;
		__sync_fetch_and_add(&count->mixed, 1);
		return false;
	}
}

static void read_ids(const struct task_struct *task, struct hearing *of)
{
	of->user = task->cred->euid.val;
	of->group = task->cred->egid.val;
}

/* Return: the protocol of a socket in scope; 0: what was asked for. */
static __noinline int judge(const struct smcb_config *is,
			    struct task_struct *task, int family)
{
	struct hearing of = {};
	struct smcb_counts *count;
	__u32 first = 0;

	count = bpf_map_lookup_elem(&counts, &first);
	if (!count)
		return 0;
	__sync_fetch_and_add(&count->sockets, 1);
	if (is->needs_name)
		read_name(task, of.name);
	read_ids(task, &of);
	of.family = family == AF_INET ? SMCB_INET : SMCB_INET6;
	if (!is_for_smc(is, &of, count))
		return 0;
	if (!has_smc(is, family)) {
		__sync_fetch_and_add(&count->absent, 1);
		return 0;
	}
	__sync_fetch_and_add(&count->smc, 1);
	return IPPROTO_SMC;
}

/* Return: the protocol that the socket is to have; 0: what was asked for. */
SEC("fmod_ret/update_socket_protocol")
int BPF_PROG(choose_protocol, int family, int type, int protocol)
{
	struct smcb_config *is;
	struct task_struct *task;
	__u32 first = 0;

	if (family != AF_INET && family != AF_INET6)
		return 0;
	if ((type & ~SOCK_FLAGS) != SOCK_STREAM ||
	    (protocol && protocol != IPPROTO_TCP))
		return 0;
	is = bpf_map_lookup_elem(&config, &first);
	if (!is)
		return 0;
	task = bpf_get_current_task_btf();
	return is_in_scope(is, task) ? judge(is, task, family) : 0;
}

/* To 0.0.0.0 or :: is to the socket's own address, if it has one, or to loopback. */
static void settle_remote(struct hearing *of)
{
	if (!is_any(of->remote))
		return;
	if (is_ipv4(of->remote) && is_ipv4(of->local) && !is_any(of->local)) {
		of->remote[3] = of->local[3];
	} else if (is_ipv4(of->remote) || is_ipv4(of->local)) {
		of->remote[2] = bpf_htonl(0xffff);
		of->remote[3] = bpf_htonl(0x7f000001);
	} else {
		of->remote[3] = bpf_htonl(1);
	}
}

/*
 * The project's module asks what an SMC socket is to be, now that it is known what
 * for; this may be one the program asked for itself.
 */
SEC("raw_tracepoint.w")
int choose_use(struct bpf_raw_tracepoint_args *ctx)
{
	struct smcb_choice *choice = (struct smcb_choice *)ctx->args[0];
	struct hearing of = {.role = SMCB_CONNECT};
	struct smcb_counts *count;
	struct smcb_config *is;
	struct smcb_entry *entry;
	struct task_struct *task;
	__u32 first = 0;
	int i;

	is = bpf_map_lookup_elem(&config, &first);
	count = bpf_map_lookup_elem(&counts, &first);
	if (!is || !count)
		return 0;
	task = bpf_get_current_task_btf();
	if (!is_in_scope(is, task))
		return 0;
	if (is->needs_name)
		read_name(task, of.name);
	read_ids(task, &of);
	of.family = choice->family == AF_INET ? SMCB_INET : SMCB_INET6;
	for (i = 0; i < 4; i++)
		of.local[i] = choice->saddr[i];
	of.local_port = choice->sport;
	if (choice->is_listen) {
		of.role = SMCB_LISTEN;
	} else {
		for (i = 0; i < 4; i++)
			of.remote[i] = choice->daddr[i];
		of.remote_port = choice->dport;
		settle_remote(&of);
	}
	/* Each role is open here, and settled by the first that matches. */
	of.open = SMCB_BOTH;
	bpf_loop(SMCB_ENTRIES, hear, &of, 0);
	if (of.outcomes != SMCB_TCP)
		return 0;
	entry = get_entry(of.tcp_by);
	if (entry)
		__sync_fetch_and_add(&entry->count, 1);
	__sync_fetch_and_add(&count->late, 1);
	choice->use = SMC_USE_TCP;
	return 0;
}

/*
 * Run once, before the above is attached: finds the protocols by type of socket, of
 * net/ipv4/af_inet.c and net/ipv6/af_inet6.c.  In user space it would take reading
 * all symbols.
 */
SEC("syscall")
int find_protocols(void *ctx)
{
	/* On the stack, or there is one more map. */
	char name[] = "inetsw", name6[] = "inetsw6";
	struct smcb_config *is;
	__u32 first = 0;

	is = bpf_map_lookup_elem(&config, &first);
	if (!is)
		return 1;
	if (bpf_kallsyms_lookup_name(name, sizeof(name), 0, &is->protocols))
		is->protocols = 0;
	if (bpf_kallsyms_lookup_name(name6, sizeof(name6), 0, &is->protocols6))
		is->protocols6 = 0;
	return 0;
}

/* A new process is in scope as who made it is.  Attached only if any can be. */
SEC("tp_btf/task_newtask")
int BPF_PROG(inherit, struct task_struct *task, __u64 clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();

	if (clone_flags & CLONE_THREAD)
		return 0;
	if (bpf_task_storage_get(&processes, parent->group_leader, NULL, 0))
		bpf_task_storage_get(&processes, task, NULL,
				     BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}
