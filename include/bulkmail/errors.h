/* SPDX-License-Identifier: MIT */
/*
 * Errors: every fallible function returns enum bm_code and fills the struct
 * bm_error that its caller passes last. There is no thread-local error and
 * errno is never part of the interface.
 */
#ifndef BULKMAIL_ERRORS_H
#define BULKMAIL_ERRORS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BM_MUST_CHECK __attribute__((warn_unused_result))
#define BM_API __attribute__((visibility("default")))
#define BM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define BM_MUST_CHECK
#define BM_API
#define BM_PRINTF(fmt, args)
#endif

/* What went wrong, as a program tells it apart. */
enum bm_code {
	BM_OK = 0,
	BM_E_NOMEM,       /* no memory */
	BM_E_USAGE,       /* a wrong argument or a call at the wrong moment */
	BM_E_MISSING,     /* a file that was named is not there */
	BM_E_IO,          /* the system refused to open, read or write */
	BM_E_CONF,        /* a conf file, or an attribute's value */
	BM_E_LIST,        /* the list of recipients */
	BM_E_MESSAGE,     /* the message or one of its headers */
	BM_E_ADDRESS,     /* an address that is no mailbox */
	BM_E_UNSUPPORTED, /* known, but this version or this server cannot do it */
	BM_E_CONNECT,     /* no connection */
	BM_E_TIMEOUT,     /* a phase ran out of time */
	BM_E_CLOSED,      /* the connection is gone */
	BM_E_PROTOCOL,    /* the server broke the protocol: out of step */
	BM_E_TEMPORARY,   /* the server answered 4yz */
	BM_E_REFUSED,     /* the server answered 5yz */
	BM_E_WORTHLESS,   /* the server is out of use for this run */
	BM_E_NO_SERVER,   /* no server at all, or none left */
	BM_E_LIMIT,       /* a ceiling was reached */
	BM_E_STOPPED,     /* the caller asked to stop */
	BM_E_TLS,         /* TLS is asked for and was not to be had, or the server is not who it should be */
	BM_E_AUTH,        /* the server does not take our credentials, or we would not give them */
};

#define BM_ERROR_ID_MAX 8
#define BM_ERROR_TEXT_MAX 512

/*
 * One error. id is the manual's ("MBS014") or one of ours out of the same
 * families, "" where there is none; docs/errors.md lists them all. text is one
 * line without control octets and without secrets.
 */
struct bm_error {
	enum bm_code code;
	int system_errno; /* 0 when the system had no part in it */
	int smtp_status;  /* the reply's code, 0 when no reply had a part in it */
	char id[BM_ERROR_ID_MAX];
	char text[BM_ERROR_TEXT_MAX];
};

#define BM_ERROR_INIT                                                                                                  \
	{                                                                                                                  \
		BM_OK, 0, 0, "", ""                                                                                            \
	}

/* The code's name, for logs ("BM_E_TIMEOUT"). Never NULL. */
BM_API const char *bm_code_name(enum bm_code code);

#ifdef __cplusplus
}
#endif

#endif
