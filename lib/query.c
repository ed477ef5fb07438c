#include <stdio.h>

#include <millrace/query.h>

/* A PostgreSQL array literal: {"a","b"} with quotes and backslashes escaped. */
static const char *
array_literal(struct arena *a, struct str_list list)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{"));
	for (size_t i = 0; i < list.n; i++) {
		struct str s = list.p[i];

		buf_put(&b, i ? S(",\"") : S("\""));
		for (size_t at = 0; at < s.n;) {
			size_t run = at;

			while (run < s.n && s.p[run] != '"' && s.p[run] != '\\')
				run++;
			buf_put(&b, (struct str){ s.p + at, run - at });
			if (run < s.n)
				buf_printf(&b, "\\%c", s.p[run++]);
			at = run;
		}
		buf_put(&b, S("\""));
	}
	buf_put(&b, S("}"));
	return b.p;
}

static const char *
text_value(struct arena *a, const struct sql_arg *arg)
{
	switch (arg->type) {
	case SQL_TEXT:
		return arg->s.p ? arena_cstr(a, arg->s) : NULL;
	case SQL_UUID:
		return arg->u.text[0] ? arena_cstr(a, uuid_str(&arg->u)) : NULL;
	case SQL_INT:
		return arg->i == SQL_NULL_INT ? NULL : arena_printf(a, "%lld", (long long)arg->i).p;
	case SQL_BOOL:
		return arg->b ? "t" : "f";
	case SQL_TEXTS:
	case SQL_UUIDS:
		return array_literal(a, arg->list);
	case SQL_BYTES:
		return arg->s.p;
	}
	return NULL;
}

static struct str_list
list_copy(struct arena *a, struct str_list list)
{
	struct str_list copy = { arena_alloc(a, list.n * sizeof(*list.p)), list.n };

	for (size_t i = 0; i < list.n; i++)
		copy.p[i] = arena_str(a, list.p[i]);
	return copy;
}

struct sql_arg *
sql_args_copy(struct arena *a, const struct sql_arg *args, int n)
{
	struct sql_arg *copy = arena_alloc(a, (size_t)n * sizeof(*copy));

	for (int i = 0; i < n; i++) {
		copy[i] = args[i];
		if (args[i].type == SQL_TEXT || args[i].type == SQL_BYTES)
			copy[i].s = arena_str(a, args[i].s);
		else if (args[i].type == SQL_TEXTS || args[i].type == SQL_UUIDS)
			copy[i].list = list_copy(a, args[i].list);
	}
	return copy;
}

struct sql_arg *
sql_args_many(struct arena *a, const struct query *q, const struct sql_arg *const *args, size_t n)
{
	struct sql_arg *all = arena_alloc(a, (size_t)q->n_args * sizeof(*all));

	for (int i = 0; i < q->n_args; i++) {
		struct str_list list = { arena_alloc(a, n * sizeof(*list.p)), n };

		for (size_t k = 0; k < n; k++)
			list.p[k] = str_from(text_value(a, &args[k][i]));
		all[i] = (struct sql_arg){ .type = SQL_TEXTS, .list = list };
	}
	return all;
}

struct sql_params
sql_params(struct arena *a, const struct sql_arg *args, int n)
{
	size_t count = (size_t)n;
	struct sql_params p = {
		.values = arena_alloc(a, count * sizeof(*p.values)),
		.lengths = arena_alloc(a, count * sizeof(*p.lengths)),
		.formats = arena_alloc(a, count * sizeof(*p.formats)),
		.n = n,
	};

	for (size_t i = 0; i < count; i++) {
		p.values[i] = text_value(a, &args[i]);
		p.lengths[i] = (int)args[i].s.n;
		p.formats[i] = args[i].type == SQL_BYTES;
	}
	return p;
}

static void
clear_result(void *res)
{
	PQclear(res);
}

void
sql_adopt(struct arena *a, PGresult *res)
{
	if (res)
		arena_defer(a, clear_result, res);
}
