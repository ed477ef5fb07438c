/* Documents: upload, list, read, delete, work through again, search. The runner extracts and indexes. */
#include <millrace/config.h>
#include <millrace/fields.h>

#include "fcgi/upload.h"
#include "handlers/handlers.h"
#include "sql_api.h"

#define SEARCH_ROWS_DEFAULT 10
#define SEARCH_ROWS_MAX 50

struct document_in {
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
	F_STR(struct document_in, name, 1, 200, OPTIONAL),
	F_STR(struct document_in, description, 0, 2000, OPTIONAL),
};
const struct field_table document_body = FIELD_TABLE(struct document_in, document_fields);

static const struct field upload_query_fields[] = {
	F_BOOL(struct upload_query, wait, OPTIONAL),
};
const struct field_table document_upload_query =
    FIELD_TABLE(struct upload_query, upload_query_fields);

static const struct field search_fields[] = {
	F_STR(struct search_in, q, 1, 1000, REQUIRED),
	F_INT(struct search_in, limit, 1, SEARCH_ROWS_MAX, OPTIONAL),
};
const struct field_table document_search_query = FIELD_TABLE(struct search_in, search_fields);

static enum err
waits_for_run_in_column_1(struct req *r)
{
	return res_run_reply(r, 1);
}

static enum err
waits_for_run(struct req *r)
{
	return res_run_reply(r, 0);
}

/* POST /api/documents/upload: the file is stored; 202 at once, or with ?wait=1 the reply when it is ready. */
enum err
document_upload(struct req *r)
{
	const struct upload *up = r->state;
	const struct document_in *in = up->fields;
	struct upload_query query = { 0 };
	enum err e;

	if ((e = query_bind(r, &query)) != ERR_OK)
		return e;
	return sql_document_create(r, query.wait ? waits_for_run_in_column_1 : res_accepted,
	    up->blob, up->sha256, up->size, in->name.p ? in->name : up->file_name, in->description,
	    up->file_name, query.wait, config()->queue_max);
}

/* GET /api/documents */
enum err
document_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, &in)) != ERR_OK)
		return e;
	return sql_document_list(r, res_list, list_rows(r, &in), in.before);
}

/* GET /api/documents/{id} */
enum err
document_show(struct req *r)
{
	return sql_document_show(r, res_one, path_uuid(r, 0));
}

/* DELETE /api/documents/{id}: with its file, passages and embeddings. */
enum err
document_delete(struct req *r)
{
	return sql_document_delete(r, res_empty, path_uuid(r, 0));
}

/* POST /api/documents/{id}/reindex */
enum err
document_reindex(struct req *r)
{
	return sql_document_reindex(r, waits_for_run, path_uuid(r, 0), config()->queue_max);
}

/* GET /api/documents/search?q=: the passages that chat would be given. */
enum err
document_search(struct req *r)
{
	struct search_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, &in)) != ERR_OK)
		return e;
	return sql_document_search(r, waits_for_run, in.q,
	    in.limit > 0 ? in.limit : SEARCH_ROWS_DEFAULT, config()->queue_max);
}
