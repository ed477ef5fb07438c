/*
 * Who may listen to what, and who somebody is whose token comes inside a stream. The database decides both (topic_allowed,
 * stream_caller); that a topic is allowed is remembered for a few seconds. Everything remembered is forgotten at once, and whoever is
 * concerned looks again, when somebody's role, session or ownership changes (NOTIFY millrace_access).
 */
#ifndef STREAMD_EVENTS_TOPICS_H
#define STREAMD_EVENTS_TOPICS_H

#include <millrace/loop.h>
#include <millrace/pipe.h>

#include <millrace/grant.h>
#include <millrace/json.h>

#include "streamd/events/hub.h"

struct access;

/* Whose a stream is, and who may ask for topics by it: part of an event stream, a waiting reply, a channel or a socket. */
struct person {
	struct person *prev, *next;
	struct uuid user;
	struct uuid session, key; /* what they came by; both absent: somebody else's token … */
	bool by_token;
	unsigned char token_hash[32]; /* … and this is its hash */
	bool analytics; /* may see what is about everybody */
	bool is_new; /* to be looked at again: are they still who they were? */
	/* Something has changed: what is listened to is to be asked for again. `ended`: the account or the session is over, and
	   everything of this person is to be closed. */
	void (*changed)(struct person *p, bool ended);
};

/* A question under way; it belongs to who asks, and stays until it is answered or cancelled. */
struct ask {
	struct access *access; /* NULL: nothing is asked */
	struct question *question;
	/* Called once, perhaps before access_ask returns. `e` other than ERR_OK: there is no answer now (ERR_OVERLOADED). */
	void (*done)(struct ask *a, enum err e, bool allowed, int64_t head, bool kept);
};

/* A token's check under way, in the same way. */
struct token_ask {
	struct access *access;
	struct question *question;
	/* Called once, perhaps before access_token returns. ERR_OK: *who is who they are (its `changed` unset), until `expires_at` (Unix
	   seconds; 0: without end). ERR_UNAUTHORIZED: nobody. ERR_OVERLOADED: there is no answer now. */
	void (*done)(struct token_ask *a, enum err e, const struct person *who, int64_t expires_at);
};

/* Asks over the reader's connection, and listens by its other one. The caller frees it with access_close, after everything that asks. */
struct access *access_open(struct loop *l, struct hub *h, struct reader *r);
void access_close(struct access *a);
/* A notification: NOTIFY millrace_access, '<user id>', and millrace_jwks; others are ignored. */
void access_heard(struct access *a, struct str channel, struct str payload);
/* The listening connection is new: what was told before is not known. */
void access_connected(struct access *a);
/* The connection for statements is there: what could not be asked before is asked now. */
void access_can_ask(struct access *a);

/* Who it is, as members of a JSON object, each with its comma behind it, and from them; for a handover. */
void person_save(const struct person *p, struct buf *out);
bool person_restore(struct person *p, json_object *from);
/* Somebody as a worker has identified them. */
struct person person_of_grant(const struct grant *g);
/* Is it still who it was when that was looked at? From now on p->changed is called, and the stream counts as one of the user's. p stays the
   caller's, who takes it out before it goes. */
void person_enter(struct access *a, struct person *p);
/* Idempotent. */
void person_leave(struct access *a, struct person *p);
/* Has the user as many streams as one may have (MILLRACE_USER_STREAMS)? Asked before one more is let in, which is refused then and counted as
   that. Socket.IO's sockets are one each; whoever has not said who they are is not counted, and gives way (session.h). */
bool access_is_full(const struct access *a, const struct uuid *user);
/* The most streams that one user has. */
unsigned access_most(const struct access *a);

/*
 * May `p` listen to `topic`, how far has it got, and is everything after `after` (-1: not asked) still kept? The topic is copied.
 */
void access_ask(
    struct access *a, struct ask *ask, const struct person *p, struct str topic, int64_t after);
void ask_cancel(struct ask *ask);
/* Has p's user asked so much already that has no answer yet (also of what was cancelled), that more would be at others' cost? Looked at
   before what a client can ask for as often as it likes. */
bool access_is_enough(const struct access *a, const struct person *p);

/* Whose token is it? Any that a worker takes in Authorization: ours, an API key, Clerk's or Supabase's. */
void access_token(struct access *a, struct token_ask *ask, struct str token);
void token_cancel(struct token_ask *ask);

#endif
