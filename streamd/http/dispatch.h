/*
 * From a connection's first byte to its target: reads the request's head, checks path and grant
 * against server->targets, and starts the target or refuses in the API's error shape.
 */
#ifndef STREAMD_HTTP_DISPATCH_H
#define STREAMD_HTTP_DISPATCH_H

#include <millrace/grant.h>

#include "streamd/conn.h"

struct http_head;

/* One row of what can be requested. */
struct target {
	/* The path up to its variable rest. */
	struct str path;
	/* Is there such a rest? Where not, the reply is 404. */
	bool (*known)(struct str rest);
	/* Is the grant for that rest? A grant made for another request is refused with 400. */
	bool (*fits)(const struct grant *g, struct str rest);
	/* After the handshake, the target itself refuses an expired token and a user with too many
	   streams. */
	bool in_band;
	/* POST and OPTIONS are taken, too. */
	bool posts;
	/* The target itself calls server_make_room, since most of its requests belong to a session
	   that is counted already. */
	bool counts;
	/* Sets the connection's kind, or refuses (http/response.h) and keeps it; g and what it
	   points to are h's. */
	void (*start)(struct conn *c, struct http_head *h, const struct grant *g);
	/* Refuses for a time, in the target's own form; false: a status has to. `text` NULL: e's.
	   Optional. */
	bool (*refuse)(
	    struct conn *c, const struct grant *g, enum err e, const char *text, int64_t wait_s);
};

/* For server->accepted: waits for the request's head, 10 s at most, then calls server->request. */
void dispatch_start(struct conn *c);
/* For server->request: starts a target. */
void dispatch_request(struct conn *c, struct http_head *h);
/* For a handover: a connection that had sent nothing. */
restore_fn dispatch_restore;

#endif
