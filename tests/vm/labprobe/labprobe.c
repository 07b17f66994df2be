// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kprobes that bring about what else takes a liar or bad luck:
 *
 *	echo N >/sys/module/labprobe/parameters/WHAT
 *
 * prod_count, prod_wrap, cons_count, cons_wrap, urgent: a peer of SMC-D lies.  Of
 * the next message whose producer cursor is not 0, these cursors are changed by N
 * in the receive buffer, where the peer wrote them, before net/smc reads them;
 * urgent says that urgent data came.  Once, then all are 0 again.
 *
 * Or somebody is overtaken: once, N milliseconds pass
 * poll_begins	before a tcp_poll() of a socket that is connecting,
 * poll_ends	after one that has found data,
 * recv_begins	before a kernel worker takes data by tcp_recvmsg(),
 * peek_off_begins	before TCP sets SO_PEEK_OFF,
 * nodelay_begins	before TCP sets TCP_NODELAY,
 * sweep_begins	before a listener of ours looks for children in its queue,
 * dump_begins	in the middle of what smc_diag shows of a connection over SMC-D.
 */
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "smc.h"
#include "smc_cdc.h"
#include "smc_core.h"

static int prod_count, prod_wrap, cons_count, cons_wrap, urgent;
module_param(prod_count, int, 0600);
module_param(prod_wrap, int, 0600);
module_param(cons_count, int, 0600);
module_param(cons_wrap, int, 0600);
module_param(urgent, int, 0600);

static int poll_begins, poll_ends, recv_begins;
static int peek_off_begins, nodelay_begins, sweep_begins, dump_begins;
module_param(poll_begins, int, 0600);
module_param(poll_ends, int, 0600);
module_param(recv_begins, int, 0600);
module_param(peek_off_begins, int, 0600);
module_param(nodelay_begins, int, 0600);
module_param(sweep_begins, int, 0600);
module_param(dump_begins, int, 0600);

/* smcd_cdc_rx_tsklet(struct tasklet_struct *t) begins. */
static int lie(struct kprobe *self, struct pt_regs *regs)
{
	struct smc_connection *conn =
		container_of((struct tasklet_struct *)regs->di,
			     struct smc_connection, rx_tsklet);
	struct smcd_cdc_msg *cdc = conn->rmb_desc->cpu_addr;

	if (!cdc->prod.count ||
	    !(prod_count || prod_wrap || cons_count || cons_wrap || urgent))
		return 0;
	cdc->prod.count += prod_count;
	cdc->prod.wrap += prod_wrap;
	cdc->cons.count += cons_count;
	cdc->cons.wrap += cons_wrap;
	if (urgent)
		cdc->cons.prod_flags.urg_data_present = 1;
	prod_count = 0;
	prod_wrap = 0;
	cons_count = 0;
	cons_wrap = 0;
	urgent = 0;
	return 0;
}

/* mdelay() is short where loops_per_jiffy could not be measured. */
static void spin(int ms)
{
	ktime_t end = ktime_add_ms(ktime_get(), ms);

	while (ktime_before(ktime_get(), end))
		cpu_relax();
}

/* tcp_poll(struct file *file, struct socket *sock, ...) begins. */
static int poll_begin(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct socket *sock = (void *)regs->si;

	if (inet_sk_state_load(sock->sk) == TCP_SYN_SENT)
		spin(xchg(&poll_begins, 0));
	return 0;
}

static int poll_end(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (regs_return_value(regs) & (__force unsigned long)EPOLLIN)
		spin(xchg(&poll_ends, 0));
	return 0;
}

static struct kretprobe poll_probe = {
	.kp.symbol_name = "tcp_poll",
	.entry_handler = poll_begin,
	.handler = poll_end,
};

/* tcp_recvmsg(struct sock *sk, ...) begins. */
static int recv_begin(struct kprobe *self, struct pt_regs *regs)
{
	const struct sock *sk = (void *)regs->di;

	if (current->flags & PF_WQ_WORKER &&
	    !skb_queue_empty_lockless(&sk->sk_receive_queue))
		spin(xchg(&recv_begins, 0));
	return 0;
}

/* sk_set_peek_off(struct sock *sk, int val) begins. */
static int peek_off_begin(struct kprobe *self, struct pt_regs *regs)
{
	spin(xchg(&peek_off_begins, 0));
	return 0;
}

/* tcp_setsockopt(struct sock *sk, int level, int optname, ...) begins. */
static int setsockopt_begin(struct kprobe *self, struct pt_regs *regs)
{
	if ((int)regs->si == SOL_TCP && (int)regs->dx == TCP_NODELAY)
		spin(xchg(&nodelay_begins, 0));
	return 0;
}

static int sweep_begin(struct kprobe *self, struct pt_regs *regs)
{
	spin(xchg(&sweep_begins, 0));
	return 0;
}

static int dump_begin(struct kprobe *self, struct pt_regs *regs)
{
	spin(xchg(&dump_begins, 0));
	return 0;
}

static struct kprobe probes[] = {
	{.symbol_name = "smcd_cdc_rx_tsklet", .pre_handler = lie},
	{.symbol_name = "tcp_recvmsg", .pre_handler = recv_begin},
	{.symbol_name = "sk_set_peek_off", .pre_handler = peek_off_begin},
	{.symbol_name = "tcp_setsockopt", .pre_handler = setsockopt_begin},
	/* These are not there in a module that is not ours, and in 6.1. */
	{.symbol_name = "smc_inet_sweep_work", .pre_handler = sweep_begin},
	{.symbol_name = "smc_lo_get_local_gid", .pre_handler = dump_begin},
};
#define N_SURE (ARRAY_SIZE(probes) - 2)

static void labprobe_exit(void)
{
	int i;

	unregister_kretprobe(&poll_probe);
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		unregister_kprobe(&probes[i]);
}
module_exit(labprobe_exit);

static int __init labprobe_init(void)
{
	int rc = register_kretprobe(&poll_probe);
	int i;

	for (i = 0; !rc && i < ARRAY_SIZE(probes); i++) {
		rc = register_kprobe(&probes[i]);
		if (rc == -ENOENT && i >= N_SURE)
			rc = 0;
	}
	if (rc)
		labprobe_exit();
	return rc;
}
module_init(labprobe_init);

MODULE_DESCRIPTION("Bad luck and peers that lie, for the lab's tests");
MODULE_LICENSE("GPL");
