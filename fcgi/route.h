/*
 * The route table's form. The table itself, its pools, aliases and reply schemas are the
 * application's (handlers/); this is what the worker has to know of them. Zero is not a valid value
 * of any column before the optional ones, so that a forgotten column stops the boot.
 *
 * All of it is constant and read without locks.
 */
#ifndef FCGI_ROUTE_H
#define FCGI_ROUTE_H

#include <stdio.h>

#include <millrace/err.h>
#include <millrace/fields.h>

struct req;
/* A handler, and the half of one that is called with the rows of its statement. */
typedef enum err answer_fn(struct req *r);

#define KIB 1024
#define MIB (1024 * KIB)
#define PATH_PARTS_MAX 4
#define LARGE_BODY_MAX (20 * MIB) /* as nginx/call.conf has it */

enum method { M_GET = 1, M_POST, M_PUT, M_PATCH, M_DELETE };
/* Who may call: anyone, anyone or a signed-in user, a signed-in user, or an administrator. */
enum caller_kind { AUTH_PUBLIC = 1, AUTH_OPTIONAL, AUTH_USER, AUTH_ADMIN };

/* A session's cookies. No other host can set the first; the page's own script reads the second. */
#define SESSION_COOKIE "__Host-access_token"
#define CSRF_COOKIE "csrf_access_token"
/*
 * What the first was called before, still read where the first is missing. Any host of the domain
 * can set one, and other software uses that name, too.
 */
#define SESSION_COOKIE_OLD "access_token"

/*
 * Which setting MILLRACE_RATE_* bounds it. RATE_LOGIN counts by address, as the others do where
 * there is no caller.
 */
enum rate { RATE_NONE = 1, RATE_READ, RATE_WRITE, RATE_LOGIN };
/* How it is answered: at once, by streamd when the run ends, by events, or by streamd's socket. */
enum mode { IMMEDIATE = 1, DEFERRED, STREAM, SOCKET };
/* How the body arrives. BODY_UPLOAD streams multipart/form-data into a blob (fcgi/upload.h). */
enum body_kind { BODY_NONE = 1, BODY_JSON, BODY_UPLOAD };

/* What a body or a query string may hold, and the struct that it fills. */
struct field_table {
	const struct field *p;
	size_t n;
	size_t len; /* of the struct */
	answer_fn *handler; /* the one that binds it; NULL: any handler may */
};

/*
 * Defines the table `name` for struct `type`. At compile time body_bind and query_bind compare the
 * type of what they fill with it; at boot routes_check compares the rows' structs with it, and the
 * handler with the route's.
 */
#define FIELD_TABLE(name, type, array, binder)                                                     \
	const struct field_table name = { (array), sizeof(array) / sizeof(*(array)), sizeof(type), \
		(binder) };                                                                        \
	typedef type name##_struct

struct route {
	enum method method;
	const char *pool; /* the one of pools[] that serves it */
	enum caller_kind caller;
	enum rate rate;
	enum mode mode;
	enum body_kind body_kind;
	const char *path; /* "/api/things/{id:uuid}": a variable's type is of fcgi/path_type.h */
	answer_fn *handler;
	int status; /* of the reply */
	const char *reply; /* a name in reply_schemas; NULL where there is no body */
	const char *summary;
	/* Optional. */
	const struct field_table *body;
	const struct field_table *query;
	int many; /* the body may also be an array of as many such objects; read by body_list */
	bool snake; /* field names are documented in snake_case */
	int also; /* a second status of the reply */
	const char *refusal; /* the schema of a 400 or 404 that is not of the error shape alone */
	const char *scope; /* what an API key needs; NULL: read for GET, else write */
	bool large; /* BODY_JSON: up to LARGE_BODY_MAX, as a blob where it is beyond 1 MiB
		       (upload.h) */
	bool idempotent; /* takes Idempotency-Key: its query says `-- keep` */
	answer_fn *nobody; /* SOCKET: answers an unknown caller inside the socket, instead of 401 */
};

extern const struct route routes[];
extern const size_t n_routes;

/* A pool of worker processes with a socket of its own. */
struct pool {
	const char *name; /* of its socket, its units, and `millrace-fcgi --pool` */
	const char *serves; /* in a few words, for people */
};

extern const struct pool pools[];
extern const size_t n_pools;

/* Every route whose path begins with the parts of `of` answers where they are `prefix`, too. */
struct alias {
	const char *prefix, *of; /* of whole parts; variables stand in both alike */
};

extern const struct alias aliases[];
extern const size_t n_aliases;

/* A JSON object of the named JSON Schemas of replies, for the OpenAPI document. */
extern const char reply_schemas[];

/* "GET"; of a method that exists. */
const char *method_name(enum method m);

/*
 * Ends the process with what is wrong, where a column was forgotten, a path's type is unknown, two
 * paths collide, or a field table is not its handler's or its struct's.
 */
void routes_check(void);
/*
 * The route's path under its n-th name: 0 is its own, the others come of aliases. The arena's, or
 * the route's own; absent for an n beyond the last. Some n between may be absent too, so count to
 * n_aliases.
 */
struct str route_path(struct arena *a, const struct route *r, size_t n);
/* METHOD PATH MODE of every route under every name, a line each. */
void routes_print(FILE *out);
/* POOL PATH of the same; for check-paths.awk. */
void paths_print(FILE *out);

/*
 * Does an EventSource ask here? It gives up for good at any status but 200, where the programs that
 * read the stream of a POST see it.
 */
bool route_is_event_source(const struct route *r);

/* Is there a pool of this name? */
bool pool_exists(const char *name);
/* A pool a line: its name, a space, and what it serves. Units, ./dev and tests read the names. */
void pools_print(FILE *out);

struct match {
	const struct route *route; /* NULL: the path is unknown, or has other methods only */
	unsigned methods; /* bit 1 << M_… for each method that the path has */
	struct str parts[PATH_PARTS_MAX]; /* the variable parts; they point into the path */
	size_t n_parts;
};

/*
 * Finds the route of `pool` for a method (0 for none known) and a decoded path, with or without a
 * slash at its end. Static parts win over variables, earlier ones over later. The pool's routes are
 * looked for when another pool was asked for last; `pool` is kept. For one thread.
 */
struct match route_match(const char *pool, int method, struct str path);

#endif
