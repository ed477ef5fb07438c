/*
 * Which addresses a request may go to whose URL somebody gave who is not the administrator. Checked
 * at connect, with the address that was resolved, so that a name cannot point elsewhere between the
 * check and the connection. Any thread.
 */
#ifndef RUNNER_OUTSIDE_GUARD_H
#define RUNNER_OUTSIDE_GUARD_H

#include <stdbool.h>

struct sockaddr;

/*
 * Is this an address of the public Internet, by IANA's special-purpose registries (RFC 6890)? Not
 * so: private, loopback, link-local, shared (CGNAT), unique local, multicast, reserved and
 * documentation ranges; IPv6 that carries an IPv4 address (mapped, NAT64, 6to4, Teredo), whatever
 * that is; any other family.
 */
bool guard_is_public(const struct sockaddr *address);
/* That, or in a network that the administrator has opened (MILLRACE_FETCH_NETWORKS). */
bool guard_lets(const struct sockaddr *address);

#endif
