/*
 * What came in: the path's parts, headers, cookies, the query string and the body. Strings point
 * into the request and live as long.
 */
#ifndef FCGI_PARAMS_H
#define FCGI_PARAMS_H

#include <millrace/err.h>
#include <millrace/fields.h>

#include "fcgi/route.h"

struct req;

/* A request header or FastCGI parameter by its CGI name (RFC 3875: "HTTP_ACCEPT"), or absent. */
struct str req_param(const struct req *r, const char *name);
/*
 * A cookie's value. Absent also where it came twice, as a host of a domain above can bring about,
 * and cannot with a name that begins with __Host- (RFC 6265bis, 4.1.3.2).
 */
struct str req_cookie(const struct req *r, struct str name);
/*
 * For cookies that may come more than once: cuts *rest, which is the Cookie header at first, behind
 * the next of that name. False where there is none more.
 */
bool cookie_next(struct str *rest, struct str name, struct str *value);
/* The n-th variable part of the path, from 0, as a uuid; aborts where the route has none there. */
struct uuid path_uuid(const struct req *r, size_t n);
/* The same as text, as the path's type lets it be. It points into the path. */
struct str path_text(const struct req *r, size_t n);

/*
 * Fills *into by `table`, the route's own .body or .query: body_bind(r, note_body, &in). Another
 * table than the route's aborts, and a struct of another type than the table's does not compile.
 * ERR_BAD_REQUEST: every bad field is in r->problems, and *into is not to be used.
 */
#define body_bind(r, table, into) body_fields((r), &(table), 1 ? (into) : (table##_struct *)NULL)
#define query_bind(r, table, into) \
	query_string_fields((r), &(table), 1 ? (into) : (table##_struct *)NULL)
MUST_CHECK enum err body_fields(struct req *r, const struct field_table *t, void *into);
MUST_CHECK enum err query_string_fields(struct req *r, const struct field_table *t, void *into);
/*
 * For a route with .many: the body is one object, or an array of 1 to .many. *items is an array of
 * *n structs of the table's, zero where nothing was given; the arena's.
 */
MUST_CHECK enum err body_list(struct req *r, const struct field_table *t, void **items, size_t *n);
/* The body as a JSON object, for what has no table; its text is r->body. ERR_BAD_REQUEST. */
MUST_CHECK enum err body_object(struct req *r, json_object **out);

/*
 * Reads the whole body into r->body. ERR_TOO_LARGE: beyond 1 MiB. ERR_UNSUPPORTED_MEDIA_TYPE: it is
 * not application/json. ERR_BAD_REQUEST: it is shorter than Content-Length.
 */
MUST_CHECK enum err body_read(struct req *r);
/* Is the body's Content-Type that of JSON, as far as there is a body? */
MUST_CHECK enum err body_check_type(struct req *r);
/*
 * Reads what is left of the body and drops it: a kept connection must stand at its next request.
 * nginx has the whole body before it sends any of it, so this does not wait for a client.
 */
void body_drain(struct req *r);

#endif
