#include "fcgi/request.h"

int
row_count(const struct req *r)
{
	return r->replayed ? 1 : r->rows ? PQntuples(r->rows) : 0;
}

struct str
row_text(const struct req *r, int row, int column)
{
	if (r->replayed)
		return (size_t)column < r->n_replayed ? r->replayed[column]
						      : (struct str){ NULL, 0 };
	return sql_get(r->rows, row, column);
}

bool
row_bool(const struct req *r, int row, int column)
{
	return sql_text_is_true(row_text(r, row, column));
}

struct uuid
row_uuid(const struct req *r, int row, int column)
{
	struct uuid u = { "" };

	if (!uuid_parse(row_text(r, row, column), &u))
		u.text[0] = '\0';
	return u;
}
