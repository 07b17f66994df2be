// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "summary.h"
#include "util.h"

/* Without the first, a page of the mapping could vanish under the program. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* glibc's fcntl() has a name here that musl does not know. */
static long get_seals(int fd)
{
	long seals = syscall(SYS_fcntl, fd, F_GET_SEALS, 0);

	return seals < 0 ? 0 : seals;
}

static bool is_page(int fd)
{
	char magic[sizeof(((struct smcp_summary *)0)->magic)];
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       st.st_size == sizeof(struct smcp_summary) &&
	       (get_seals(fd) & (SEALS | F_SEAL_WRITE)) == SEALS &&
	       pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       !memcmp(magic, SMCP_SUMMARY_MAGIC, sizeof(magic));
}

struct smcp_summary *smcp_summary_map(const char *text)
{
	struct smcp_summary *summary;
	unsigned long fd;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return NULL;
	fd = strtoul(text, &end, 10);
	if (*end || fd > INT_MAX || !is_page((int)fd))
		return NULL;
	summary = mmap(NULL, sizeof(*summary), PROT_READ | PROT_WRITE,
		       MAP_SHARED, (int)fd, 0);
	return summary == MAP_FAILED ? NULL : summary;
}

/* The key of a rule: its name, or its place, of which the end tells most */
static void write_key(const char *place, char ret_key[56])
{
	static const char rule[] = "rule ";
	size_t room = 55, size;

	memset(ret_key, 0, 56);
	if (!strncmp(place, rule, strlen(rule))) {
		size = strcspn(place, ",");
		memcpy(ret_key, place, size < room ? size : room);
		return;
	}
	if (strchr(place, ':')) {
		memcpy(ret_key, rule, strlen(rule));
		ret_key += strlen(rule);
		room -= strlen(rule);
	}
	size = strlen(place);
	if (size > room) {
		place += size - room;
		size = room;
	}
	memcpy(ret_key, place, size);
}

/*
 * Nobody waits for who has taken a place and may be dead.  So a rule can have two
 * places; who prints them adds them up.
 */
void smcp_summary_rule(struct smcp_summary *summary, const char *place)
{
	char key[sizeof(summary->rules[0].text)];
	unsigned int state;
	size_t i;

	write_key(place, key);
	for (i = 0; i < ARRAY_SIZE(summary->rules); i++) {
		state = SMCP_SUMMARY_FREE;
		if (atomic_compare_exchange_strong_explicit(
			    &summary->rules[i].state, &state,
			    SMCP_SUMMARY_TAKEN, memory_order_acquire,
			    memory_order_acquire)) {
			memcpy(summary->rules[i].text, key, sizeof(key));
			atomic_store_explicit(&summary->rules[i].state,
					      SMCP_SUMMARY_READY,
					      memory_order_release);
		} else if (state != SMCP_SUMMARY_READY ||
			   memcmp(summary->rules[i].text, key, sizeof(key)) !=
				   0) {
			continue;
		}
		smcp_summary_add(&summary->rules[i].count);
		return;
	}
	smcp_summary_add(&summary->by_others);
}

void smcp_summary_absent(struct smcp_summary *summary, int error)
{
	unsigned int found;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(summary->absent); i++) {
		found = 0;
		if (atomic_compare_exchange_strong_explicit(
			    &summary->absent[i].error, &found,
			    (unsigned int)error, memory_order_relaxed,
			    memory_order_relaxed) ||
		    found == (unsigned int)error) {
			smcp_summary_add(&summary->absent[i].count);
			return;
		}
	}
	/* So many errors there are not; what is lost is which. */
	smcp_summary_add(&summary->absent[0].count);
}
