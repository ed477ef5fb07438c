/*
 * What this process counts, for /metrics and `millracectl status`. Counters start at 0 with the
 * process, and do not move to a successor. One thread.
 */
#ifndef STREAMD_METRICS_H
#define STREAMD_METRICS_H

#include <millrace/metrics.h>

struct metrics {
	uint64_t connections_sse; /* open now */
	uint64_t connections_reply;
	uint64_t connections_ws;
	uint64_t sessions_socketio; /* Engine.IO's, of either transport */
	uint64_t sessions_polling; /* of them, those that poll */
	uint64_t connections; /* all, with those without a whole request */
	uint64_t topics;
	uint64_t requests_sse;
	uint64_t requests_reply;
	uint64_t requests_ws;
	uint64_t requests_socketio; /* sessions opened */
	uint64_t requests_refused;
	uint64_t user_most; /* streams of the user with the most */
	uint64_t user_limit; /* streams refused for their user's limit */
	uint64_t gave_way; /* anonymous sessions that were evicted */
	uint64_t events_notified; /* by NOTIFY */
	uint64_t events_read; /* from the log */
	uint64_t events_sent; /* queued on connections, counted for each */
	uint64_t bytes_sent;
	uint64_t catch_ups; /* topics read from the log */
	uint64_t slow_closed;
	uint64_t half_open_closed; /* WebSockets whose peer answered no ping */
	uint64_t listens; /* times that the feed began to LISTEN */
	struct histogram lag; /* from publishing to the socket */
	int64_t lag_most_us; /* the longest since the last report */
};

extern struct metrics metrics;

/* Connections with a whole request: event streams, deferred replies, WebSockets. */
uint64_t metrics_held(void);
/* Counts one event's lag. Less than 0, by the clocks of two hosts, counts as 0. */
void metrics_add_lag(int64_t us);
/* All of it as metrics_json writes it (millrace/metrics.h); the arena's. Resets the longest lag. */
struct str metrics_report(struct arena *a);

#endif
