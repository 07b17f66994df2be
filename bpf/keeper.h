/* SPDX-License-Identifier: MIT */
#ifndef SMCB_KEEPER_H
#define SMCB_KEEPER_H

#include "cgroup.h"

/*
 * smcb_keeper_start() - have the program kept as long as a cgroup has processes
 * @cgroup: is removed then
 * @links: descriptors that keep the programs attached; the second may be -1
 *
 * The keeper is a process of its own, nobody's child, in the cgroup of the caller,
 * deaf to signals and without other descriptors.  It waits until this process has
 * joined the cgroup and executed something, or has ended.
 *
 * Killed, it takes the program with it; whoever is in the cgroup goes on, on TCP.
 *
 * Return: 0; -errno.
 */
int smcb_keeper_start(const struct smcb_cgroup *cgroup, const int links[2]);

#endif
