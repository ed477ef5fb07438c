/*
 * A full disk, the database's or that of the log, as this process has met it last: /readyz, metrics
 * and `millracectl status` say so. Any thread.
 */
#ifndef MILLRACE_DISK_H
#define MILLRACE_DISK_H

#include <stdint.h>

/* Something could not be written just now because there is no room. */
void disk_full_note(void);

/* When that was last, in Unix seconds; 0: never. */
int64_t disk_full_at(void);

/* The same, as a metric. */
double disk_full_read(void);

/* Its metric: a row of each program's table. */
#define DISK_FULL_METRIC                                                                        \
	{                                                                                       \
		.name = "millrace_disk_full_timestamp_seconds", .kind = METRIC_GAUGE,           \
		.help = "When this process last met a full disk, in Unix seconds; 0 is never.", \
		.read = disk_full_read                                                          \
	}

#endif
