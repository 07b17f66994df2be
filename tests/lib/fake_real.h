/* SPDX-License-Identifier: MIT */
#ifndef FAKE_REAL_H
#define FAKE_REAL_H

#include "real.h"

/* A scripted kernel: it records what is asked and answers as it was told. */
extern const struct smcp_real fake_real;

/* Forgets calls and answers; the clock goes on by an hour. */
void fake_real_reset(void);

/*
 * Queues one answer: a result, or -errno.  An unexpected call gets -EIO.  What is 0
 * or more is for getsockopt() the value, an int, and for getsockname() the family
 * of an address without a port.
 */
void fake_real_answer(int result);

/*
 * The calls so far, separated by blanks: "socket(2,1,256)",
 * "setsockopt(7,1,33,4096)" with the int that was given as a value,
 * "getsockopt(7,1,38)", "connect(7,16)".
 */
const char *fake_real_calls(void);

void fake_real_pass(unsigned int seconds);

/* How often the clock was read. */
unsigned int fake_real_clock_reads(void);

#endif
