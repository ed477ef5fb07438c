/*
 * What the event streams of workers and of streamd have in common (HTML standard, 9.2).
 *
 * Only an event ends with a blank line: @microsoft/fetch-event-source takes whatever else does for
 * an empty message. Lines beside events, comments and `retry:`, take effect at their own ends.
 *
 * Nothing here blocks or fails; any thread.
 */
#ifndef MILLRACE_SSE_H
#define MILLRACE_SSE_H

#include <millrace/arena.h>
#include <millrace/err.h>

#define SSE_TYPE "text/event-stream; charset=utf-8"

/*
 * For how many seconds a stream refuses where anything else would for `wait_s`: clients that come
 * back by themselves do so all at once, so they get a few seconds at least.
 */
int64_t sse_wait_s(int64_t wait_s);
/*
 * The whole stream that refuses for sse_wait_s(wait_s): the code and `text` (absent: e's own) in a
 * comment, then `retry:`. Its status is 200, since an EventSource never comes back after another.
 */
struct str sse_refusal(struct arena *a, enum err e, struct str text, int64_t wait_s);

#endif
