/* SPDX-License-Identifier: MIT */
#ifndef SMCP_PEER_H
#define SMCP_PEER_H

/*
 * smcp_peer_check() - make one connection over SMC, and add what became of it
 * @text: HOST[:PORT]; the port is that of smc_chk's server if there is none
 * @families: what to try, of SMCP_FAMILY_*; 0: all
 *
 * No data are sent.
 *
 * Return: 0; -EINVAL: the text is wrong, or the host unknown, which was printed.
 */
int smcp_peer_check(const char *text, unsigned int families);

#endif
