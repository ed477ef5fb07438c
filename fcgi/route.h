/*
 * The route table's form. handlers/routes.c holds the one table of the whole surface, and the list of
 * the pools that serve it. Zero is not a valid value of any column before the optional ones, so that
 * a forgotten column stops the boot.
 */
#ifndef FCGI_ROUTE_H
#define FCGI_ROUTE_H

#include <stdio.h>

#include <millrace/err.h>
#include <millrace/fields.h>

struct req;
typedef enum err answer_fn(struct req *r);

#define KIB 1024
#define MIB (1024 * KIB)
#define NO_BODY (-1)
#define PATH_PARTS_MAX 4

enum method { M_GET = 1, M_POST, M_PUT, M_PATCH, M_DELETE };
/* Who may call: anyone, anyone or a signed-in user, a signed-in user, or an administrator. */
enum caller_kind { AUTH_PUBLIC = 1, AUTH_OPTIONAL, AUTH_USER, AUTH_ADMIN };
/* Which of the settings MILLRACE_RATE_* bounds it. RATE_LOGIN counts by address, the others by caller. */
enum rate { RATE_NONE = 1, RATE_READ, RATE_WRITE, RATE_LOGIN };
/* How it is answered: at once, by streamd when the run ends, as a stream of events, or by a socket that streamd holds. */
enum mode { IMMEDIATE = 1, DEFERRED, STREAM, SOCKET };
/* How the body arrives. UPLOAD streams multipart/form-data through the handler's own parts (fcgi/upload.h). */
enum body_kind { BODY_NONE = 1, BODY_JSON, BODY_UPLOAD };

struct field_table {
	const struct field *p;
	size_t n;
	size_t len; /* of the struct that it fills */
};
#define FIELD_TABLE(type, array)                                        \
	{                                                               \
		(array), sizeof(array) / sizeof(*(array)), sizeof(type) \
	}

struct route {
	enum method method;
	const char *pool; /* the one of pools[] that serves it */
	enum caller_kind caller;
	enum rate rate;
	enum mode mode;
	enum body_kind body_kind;
	const char *
	    path; /* parts as "{id:uuid}", "{name:text}" or "{provider:provider}" (oauth.h): what is of another type is 404 before the handler */
	answer_fn *handler;
	/* What OpenAPI says besides. */
	int status; /* of the reply */
	const char *reply; /* a name in handlers/schemas.json; NULL where there is no body */
	const char *summary;
	/* Optional. */
	const struct field_table *body;
	const struct field_table *query;
	bool snake; /* field names are documented in snake_case */
	int also; /* a second status of the reply */
	const char *refusal; /* the schema of a 400 that is not of the error shape alone */
	const char *scope; /* what an API key needs; NULL: read for GET, else write */
	bool idempotent; /* takes Idempotency-Key: its query says `-- keep` */
	answer_fn *nobody; /* SOCKET: answers a caller who is not who they say, instead of 401 */
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

const char *method_name(enum method m);

/* Ends the process with what is wrong where a column was forgotten or two routes collide. */
void routes_check(void);
/* Is there a pool of this name? */
bool pool_exists(const char *name);
/* A pool a line: its name, a space, and what it serves. Units, ./dev and tests read the names. */
void pools_print(FILE *out);
/* METHOD PATH MODE of every route, a line each. */
void routes_print(FILE *out);

struct match {
	const struct route *route; /* NULL: the path is unknown, or known with other methods only */
	unsigned methods; /* bit 1 << M_… for each method that the path has */
	struct str parts[PATH_PARTS_MAX];
	size_t n_parts;
};

/* Finds the route of `pool` for a method (0 for none known) and a decoded path, with or without a
 * slash at its end. */
struct match route_match(const char *pool, int method, struct str path);

/* The OpenAPI 3.1 document of the whole table. */
struct str openapi_document(struct arena *a);

#endif
