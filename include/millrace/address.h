/*
 * Addresses: of clients, as limits count them, and of mail. Nothing here blocks; any thread.
 */
#ifndef MILLRACE_ADDRESS_H
#define MILLRACE_ADDRESS_H

#include <millrace/arena.h>
#include <millrace/err.h>

/*
 * The network that a client's address counts for: an IPv4 address is its own, also where it is
 * written as IPv6 (::ffff:192.0.2.7); an IPv6 address counts for its /64, since that is what one
 * customer gets. Canonical text (RFC 5952), "192.0.2.7" or "2001:db8:1:2::/64"; the arena's. Absent
 * for anything else, such as "unix:".
 */
struct str address_network(struct arena *a, struct str address);

/*
 * Is `text` a list of networks, separated by spaces, each an IPv4 or IPv6 address in its canonical
 * or any other form of inet_pton(3), with the bits of its prefix ("10.1.0.0/16", RFC 4632 and RFC
 * 4291, 2.3) or without (one host)?
 */
bool address_is_networks(const char *text);
/*
 * Is the address, of the family of one of them, in one of such a list's networks? False for what is
 * no list. An IPv6 address that carries an IPv4 one is not in the networks of that.
 */
struct sockaddr;
bool address_in_networks(const char *networks, const struct sockaddr *address);

/*
 * Has it the form local@domain, in UTF-8, of at most 254 bytes, without spaces, control characters
 * and what would have to be quoted (RFC 5321, 4.1.2)? Enough to catch a typing error; only a mail
 * proves an address.
 */
bool address_is_email(struct str s);

/* The address of a sender: what stands in <>, or all of it; part of `from`. */
struct str address_of_sender(struct str from);

/*
 * The form in which a mail address is stored and compared: without blanks at both ends, in lower
 * case and NFC (RFC 8265, 3.3), its domain by IDNA with U-labels (unicode_domain). False where it
 * is no address then; *out is the arena's, or given.
 */
MUST_CHECK bool address_email(struct arena *a, struct str given, struct str *out);
/* The form of what somebody signs in by, an address or a name (unicode_name). Always true, as a
 * field's `prepare`. */
bool address_login(struct arena *a, struct str given, struct str *out);
/* An address as mail relays without SMTPUTF8 (RFC 6531) take it: its domain with A-labels. */
struct str address_for_mail(struct arena *a, struct str email);

#endif
