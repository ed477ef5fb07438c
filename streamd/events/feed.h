/*
 * The feed: two connections to the database as millrace_stream, one that LISTENs and one for
 * statements. It is the hub's source: events come by NOTIFY millrace_event, and what the hub
 * misses is read from the log. Many topics share a read, and few reads are under way at once, so
 * under load each read carries more. Other channels are handed on by a table.
 *
 * One thread; nothing blocks. A lost connection is made again (pipe.h), after which all topics
 * are stale.
 */
#ifndef STREAMD_EVENTS_FEED_H
#define STREAMD_EVENTS_FEED_H

#include <millrace/loop.h>
#include <millrace/pipe.h>

#include "streamd/events/hub.h"

struct feed;

/* Who is notified of a channel. Rows of one channel are called in the table's order. */
struct feed_listener {
	const char *channel; /* LISTENed to on each connection */
	void (*on_notify)(void *arg, struct str payload);
	/* The listening connection is new: notifications before this may be lost. Optional. */
	void (*on_listen)(void *arg);
	/* The connection for statements can be used (again). Optional. */
	void (*on_ready)(void *arg);
	void *arg;
};

/* Starts connecting and becomes h's source. Never NULL. The caller frees it with feed_close,
   before the loop, the hub and whoever has statements under way: each is failed by that. */
struct feed *feed_open(struct loop *l, struct hub *h);
void feed_close(struct feed *f);
/* Sets the table of n rows, which stays the caller's; before the loop runs. */
void feed_listen(struct feed *f, const struct feed_listener *table, size_t n);
/* The connection for statements, and the one that LISTENs; the feed's. */
struct pipe *feed_pipe(struct feed *f);
struct pipe *feed_listener_pipe(struct feed *f);

#endif
