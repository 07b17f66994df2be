/* SPDX-License-Identifier: MIT */
#ifndef SMCP_POLICY_H
#define SMCP_POLICY_H

#include "conf.h"
#include "log.h"
#include "real.h"

/* All a hook needs to know; never changed once published. */
struct smcp_policy {
	struct smcp_real real;
	struct smcp_conf conf;
	struct smcp_log log;
};

#endif
