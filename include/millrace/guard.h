/*
 * Which addresses a request may go to whose URL somebody gave who is not the administrator. Checked
 * at connect, with the address that was resolved, so that a name cannot point elsewhere between the
 * check and the connection. Any thread; nothing blocks.
 */
#ifndef MILLRACE_GUARD_H
#define MILLRACE_GUARD_H

#include <stdbool.h>

#include <millrace/str.h>

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

/*
 * May this be a URL for such a request? http or https, a host, no user or password before it (RFC
 * 3986, 3.2), nothing but printable ASCII; a host that is an address in any form that getaddrinfo
 * takes is one that guard_lets. Resolves no names: what a name points to is checked at connect.
 */
bool guard_is_url(struct str url);
/*
 * May the sender of such a request name this header (RFC 9110, 5.1)? Not so: Host, and what says
 * where the message ends and how long the connection lasts, which are the client library's.
 */
bool guard_is_header(struct str name);

#endif
