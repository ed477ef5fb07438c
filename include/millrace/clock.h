/*
 * The two clocks of the system (clock_gettime(2)). Any thread; nothing blocks, nothing fails.
 */
#ifndef MILLRACE_CLOCK_H
#define MILLRACE_CLOCK_H

#include <stdint.h>

/* The monotonic clock, in microseconds and milliseconds since an arbitrary time: for intervals. */
int64_t clock_us(void);
int64_t clock_ms(void);
/*
 * The time of day, in microseconds and milliseconds since 1970 in UTC: for people and other hosts.
 */
int64_t clock_unix_us(void);
int64_t clock_unix_ms(void);

#endif
