// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a peer of SMC-D lie: of the next message whose producer cursor is not 0,
 * the cursors are changed in the receive buffer, where the peer wrote them, before
 * net/smc reads them.
 *
 *	echo N >/sys/module/labcdc/parameters/WHAT
 *
 * WHAT: prod_count, prod_wrap, cons_count, cons_wrap get N added; urgent says that
 * urgent data came.  Once, then all are 0 again.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

#include "smc.h"
#include "smc_cdc.h"
#include "smc_core.h"

static int prod_count, prod_wrap, cons_count, cons_wrap, urgent;
module_param(prod_count, int, 0600);
module_param(prod_wrap, int, 0600);
module_param(cons_count, int, 0600);
module_param(cons_wrap, int, 0600);
module_param(urgent, int, 0600);

/* smcd_cdc_rx_tsklet(struct tasklet_struct *t) begins. */
static int lie(struct kprobe *probe, struct pt_regs *regs)
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

static struct kprobe probe = {
	.symbol_name = "smcd_cdc_rx_tsklet",
	.pre_handler = lie,
};

static int __init labcdc_init(void)
{
	return register_kprobe(&probe);
}
module_init(labcdc_init);

static void __exit labcdc_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(labcdc_exit);

MODULE_DESCRIPTION("An SMC-D peer that lies, for the lab's tests");
MODULE_LICENSE("GPL");
