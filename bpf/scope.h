/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef SMCB_SCOPE_H
#define SMCB_SCOPE_H

/*
 * What the program in the kernel and its loader agree on: who is in scope, and the
 * rules as far as they are known when a socket is made.  Fixed sizes; the same for
 * all word sizes.
 */
#include <linux/types.h>

#define SMCB_NAME 64 /* of a program, with a NUL */
#define SMCB_WORDS (SMCB_NAME / 8)
#define SMCB_PLACE 56
#define SMCB_ENTRIES 1024
#define SMCB_LEVELS 8
#define SMCB_SCOPES 1024 /* of each kind */

/* Kinds of scope that are in use; a socket is in scope by any of them. */
enum smcb_kind {
	SMCB_CGROUP = 1 << 0,
	SMCB_PROCESS = 1 << 1,
	SMCB_NETNS = 1 << 2,
	SMCB_USER = 1 << 3,
	SMCB_PROGRAM = 1 << 4,
};

struct smcb_config {
	__u32 kinds; /* enum smcb_kind, or-ed */
	__u32 needs_name; /* the rules ask for programs */
	__u32 has_choice; /* sockets are judged again when they connect or listen */
	__u32 n_levels;
	/* How deep in the tree cgroups in scope are, each depth once */
	__u32 levels[SMCB_LEVELS];
	__u64 protocols; /* where the kernel has them, by type; 0: not known */
	__u64 protocols6;
};

/* What matches, and what follows.  All that is asked for has to match. */
enum smcb_flag {
	SMCB_HAS_PROGRAM = 1 << 0,
	SMCB_HAS_USER = 1 << 1,
	SMCB_HAS_GROUP = 1 << 2,
	SMCB_SKIP = 1 << 3, /* no verdict: go on at .next */
	SMCB_HAS_TO = 1 << 4, /* for some addresses only, remote or local */
	SMCB_HAS_ON = 1 << 5,
	SMCB_PARTIAL = SMCB_HAS_TO | SMCB_HAS_ON,
};

/* What a socket will do, which nobody knows yet */
enum smcb_role {
	SMCB_CONNECT = 1 << 0,
	SMCB_LISTEN = 1 << 1,
	SMCB_BOTH = SMCB_CONNECT | SMCB_LISTEN,
};

enum smcb_outcome {
	SMCB_TCP = 1 << 0,
	SMCB_SMC = 1 << 1,
};

enum smcb_family {
	SMCB_INET = 1 << 0,
	SMCB_INET6 = 1 << 1,
};

/* Text is compared as words, where the mask has bits. */
struct smcb_pattern {
	__u64 text[SMCB_WORDS];
	__u64 mask[SMCB_WORDS];
};

enum smcb_addrs {
	SMCB_ANY,
	SMCB_IPV4, /* mapped to IPv6 */
	SMCB_IPV6,
};

/* Addresses and ports; words as they are in memory, of the network */
struct smcb_endpoint {
	__u32 addr[4];
	__u32 mask[4];
	__u16 first_port;
	__u16 last_port;
	__u8 addrs; /* enum smcb_addrs */
	__u8 pad[3];
};

/* The table is read from its first entry on; the last one always matches. */
struct smcb_entry {
	struct smcb_pattern program;
	struct smcb_endpoint to;
	struct smcb_endpoint on;
	__u64 count; /* sockets it made TCP */
	__u32 user;
	__u32 group;
	__u16 next;
	__u8 flags;
	__u8 outcome;
	__u8 families;
	__u8 roles;
	__u8 pad[2];
	char place[SMCB_PLACE]; /* as in "TCP by PLACE"; not the kernel's */
};

/* TCP sockets that were in scope, and what of them is not for rules to count */
struct smcb_counts {
	__u64 sockets;
	__u64 smc;
	__u64 mixed; /* TCP: rules would decide by address */
	__u64 absent; /* TCP: the kernel has no SMC */
	__u64 late; /* of smc: TCP by rules when they connected or listened */
};

/*
 * What a socket is about to do, as the project's module asks in its tracepoint
 * smc_inet_choose; addresses of IPv4 are mapped, ports are numbers.
 */
struct smcb_choice {
	__u8 use; /* SMC_USE_* */
	__u8 is_listen;
	__u16 family;
	__u16 sport;
	__u16 dport;
	__u32 saddr[4];
	__u32 daddr[4];
};

/* Somebody in scope, for people */
struct smcb_label {
	__u32 level; /* of a cgroup */
	char text[252];
};

#endif
