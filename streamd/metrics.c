#include "streamd/metrics.h"

struct stats stats;

/* Upper bounds in milliseconds; the last bucket takes the rest. */
static const int lag_bounds_ms[LAG_BUCKETS - 1] = { 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000 };

void
stats_lag(int64_t us)
{
	size_t i = 0;

	if (us < 0)
		us = 0;
	while (i < LAG_BUCKETS - 1 && us > (int64_t)lag_bounds_ms[i] * 1000)
		i++;
	stats.lag[i]++;
	stats.lag_us += (uint64_t)us;
	if (us > stats.lag_most_us)
		stats.lag_most_us = us;
}

/* Prometheus's buckets count everything up to their bound. */
static void
put_lag(struct buf *b)
{
	uint64_t upto = 0;

	for (size_t i = 0; i < LAG_BUCKETS - 1; i++) {
		upto += stats.lag[i];
		buf_printf(b, ",\"millrace_stream_lag_seconds_bucket{le=\\\"%g\\\"}\":%llu",
		    lag_bounds_ms[i] / 1000.0, (unsigned long long)upto);
	}
	upto += stats.lag[LAG_BUCKETS - 1];
	buf_printf(b, ",\"millrace_stream_lag_seconds_bucket{le=\\\"+Inf\\\"}\":%llu",
	    (unsigned long long)upto);
	buf_printf(b, ",\"millrace_stream_lag_seconds_count\":%llu", (unsigned long long)upto);
	buf_printf(b, ",\"millrace_stream_lag_seconds_sum\":%llu.%06llu",
	    (unsigned long long)(stats.lag_us / 1000000),
	    (unsigned long long)(stats.lag_us % 1000000));
}

uint64_t
stats_held(void)
{
	return stats.connections_sse + stats.connections_reply + stats.connections_ws;
}

struct str
stats_json(struct arena *a)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "connections{kind=\\\"sse\\\"}", stats.connections_sse },
		{ "connections{kind=\\\"reply\\\"}", stats.connections_reply },
		{ "connections{kind=\\\"websocket\\\"}", stats.connections_ws },
		{ "connections{kind=\\\"other\\\"}", stats.connections - stats_held() },
		{ "socketio_sessions{transport=\\\"websocket\\\"}",
		    stats.sessions_socketio - stats.sessions_polling },
		{ "socketio_sessions{transport=\\\"polling\\\"}", stats.sessions_polling },
		{ "topics", stats.topics },
		{ "requests_total{kind=\\\"sse\\\"}", stats.requests_sse },
		{ "requests_total{kind=\\\"reply\\\"}", stats.requests_reply },
		{ "requests_total{kind=\\\"websocket\\\"}", stats.requests_ws },
		{ "requests_total{kind=\\\"socketio\\\"}", stats.requests_socketio },
		{ "requests_total{kind=\\\"refused\\\"}", stats.requests_refused },
		{ "user_most", stats.user_most },
		{ "user_limit_total", stats.user_limit },
		{ "gave_way_total", stats.gave_way },
		{ "events_in_total{from=\\\"notification\\\"}", stats.events_notified },
		{ "events_in_total{from=\\\"table\\\"}", stats.events_read },
		{ "events_out_total", stats.events_sent },
		{ "bytes_out_total", stats.bytes_sent },
		{ "catch_ups_total", stats.catch_ups },
		{ "slow_readers_closed_total", stats.slow_closed },
		{ "half_open_closed_total", stats.half_open_closed },
		{ "listens_total", stats.listens },
	};
	struct buf b = { .a = a };

	buf_printf(&b, "{\"millrace_streams\":%llu,\"millrace_event_lag_seconds\":%lld.%06lld",
	    (unsigned long long)stats_held(), (long long)(stats.lag_most_us / 1000000),
	    (long long)(stats.lag_most_us % 1000000));
	stats.lag_most_us = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		buf_printf(&b, ",\"millrace_stream_%s\":%llu", rows[i].name,
		    (unsigned long long)rows[i].value);
	put_lag(&b);
	buf_put(&b, S("}"));
	return buf_str(&b);
}
