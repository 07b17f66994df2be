/* SPDX-License-Identifier: MIT */
#ifndef SMCP_POLICY_H
#define SMCP_POLICY_H

#include "conf.h"
#include "log.h"
#include "real.h"
#include "rules.h"

/* All a hook needs to know; never changed once published. */
struct smcp_policy {
	struct smcp_real real;
	struct smcp_conf conf;
	struct smcp_log log;
	/* NULL: every call is the kernel's, as if there was no library. */
	const struct smcp_rules *rules;
	/* Where each rule is from, for the log; NULL if that is not asked for. */
	const char *const *places;
	bool is_bad; /* the list has errors: no rule is in force but TCP */
};

#endif
