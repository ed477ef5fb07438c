/*
 * Signs the audit chain: periodic work that looks how the chain stands, checks what has come since
 * the last checkpoint, and keeps a new one (MILLRACE_AUDIT_SECONDS, MILLRACE_AUDIT_ROWS). What it
 * has seen signed it remembers, and it signs nothing that contradicts that. Without a key that fits
 * (MILLRACE_AUDIT_KEY) everything else goes on.
 */
#ifndef RUNNER_AUDIT_SIGN_H
#define RUNNER_AUDIT_SIGN_H

#include "runner/queue/periodic.h"

/* Once, before the first thread: reads the key. audit_end, after the last, wipes it. */
void audit_init(void);
void audit_end(void);
/* The row "audit" of the periodic work. */
int64_t audit_run(struct db *db, struct arena *a, struct stop *stop);

/* Any thread. 1: it signs. 0: it does not, and its log says why. -1: there is no key yet. */
int audit_signs(void);
/* Any thread. Checkpoints signed by this process. */
long long audit_signed(void);

#endif
