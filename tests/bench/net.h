/*
 * What the clients of the benchmark share: the clock, a file of records, and connections to this
 * host, plain or TLS.
 *
 * Whatever cannot be opened ends the program (die): a benchmark with half of its connections
 * measures nothing.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <openssl/ssl.h>

#include <millrace/clock.h>

/* Takes as many descriptors as the hard limit gives. */
void files_raise(void);

/* The file's records, each ended by a NUL. They live as long as the program. */
struct records {
	char **text;
	size_t n;
};
struct records records_read(const char *path);

/* For wire_open; `cert` is the certificate to trust. */
SSL_CTX *tls_client(const char *cert);

struct wire {
	int fd;
	SSL *ssl; /* NULL: plain */
};

/* Connects to HOST:PORT (always on this host) or unix:PATH and shakes hands where `tls` is not
 * NULL; non-blocking from then on. */
void wire_open(struct wire *w, const char *to, SSL_CTX *tls);
void wire_close(struct wire *w);

/* Bytes read; 0 at the end of the connection, -1 where there is nothing now. */
ssize_t wire_read(struct wire *w, char *to, size_t room);

/* Did they go out whole? What a client says is small, and its socket is empty. */
bool wire_write(struct wire *w, const char *p, size_t n);

#endif
