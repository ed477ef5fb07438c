/*
 * Slack's Web API (docs.slack.dev/apis/web-api), by the bot token of an integration's app, which is
 * never logged. Blocks; any thread.
 */
#ifndef RUNNER_OUTSIDE_SLACK_H
#define RUNNER_OUTSIDE_SLACK_H

#include <json-c/json.h>

#include <millrace/arena.h>

#include "runner/queue/stop.h"

#define SLACK_TEXT_MAX 3900 /* UTF-16 units of a message; beyond 4,000 it cannot be changed */

enum slack_end {
	SLACK_OK = 1,
	SLACK_LATER, /* away, or too much was asked of it: again after wait_ms */
	SLACK_BAD_TOKEN, /* revoked, never good, or without a permission that is needed */
	SLACK_REFUSED,
	SLACK_STOPPED /* the stop is set */
};

struct slack_reply {
	json_object *result; /* of SLACK_OK: the whole reply; the arena's */
	int64_t wait_ms; /* of SLACK_LATER where too much was asked, and nothing done; else 0 */
	struct str why; /* of what failed: Slack's word for it, or a sentence */
};

/*
 * Calls a method with a form (application/x-www-form-urlencoded, which all methods take); waits for
 * `within_ms` at most.
 */
enum slack_end slack_call(struct stop *stop, struct arena *a, struct str token, const char *method,
    struct str form, int64_t within_ms, struct slack_reply *reply);

#endif
