/*
 * What pipe.c and batch.c share: a pipe's units, and how its writers share flushes. Each function
 * here is the loop's thread's, and none of them blocks.
 */
#ifndef LIB_BATCH_H
#define LIB_BATCH_H

#include <millrace/pipe.h>

enum unit_kind {
	UNIT_PLAIN, /* answered when it has come back, and so is what has failed */
	UNIT_ALONE, /* a writer whose own commit waits for the disk */
	UNIT_DIRECT, /* and which notifies with it */
	UNIT_WRITER, /* answered when a flush that was sent after it has come back */
	UNIT_WAKER, /* a writer with nobody beside it, which wakes runners before the flush */
	UNIT_LATE, /* a writer that has no flush sent for it at once */
	UNIT_FLUSH
};

/* A unit that was sent. `results` fill up until the reply to its Sync arrives. */
struct unit {
	struct unit *next;
	enum unit_kind kind;
	pipe_done *done;
	pipe_held *held;
	void *arg;
	enum err e;
	int failed;
	char *text;
	const char *name; /* of its first statement, for the log */
	/* seen: -1 where a statement of the pipe's own comes first; n + 1: the commit failed */
	int n, seen;
	PGresult *results[];
};

struct batch {
	bool on; /* pipe_batch was called */
	int64_t direct_ms; /* from when on a writer alone is UNIT_DIRECT, loop_now() */
	struct unit *held, **held_last; /* writers that have committed, for the flush behind them */
	size_t writers; /* sent and not yet answered */
	size_t unflushed; /* writers that were sent, and no flush behind them */
	size_t late; /* of these, such as are in no hurry */
	bool unnotified; /* writers were sent, and no notify unit behind them */
	size_t flushing; /* flushes in flight */
	const struct query *mode; /* what the connection's writers run under */
	const struct query *last; /* what the last one did */
	int n_alike; /* so many of them, one after the other */
	bool in_doubt; /* a connection was lost with units in flight */
	struct loop_timer turn; /* fires at the end of a turn in which writers were sent */
};

struct pipe {
	struct loop_fd fd;
	struct loop_timer retry;
	struct loop_timer watchdog; /* armed while there are units in flight */
	struct loop *loop;
	PGconn *conn;
	char *conninfo;
	bool up;
	int64_t backoff_ms;
	int64_t last_reply_ms; /* or when the first unit in flight was sent, if that is later */
	struct unit *first, **last;
	size_t in_flight;
	struct batch batch;
	struct prepared *prepared;
	void (*on_notify)(void *arg, struct str channel, struct str payload);
	void (*on_up)(void *arg);
	void *arg;
};

/*
 * What a unit of this kind runs under: *before gets the pipe's own statement that comes before
 * those of the unit, if any, or that was sent for all from here on. False where the connection is
 * lost.
 */
MUST_CHECK bool batch_before(struct pipe *p, enum unit_kind kind, struct pipe_statement *before);

/* pipe.c: as pipe_send, for any kind of unit; NULL where the connection turned out to be lost. */
struct unit *unit_send(struct pipe *p, struct arena *scratch, enum unit_kind kind,
    const struct pipe_statement *statements, int n, pipe_done *done, void *arg);
/* pipe.c: gives a unit the outcome of a lost connection. */
void unit_lose(struct unit *u);
/* pipe.c: calls a unit's owner, and frees it. */
void unit_answer(struct pipe *p, struct unit *u);
/* pipe.c: for pipe_send and its like: no `done` may run within them, so a timer fails the units. */
void pipe_lose_later(struct pipe *p);

/* Which kind of unit these statements are, of which not all only read. */
enum unit_kind batch_kind(const struct pipe *p, const struct pipe_statement *statements, int n);
/* A unit of that kind was sent. */
void batch_sent(struct pipe *p, enum unit_kind kind);
/* A unit has come back: true where it stays until a flush has come. A flush answers those before
   it. */
bool batch_holds(struct pipe *p, struct unit *u);
/* The connection is up: comes before anything else on it. */
void batch_begin(struct pipe *p);
/* The connection is lost: fails what is held; called before anything else in flight is failed. */
void batch_lose(struct pipe *p);

#endif
