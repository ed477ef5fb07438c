/*
 * What a worker counts, and the process's row in `process`, from which /metrics and `millracectl
 * status` read. The same timer looks whether the database is at this version.
 */
#ifndef FCGI_METRICS_H
#define FCGI_METRICS_H

#include <millrace/metrics.h>

struct worker;

struct worker_metrics {
	uint64_t connections;
	uint64_t by_status[6]; /* 1xx … 5xx by their first digit */
	uint64_t rate_limited;
	struct histogram request_seconds;
};
extern struct worker_metrics metrics;

/*
 * Refreshes the process's row, or looks whether the database is at this version while that is not
 * known (w->current); then w->version_known(w). Arms itself again: every 5 s, or 0.5 s.
 */
void metrics_publish(struct worker *w);
/* Deletes the row and stops the loop. */
void metrics_withdraw(struct worker *w);

#endif
