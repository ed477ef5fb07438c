/*
 * When the certificate ends that clients of MILLRACE_PUBLIC_URL are shown, and whether they take
 * it: looked at from outside, so that one that was renewed but not loaded is noticed, too.
 */
#ifndef RUNNER_OUTSIDE_CERTIFICATE_H
#define RUNNER_OUTSIDE_CERTIFICATE_H

#include <millrace/db.h>

#include "runner/queue/stop.h"

/* Periodic work: connects, and logs a certificate that ends within 14 days or that clients refuse.
 */
int64_t certificate_run(struct db *db, struct arena *a, struct stop *stop);

/* Any thread: its end in Unix seconds; 0: not known. */
double certificate_end(void);

/* Any thread: what clients that know the authorities of this host find wrong with it otherwise. */
enum certificate_fault { CERTIFICATE_TAKEN, CERTIFICATE_ISSUER, CERTIFICATE_NAME };
double certificate_fault(void);

#endif
