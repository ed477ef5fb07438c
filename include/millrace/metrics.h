/*
 * What a process counts, for /metrics and `millracectl status`. Each program has one table of struct metric; metrics_json writes it
 * into the program's row of `process`, and the pool that serves /metrics makes Prometheus's text of all rows ("Exposition formats",
 * version 0.0.4). Names and units follow Prometheus's "Metric and label naming": base units, counters end in _total.
 */
#ifndef MILLRACE_METRICS_H
#define MILLRACE_METRICS_H

#include <stdatomic.h>

#include <millrace/arena.h>

enum metric_kind { METRIC_COUNTER = 1, METRIC_GAUGE, METRIC_HISTOGRAM };

#define HISTOGRAM_BOUNDS_MAX 12

/* How many durations were at most each bound. Any thread may add. */
struct histogram {
	int64_t bounds_us[HISTOGRAM_BOUNDS_MAX]; /* ascending; the first 0 ends them */
	atomic_ullong counts[HISTOGRAM_BOUNDS_MAX + 1]; /* between bounds; the last is above all */
	atomic_ullong sum_us;
};

/* One sample. Rows of one name stand together and agree in kind and help. */
struct metric {
	const char *name;
	const char *labels; /* as in Prometheus's text: status="2xx"; NULL: none */
	enum metric_kind kind;
	const char *help; /* one sentence, without quotes, backslashes or line breaks */
	/* One of these is not NULL. */
	const uint64_t *value; /* of a program with one thread */
	const atomic_llong *shared; /* of one with several */
	double (*read)(void); /* computed */
	const struct histogram *histogram;
};

/* Counts one duration in microseconds; less than 0 counts as 0. */
void histogram_add(struct histogram *h, int64_t us);

/*
 * The table as a JSON object, the arena's: a number for each sample by its full name, and under "families" for each name
 * ["counter", "what it counts"]. A histogram gives NAME_bucket{le="…"}, NAME_sum in seconds and NAME_count.
 */
struct str metrics_json(struct arena *a, const struct metric *table, size_t n);

#endif
