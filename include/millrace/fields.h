/*
 * Field tables: what a request may hold, in one declaration that is the check, the OpenAPI schema and the fuzz target's
 * input. json_bind and query_bind fill a struct from a JSON body or a query string, report every bad field at once, and let nothing
 * unchecked through. Names are taken in snake_case and camelCase alike.
 */
#ifndef MILLRACE_FIELDS_H
#define MILLRACE_FIELDS_H

#include <json-c/json.h>

#include <millrace/arena.h>
#include <millrace/err.h>

enum field_kind {
	FIELD_STR = 1, /* struct str; min..max code points */
	FIELD_BOOL, /* bool */
	FIELD_INT, /* int64_t; min..max */
	FIELD_DECIMAL, /* struct str: the number's own digits, never through a double; min..max of its whole part */
	FIELD_UUID, /* struct uuid */
	FIELD_TIME, /* struct str: RFC 3339, normalised to UTC with Z; without a zone it is taken as UTC */
	FIELD_ENUM, /* struct str, one of names[] */
	FIELD_STRS, /* struct str_list; at most max entries of at most 200 code points */
	FIELD_JSON, /* struct str: any JSON object, serialised; at most max bytes */
	FIELD_OBJECT /* a nested struct with a table of its own */
};

enum { OPTIONAL, REQUIRED };

struct field {
	const char *name; /* as in C: snake_case */
	enum field_kind kind;
	int required;
	int64_t min, max;
	size_t offset;
	const char *const *names; /* FIELD_ENUM: NULL-terminated */
	bool (*valid)(struct str); /* one more check for FIELD_STR, or NULL */
	const char *problem; /* what to say when `valid` says no */
	const struct field *fields; /* FIELD_OBJECT */
	size_t n_fields;
};

#define F_STR(type, m, lo, hi, req)                                                         \
	{                                                                                   \
		.name = #m, .kind = FIELD_STR, .required = (req), .min = (lo), .max = (hi), \
		.offset = offsetof(type, m)                                                 \
	}
#define F_CHECKED(type, m, lo, hi, req, fn, why)                                            \
	{                                                                                   \
		.name = #m, .kind = FIELD_STR, .required = (req), .min = (lo), .max = (hi), \
		.offset = offsetof(type, m), .valid = (fn), .problem = (why)                \
	}
#define F_BOOL(type, m, req)                                                                   \
	{                                                                                      \
		.name = #m, .kind = FIELD_BOOL, .required = (req), .offset = offsetof(type, m) \
	}
#define F_INT(type, m, lo, hi, req)                                                         \
	{                                                                                   \
		.name = #m, .kind = FIELD_INT, .required = (req), .min = (lo), .max = (hi), \
		.offset = offsetof(type, m)                                                 \
	}
#define F_DECIMAL(type, m, lo, hi, req)                                                         \
	{                                                                                       \
		.name = #m, .kind = FIELD_DECIMAL, .required = (req), .min = (lo), .max = (hi), \
		.offset = offsetof(type, m)                                                     \
	}
#define F_UUID(type, m, req)                                                                   \
	{                                                                                      \
		.name = #m, .kind = FIELD_UUID, .required = (req), .offset = offsetof(type, m) \
	}
#define F_TIME(type, m, req)                                                                   \
	{                                                                                      \
		.name = #m, .kind = FIELD_TIME, .required = (req), .offset = offsetof(type, m) \
	}
#define F_ENUM(type, m, list, req)                                                              \
	{                                                                                       \
		.name = #m, .kind = FIELD_ENUM, .required = (req), .offset = offsetof(type, m), \
		.names = (list)                                                                 \
	}
#define F_STRS(type, m, most, req)                                                \
	{                                                                         \
		.name = #m, .kind = FIELD_STRS, .required = (req), .max = (most), \
		.offset = offsetof(type, m)                                       \
	}
#define F_JSON(type, m, most, req)                                                \
	{                                                                         \
		.name = #m, .kind = FIELD_JSON, .required = (req), .max = (most), \
		.offset = offsetof(type, m)                                       \
	}
#define F_OBJECT(type, m, table, req)                                                             \
	{                                                                                         \
		.name = #m, .kind = FIELD_OBJECT, .required = (req), .offset = offsetof(type, m), \
		.fields = (table), .n_fields = sizeof(table) / sizeof(*(table))                   \
	}

/* What was wrong with each field: a JSON array [{"field","problem"}] in the making. */
struct problems {
	struct buf json;
	size_t n;
};

void problem_add(struct problems *p, struct str field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Fills *into by the table from a JSON object. Absent and null optional fields keep the zero value (absent str, "" uuid, 0,
 * false). False: at least one problem was added; *into is then not to be used. Unknown names are ignored.
 */
MUST_CHECK bool json_fields(struct arena *a, const struct field *fields, size_t n,
    json_object *from, void *into, struct problems *problems);

/*
 * The same from JSON text, of a job's input, a message or a tool call. False where it is no object either; *why is then what is wrong,
 * for a log or a reply: a few words ("not JSON"), or the problems as
 * JSON objects with commas between. The arena's, or a literal.
 */
MUST_CHECK bool fields_from_text(struct arena *a, const struct field *fields, size_t n,
    struct str text, void *into, struct str *why);

/* The same from name=value pairs (application/x-www-form-urlencoded, RFC 3986 escapes; "+" is a space). False also for
   broken escapes, NUL or bad UTF-8. A name that comes twice: the first counts. */
MUST_CHECK bool query_fields(struct arena *a, const struct field *fields, size_t n,
    struct str query_string, void *into, struct problems *problems);

/* One named text value (a multipart field) into its place. */
MUST_CHECK bool text_field(struct arena *a, const struct field *fields, size_t n, struct str name,
    struct str value, void *into, struct problems *problems);
/* Adds a problem for each required field whose place in *into is still absent (for text_field's callers). */
void fields_missing(
    const struct field *fields, size_t n, const void *into, struct problems *problems);

/* A table's JSON Schema (OpenAPI 3.1) into b. `camel`: names in camelCase, as most of the routes document them. */
void fields_schema(struct buf *b, const struct field *fields, size_t n, bool camel);

/* One field's. */
void field_schema(struct buf *b, const struct field *f, bool camel);

#endif
