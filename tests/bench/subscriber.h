/*
 * Many WebSocket connections in one epoll set, each a subscriber of one topic who must get each of
 * its messages once and in order.
 *
 * Connection i follows script i % n of the file that it is given: fields separated by 0x1e, first
 * the request of the handshake, then by turns the beginning of a message to wait for and what to
 * say then (perhaps nothing); it is open when its script is at its end. Its topic is number i %
 * n_topics. A message is known by ~NUMBER~ in it; number g is of topic g % n_topics. Pings are
 * answered, WebSocket's and Engine.IO's.
 */
#ifndef BENCH_SUBSCRIBER_H
#define BENCH_SUBSCRIBER_H

#include <stddef.h>
#include <stdint.h>

#include "net.h"
#include "publisher.h"

struct audience {
	const char *to;
	SSL_CTX *tls; /* or NULL */
	struct records scripts;
	size_t n_connections, n_topics;
};

/* Microseconds. */
struct lateness {
	uint32_t due, sent; /* after when the message was due, and after it was sent */
};

/* What came since subscribers_expect. */
struct tally {
	uint64_t deliveries;
	uint64_t repeated; /* came again, or after a later one */
	uint64_t skipped; /* had not come when a later one did */
	uint64_t ended; /* connections, since the beginning */
	uint64_t whole; /* messages that everybody has, since the beginning */
	int64_t last; /* when the last delivery was */
	struct lateness *late; /* one a delivery */
	size_t room;
};
extern struct tally tally;

/* Opens all connections; ends the program where that takes more than two minutes. */
void subscribers_open(const struct audience *a);

/* Reads what is there, or comes within so many milliseconds. */
void subscribers_turn(int most_ms);

/* Is something there? To poll. */
int subscribers_fd(void);

/* A tally from nothing; whoever has not got all messages before this number goes on with it as if
 * he had. */
void subscribers_expect(uint64_t number);

/* Message `number`, one of the last 2^20. */
struct message *message_at(uint64_t number);

#endif
