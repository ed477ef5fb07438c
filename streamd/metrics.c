#include "streamd/metrics.h"

struct stats stats = {
	.lag.bounds_us = { 1000, 2000, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000 },
};

void
stats_lag(int64_t us)
{
	histogram_add(&stats.lag, us);
	if (us > stats.lag_most_us)
		stats.lag_most_us = us;
}

uint64_t
stats_held(void)
{
	return stats.connections_sse + stats.connections_reply + stats.connections_ws;
}

static double
read_held(void)
{
	return (double)stats_held();
}

/* Counted anew from here. */
static double
read_lag_most(void)
{
	double seconds = (double)stats.lag_most_us / 1e6;

	stats.lag_most_us = 0;
	return seconds;
}

static double
read_other(void)
{
	return (double)(stats.connections - stats_held());
}

static double
read_socketio_ws(void)
{
	return (double)(stats.sessions_socketio - stats.sessions_polling);
}

static const struct metric table[] = {
	{ .name = "millrace_streams",
	    .kind = METRIC_GAUGE,
	    .help = "Streams, sockets and waiting replies that are held now.",
	    .read = read_held },
	{ .name = "millrace_event_lag_seconds",
	    .kind = METRIC_GAUGE,
	    .help =
		"The longest time from publishing an event to the socket since the last report.",
	    .read = read_lag_most },
	{ .name = "millrace_stream_connections",
	    .labels = "kind=\"sse\"",
	    .kind = METRIC_GAUGE,
	    .help = "Connections that are held now, by kind.",
	    .value = &stats.connections_sse },
	{ .name = "millrace_stream_connections",
	    .labels = "kind=\"reply\"",
	    .kind = METRIC_GAUGE,
	    .help = "Connections that are held now, by kind.",
	    .value = &stats.connections_reply },
	{ .name = "millrace_stream_connections",
	    .labels = "kind=\"websocket\"",
	    .kind = METRIC_GAUGE,
	    .help = "Connections that are held now, by kind.",
	    .value = &stats.connections_ws },
	{ .name = "millrace_stream_connections",
	    .labels = "kind=\"other\"",
	    .kind = METRIC_GAUGE,
	    .help = "Connections that are held now, by kind.",
	    .read = read_other },
	{ .name = "millrace_stream_socketio_sessions",
	    .labels = "transport=\"websocket\"",
	    .kind = METRIC_GAUGE,
	    .help = "Socket.IO sessions, by their transport.",
	    .read = read_socketio_ws },
	{ .name = "millrace_stream_socketio_sessions",
	    .labels = "transport=\"polling\"",
	    .kind = METRIC_GAUGE,
	    .help = "Socket.IO sessions, by their transport.",
	    .value = &stats.sessions_polling },
	{ .name = "millrace_stream_topics",
	    .kind = METRIC_GAUGE,
	    .help = "Topics that somebody listens to.",
	    .value = &stats.topics },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"sse\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &stats.requests_sse },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"reply\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &stats.requests_reply },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"websocket\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &stats.requests_ws },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"socketio\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &stats.requests_socketio },
	{ .name = "millrace_stream_requests_total",
	    .labels = "kind=\"refused\"",
	    .kind = METRIC_COUNTER,
	    .help = "Streams, sockets and replies begun, by kind.",
	    .value = &stats.requests_refused },
	{ .name = "millrace_stream_user_most",
	    .kind = METRIC_GAUGE,
	    .help = "Streams of the user who has the most.",
	    .value = &stats.user_most },
	{ .name = "millrace_stream_user_limit_total",
	    .kind = METRIC_COUNTER,
	    .help = "Streams refused because their user had as many as one may have.",
	    .value = &stats.user_limit },
	{ .name = "millrace_stream_gave_way_total",
	    .kind = METRIC_COUNTER,
	    .help = "Sessions without a user that were ended to make room.",
	    .value = &stats.gave_way },
	{ .name = "millrace_stream_events_in_total",
	    .labels = "from=\"notification\"",
	    .kind = METRIC_COUNTER,
	    .help = "Events that came from the database, by the way they came.",
	    .value = &stats.events_notified },
	{ .name = "millrace_stream_events_in_total",
	    .labels = "from=\"table\"",
	    .kind = METRIC_COUNTER,
	    .help = "Events that came from the database, by the way they came.",
	    .value = &stats.events_read },
	{ .name = "millrace_stream_events_out_total",
	    .kind = METRIC_COUNTER,
	    .help = "Events written to connections, counted for each.",
	    .value = &stats.events_sent },
	{ .name = "millrace_stream_bytes_out_total",
	    .kind = METRIC_COUNTER,
	    .help = "Bytes written to connections.",
	    .value = &stats.bytes_sent },
	{ .name = "millrace_stream_catch_ups_total",
	    .kind = METRIC_COUNTER,
	    .help = "Topics read from the table after a gap.",
	    .value = &stats.catch_ups },
	{ .name = "millrace_stream_slow_readers_closed_total",
	    .kind = METRIC_COUNTER,
	    .help = "Connections closed because their client read too slowly.",
	    .value = &stats.slow_closed },
	{ .name = "millrace_stream_half_open_closed_total",
	    .kind = METRIC_COUNTER,
	    .help = "WebSockets closed because their client answered no ping.",
	    .value = &stats.half_open_closed },
	{ .name = "millrace_stream_listens_total",
	    .kind = METRIC_COUNTER,
	    .help = "Times that the listening connection to the database was made.",
	    .value = &stats.listens },
	{ .name = "millrace_stream_lag_seconds",
	    .kind = METRIC_HISTOGRAM,
	    .help = "From publishing an event to the socket.",
	    .histogram = &stats.lag },
};

struct str
stats_json(struct arena *a)
{
	return metrics_json(a, table, sizeof(table) / sizeof(*table));
}
