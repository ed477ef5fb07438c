/*
 * Field tables: what a request, a job's input or a message may hold, in one declaration that is the
 * check, the OpenAPI schema and the fuzz target's input. The functions fill a struct from JSON, a
 * query string or a form, report every bad field at once, and let nothing unchecked through. Names
 * are accepted in snake_case and camelCase alike; unknown names are ignored.
 *
 * Bound values point into the arena and into the input, which must live as long. Nothing here
 * blocks, logs or keeps state: every function may be called from any thread.
 */
#ifndef MILLRACE_FIELDS_H
#define MILLRACE_FIELDS_H

#include <json-c/json.h>

#include <millrace/address.h>
#include <millrace/arena.h>
#include <millrace/err.h>

enum field_kind {
	FIELD_STR = 1, /* struct str; min to max code points */
	FIELD_BOOL, /* bool */
	FIELD_INT, /* int64_t; min to max */
	FIELD_DECIMAL, /* struct str: the digits as sent, no double, no exponent; min to max */
	FIELD_UUID, /* struct uuid */
	FIELD_TIME, /* struct str: RFC 3339, normalised to UTC with Z; without a zone it is UTC */
	FIELD_ENUM, /* struct str, one of names[] */
	/* struct str_list; at most max entries of FIELD_ENTRY_MAX code points, or of names[] */
	FIELD_STRS,
	FIELD_JSON, /* struct str: any JSON object, serialised; at most max bytes */
	FIELD_ARRAY, /* struct str: any JSON array, serialised; at most max bytes */
	FIELD_ITEMS, /* struct str: a JSON array of at most max objects by a table, serialised */
	FIELD_OBJECT /* a nested struct with a table of its own */
};

#define FIELD_ENTRY_MAX 200 /* code points of an entry of FIELD_STRS */

enum { OPTIONAL, REQUIRED };

struct field {
	const char *name; /* as in C: snake_case */
	enum field_kind kind;
	int required;
	int64_t min, max;
	size_t offset;
	/* of the struct that the offset is in, to be compared with the table's */
	size_t struct_len;
	const char *const *names; /* FIELD_ENUM; FIELD_STRS, or NULL: any; NULL-terminated */
	/* One more check for FIELD_STR and entries of FIELD_STRS, or NULL. */
	bool (*valid)(struct str);
	/*
	 * For FIELD_STR, before all checks, and each entry of FIELD_STRS: the form that is stored
	 * and compared. Or NULL.
	 */
	bool (*prepare)(struct arena *a, struct str given, struct str *out);
	const char *problem; /* the problem where `valid` or `prepare` is false: "must be …" */
	const struct field *fields; /* FIELD_OBJECT, FIELD_ITEMS */
	size_t n_fields;
	size_t object_len; /* of the nested struct, or of an item's */
};

/* The offset of a member; a member of another type than `kind` fills does not compile. */
#define FIELD_AT(type, m, c_type) \
	(offsetof(type, m) + 0 * sizeof(char[_Generic(((type *)0)->m, c_type : 1)]))
#define FIELD(type, m, c_type, field_kind, req)                                                   \
	.name = #m, .kind = (field_kind), .required = (req), .offset = FIELD_AT(type, m, c_type), \
	.struct_len = sizeof(type)

/* A row for member m of a struct type; req is OPTIONAL or REQUIRED. */
#define F_STR(type, m, lo, hi, req)                                                  \
	{                                                                            \
		FIELD(type, m, struct str, FIELD_STR, req), .min = (lo), .max = (hi) \
	}
/* fn is one more check; `why` is the problem where it is false. */
#define F_CHECKED(type, m, lo, hi, req, fn, why)                                            \
	{                                                                                   \
		FIELD(type, m, struct str, FIELD_STR, req), .min = (lo), .max = (hi),       \
							    .valid = (fn), .problem = (why) \
	}
/* fn brings the text into the form that is stored and compared; `why` is the problem where it is
   false. */
#define F_PREPARED(type, m, lo, hi, req, fn, why)                                             \
	{                                                                                     \
		FIELD(type, m, struct str, FIELD_STR, req), .min = (lo), .max = (hi),         \
							    .prepare = (fn), .problem = (why) \
	}
#define F_BOOL(type, m, req)                          \
	{                                             \
		FIELD(type, m, bool, FIELD_BOOL, req) \
	}
#define F_INT(type, m, lo, hi, req)                                               \
	{                                                                         \
		FIELD(type, m, int64_t, FIELD_INT, req), .min = (lo), .max = (hi) \
	}
#define F_DECIMAL(type, m, lo, hi, req)                                                  \
	{                                                                                \
		FIELD(type, m, struct str, FIELD_DECIMAL, req), .min = (lo), .max = (hi) \
	}
#define F_UUID(type, m, req)                                 \
	{                                                    \
		FIELD(type, m, struct uuid, FIELD_UUID, req) \
	}
#define F_TIME(type, m, req)                                \
	{                                                   \
		FIELD(type, m, struct str, FIELD_TIME, req) \
	}
/* list: a NULL-terminated array of names. */
#define F_ENUM(type, m, list, req)                                           \
	{                                                                    \
		FIELD(type, m, struct str, FIELD_ENUM, req), .names = (list) \
	}
/* `why` is the problem where it is none of them. */
#define F_ENUM_OR(type, m, list, req, why)                                                     \
	{                                                                                      \
		FIELD(type, m, struct str, FIELD_ENUM, req), .names = (list), .problem = (why) \
	}
#define F_STRS(type, m, most, req)                                              \
	{                                                                       \
		FIELD(type, m, struct str_list, FIELD_STRS, req), .max = (most) \
	}
/* fn is one more check of each entry; `why` is the problem where it is false. */
#define F_EACH(type, m, most, req, fn, why)                                                     \
	{                                                                                       \
		FIELD(type, m, struct str_list, FIELD_STRS, req), .max = (most), .valid = (fn), \
								  .problem = (why)              \
	}
/* list: a NULL-terminated array of the names that may be entries. */
#define F_NAMES(type, m, list, most, req)                                                        \
	{                                                                                        \
		FIELD(type, m, struct str_list, FIELD_STRS, req), .max = (most), .names = (list) \
	}
#define F_JSON(type, m, most, req)                                         \
	{                                                                  \
		FIELD(type, m, struct str, FIELD_JSON, req), .max = (most) \
	}
#define F_ARRAY(type, m, most, req)                                         \
	{                                                                   \
		FIELD(type, m, struct str, FIELD_ARRAY, req), .max = (most) \
	}
/* table: an array of rows for an item_type; of what an item has beside it nothing is lost. */
#define F_ITEMS(type, m, item_type, table, most, req)                                             \
	{                                                                                         \
		FIELD(type, m, struct str, FIELD_ITEMS, req),                                     \
		    .max = (most), .fields = (table),                                             \
		    .n_fields = sizeof(table) / sizeof(*(table)), .object_len = sizeof(item_type) \
	}
/* fn brings each entry into the form that is stored; `why` is the problem where it is false. */
#define F_ENTRIES(type, m, most, req, fn, why)                                                    \
	{                                                                                         \
		FIELD(type, m, struct str_list, FIELD_STRS, req), .max = (most), .prepare = (fn), \
								  .problem = (why)                \
	}
/* table: an array of rows for the member's own struct. */
#define F_OBJECT(type, m, table, req)                                                              \
	{                                                                                          \
		.name = #m, .kind = FIELD_OBJECT, .required = (req), .offset = offsetof(type, m),  \
		.struct_len = sizeof(type), .fields = (table),                                     \
		.n_fields = sizeof(table) / sizeof(*(table)), .object_len = sizeof(((type *)0)->m) \
	}

/* --- presets: the rows that many tables share --- */

/* A mail address, as address_email writes it. */
#define F_EMAIL(type, m, req) \
	F_PREPARED(type, m, 3, 254, req, address_email, "must be an e-mail address")
#define F_EMAILS(type, m, most, req) \
	F_ENTRIES(type, m, most, req, address_email, "must be e-mail addresses")
#define F_UUIDS(type, m, most, req) F_ENTRIES(type, m, most, req, field_uuid, "must be UUIDs")
/* An address or a name to sign in by, as address_login writes it. */
#define F_LOGIN(type, m, req) F_PREPARED(type, m, 1, 254, req, address_login, NULL)
/* What a search is for, which compares in NFC. */
#define F_SEARCH(type, m) F_PREPARED(type, m, 0, 254, OPTIONAL, field_nfc, NULL)
/* A password to be set; one to be compared with is any text. */
#define F_PASSWORD(type, m, req)                                        \
	F_PREPARED(type, m, 1, PASSWORD_BYTES_MAX, req, field_password, \
	    "must have 8 to 1024 bytes, and no control characters")
/* An IANA time zone that this host's tzdata knows. */
#define F_TIMEZONE(type, m, req)                          \
	F_CHECKED(type, m, 1, 64, req, field_is_timezone, \
	    "must be an IANA time zone, such as Europe/Berlin")
/* What somebody reads: a name, a message. */
#define F_SHOWN(type, m, hi, req) \
	F_CHECKED(type, m, 1, hi, req, field_is_shown, "must not be blank")
/* Origins of pages (RFC 6454, 6.2), as browsers send them. */
#define F_ORIGINS(type, m, most, req)                                                             \
	F_EACH(type, m, most, req, field_is_origin,                                               \
	    "must hold origins as browsers send them: https://www.example.com, with no path and " \
	    "in small letters")
/* A list's page, into `int64_t limit` (0: not given) and `struct uuid before` of the struct. */
#define F_PAGE(type) F_INT(type, limit, 1, PAGE_ROWS_MAX, OPTIONAL), F_UUID(type, before, OPTIONAL)

#define PASSWORD_BYTES_MIN 8
#define PASSWORD_BYTES_MAX 1024
#define PAGE_ROWS_DEFAULT 50
#define PAGE_ROWS_MAX 200

/* unicode_password's form; false unless it has PASSWORD_BYTES_MIN to PASSWORD_BYTES_MAX bytes, and
   no control characters. */
bool field_password(struct arena *a, struct str given, struct str *out);
/* unicode_nfc's form; always true. */
bool field_nfc(struct arena *a, struct str given, struct str *out);
/* A UUID in its lower-case form. */
bool field_uuid(struct arena *a, struct str given, struct str *out);
/* Is it a time zone of /usr/share/zoneinfo that has a name of its own? Reads the file system. */
bool field_is_timezone(struct str s);
/* Does it have anything but spaces, tabs and line ends? */
bool field_is_shown(struct str s);
/* An origin of http or https as browsers serialise it: small letters, no path, no default port. */
bool field_is_origin(struct str s);

/* --- binding --- */

/* What is wrong with each field: objects {"field","problem"} with commas between them. */
struct problems {
	struct buf json; /* the caller sets json.a */
	size_t n; /* also of those beyond a bound, which are not written */
	struct str first; /* in words, for a text: "name is required" */
	bool camel; /* the client writes camelCase: so are fields named that it did not give */
};

/* Adds a problem; the formatted text is cut at 255 bytes. */
void problem_add(struct problems *p, struct str field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Fills *into by the table from a JSON object. Absent and null optional fields keep the value that
 * *into has, by convention zero (absent str, "" uuid, 0, false). False: at least one problem was
 * added, and *into is not to be used.
 */
MUST_CHECK bool json_fields(struct arena *a, const struct field *fields, size_t n,
    json_object *from, void *into, struct problems *problems);

/* The same of an object at a path such as "steps[0]", which its problems then begin with. */
MUST_CHECK bool json_fields_at(struct arena *a, const struct field *fields, size_t n,
    json_object *from, void *into, struct str path, struct problems *problems);

/*
 * The same from JSON text. False also where the text is no JSON object; *why then says what is
 * wrong, for a log or a reply: a few words ("not an object"), or the problems as JSON objects with
 * commas between. *why is the arena's, or a literal.
 */
MUST_CHECK bool fields_from_text(struct arena *a, const struct field *fields, size_t n,
    struct str text, void *into, struct str *why);

/*
 * The same from name=value pairs (application/x-www-form-urlencoded of the URL standard: RFC 3986
 * escapes, "+" is a space). False also for broken escapes, NUL or bad UTF-8. Of a name that comes
 * twice the first counts.
 */
MUST_CHECK bool query_fields(struct arena *a, const struct field *fields, size_t n,
    struct str query_string, void *into, struct problems *problems);

/* Binds one named text value (a form's part). Of a name that comes twice the first counts. */
MUST_CHECK bool text_field(struct arena *a, const struct field *fields, size_t n, struct str name,
    struct str value, void *into, struct problems *problems);
/* Adds a problem for each required field that is still absent in *into, after text_field. */
void fields_missing(
    const struct field *fields, size_t n, const void *into, struct problems *problems);

/*
 * Are all rows, those of nested objects too, of a struct of `len` bytes? Else a row was written for
 * another struct, and binding would write beyond this one.
 */
bool fields_fit(const struct field *fields, size_t n, size_t len);

/* --- describing: JSON Schema 2020-12, as OpenAPI 3.1 uses it --- */

enum {
	SCHEMA_CAMEL = 1, /* names in camelCase, else as in C */
	SCHEMA_NULL =
	    2 /* optional fields may be null: true of JSON bodies, not of queries or forms */
};

/* Appends a table's schema, an object, to b; flags are of SCHEMA_…. */
void fields_schema(struct buf *b, const struct field *fields, size_t n, int flags);
/* Appends one field's schema. */
void field_schema(struct buf *b, const struct field *f, int flags);
/* The field's name as documents and problems spell it; the arena's. */
struct str field_name(struct arena *a, const struct field *f, bool camel);

#endif
