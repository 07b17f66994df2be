/* SPDX-License-Identifier: MIT */
#ifndef SMCP_POLICY_H
#define SMCP_POLICY_H

#include "conf.h"
#include "log.h"
#include "real.h"
#include "rules.h"
#include "summary.h"

/* All a hook needs to know; never changed once published. */
struct smcp_policy {
	struct smcp_real real;
	struct smcp_conf conf;
	struct smcp_log log;
	/* NULL: every call is the kernel's, as if there was no library. */
	const struct smcp_rules *rules;
	/* Where sockets are counted; NULL: nowhere, as nobody asked. */
	struct smcp_summary *summary;
	/* Where each rule is from, for log and summary; NULL if neither wants it. */
	const char *const *places;
	bool is_bad; /* the list has errors: no rule is in force but TCP */
};

/* smcp_policy_place() - where the rule of an answer is from */
static inline const char *smcp_policy_place(const struct smcp_policy *policy,
					    int rule)
{
	if (policy->is_bad)
		return "bad list";
	return rule < 0 || !policy->places ? "default" : policy->places[rule];
}

#endif
