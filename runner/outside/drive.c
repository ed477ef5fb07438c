/* Google Drive, API v3: https://developers.google.com/workspace/drive/api/reference/rest/v3 */
#include <string.h>

#include <millrace/config.h>
#include <millrace/lenient.h>
#include <millrace/oauth.h>

#include "runner/outside/cloud.h"

#define FILE_FIELDS                                                                          \
	"id,name,mimeType,size,modifiedTime,webViewLink,driveId,md5Checksum,headRevisionId," \
	"parents,trashed,shortcutDetails(targetId,targetMimeType)"
#define DRIVES_ROWS 100
#define CHANGES_ROWS 500
#define FOLDER "application/vnd.google-apps.folder"
#define NATIVE "application/vnd.google-apps."

/* Files without bytes of their own, and the form that we take them in. */
static const struct {
	const char *type, *form, *ending;
} exports[] = {
	{ NATIVE "document",
	    "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx" },
	{ NATIVE "spreadsheet", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	    ".xlsx" },
	{ NATIVE "presentation",
	    "application/vnd.openxmlformats-officedocument.presentationml.presentation", ".pptx" },
	{ NATIVE "drawing", "application/pdf", ".pdf" },
};

/* "BASE/path?query"; the arena's. */
static const char *
url_of(struct arena *a, const char *path, const struct buf *query)
{
	return arena_printf(a, "%s%s?%.*s", config()->drive_url, path, S_ARG(buf_str(query))).p;
}

/* The form that a file without bytes of its own is taken in, by its place in `exports`; -1: none.
 */
static int
export_of(struct str type)
{
	for (size_t i = 0; i < sizeof(exports) / sizeof(*exports); i++)
		if (str_eq(type, str_from(exports[i].type)))
			return (int)i;
	return -1;
}

static struct str
first_parent(json_object *o)
{
	json_object *parents = json_at(o, "parents"), *first = NULL;

	if (json_length(parents) > 0)
		first = json_object_array_get_idx(parents, 0);
	return json_object_is_type(first, json_type_string)
		   ? str_from(json_object_get_string(first))
		   : S("");
}

/* A shortcut is what it leads to, in whatever drive that is. Numbers of bytes come as text. */
static void
read_file(struct arena *a, json_object *o, struct cloud_file *f)
{
	json_object *shortcut = json_at(o, "shortcutDetails"), *trashed = json_at(o, "trashed");
	struct str target = json_text(shortcut, "targetId"), parent = first_parent(o);

	f->id =
	    target.n > 0 ? target : cloud_id_join(a, json_text(o, "driveId"), json_text(o, "id"));
	f->name = json_text(o, "name");
	f->mime_type =
	    json_text(target.n > 0 ? shortcut : o, target.n > 0 ? "targetMimeType" : "mimeType");
	f->modified_at = json_text(o, "modifiedTime");
	f->web_url = json_text(o, "webViewLink");
	f->version = json_text(o, "md5Checksum");
	if (!f->version.n)
		f->version = json_text(o, "headRevisionId");
	if (!f->version.n)
		f->version = f->modified_at;
	f->size = target.n > 0 ? -1 : lenient_count(json_at(o, "size"));
	f->parent = parent.n > 0 ? cloud_id_join(a, json_text(o, "driveId"), parent) : parent;
	f->is_link = target.n > 0;
	f->is_removed = json_object_get_boolean(trashed);
	f->is_folder = str_eq(f->mime_type, S(FOLDER));
	f->has_no_form = str_starts(f->mime_type, S(NATIVE)) && export_of(f->mime_type) < 0;
}

/* The cursor of a page of drives is told from one of files by its first letter. */
static void
read_next(struct cloud *c, json_object *reply, char kind, struct cloud_files *out)
{
	struct str token = json_text(reply, "nextPageToken");

	if (token.n > 0)
		out->next = arena_printf(c->a, "%c%.*s", kind, S_ARG(token));
}

static enum err
list_drives(struct cloud *c, struct str token, struct cloud_files *out)
{
	struct buf query = { .a = c->a };
	json_object *reply = NULL, *drives;
	enum err e;

	form_put(&query, "fields", S("nextPageToken,drives(id,name)"));
	buf_printf(&query, "&pageSize=%d", DRIVES_ROWS);
	if (token.n > 0)
		form_put(&query, "pageToken", token);
	if ((e = cloud_get(c, url_of(c->a, "/drives", &query), &reply)) != ERR_OK)
		return e;
	drives = json_at(reply, "drives");
	for (size_t i = 0; i < json_length(drives); i++) {
		json_object *o = json_object_array_get_idx(drives, i);
		struct cloud_file *f = cloud_file_add(c->a, out);

		/* A shared drive's id is that of its top folder, too. */
		f->id = cloud_id_join(c->a, json_text(o, "id"), json_text(o, "id"));
		f->name = json_text(o, "name");
		f->mime_type = S(FOLDER);
		f->is_folder = true;
	}
	read_next(c, reply, 'd', out);
	return ERR_OK;
}

static enum err
list_files(
    struct cloud *c, struct str folder, struct str token, int64_t rows, struct cloud_files *out)
{
	struct buf query = { .a = c->a };
	json_object *reply = NULL, *files;
	struct str drive, item;
	enum err e;

	cloud_id_split(folder.n > 0 ? folder : S("root"), &drive, &item);
	form_put(
	    &query, "q", arena_printf(c->a, "'%.*s' in parents and trashed = false", S_ARG(item)));
	form_put(&query, "fields", S("nextPageToken,files(" FILE_FIELDS ")"));
	form_put(&query, "orderBy", S("folder,name_natural"));
	buf_printf(&query,
	    "&pageSize=%lld&supportsAllDrives=true&includeItemsFromAllDrives=true&spaces=drive",
	    (long long)rows);
	if (drive.n > 0) {
		form_put(&query, "corpora", S("drive"));
		form_put(&query, "driveId", drive);
	}
	if (token.n > 0)
		form_put(&query, "pageToken", token);
	if ((e = cloud_get(c, url_of(c->a, "/files", &query), &reply)) != ERR_OK)
		return e;
	files = json_at(reply, "files");
	for (size_t i = 0; i < json_length(files); i++)
		read_file(c->a, json_object_array_get_idx(files, i), cloud_file_add(c->a, out));
	read_next(c, reply, 'f', out);
	return ERR_OK;
}

static enum err
drive_list(
    struct cloud *c, struct str folder, struct str cursor, int64_t rows, struct cloud_files *out)
{
	struct str token = cursor.n > 1 ? (struct str){ cursor.p + 1, cursor.n - 1 } : S("");
	enum err e;

	if (folder.n == 0 && (cursor.n == 0 || cursor.p[0] == 'd')) {
		e = list_drives(c, token, out);
		if (e != ERR_OK || out->next.n > 0)
			return e;
		token = S("");
	}
	return list_files(c, folder, token, rows, out);
}

static enum err
drive_show(struct cloud *c, struct str id, struct cloud_file *out)
{
	struct buf query = { .a = c->a }, path = { .a = c->a };
	json_object *reply = NULL;
	struct str drive, item;
	enum err e;

	cloud_id_split(id, &drive, &item);
	form_put(&query, "fields", S(FILE_FIELDS));
	form_put(&query, "supportsAllDrives", S("true"));
	buf_printf(&path, "/files/%.*s", S_ARG(item));
	if ((e = cloud_get(c, url_of(c->a, buf_str(&path).p, &query), &reply)) != ERR_OK)
		return e;
	*out = (struct cloud_file){ .size = -1 };
	read_file(c->a, reply, out);
	return ERR_OK;
}

static enum err
drive_fetch(struct cloud *c, struct cloud_file *f, struct sink *into)
{
	struct buf query = { .a = c->a };
	struct http_request q = { .bearer = c->token };
	int form = export_of(f->mime_type);
	struct str drive, item;

	cloud_id_split(f->id, &drive, &item);
	form_put(&query, "supportsAllDrives", S("true"));
	if (!str_starts(f->mime_type, S(NATIVE))) {
		form_put(&query, "alt", S("media"));
		q.url = url_of(c->a, arena_printf(c->a, "/files/%.*s", S_ARG(item)).p, &query);
		return cloud_bytes(c, &q, into);
	}
	if (form >= 0) {
		query.n = 0;
		form_put(&query, "mimeType", str_from(exports[form].form));
		q.url =
		    url_of(c->a, arena_printf(c->a, "/files/%.*s/export", S_ARG(item)).p, &query);
		f->name = arena_printf(c->a, "%.*s%s", S_ARG(f->name), exports[form].ending);
		return cloud_bytes(c, &q, into);
	}
	c->why = "Google Drive gives files of this kind in no form that can be read.";
	return ERR_FORBIDDEN;
}

/*
 * The first letter of a mark says whose changes they are: a shared drive's, or the user's, where
 * the drive is not theirs to ask for, as one of which only the folder is shared.
 */
static void
put_drive(struct buf *query, struct str folder, char kind)
{
	struct str drive, item;

	cloud_id_split(folder, &drive, &item);
	form_put(query, "supportsAllDrives", S("true"));
	if (kind == 'd')
		form_put(query, "driveId", drive);
}

static enum err
mark_of(struct cloud *c, struct str folder, char kind, struct str *mark)
{
	struct buf query = { .a = c->a };
	json_object *reply = NULL;
	struct str token;
	enum err e;

	form_put(&query, "fields", S("startPageToken"));
	put_drive(&query, folder, kind);
	if ((e = cloud_get(c, url_of(c->a, "/changes/startPageToken", &query), &reply)) != ERR_OK)
		return e;
	if ((token = json_text(reply, "startPageToken")).n == 0) {
		c->why = "Google Drive does not say where its changes begin.";
		return ERR_UPSTREAM_FAILED;
	}
	*mark = arena_printf(c->a, "%c%.*s", kind, S_ARG(token));
	return ERR_OK;
}

static enum err
drive_mark(struct cloud *c, struct str folder, struct str *mark)
{
	struct str drive, item;
	enum err e = ERR_NOT_FOUND;

	cloud_id_split(folder, &drive, &item);
	if (drive.n > 0)
		e = mark_of(c, folder, 'd', mark);
	return e == ERR_NOT_FOUND || e == ERR_FORBIDDEN ? mark_of(c, folder, 'u', mark) : e;
}

/* Ids are those of the folder's drive, wherever a file has been moved. */
static void
read_change(struct arena *a, json_object *o, struct str drive, struct cloud_files *out)
{
	json_object *file = json_at(o, "file");
	struct str id = json_text(o, "fileId");
	struct cloud_file *f;

	if (id.n == 0)
		return;
	f = cloud_file_add(a, out);
	if (file)
		read_file(a, file, f);
	f->id = cloud_id_join(a, drive, id);
	if (!file || json_object_get_boolean(json_at(o, "removed")))
		f->is_removed = true;
}

static enum err
drive_changes(struct cloud *c, struct str folder, struct str mark, struct cloud_files *out)
{
	struct buf query = { .a = c->a };
	json_object *reply = NULL, *changes;
	char kind = mark.n > 1 ? mark.p[0] : 'u';
	struct str drive, item, next;
	enum err e;

	cloud_id_split(folder, &drive, &item);
	form_put(&query, "pageToken", (struct str){ mark.p + 1, mark.n - 1 });
	form_put(&query, "fields",
	    S("nextPageToken,newStartPageToken,changes(fileId,removed,file(" FILE_FIELDS "))"));
	put_drive(&query, folder, kind);
	buf_printf(&query,
	    "&pageSize=%d&includeRemoved=true&includeItemsFromAllDrives=true&spaces=drive",
	    CHANGES_ROWS);
	if ((e = cloud_get(c, url_of(c->a, "/changes", &query), &reply)) != ERR_OK)
		return e;
	changes = json_at(reply, "changes");
	for (size_t i = 0; i < json_length(changes); i++)
		read_change(c->a, json_object_array_get_idx(changes, i), drive, out);
	next = json_text(reply, "nextPageToken");
	out->is_last = next.n == 0;
	if (out->is_last && (next = json_text(reply, "newStartPageToken")).n == 0) {
		c->why = "Google Drive does not say where its changes go on.";
		return ERR_UPSTREAM_FAILED;
	}
	out->next = arena_printf(c->a, "%c%.*s", kind, S_ARG(next));
	return ERR_OK;
}

const struct cloud_service cloud_drive = { "google_drive", "google", "Google Drive", drive_list,
	drive_show, drive_fetch, drive_mark, drive_changes };
