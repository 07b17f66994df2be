/* SPDX-License-Identifier: MIT */
/*
 * Messages of SMC's handshake (net/smc/smc_clc.h) that are right, or wrong where
 * it matters. All of it follows from the state of the random numbers and from the
 * messages given.
 */
#ifndef CLC_MUTATE_H
#define CLC_MUTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLC_MAX 1400 /* bytes of a message made here */

enum clc_type { PROPOSAL = 1, ACCEPT, CONFIRM, DECLINE };

struct clc_message {
	unsigned char data[CLC_MAX];
	size_t len;
};

/* A number below @n. */
uint32_t clc_random(uint64_t *state, uint32_t n);

/*
 * A message of @type, of any version, for SMC-R or SMC-D, with any extensions,
 * now and then with more elements than are allowed. If @model, a PROPOSAL, is
 * there, half of what is made has EIDs and devices from it.
 */
void clc_build(uint64_t *state, struct clc_message *m, enum clc_type type,
	       const struct clc_message *model);

/*
 * Changes one to four things: a field, by values of interest; length, type,
 * version, counts, offsets; eyecatcher, trailer; the end; or it takes a part of
 * @other, if that is there. Half of the time length and trailer fit afterwards.
 */
void clc_mutate(uint64_t *state, struct clc_message *m,
		const struct clc_message *other);

/* Is it what a reader takes for one message of exactly this length? */
bool clc_is_whole(const struct clc_message *m);

#endif
