/*
 * The circuit breaker of each host: after eight failures in a row nobody calls it for a while, then
 * one call tries. Hosts are known by any text ("example.com:443"). Those that fail are remembered,
 * the 512 that were used last. Any thread; nothing blocks.
 */
#ifndef RUNNER_OUTSIDE_BREAKER_H
#define RUNNER_OUTSIDE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* 0: a call may go, and reports how it fared. Else how long none may, in milliseconds. */
int64_t breaker_wait_ms(const char *host);
void breaker_report(const char *host, bool good);

#endif
