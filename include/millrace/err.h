/*
 * How a fallible function answers. ERR_OK is 0; the others each have an HTTP status, a code and a
 * public text in one table (API: error shape). Details are logged once, where they are known; no
 * detail travels in an enum err.
 */
#ifndef MILLRACE_ERR_H
#define MILLRACE_ERR_H

enum err {
	ERR_OK,
	ERR_BAD_REQUEST,
	ERR_UNAUTHORIZED,
	ERR_INSUFFICIENT_CREDITS,
	ERR_BUDGET_EXCEEDED,
	ERR_FORBIDDEN,
	ERR_APPROVAL_REQUIRED,
	ERR_NOT_FOUND,
	ERR_METHOD_NOT_ALLOWED,
	ERR_CONFLICT,
	ERR_REPLAY, /* an Idempotency-Key that was claimed before: its kept reply is due, not an
		       error */
	ERR_NOT_CONNECTED,
	ERR_CANCELLED,
	ERR_TOO_LARGE,
	ERR_HEADERS_TOO_LARGE, /* RFC 6585, 5 */
	ERR_UNSUPPORTED_MEDIA_TYPE,
	ERR_UNREADABLE_DOCUMENT,
	ERR_RATE_LIMITED,
	ERR_INTERNAL,
	ERR_UPSTREAM_FAILED,
	ERR_OVERLOADED,
	ERR_UPSTREAM_TIMEOUT,
	ERR_UPGRADE_REQUIRED, /* RFC 6455, 4.4: a version of WebSocket that is not spoken */
	ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

struct err_info {
	int status; /* HTTP status */
	const char *code; /* machine-readable, stable */
	const char *text; /* for a person; the default `error` */
};

/* Never NULL for a value of enum err. */
const struct err_info *err_info(enum err e);
/* The err whose code this is; ERR_COUNT where the table has none, and for "OK", which is no error.
 */
enum err err_from_code(const char *code);

#endif
