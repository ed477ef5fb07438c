/*
 * Signs the audit chain: a thread that looks every second how the chain stands, checks what has come since the last checkpoint, and
 * keeps a new one (MILLRACE_AUDIT_SECONDS, MILLRACE_AUDIT_ROWS). What it has seen signed it remembers, and it signs nothing that
 * contradicts that. Without a key that fits (MILLRACE_AUDIT_KEY) everything else goes on.
 */
#ifndef RUNNER_AUDIT_SIGN_H
#define RUNNER_AUDIT_SIGN_H

/* Reads the key and starts the thread; audit_stop ends and joins it. */
void audit_start(void);
void audit_stop(void);

/* 1: it signs. 0: it does not, and its log says why. -1: there is no key yet. */
int audit_signs(void);
/* Checkpoints signed by this process. */
long long audit_signed(void);

#endif
