#include <string.h>

#include <millrace/metrics.h>

void
histogram_add(struct histogram *h, int64_t us)
{
	size_t i = 0;

	if (us < 0)
		us = 0;
	while (i < HISTOGRAM_BOUNDS_MAX && h->bounds_us[i] > 0 && us > h->bounds_us[i])
		i++;
	atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, (unsigned long long)us, memory_order_relaxed);
}

/* Puts `,"NAME_SUFFIX{LABELS,MORE}":`, with the quotes of labels escaped. */
static void
put_key(struct buf *b, const struct metric *m, const char *suffix, struct str more)
{
	struct buf key = { .a = b->a };
	bool labels = m->labels || more.n > 0;

	buf_printf(&key, "%s%s%s%s%s%.*s%s", m->name, suffix, labels ? "{" : "",
	    m->labels ? m->labels : "", m->labels && more.n > 0 ? "," : "", S_ARG(more),
	    labels ? "}" : "");
	buf_put(b, S(","));
	buf_json(b, buf_str(&key));
	buf_put(b, S(":"));
}

/* Prometheus's buckets are cumulative: each counts everything up to its bound. */
static void
put_histogram(struct buf *b, const struct metric *m)
{
	const struct histogram *h = m->histogram;
	unsigned long long upto = 0, sum_us = atomic_load(&h->sum_us);
	size_t i;

	for (i = 0; i < HISTOGRAM_BOUNDS_MAX && h->bounds_us[i] > 0; i++) {
		upto += atomic_load(&h->counts[i]);
		put_key(b, m, "_bucket",
		    arena_printf(b->a, "le=\"%g\"", (double)h->bounds_us[i] / 1e6));
		buf_printf(b, "%llu", upto);
	}
	upto += atomic_load(&h->counts[i]);
	put_key(b, m, "_bucket", S("le=\"+Inf\""));
	buf_printf(b, "%llu", upto);
	put_key(b, m, "_count", (struct str){ NULL, 0 });
	buf_printf(b, "%llu", upto);
	put_key(b, m, "_sum", (struct str){ NULL, 0 });
	buf_printf(b, "%llu.%06llu", sum_us / 1000000, sum_us % 1000000);
}

static void
put_value(struct buf *b, const struct metric *m)
{
	if (m->histogram) {
		put_histogram(b, m);
		return;
	}
	put_key(b, m, "", (struct str){ NULL, 0 });
	if (m->value)
		buf_printf(b, "%llu", (unsigned long long)*m->value);
	else if (m->shared)
		buf_printf(b, "%lld", atomic_load(m->shared));
	else
		buf_printf(b, "%.15g", m->read());
}

struct str
metrics_json(struct arena *a, const struct metric *table, size_t n)
{
	static const char *const kinds[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};
	struct buf b = { .a = a };

	buf_put(&b, S("{\"families\":{"));
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(table[i].name, table[i - 1].name) != 0)
			buf_printf(&b, "%s\"%s\":{\"type\":\"%s\",\"help\":\"%s\"}",
			    i > 0 ? "," : "", table[i].name, kinds[table[i].kind], table[i].help);
	buf_put(&b, S("}"));
	for (size_t i = 0; i < n; i++)
		put_value(&b, &table[i]);
	buf_put(&b, S("}"));
	return buf_str(&b);
}
