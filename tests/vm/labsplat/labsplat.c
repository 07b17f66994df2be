// SPDX-License-Identifier: GPL-2.0-only
/*
 * Goes wrong on request, so that a test can show that the lab notices:
 *
 *	insmod labsplat.ko how=warn	a WARN()
 *	insmod labsplat.ko how=hang	a task that never wakes
 *	insmod labsplat.ko how=locks	two locks, taken in either order
 *	insmod labsplat.ko how=atomic	sleeps under a spinlock
 *	insmod labsplat.ko how=rcu	reads what RCU protects, unprotected
 *	insmod labsplat.ko how=freed	reads memory it has freed
 *	insmod labsplat.ko how=leak	forgets memory it has allocated
 */
#include <linux/bug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *how = "";
module_param(how, charp, 0);
MODULE_PARM_DESC(how, "what goes wrong");

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);
static DEFINE_SPINLOCK(spin);
static int __rcu *shared;

static int warn(void)
{
	WARN(1, "labsplat on request\n");
	return 0;
}

static int hang(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule();
	return 0;
}

static int locks(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);
	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
	return 0;
}

static int atomic(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
	return 0;
}

static int rcu(void)
{
	return rcu_dereference(shared) ? -EEXIST : 0;
}

static int freed(void)
{
	int *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kfree(p);
	return READ_ONCE(*p) ? -EFAULT : 0;
}

static int leak(void)
{
	/* A stale copy of one address may be on a stack, not of all. */
	for (int i = 0; i < 10; i++)
		if (!kmalloc(512, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} ways[] = {
	{"warn", warn}, {"hang", hang},	  {"locks", locks}, {"atomic", atomic},
	{"rcu", rcu},	{"freed", freed}, {"leak", leak},
};

static int __init labsplat_init(void)
{
	for (int i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(how, ways[i].name))
			return ways[i].run();
	return -EINVAL;
}
module_init(labsplat_init);

static void __exit labsplat_exit(void)
{
}
module_exit(labsplat_exit);

MODULE_DESCRIPTION("Provokes kernel splats for the lab's own tests");
MODULE_LICENSE("GPL");
