/* SPDX-License-Identifier: MIT */
#ifndef SMCP_MAPS_H
#define SMCP_MAPS_H

#include <sys/types.h>

/*
 * smcp_maps_has_library() - has a process the library in its memory?
 * @pid: the process
 *
 * Return: 1; 0; -errno if that cannot be read.
 */
int smcp_maps_has_library(pid_t pid);

#endif
