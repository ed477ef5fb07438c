#include <string.h>

#include <millrace/err.h>

static const struct err_info infos[ERR_COUNT] = {
	[ERR_OK] = { 200, "OK", "OK" },
	[ERR_BAD_REQUEST] = { 400, "BAD_REQUEST", "The request is malformed." },
	[ERR_UNAUTHORIZED] = { 401, "UNAUTHORIZED",
	    "Sign in first: no valid credential came with the request." },
	[ERR_INSUFFICIENT_CREDITS] = { 402, "INSUFFICIENT_CREDITS",
	    "The credits do not cover this." },
	[ERR_BUDGET_EXCEEDED] = { 402, "BUDGET_EXCEEDED", "The budget does not cover this." },
	[ERR_FORBIDDEN] = { 403, "FORBIDDEN", "This is not allowed for the caller." },
	[ERR_APPROVAL_REQUIRED] = { 403, "APPROVAL_REQUIRED", "This waits for an approval." },
	[ERR_NOT_FOUND] = { 404, "NOT_FOUND", "There is nothing here." },
	[ERR_METHOD_NOT_ALLOWED] = { 405, "METHOD_NOT_ALLOWED",
	    "This method is not allowed here; see Allow." },
	[ERR_CONFLICT] = { 409, "CONFLICT", "This conflicts with what is there." },
	[ERR_REPLAY] = { 409, "CONFLICT", "This Idempotency-Key was used before." },
	[ERR_NOT_CONNECTED] = { 409, "NOT_CONNECTED", "The service is not connected." },
	[ERR_CANCELLED] = { 409, "CANCELLED", "The run was cancelled." },
	[ERR_TOO_LARGE] = { 413, "TOO_LARGE", "The request body is too large." },
	[ERR_HEADERS_TOO_LARGE] = { 431, "HEADERS_TOO_LARGE",
	    "The request's headers are too large." },
	[ERR_UNSUPPORTED_MEDIA_TYPE] = { 415, "UNSUPPORTED_MEDIA_TYPE",
	    "The body's Content-Type is not one that is taken here." },
	[ERR_UNREADABLE_DOCUMENT] = { 422, "UNREADABLE_DOCUMENT",
	    "The document could not be read." },
	[ERR_RATE_LIMITED] = { 429, "RATE_LIMITED", "Too many requests; see Retry-After." },
	[ERR_INTERNAL] = { 500, "INTERNAL",
	    "Something went wrong here; the request id finds it in the log." },
	[ERR_UPSTREAM_FAILED] = { 502, "UPSTREAM_FAILED",
	    "A service that this depends on failed." },
	[ERR_OVERLOADED] = { 503, "OVERLOADED",
	    "The service is busy or restarting; try again shortly." },
	[ERR_UPSTREAM_TIMEOUT] = { 504, "UPSTREAM_TIMEOUT",
	    "The result is not there yet; the run goes on." },
	[ERR_UPGRADE_REQUIRED] = { 426, "UPGRADE_REQUIRED",
	    "The request must ask for another protocol." },
};

const struct err_info *
err_info(enum err e)
{
	return &infos[e];
}

enum err
err_from_code(const char *code)
{
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++)
		if (e != ERR_REPLAY && strcmp(infos[e].code, code) == 0)
			return (enum err)e;
	return ERR_COUNT;
}
