/*
 * What machines ask of the service itself. A handler answers its own route or returns the err of
 * the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_SYSTEM_H
#define HANDLERS_SYSTEM_H

#include "fcgi/request.h"

/* system.c */
enum err system_health(struct req *r);
enum err system_ready(struct req *r);
enum err system_openapi(struct req *r);

/* metrics.c */
enum err system_metrics(struct req *r);

#endif
