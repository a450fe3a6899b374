/* SPDX-License-Identifier: MIT */
#include "sink/violation.h"

static const char *const names[] = {
#define NAME(name, text) text,
	BM_SINK_VIOLATIONS(NAME)
#undef NAME
};

const char *bm_sink_violation_name(enum bm_sink_violation violation)
{
	return names[violation];
}
