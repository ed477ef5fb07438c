/*
 * Named SQL statements. sql/queries/<who>/<resource>.sql is their only source; sql/generate.awk
 * makes build/gen/sql_<who>.h and queries.c of it: one `struct query` and one typed C function for
 * each. Arguments travel as `struct sql_arg`; results come back as text.
 */
#ifndef MILLRACE_QUERY_H
#define MILLRACE_QUERY_H

#include <libpq-fe.h>

#include <millrace/arena.h>
#include <millrace/str.h>

enum sql_type {
	SQL_TEXT =
	    1, /* text, and what goes as text: jsonb, numeric, timestamptz, interval (struct str) */
	SQL_UUID, /* struct uuid; absent: NULL */
	SQL_INT, /* int4 or int8 (int64_t); SQL_NULL_INT: NULL */
	SQL_BOOL, /* bool */
	SQL_BYTES, /* bytea, sent in binary (struct str) */
	SQL_TEXTS, /* text[] (struct str_list) */
	SQL_UUIDS /* uuid[] (struct str_list of canonical uuids) */
};

#define SQL_NULL_INT INT64_MIN

struct sql_arg {
	enum sql_type type;
	union {
		struct str s;
		struct uuid u;
		int64_t i;
		bool b;
		struct str_list list;
	};
};

struct query {
	const char *name; /* also the prepared statement's name */
	const char *sql;
	/* The same, its row kept for Idempotency-Key (one more text argument); or NULL */
	const char *sql_keep;
	const char *const *arg_types; /* PostgreSQL's names: "uuid", "text", "int8", … */
	int n_args;
	/* Names and types of the row, alternating; checked against the server's description */
	const char *const *columns;
	int n_columns;
	bool reads; /* marked `-- reads`: it changes nothing */
	bool wakes; /* marked `-- wakes`: it makes a job that a client waits for */
	bool batched; /* marked `-- batched`: a runner's write that shares its flush with others' */
	bool late; /* marked `-- late`: whoever sends it is in no hurry for the flush */
	const struct query *many; /* marked `-- many`: the same for many, or NULL */
};

/* libpq's parameter arrays. */
struct sql_params {
	const char **values;
	int *lengths;
	int *formats;
	int n;
};

/* Every statement of the tree: whoever names it links them all (millracectl). */
extern const struct query *const all_queries[];
extern const size_t n_all_queries;

/* A copy of arguments and of all that they point to; the arena's. */
struct sql_arg *sql_args_copy(struct arena *a, const struct sql_arg *args, int n);
/*
 * The arguments of q->many for n times q's: the i-th has all i-th arguments, as text, absent ones
 * as empty. Everything is the arena's.
 */
struct sql_arg *sql_args_many(
    struct arena *a, const struct query *q, const struct sql_arg *const *args, size_t n);
/* Turns arguments into libpq's arrays; everything is the arena's. */
struct sql_params sql_params(struct arena *a, const struct sql_arg *args, int n);

/* The arena clears `res` when it is freed; NULL: nothing. */
void sql_adopt(struct arena *a, PGresult *res);

/* Column `column` of row `row` as a str into the PGresult (absent for NULL). */
static inline struct str
sql_get(const PGresult *res, int row, int column)
{
	if (PQgetisnull(res, row, column))
		return (struct str){ NULL, 0 };
	return (struct str){ PQgetvalue(res, row, column), (size_t)PQgetlength(res, row, column) };
}

/*
 * A text that came of a boolean: PostgreSQL writes "t" in a column, and "true" in JSON (a kept
 * reply's row).
 */
static inline bool
sql_text_is_true(struct str s)
{
	return str_eq(s, S("t")) || str_eq(s, S("true"));
}

/* Column `column` of row `row`, a boolean; false for NULL. */
static inline bool
sql_bool(const PGresult *res, int row, int column)
{
	return sql_text_is_true(sql_get(res, row, column));
}

#endif
