#include <millrace/cloud.h>
#include <millrace/config.h>

#include "handlers/cloud/cloud.h"
#include "sql_api.h"

#define ROWS_DEFAULT 100
#define ROWS_MAX 200
#define CURSOR_MAX 4000 /* bytes: Graph's are addresses */

struct list_query_in {
	struct str folder_id; /* absent, or empty: the top */
	struct str cursor;
	int64_t limit;
};

struct all_query_in {
	int64_t limit;
};

struct file_in {
	struct str provider;
	struct str id;
	struct str name;
	bool is_folder;
};

#define F_CLOUD_ID(type, m, req)                              \
	F_CHECKED(type, m, 1, CLOUD_ID_MAX, req, cloud_is_id, \
	    "must be an id that Google Drive or OneDrive has given")

static bool
is_folder_id(struct str s)
{
	return s.n == 0 || cloud_is_id(s);
}

static const struct field list_query_fields[] = {
	F_CHECKED(struct list_query_in, folder_id, 0, CLOUD_ID_MAX, OPTIONAL, is_folder_id,
	    "must be an id that Google Drive or OneDrive has given"),
	F_STR(struct list_query_in, cursor, 1, CURSOR_MAX, OPTIONAL),
	F_INT(struct list_query_in, limit, 1, ROWS_MAX, OPTIONAL),
};
FIELD_TABLE(cloud_list_query, struct list_query_in, list_query_fields, NULL);

static const struct field all_query_fields[] = {
	F_INT(struct all_query_in, limit, 1, ROWS_MAX, OPTIONAL),
};
FIELD_TABLE(cloud_all_query, struct all_query_in, all_query_fields, cloud_all);

static const char *const platforms[] = { "google_drive", "onedrive", NULL };

static const struct field file_fields[] = {
	F_ENUM(struct file_in, provider, platforms, REQUIRED),
	F_CLOUD_ID(struct file_in, id, REQUIRED),
	F_SHOWN(struct file_in, name, 200, OPTIONAL),
	F_BOOL(struct file_in, is_folder, OPTIONAL),
};
FIELD_TABLE(cloud_save_body, struct file_in, file_fields, cloud_save);

static enum err
cloud_wait(struct req *r)
{
	return res_run_reply(r, 0);
}

static enum err
list(struct req *r, struct str platform)
{
	struct list_query_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, cloud_list_query, &in)) != ERR_OK)
		return e;
	if (in.folder_id.n == 0)
		in.folder_id.p = NULL;
	return sql_cloud_ask_folder(r, cloud_wait, platform, in.folder_id, in.cursor,
	    in.limit ? in.limit : ROWS_DEFAULT, config()->queue_max);
}

static enum err
file(struct req *r, struct str platform)
{
	struct str id = path_text(r, 0);

	if (!cloud_is_id(id))
		return ERR_NOT_FOUND;
	return sql_cloud_ask_file(r, cloud_wait, platform, id, config()->queue_max);
}

/* GET /api/v1/drive/files?folder_id=: a page of a folder; the next is at Link. */
enum err
cloud_drive_list(struct req *r)
{
	return list(r, S("google_drive"));
}

/* GET /api/v1/drive/file/{id} */
enum err
cloud_drive_file(struct req *r)
{
	return file(r, S("google_drive"));
}

/* GET /api/v1/drive/microsoft/files?folder_id= */
enum err
cloud_onedrive_list(struct req *r)
{
	return list(r, S("onedrive"));
}

/* GET /api/v1/drive/microsoft/file/{id} */
enum err
cloud_onedrive_file(struct req *r)
{
	return file(r, S("onedrive"));
}

/* GET /api/v1/cloud/files: of both; one that fails is named in the reply. */
enum err
cloud_all(struct req *r)
{
	struct all_query_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, cloud_all_query, &in)) != ERR_OK)
		return e;
	return sql_cloud_ask_all(
	    r, cloud_wait, in.limit ? in.limit : ROWS_DEFAULT, config()->queue_max);
}

/* GET /api/v1/cloud-files: the files and folders that were saved, and the folders' files. */
enum err
cloud_saved_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_cloud_saved_list(r, res_list, list_rows(r, in.limit), in.before);
}

static void
put_file(struct buf *b, const struct file_in *in)
{
	buf_put(b, S("{\"provider\":"));
	buf_json(b, in->provider);
	buf_put(b, S(",\"id\":"));
	buf_json(b, in->id);
	buf_put(b, S(",\"name\":"));
	buf_json(b, in->name);
	buf_put(b, in->is_folder ? S(",\"isFolder\":true}") : S(",\"isFolder\":false}"));
}

/* POST /api/v1/cloud-files: one, answered with it, or an array, answered with all of them. */
enum err
cloud_save(struct req *r)
{
	struct buf b = { .a = r->a };
	struct file_in *files;
	void *items;
	size_t n;
	enum err e;

	if ((e = body_list(r, &cloud_save_body, &items, &n)) != ERR_OK)
		return e;
	files = items;
	if (str_trim(r->body).p[0] == '{') {
		put_file(&b, files);
		return sql_cloud_save(r, res_created, buf_str(&b), config()->user_bytes,
		    config()->user_documents, config()->folder_seconds, config()->queue_max);
	}
	for (size_t i = 0; i < n; i++) {
		buf_put(&b, i ? S(",") : S("["));
		put_file(&b, &files[i]);
	}
	buf_put(&b, S("]"));
	return sql_cloud_save_many(r, res_created, buf_str(&b), config()->user_bytes,
	    config()->user_documents, config()->folder_seconds, config()->queue_max);
}

/* DELETE /api/v1/cloud-files/{id}: the document goes, or the folder with its documents. */
enum err
cloud_saved_delete(struct req *r)
{
	return sql_cloud_saved_delete(r, res_empty, path_uuid(r, 0));
}
