/* Everything held about a user as one attachment, in pieces: no part of it is ever held whole. */
#include "fcgi/pieces.h"
#include "handlers/account/account.h"
#include "sql_api.h"

/* How far the export has come: in which section, behind which row, at which part of a file. */
struct exporting {
	bool at_end;
	int64_t section; /* 0: the first; absent from the database's row: there is none left */
	int64_t part;
	struct uuid key;
};

static enum err
account_export_piece(struct req *r)
{
	struct exporting *x = r->state;

	if (row_count(r) != 1)
		return ERR_INTERNAL;
	x->at_end = !row_text(r, 0, 1).p;
	if (!x->at_end) {
		x->key = row_uuid(r, 0, 2);
		if (!str_int(row_text(r, 0, 1), &x->section) ||
		    !str_int(row_text(r, 0, 3), &x->part))
			return ERR_INTERNAL;
	}
	return reply_piece(r, row_text(r, 0, 0));
}

static enum err
account_export_next(struct req *r)
{
	const struct exporting *x = r->state;

	if (x->at_end)
		return reply_end(r);
	return sql_export_page(r, account_export_piece, x->section, x->key, x->part);
}

static enum err
account_export_begun(struct req *r)
{
	struct str piece = row_text(r, 0, 0);
	enum err e;

	if (!piece.p)
		return ERR_INTERNAL;
	reply_header(r, "Content-Disposition", S("attachment; filename=\"millrace-export.json\""));
	reply_header(r, "Cache-Control", S("no-store"));
	if (str_eq(r->method, S("HEAD")))
		return reply_json(r, 200, S(""));
	if ((e = reply_start(r, 200, "application/json", account_export_next)) != ERR_OK)
		return e;
	return reply_piece(r, piece);
}

/* GET /api/v1/user/export: one JSON file, made while it is read. */
enum err
account_export(struct req *r)
{
	struct exporting *x = arena_alloc(r->a, sizeof(*x));

	x->key = (struct uuid){ "00000000-0000-0000-0000-000000000000" };
	r->state = x;
	return sql_export_begin(r, account_export_begun);
}
