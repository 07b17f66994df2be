// SPDX-License-Identifier: GPL-2.0-only
/*
 * Goes wrong on request, so that a test can show that the lab notices:
 *
 *	insmod labsplat.ko how=warn	a WARN()
 *	insmod labsplat.ko how=hang	a task that never wakes
 */
#include <linux/bug.h>
#include <linux/module.h>
#include <linux/sched.h>

static char *how = "";
module_param(how, charp, 0);
MODULE_PARM_DESC(how, "what goes wrong: warn or hang");

static int __init labsplat_init(void)
{
	if (!strcmp(how, "warn")) {
		WARN(1, "labsplat on request\n");
	} else if (!strcmp(how, "hang")) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
	} else {
		return -EINVAL;
	}
	return 0;
}
module_init(labsplat_init);

static void __exit labsplat_exit(void)
{
}
module_exit(labsplat_exit);

MODULE_DESCRIPTION("Provokes kernel splats for the lab's own tests");
MODULE_LICENSE("GPL");
