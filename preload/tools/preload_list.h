/* SPDX-License-Identifier: MIT */
#ifndef SMCP_PRELOAD_LIST_H
#define SMCP_PRELOAD_LIST_H

/*
 * smcp_preload_set() - put the library into LD_PRELOAD, a list with colons or blanks
 * @name: how the library is named, at the end of the list; NULL: not at all
 *
 * Takes the library out first, whatever its directory.
 */
void smcp_preload_set(const char *name);

#endif
