/* lib/metrics.c: samples by their full names, families once a name, and histograms that add up. */
#include <string.h>

#include <json-c/json.h>

#include <millrace/json.h>
#include <millrace/metrics.h>

#include "test.h"

static uint64_t plain = 7;
static atomic_llong shared = 8;
static struct histogram took = { .bounds_us = { 1000, 2500, 1000000 } };
static struct histogram full = { .bounds_us = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } };

static double
half(void)
{
	return 0.5;
}

static const struct metric table[] = {
	{ .name = "a_total",
	    .labels = "kind=\"x\"",
	    .kind = METRIC_COUNTER,
	    .help = "Counts a.",
	    .value = &plain },
	{ .name = "a_total",
	    .labels = "kind=\"y\"",
	    .kind = METRIC_COUNTER,
	    .help = "Counts a.",
	    .shared = &shared },
	{ .name = "b", .kind = METRIC_GAUGE, .help = "Is half.", .read = half },
	{ .name = "c_seconds", .kind = METRIC_HISTOGRAM, .help = "Takes.", .histogram = &took },
	{ .name = "d_seconds",
	    .labels = "of=\"d\"",
	    .kind = METRIC_HISTOGRAM,
	    .help = "Takes too.",
	    .histogram = &full },
};

static double
number(json_object *o, const char *name)
{
	json_object *v = json_at(o, name);

	return v ? json_object_get_double(v) : -1;
}

int
main(void)
{
	struct arena *a = arena_new();
	json_object *o = NULL, *family;
	const char *why;

	histogram_add(&took, -5);
	histogram_add(&took, 1000);
	histogram_add(&took, 1001);
	histogram_add(&took, 5000000);
	for (int i = 1; i <= 13; i++)
		histogram_add(&full, i);
	CHECK("the table is JSON",
	    json_parse(a, metrics_json(a, table, sizeof(table) / sizeof(*table)), &o, &why) ==
		ERR_OK);
	CHECK("samples stand by their names and labels",
	    number(o, "a_total{kind=\"x\"}") == 7 && number(o, "a_total{kind=\"y\"}") == 8 &&
		number(o, "b") == 0.5);
	family = json_at(json_at(o, "families"), "a_total");
	CHECK("a family says its kind and what it counts",
	    str_eq(json_text(family, "type"), S("counter")) &&
		str_eq(json_text(family, "help"), S("Counts a.")) &&
		json_object_object_length(json_at(o, "families")) == 4);
	CHECK("a bound counts what equals it, and buckets count everything below",
	    number(o, "c_seconds_bucket{le=\"0.001\"}") == 2 &&
		number(o, "c_seconds_bucket{le=\"0.0025\"}") == 3 &&
		number(o, "c_seconds_bucket{le=\"1\"}") == 3 &&
		number(o, "c_seconds_bucket{le=\"+Inf\"}") == 4);
	CHECK("sum and count",
	    number(o, "c_seconds_count") == 4 && number(o, "c_seconds_sum") == 5.002001);
	CHECK("all bounds in use, and labels beside le",
	    number(o, "d_seconds_bucket{of=\"d\",le=\"1.2e-05\"}") == 12 &&
		number(o, "d_seconds_bucket{of=\"d\",le=\"+Inf\"}") == 13);
	arena_free(a);
	return test_end();
}
