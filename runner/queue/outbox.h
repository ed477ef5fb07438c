/*
 * The way of a run's events into the event log. A job puts them into its outbox; the committer's
 * thread (commit.h) writes those of all outboxes together, in one transaction (SQL: job_publish),
 * which shares its flush with other writes; clients are told after that. A run that is alone is
 * written at once; where many are, writes begin config()->flush_ms apart at most. Deltas put
 * between two writes become one token event. Order within a run is kept. While the database is away
 * everything is kept and tried again; a write whose answer was lost is not done twice. An outbox
 * that holds too much makes its job wait.
 */
#ifndef RUNNER_QUEUE_OUTBOX_H
#define RUNNER_QUEUE_OUTBOX_H

#include <millrace/arena.h>

#include "runner/queue/stop.h"

struct outbox;

/* Writes what is due: the committer's turn (commit_start). */
void outbox_turn(void);

/*
 * The outbox of an attempt at a run; `seq` is what its topic holds already. `stop` lives as long as
 * the outbox: it ends waits, and is set to STOP_LOST where the server says that the lease is
 * another's. The job closes it; what is unflushed then is dropped.
 */
struct outbox *outbox_open(struct stop *stop, struct uuid run, int attempt, int64_t seq);
void outbox_close(struct outbox *o);

/* Adds to the run's answer. Waits while too much is unflushed. `text` holds no NUL. */
void outbox_token(struct outbox *o, struct str text);
/* Adds an event of a type that does not merge; `data` is JSON. Copied. */
void outbox_event(struct outbox *o, const char *type, struct str data);
/*
 * Takes back the text of the last tokens, for the event that ends the run, where none of it was
 * written and it is short; else nothing.
 */
struct str outbox_detach(struct outbox *o, struct arena *a);
/*
 * Waits until everything is in the log, and on disk. *seq gets the last event's. False where the
 * job has to stop instead (lost, or shutting down for too long).
 */
bool outbox_drain(struct outbox *o, int64_t *seq);

#endif
