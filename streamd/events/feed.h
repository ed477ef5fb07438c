/*
 * The event reader: two connections as millrace_stream, one that listens and one that reads the table. It feeds the hub and
 * does what the hub asks for; many topics share a read, and few reads are under way at once, so that under load each carries
 * more.
 */
#ifndef STREAMD_EVENTS_FEED_H
#define STREAMD_EVENTS_FEED_H

#include <millrace/loop.h>
#include <millrace/pipe.h>

#include "streamd/events/hub.h"

struct access;
struct reader;

/* Starts connecting. The caller frees it with reader_close, before the loop and the hub. */
struct reader *reader_open(struct loop *l, struct hub *h);
void reader_close(struct reader *r);
/* Starts the reads that the hub waits for, as far as now may be. */
void reader_work(struct reader *r);
/* Has the hub look again, a little later, at topics whose log was too short. */
void reader_look_again(struct reader *r);
/* The connection for statements, and the one that hears notifications; the reader's. */
struct pipe *reader_pipe(struct reader *r);
struct pipe *reader_listener(struct reader *r);
/* Who else is to be told of notifications, and that the listening connection is new. */
void reader_tell(struct reader *r, struct access *a);

#endif
