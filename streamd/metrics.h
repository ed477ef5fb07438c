/*
 * What this process counts, for /metrics and `millracectl status`. Names are Prometheus's; counters start at 0 with the process.
 */
#ifndef STREAMD_METRICS_H
#define STREAMD_METRICS_H

#include <millrace/metrics.h>

struct metrics {
	uint64_t connections_sse; /* held now */
	uint64_t connections_reply;
	uint64_t connections_ws;
	uint64_t sessions_socketio; /* of Engine.IO, by polling or WebSocket */
	uint64_t sessions_polling; /* of them, those without a WebSocket */
	uint64_t connections; /* all, with those whose request is not complete */
	uint64_t topics;
	uint64_t requests_sse;
	uint64_t requests_reply;
	uint64_t requests_ws;
	uint64_t requests_socketio; /* sessions of Engine.IO that were opened */
	uint64_t requests_refused;
	uint64_t user_most; /* streams of the user who has the most */
	uint64_t user_limit; /* streams refused because their user had as many as one may */
	uint64_t gave_way; /* sessions of nobody that were ended for others */
	uint64_t events_notified; /* told by the database */
	uint64_t events_read; /* read from the table */
	uint64_t events_sent; /* given to connections, each counted for each */
	uint64_t bytes_sent;
	uint64_t catch_ups; /* topics read from the table */
	uint64_t slow_closed;
	uint64_t half_open_closed; /* WebSockets whose peer did not answer a ping */
	uint64_t listens; /* times that the listening connection was made */
	struct histogram lag; /* publishing to socket */
	int64_t lag_most_us; /* the longest since the last report */
};

extern struct metrics metrics;

/* Connections that have become something: streams, waiting replies, sockets. */
uint64_t metrics_held(void);
/* A moment less than none is none: clocks of two hosts. */
void metrics_add_lag(int64_t us);
/* All of it as a flat JSON object of numbers; the arena's. The longest lag is counted anew from here. */
struct str metrics_report(struct arena *a);

#endif
