/* What the runner counts, by Prometheus's names, and the process's row that holds it. */
#ifndef RUNNER_METRICS_H
#define RUNNER_METRICS_H

#include "runner/queue/periodic.h"

/* The row "process" of the periodic work: keeps this process's row fresh. */
int64_t metrics_store(struct db *db, struct arena *a, struct stop *stop);
/* Deletes that row, at the process's end; after periodic_stop. Blocks; where the database is away,
   for 5 s at most, and the row stays. */
void metrics_withdraw(void);

#endif
