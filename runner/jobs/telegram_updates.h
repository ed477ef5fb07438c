/*
 * How updates come from Telegram (MILLRACE_TELEGRAM_UPDATES): asked for by one runner at a time, or
 * by a webhook, which is looked after. Periodic work, with a thread of its own: a call that asks
 * for updates waits for them.
 */
#ifndef RUNNER_JOBS_TELEGRAM_UPDATES_H
#define RUNNER_JOBS_TELEGRAM_UPDATES_H

#include "runner/queue/periodic.h"

/* The row "telegram" of the periodic work. */
int64_t telegram_updates_run(struct db *db, struct arena *a, struct stop *stop);
/* A call was refused for its token: the next turn asks again who the bot is. Any thread. */
void telegram_token_is_bad(void);

#endif
