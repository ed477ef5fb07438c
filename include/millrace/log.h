/*
 * One JSON object a line on standard error: {"time","level","role","pid","msg", …}. Values are escaped, so nothing from
 * outside can forge a line. Secrets and tokens are never given to it. Each line is one write(2). Of a command that a person
 * runs: "role: msg (name value, …)" instead.
 */
#ifndef MILLRACE_LOG_H
#define MILLRACE_LOG_H

#include <millrace/str.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Names the process in every line ("chat", "streamd", "runner"); `role` must live as long as the process. */
void log_open(const char *role, enum log_level least);
/* From here on lines are for a person. */
void log_set_plain(void);
/* Would a line of that level be written? For what is costly to put together. */
bool log_wants(enum log_level level);
/* The level of a MILLRACE_LOG_LEVEL; ends the process where it is none. */
enum log_level log_level_named(const char *name);

/*
 * log_line(LOG_INFO, "request", "method", method, "path", path, NULL): after msg, pairs of a name (const char *) and a value
 * (const char *; NULL values are left out with their name). The macros below end the list.
 */
void log_line(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__, (char *)NULL)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__, (char *)NULL)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__, (char *)NULL)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__, (char *)NULL)

/* Logs an error and ends the process with status 1; for a start that cannot succeed. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
