#include <millrace/disk.h>

#include "streamd/metrics.h"

struct metrics metrics = {
	.lag.bounds_us = { 1000, 2000, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000 },
};

void
metrics_add_lag(int64_t us)
{
	histogram_add(&metrics.lag, us);
	if (us > metrics.lag_most_us)
		metrics.lag_most_us = us;
}

uint64_t
metrics_held(void)
{
	return metrics.connections_sse + metrics.connections_reply + metrics.connections_ws;
}

static double
metrics_read_held(void)
{
	return (double)metrics_held();
}

/* Resets the maximum. */
static double
metrics_read_lag_most(void)
{
	double seconds = (double)metrics.lag_most_us / 1e6;

	metrics.lag_most_us = 0;
	return seconds;
}

static double
metrics_read_other(void)
{
	return (double)(metrics.connections - metrics_held());
}

static double
metrics_read_socketio_ws(void)
{
	return (double)(metrics.sessions_socketio - metrics.sessions_polling);
}

static const struct metric table[] = {
	{ .name = "millrace_streams",
	    .kind = METRIC_GAUGE,
	    .help = "Streams, sockets and waiting replies that are held now.",
	    .read = metrics_read_held },
	{ .name = "millrace_event_lag_seconds",
	    .kind = METRIC_GAUGE,
	    .help =
		"The longest time from publishing an event to the socket since the last report.",
	    .read = metrics_read_lag_most },
	{ .name = "millrace_stream_connections",
	    .labels = "kind=\"sse\"",
	    .kind = METRIC_GAUGE,
	    .help = "Connections that are held now, by kind.",
	    .value = &metrics.connections_sse },
	{ .name = "millrace_stream_connections",
	    .labels = "kind=\"reply\"",
	    .kind = METRIC_GAUGE,
	    .help = "Connections that are held now, by kind.",
	    .value = &metrics.connections_reply },
	{ .name = "millrace_stream_connections",
	    .labels = "kind=\"websocket\"",
	    .kind = METRIC_GAUGE,
	    .help = "Connections that are held now, by kind.",
	    .value = &metrics.connections_ws },
	{ .name = "millrace_stream_connections",
	    .labels = "kind=\"other\"",
	    .kind = METRIC_GAUGE,
	    .help = "Connections that are held now, by kind.",
	    .read = metrics_read_other },
	{ .name = "millrace_stream_socketio_sessions",
	    .labels = "transport=\"websocket\"",
	    .kind = METRIC_GAUGE,
	    .help = "Socket.IO sessions, by their transport.",
	    .read = metrics_read_socketio_ws },
	{ .name = "millrace_stream_socketio_sessions",
	    .labels = "transport=\"polling\"",
	    .kind = METRIC_GAUGE,
	    .help = "Socket.IO sessions, by their transport.",
	    .value = &metrics.sessions_polling },
	{ .name = "millrace_stream_topics",
	    .kind = METRIC_GAUGE,
	    .help = "Topics that somebody listens to.",
	    .value = &metrics.topics },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"sse\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &metrics.requests_sse },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"reply\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &metrics.requests_reply },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"websocket\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &metrics.requests_ws },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"socketio\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &metrics.requests_socketio },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"refused\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &metrics.requests_refused },
	{ .name = "millrace_stream_user_most",
	    .kind = METRIC_GAUGE,
	    .help = "Streams of the user who has the most.",
	    .value = &metrics.user_most },
	{ .name = "millrace_stream_user_limit_total",
	    .kind = METRIC_COUNTER,
	    .help = "Streams refused because their user had as many as one may have.",
	    .value = &metrics.user_limit },
	{ .name = "millrace_stream_gave_way_total",
	    .kind = METRIC_COUNTER,
	    .help = "Sessions without a user that were ended to make room.",
	    .value = &metrics.gave_way },
	{ .name = "millrace_stream_events_in_total",
	    .labels = "from=\"notification\"",
	    .kind = METRIC_COUNTER,
	    .help = "Events that came from the database, by the way they came.",
	    .value = &metrics.events_notified },
	{ .name = "millrace_stream_events_in_total",
	    .labels = "from=\"table\"",
	    .kind = METRIC_COUNTER,
	    .help = "Events that came from the database, by the way they came.",
	    .value = &metrics.events_read },
	{ .name = "millrace_stream_events_out_total",
	    .kind = METRIC_COUNTER,
	    .help = "Events written to connections, counted for each.",
	    .value = &metrics.events_sent },
	{ .name = "millrace_stream_bytes_out_total",
	    .kind = METRIC_COUNTER,
	    .help = "Bytes written to connections.",
	    .value = &metrics.bytes_sent },
	{ .name = "millrace_stream_catch_ups_total",
	    .kind = METRIC_COUNTER,
	    .help = "Topics read from the table after a gap.",
	    .value = &metrics.catch_ups },
	{ .name = "millrace_stream_slow_readers_closed_total",
	    .kind = METRIC_COUNTER,
	    .help = "Connections closed because their client read too slowly.",
	    .value = &metrics.slow_closed },
	{ .name = "millrace_stream_half_open_closed_total",
	    .kind = METRIC_COUNTER,
	    .help = "WebSockets closed because their client answered no ping.",
	    .value = &metrics.half_open_closed },
	{ .name = "millrace_stream_listens_total",
	    .kind = METRIC_COUNTER,
	    .help = "Times that the listening connection to the database was made.",
	    .value = &metrics.listens },
	{ .name = "millrace_stream_lag_seconds",
	    .kind = METRIC_HISTOGRAM,
	    .help = "From publishing an event to the socket.",
	    .histogram = &metrics.lag },
	DISK_FULL_METRIC,
};

struct str
metrics_report(struct arena *a)
{
	return metrics_json(a, table, sizeof(table) / sizeof(*table));
}
