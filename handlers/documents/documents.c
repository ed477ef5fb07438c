/* Documents: upload, list, read, delete, reindex, search. The runner extracts and indexes. */
#include <millrace/config.h>

#include "fcgi/upload.h"
#include "handlers/documents/documents.h"
#include "sql_api.h"

#define SEARCH_ROWS_DEFAULT 10
#define SEARCH_ROWS_MAX 50

struct document_in {
	struct str name;
	struct str description;
};

struct page_in {
	struct str url;
	struct str name;
	struct str description;
};

struct upload_query {
	bool wait;
};

struct search_in {
	struct str q;
	int64_t limit;
};

static const struct field document_fields[] = {
	F_SHOWN(struct document_in, name, 200, OPTIONAL),
	F_STR(struct document_in, description, 0, 2000, OPTIONAL),
};
FIELD_TABLE(document_body, struct document_in, document_fields, document_upload);

/* A user name in it would be a password on its way into a list; there is none to be sent, either.
 */
static bool
is_web_url(struct str url)
{
	struct str host, rest;
	size_t n = str_starts_nocase(url, S("https://")) ? 8 : 7;

	if (n == 7 && !str_starts_nocase(url, S("http://")))
		return false;
	for (size_t i = 0; i < url.n; i++)
		if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 0x7f || url.p[i] == '\\')
			return false;
	rest = str_cut((struct str){ url.p + n, url.n - n }, '/', &host);
	(void)rest;
	return host.n > 0 && host.p[0] != '?' && host.p[0] != '#' && !memchr(host.p, '@', host.n);
}

static const struct field page_fields[] = {
	F_CHECKED(struct page_in, url, 8, 2000, REQUIRED, is_web_url,
	    "must be an address that begins with https:// or http://, without a password"),
	F_SHOWN(struct page_in, name, 200, OPTIONAL),
	F_STR(struct page_in, description, 0, 2000, OPTIONAL),
};
FIELD_TABLE(document_page_body, struct page_in, page_fields, document_page);

static const struct field upload_query_fields[] = {
	F_BOOL(struct upload_query, wait, OPTIONAL),
};
FIELD_TABLE(document_upload_query, struct upload_query, upload_query_fields, document_upload);

static const struct field search_fields[] = {
	F_SHOWN(struct search_in, q, 1000, REQUIRED),
	F_INT(struct search_in, limit, 1, SEARCH_ROWS_MAX, OPTIONAL),
};
FIELD_TABLE(document_search_query, struct search_in, search_fields, document_search);

static enum err
document_wait_second_column(struct req *r)
{
	return res_run_reply(r, 1);
}

static enum err
document_wait_first_column(struct req *r)
{
	return res_run_reply(r, 0);
}

/* POST /api/documents/upload: 202 when the file is stored; ?wait=1 replies when it is indexed. */
enum err
document_upload(struct req *r)
{
	const struct upload *up = r->upload;
	const struct document_in *in = upload_fields(r, document_body);
	struct upload_query query = { 0 };
	enum err e;

	if ((e = query_bind(r, document_upload_query, &query)) != ERR_OK)
		return e;
	return sql_document_create(r, query.wait ? document_wait_second_column : res_accepted,
	    up->blob, up->sha256, up->size, in->name.p ? in->name : up->file_name, in->description,
	    up->file_name, query.wait, config()->user_bytes, config()->user_documents,
	    config()->queue_max);
}

static enum err
document_page_stored(struct req *r)
{
	return res_run_reply_or(r, 1, 200, row_text(r, 0, 0));
}

/* POST /api/documents/url: the page when it is indexed, or "pending" where that takes long. */
enum err
document_page(struct req *r)
{
	struct page_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, document_page_body, &in)) != ERR_OK)
		return e;
	return sql_document_create_page(r, document_page_stored, in.url, in.name, in.description,
	    config()->user_bytes, config()->user_documents, config()->queue_max);
}

/* GET /api/documents */
enum err
document_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_document_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* GET /api/documents/{id} */
enum err
document_show(struct req *r)
{
	return sql_document_show(r, res_one, path_uuid(r, 0));
}

/* DELETE /api/documents/{id}: with its file, passages and their copies. */
enum err
document_delete(struct req *r)
{
	return sql_document_delete(r, res_empty, path_uuid(r, 0));
}

/* POST /api/documents/{id}/reindex */
enum err
document_reindex(struct req *r)
{
	return sql_document_reindex(
	    r, document_wait_first_column, path_uuid(r, 0), config()->queue_max);
}

/* GET /api/documents/search?q=: the passages that chat would use. */
enum err
document_search(struct req *r)
{
	struct search_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, document_search_query, &in)) != ERR_OK)
		return e;
	return sql_document_search(r, document_wait_first_column, in.q,
	    in.limit > 0 ? in.limit : SEARCH_ROWS_DEFAULT, config()->queue_max);
}
