/* Addresses: of clients, as limits count them, and of mail. */
#ifndef MILLRACE_ADDRESS_H
#define MILLRACE_ADDRESS_H

#include <millrace/arena.h>

/*
 * Whom an address stands for: an IPv4 address for itself, also one that is written as IPv6 (::ffff:192.0.2.7); an IPv6 address for its
 * /64, which is what a customer gets. Canonical text (RFC 5952), "192.0.2.7" or "2001:db8:1:2::/64"; the arena's. Absent for
 * anything else, such as "unix:".
 */
struct str address_network(struct arena *a, struct str address);

/* local@domain in UTF-8, of 254 bytes at most, without spaces, control characters, or what would have to be quoted (RFC 5321, 4.1.2):
   enough to tell a mistake; only a mail proves an address. */
bool address_is_email(struct str s);

#endif
