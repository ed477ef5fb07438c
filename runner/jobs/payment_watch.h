/*
 * Payments after their jobs, as periodic work ("payments"): counts confirmations of those that a
 * block has, sends anew what a reorganisation has dropped, begins further jobs for those that no
 * block has, and looks at the balances that payments are made from.
 */
#ifndef RUNNER_JOBS_PAYMENT_WATCH_H
#define RUNNER_JOBS_PAYMENT_WATCH_H

#include "runner/queue/periodic.h"

int64_t payment_watch_run(struct db *db, struct arena *a, struct stop *stop);
/* Accounts with less than MILLRACE_PAYMENT_BALANCE_MIN, as last seen. Any thread. */
int payment_accounts_low(void);

#endif
