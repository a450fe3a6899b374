/* SPDX-License-Identifier: MIT */
/* What the sink reports when a client breaks the protocol. A session keeps those of a transaction as a set of bits. */
#ifndef BM_SINK_VIOLATION_H
#define BM_SINK_VIOLATION_H

#include <stdint.h>

/* The names are part of bulkmail-sink(5). */
#define BM_SINK_VIOLATIONS(X)                                                                                          \
	X(BARE_CR, "bare-cr")                                                                                              \
	X(BARE_LF, "bare-lf")                                                                                              \
	X(UNSTUFFED_DOT, "unstuffed-dot")                                                                                  \
	X(EARLY, "before-greeting")                                                                                        \
	X(NO_HELO, "mail-before-helo")                                                                                     \
	X(NO_MAIL, "rcpt-before-mail")                                                                                     \
	X(NO_RCPT, "data-before-rcpt")                                                                                     \
	X(NESTED_MAIL, "nested-mail")                                                                                      \
	X(MIXED, "data-and-bdat")                                                                                          \
	X(SYNTAX, "syntax")                                                                                                \
	X(LONG_COMMAND, "command-too-long")                                                                                \
	X(CONTROL, "control-in-command")                                                                                   \
	X(EIGHT_BIT_COMMAND, "8bit-in-command")                                                                            \
	X(NOT_OFFERED, "extension-not-offered")                                                                            \
	X(PIPELINING, "pipelining-not-offered")                                                                            \
	X(NOT_LAST, "not-last-in-group")                                                                                   \
	X(EIGHT_BIT, "8bit-without-8bitmime")                                                                              \
	X(LONG_LINE, "content-line-too-long")                                                                              \
	X(SIZE, "size-declared-too-small")                                                                                 \
	X(BEFORE_TLS, "before-tls")                                                                                        \
	X(AUTH_ORDER, "auth-out-of-order")                                                                                 \
	X(PROTOCOL, "wrong-protocol")                                                                                      \
	X(EIGHT_BIT_HEADER, "8bit-header-without-smtputf8")

enum bm_sink_violation {
#define BM_SINK_VIOLATION_MEMBER(name, text) BM_SINK_V_##name,
	BM_SINK_VIOLATIONS(BM_SINK_VIOLATION_MEMBER)
#undef BM_SINK_VIOLATION_MEMBER
		BM_SINK_V_COUNT
};

const char *bm_sink_violation_name(enum bm_sink_violation violation);

static inline uint32_t bm_sink_violation_bit(enum bm_sink_violation violation)
{
	return UINT32_C(1) << violation;
}

#endif
