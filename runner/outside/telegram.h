/*
 * Telegram's Bot API (https://core.telegram.org/bots/api), by the token of the one bot that is
 * configured. The token is part of each URL: these are never logged. Blocks; any thread.
 */
#ifndef RUNNER_OUTSIDE_TELEGRAM_H
#define RUNNER_OUTSIDE_TELEGRAM_H

#include <json-c/json.h>

#include <millrace/arena.h>

#include "runner/queue/stop.h"

#define TELEGRAM_TEXT_MAX 4096 /* UTF-16 units of a message */

enum telegram_end {
	TELEGRAM_OK = 1,
	TELEGRAM_LATER, /* away, or too much was asked of it: again after wait_ms */
	TELEGRAM_BAD_TOKEN, /* revoked, or never good */
	TELEGRAM_BLOCKED, /* the person does not want to hear from the bot */
	TELEGRAM_CONFLICT, /* somebody else asks for this bot's updates */
	TELEGRAM_REFUSED,
	TELEGRAM_STOPPED /* the stop is set */
};

struct telegram_reply {
	json_object *result; /* of TELEGRAM_OK; the arena's */
	int64_t wait_ms; /* of TELEGRAM_LATER; 0: not said */
	struct str why; /* of what failed, in Telegram's words */
};

/* Calls a method with a JSON object; waits for `within_ms` at most. */
enum telegram_end telegram_call(struct stop *stop, struct arena *a, const char *method,
    struct str body, int64_t within_ms, struct telegram_reply *reply);
/* Fetches a file by the path that getFile gave; *bytes is the arena's. */
enum telegram_end telegram_file(struct stop *stop, struct arena *a, struct str path,
    size_t bytes_max, struct str *bytes, struct telegram_reply *reply);

#endif
