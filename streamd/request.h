/*
 * From a connection's first byte to what it becomes: reads the head, checks path and grant, and hands over to sse.h or
 * reply.h, or refuses in the API's error shape.
 */
#ifndef STREAMD_REQUEST_H
#define STREAMD_REQUEST_H

#include "conn.h"

void request_start(struct conn *c);
/* Bytes from the other side; ignored once the head is whole. */
void request_bytes(struct conn *c, struct str bytes);

#endif
