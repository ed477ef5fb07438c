/*
 * What a process counts, for /metrics and `millracectl status`. Each program has one table of
 * struct metric; metrics_json writes it into the program's row of `process`, and the pool that
 * serves /metrics makes Prometheus's text of all rows ("Exposition formats", version 0.0.4). Names
 * and units follow Prometheus's "Metric and label naming": base units, counters end in _total.
 */
#ifndef MILLRACE_METRICS_H
#define MILLRACE_METRICS_H

#include <stdatomic.h>

#include <millrace/arena.h>

enum metric_kind { METRIC_COUNTER = 1, METRIC_GAUGE, METRIC_HISTOGRAM };

#define HISTOGRAM_BOUNDS_MAX 12

/* Counts durations by upper bounds. Any thread may add. */
struct histogram {
	int64_t bounds_us[HISTOGRAM_BOUNDS_MAX]; /* ascending; the first 0 ends them */
	atomic_ullong counts[HISTOGRAM_BOUNDS_MAX + 1]; /* up to each bound; then above the last */
	atomic_ullong sum_us;
};

/* One sample. Rows of one name stand together and agree in kind and help. */
struct metric {
	const char *name;
	const char *labels; /* as in Prometheus's text: status="2xx"; NULL: none */
	enum metric_kind kind;
	const char *help; /* one sentence, without quotes, backslashes or line breaks */
	/* Exactly one of these is not NULL. */
	const uint64_t *value; /* written by the thread that calls metrics_json */
	const atomic_llong *shared; /* written by any thread */
	double (*read)(void); /* computed, on the thread that calls metrics_json */
	const struct histogram *histogram;
};

/* Counts one duration in microseconds; a negative one counts as 0. Any thread. */
void histogram_add(struct histogram *h, int64_t us);

/*
 * Writes the table of `n` rows as a JSON object, the arena's: a number for each sample by its full
 * name, and under "families" for each name {"type": "counter", "help": "what it counts"}. A
 * histogram gives NAME_bucket{le="…"}, NAME_sum in seconds and NAME_count.
 */
struct str metrics_json(struct arena *a, const struct metric *table, size_t n);

#endif
