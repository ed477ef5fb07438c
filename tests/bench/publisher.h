/*
 * The three ways in which a message reaches a server that is measured:
 *
 *   pg:CONNINFO         Millrace: rows of its event log, a transaction for all that are given at
 * once http:HOST:PORT/PATH nchan: a POST each over a kept connection, pipelined, the topic added to
 * the path line:HOST:PORT      our Node servers: a line "TOPIC JSON" each, all that are given in
 * one write
 *
 * Blocks until the server has taken them (lines are not answered). A failure ends the program.
 */
#ifndef BENCH_PUBLISHER_H
#define BENCH_PUBLISHER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PUBLISHER_BATCH_MAX 256

struct message {
	uint64_t number;
	int64_t due;
	_Atomic int64_t sent; /* the COMMIT, the POST, the line; written before it leaves */
	uint32_t left; /* subscribers who do not have it yet */
};

struct publisher;

/* `topics`: n names; message number i is of topic i % n. `length`: bytes of each message. */
struct publisher *publisher_open(const char *to, char **topics, size_t n, size_t length);

/* At most PUBLISHER_BATCH_MAX messages. */
void publisher_send(struct publisher *p, struct message *const *m, size_t n);

#endif
