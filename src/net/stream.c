/* SPDX-License-Identifier: MIT */
#include "net/stream_ops.h"

#include <string.h>

const char *bm_stream_errno_text(int system_errno)
{
	const char *text = strerrordesc_np(system_errno);
	return text != NULL ? text : "unknown error";
}
