/*
 * Principals: who opened a stream and by which credential. Each stream of an identified user
 * embeds one, attached for as long as the stream is open. When a role, a session or an ownership
 * changes (NOTIFY millrace_access, '<user id>'), or a notification may have been missed, every
 * attached principal concerned is revalidated in the database (stream_principal), each credential
 * once, many in a statement, and its stream is notified.
 *
 * One thread; nothing blocks. A statement that fails is repeated, so nothing here returns errors.
 */
#ifndef STREAMD_EVENTS_PRINCIPAL_H
#define STREAMD_EVENTS_PRINCIPAL_H

#include <millrace/grant.h>
#include <millrace/json.h>
#include <millrace/loop.h>

struct feed;
struct usage;
struct principals;

/* Embed it in the stream; set on_change before principal_attach. */
struct principal {
	struct principal *prev, *next; /* among the user's; NULL: not attached */
	struct uuid user; /* absent: nobody has been identified */
	/* The credential; both absent: an external token, known by its hash. */
	struct uuid session, key;
	bool by_token; /* token_hash is set */
	unsigned char token_hash[32]; /* SHA-256 */
	bool analytics; /* may see events about everybody */
	bool pending; /* revalidation is due, because the stream is new */
	/* Rights have changed: query again for each topic. `ended`: the account or the credential
	   is no longer valid, so close the stream. It may detach this and other principals. */
	void (*on_change)(struct principal *p, bool ended);
};

/* f and u stay the caller's and must outlive the result. Never NULL; the caller frees it with
   principals_close, after every stream has detached. */
struct principals *principals_open(struct loop *l, struct feed *f, struct usage *u);
void principals_close(struct principals *ps);
/* For the feed's table (feed.h): `principals` is a struct principals. */
void principals_on_notify(void *principals, struct str payload);
void principals_on_listen(void *principals);
void principals_on_ready(void *principals);

/* The user whom a worker has identified, without on_change. */
struct principal principal_of_grant(const struct grant *g);
/* Sets the external token's hash; absent, or not 32 bytes: none. */
void principal_set_token_hash(struct principal *p, struct str hash);

/* Writes it as members of a JSON object, each followed by a comma, for a handover. */
void principal_save(const struct principal *p, struct buf *out);
/* Reads it back, without on_change; false, with *p undefined, where an id is malformed. */
bool principal_restore(struct principal *p, json_object *from);

/* From now on p->on_change is called, and the stream counts as one of its user's. It is
   revalidated soon: changes between the worker's check and now were not notified to it. A
   principal without a user is not attached. p stays the caller's, who detaches it. */
void principal_attach(struct principals *ps, struct principal *p);
/* Idempotent. */
void principal_detach(struct principals *ps, struct principal *p);

/* Has the user as many streams as MILLRACE_USER_STREAMS allows? Query it before one more is
   accepted: a true is counted and logged (not each) as a refusal. */
bool principals_user_is_full(const struct principals *ps, const struct uuid *user);

#endif
