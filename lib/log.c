#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <millrace/arena.h>
#include <millrace/clock.h>
#include <millrace/disk.h>
#include <millrace/log.h>

#define SELDOM_US (60 * INT64_C(1000000))

static const char *log_role = "millrace";
static enum log_level log_least = LOG_INFO;
static bool log_is_plain;

void
log_open(const char *role, enum log_level least)
{
	log_role = role;
	log_least = least;
}

void
log_set_plain(void)
{
	log_is_plain = true;
}

bool
log_wants(enum log_level level)
{
	return level >= log_least;
}

static const char *const level_names[] = { "debug", "info", "warn", "error" };

enum log_level
log_level_named(const char *name)
{
	enum log_level level = LOG_ERROR;

	while (level > LOG_DEBUG && strcmp(name, level_names[level]) != 0)
		level--;
	return level;
}

static void
write_json(struct buf *b, enum log_level level, const char *msg, va_list pairs)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];
	const char *name;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b,
	    "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"role\":\"%s\",\"pid\":%d,\"msg\":", stamp,
	    now.tv_nsec / 1000000, level_names[level], log_role, (int)getpid());
	buf_json(b, str_from(msg));
	while ((name = va_arg(pairs, const char *)) != NULL) {
		const char *value = va_arg(pairs, const char *);

		if (!value)
			continue;
		buf_printf(b, ",\"%s\":", name);
		buf_json(b, str_from(value));
	}
	buf_put(b, S("}\n"));
}

/* Values are quoted and escaped in this form, too. */
static void
write_plain(struct buf *b, const char *msg, va_list pairs)
{
	const char *name, *between = " (";

	buf_printf(b, "%s: %s", log_role, msg);
	while ((name = va_arg(pairs, const char *)) != NULL) {
		const char *value = va_arg(pairs, const char *);

		if (!value)
			continue;
		buf_printf(b, "%s%s ", between, name);
		buf_json(b, str_from(value));
		between = ", ";
	}
	buf_put(b, *between == ',' ? S(")\n") : S("\n"));
}

static void
log_write(enum log_level level, const char *msg, va_list pairs)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	if (log_is_plain)
		write_plain(&b, msg, pairs);
	else
		write_json(&b, level, msg, pairs);
	/* The log cannot tell that it is full; metrics and readiness do. */
	if (write(STDERR_FILENO, b.p, b.n) < 0 && (errno == ENOSPC || errno == EDQUOT))
		disk_full_note();
	arena_free(a);
}

void
log_line(enum log_level level, const char *msg, ...)
{
	va_list pairs;

	if (!log_wants(level))
		return;
	va_start(pairs, msg);
	log_write(level, msg, pairs);
	va_end(pairs);
}

bool
log_seldom(struct log_seldom *s)
{
	int64_t now_us = clock_us();

	if (now_us < s->next_us) {
		s->n++;
		return false;
	}
	snprintf(s->text, sizeof(s->text), "%llu", (unsigned long long)s->n);
	s->left_out = s->n > 0 ? s->text : NULL;
	s->n = 0;
	s->next_us = now_us + SELDOM_US;
	return true;
}

void
die(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_error(text);
	exit(1);
}
