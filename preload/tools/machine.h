/* SPDX-License-Identifier: MIT */
#ifndef SMCP_MACHINE_H
#define SMCP_MACHINE_H

/*
 * smcp_machine_check() - add findings about the kernel and what is configured in it
 * @families: what the library may try, of SMCP_FAMILY_*
 *
 * All but RDMA devices are those of this thread's network namespace.  A scratch
 * socket is made, which loads the module if nobody has.
 */
void smcp_machine_check(unsigned int families);

#endif
