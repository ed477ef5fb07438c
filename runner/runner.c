#include "runner/runner.h"

struct runner runner;

struct counters counters = {
	.flush_seconds.bounds_us = { 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000,
	    5000000 },
};
