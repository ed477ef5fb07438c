#include <time.h>

#include <millrace/clock.h>

static int64_t
read_us(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t
clock_unix_us(void)
{
	return read_us(CLOCK_REALTIME);
}

int64_t
clock_unix_ms(void)
{
	return clock_unix_us() / 1000;
}
