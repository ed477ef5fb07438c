/* Client addresses, as limits count them. */
#ifndef MILLRACE_ADDRESS_H
#define MILLRACE_ADDRESS_H

#include <millrace/arena.h>

/*
 * Whom an address stands for: an IPv4 address for itself, also one that is written as IPv6 (::ffff:192.0.2.7); an IPv6 address for its
 * /64, which is what a customer gets. Canonical text (RFC 5952), "192.0.2.7" or "2001:db8:1:2::/64"; the arena's. Absent for
 * anything else, such as "unix:".
 */
struct str address_network(struct arena *a, struct str address);

#endif
