/*
 * The log: one JSON object a line on standard error, {"time","level","role","pid","msg", …}. Values
 * are escaped, so nothing from outside can forge a line. Secrets and tokens must never be passed.
 * For a command that a person runs (log_set_plain) it is "role: msg (name value, …)" instead.
 *
 * Any thread may log; each line is one write(2), so lines of threads and processes do not mix.
 * log_open and log_set_plain are for main, before the first thread.
 */
#ifndef MILLRACE_LOG_H
#define MILLRACE_LOG_H

#include <millrace/str.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/*
 * Sets the role that every line names ("chat", "streamd", "runner"; it must live as long as the
 * process) and the least level that is written.
 */
void log_open(const char *role, enum log_level least);
/* From here on lines are for a person. */
void log_set_plain(void);
/* Would a line of that level be written? For values that are costly to compute. */
bool log_wants(enum log_level level);
/* The level of a MILLRACE_LOG_LEVEL, which the settings' check has let pass. */
enum log_level log_level_named(const char *name);

/*
 * log_line(LOG_INFO, "request", "method", method, "path", path, NULL): after msg come pairs of a
 * name and a value, both C strings; a pair whose value is NULL is left out. The macros below end
 * the list. msg begins with a noun that people search for: "db: connection lost".
 */
void log_line(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__, (char *)NULL)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__, (char *)NULL)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__, (char *)NULL)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__, (char *)NULL)

/*
 * For a line that clients can bring about as often as they like: one a minute is written, and the
 * next says how many were not. One for each line, static and zeroed; of one thread alone.
 *
 *	if (log_seldom(&seldom))
 *		log_info("…", "left_out", seldom.left_out);
 */
struct log_seldom {
	int64_t next_us; /* none before */
	uint64_t n; /* left out since the last one */
	const char *left_out; /* n as a text; NULL: none were */
	char text[24];
};
/* Is the line due? */
bool log_seldom(struct log_seldom *s);

/* Logs an error and ends the process with status 1; for a start that cannot succeed. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
