/* OneDrive and SharePoint, Microsoft Graph v1.0:
 * https://learn.microsoft.com/graph/api/resources/driveitem */
#include <string.h>

#include <millrace/config.h>
#include <millrace/lenient.h>
#include <millrace/oauth.h>

#include "runner/outside/cloud.h"

#define ITEM_FIELDS                                                                          \
	"id,name,size,lastModifiedDateTime,webUrl,file,folder,remoteItem,cTag,eTag,deleted," \
	"parentReference"
#define FOLDER "application/vnd.microsoft.folder"

/* "BASE/drives/DRIVE/items/ITEM", or of the user's own drive; "" is its top. The arena's. */
static struct str
item_url(struct cloud *c, struct str id)
{
	struct str drive, item;

	cloud_id_split(id.n > 0 ? id : S("root"), &drive, &item);
	if (drive.n > 0)
		return arena_printf(c->a, "%s/drives/%.*s/items/%.*s", config()->graph_url,
		    S_ARG(drive), S_ARG(item));
	return arena_printf(c->a, "%s/me/drive/items/%.*s", config()->graph_url, S_ARG(item));
}

/*
 * What differs where the content does. Changes of OneDrive for Business come without cTag; eTag
 * differs for other reasons, too.
 */
static struct str
version_of(json_object *o)
{
	json_object *hashes = json_at(json_at(o, "file"), "hashes");
	struct str tries[] = { json_text(hashes, "quickXorHash"), json_text(hashes, "sha1Hash"),
		json_text(o, "cTag"), json_text(o, "eTag") };

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++)
		if (tries[i].n > 0)
			return tries[i];
	return json_text(o, "lastModifiedDateTime");
}

/* An item that is in another drive, shown in this one, is what it leads to. */
static void
read_item(struct arena *a, json_object *o, struct str drive, struct cloud_file *f)
{
	json_object *remote = json_at(o, "remoteItem");
	struct str there = json_text(json_at(remote, "parentReference"), "driveId"),
		   parent = json_text(json_at(o, "parentReference"), "id");

	f->name = json_text(o, "name");
	f->modified_at = json_text(o, "lastModifiedDateTime");
	f->web_url = json_text(o, "webUrl");
	f->parent = parent.n > 0 ? cloud_id_join(a, drive, parent) : parent;
	f->is_removed = json_has(o, "deleted");
	f->is_link = remote != NULL;
	if (remote && there.n > 0) {
		drive = there;
		o = remote;
	}
	f->id = cloud_id_join(a, drive, json_text(o, "id"));
	f->is_folder = json_at(o, "folder") != NULL;
	f->mime_type = f->is_folder ? S(FOLDER) : json_text(json_at(o, "file"), "mimeType");
	f->version = version_of(o);
	f->size = f->is_folder ? -1 : lenient_count(json_at(o, "size"));
}

/* The address of the next page is followed as it is, on our side of the service alone. */
static bool
is_ours(struct str url)
{
	struct str base = str_from(config()->graph_url);

	return str_starts(url, base) && url.n > base.n && url.p[base.n] == '/';
}

static enum err
read_next(struct cloud *c, json_object *reply, char kind, struct cloud_files *out)
{
	struct str next = json_text(reply, "@odata.nextLink");

	if (next.n > 0 && !is_ours(next)) {
		c->why = "OneDrive's next page is at another address than its own.";
		return ERR_UPSTREAM_FAILED;
	}
	if (next.n > 0)
		out->next = arena_printf(c->a, "%c%.*s", kind, S_ARG(next));
	return ERR_OK;
}

static enum err
get_page(struct cloud *c, const char *url, json_object **reply, json_object **values)
{
	enum err e = cloud_get(c, url, reply);

	*values = json_at(*reply, "value");
	if (e == ERR_OK && !json_object_is_type(*values, json_type_array)) {
		c->why = "OneDrive gave a page without a list.";
		return ERR_UPSTREAM_FAILED;
	}
	return e;
}

/* Libraries of sites. The user's own drive is among the drives, too. */
static enum err
list_drives(struct cloud *c, struct str link, struct cloud_files *out)
{
	json_object *reply = NULL, *drives;
	enum err e;

	if (link.n == 0)
		link = arena_printf(
		    c->a, "%s/me/drives?$select=id,name,driveType,webUrl", config()->graph_url);
	if ((e = get_page(c, link.p, &reply, &drives)) != ERR_OK)
		return e;
	for (size_t i = 0; i < json_object_array_length(drives); i++) {
		json_object *o = json_object_array_get_idx(drives, i);
		struct cloud_file *f;

		if (!str_eq(json_text(o, "driveType"), S("documentLibrary")))
			continue;
		f = cloud_file_add(c->a, out);
		f->id = cloud_id_join(c->a, json_text(o, "id"), S("root"));
		f->name = json_text(o, "name");
		f->mime_type = S(FOLDER);
		f->web_url = json_text(o, "webUrl");
		f->is_folder = true;
	}
	return read_next(c, reply, 'd', out);
}

static enum err
list_items(
    struct cloud *c, struct str folder, struct str link, int64_t rows, struct cloud_files *out)
{
	json_object *reply = NULL, *items;
	struct str drive, item;
	enum err e;

	cloud_id_split(folder, &drive, &item);
	if (link.n == 0)
		link = arena_printf(c->a, "%.*s/children?$top=%lld&$select=" ITEM_FIELDS,
		    S_ARG(item_url(c, folder)), (long long)rows);
	if ((e = get_page(c, link.p, &reply, &items)) != ERR_OK)
		return e;
	for (size_t i = 0; i < json_object_array_length(items); i++)
		read_item(
		    c->a, json_object_array_get_idx(items, i), drive, cloud_file_add(c->a, out));
	return read_next(c, reply, 'f', out);
}

static enum err
graph_list(
    struct cloud *c, struct str folder, struct str cursor, int64_t rows, struct cloud_files *out)
{
	struct str link =
	    cursor.n > 1 ? arena_str(c->a, (struct str){ cursor.p + 1, cursor.n - 1 }) : S("");
	enum err e;

	if (cursor.n > 0 && !is_ours(link)) {
		c->why = "This is no page of OneDrive's.";
		return ERR_BAD_REQUEST;
	}
	if (folder.n == 0 && (cursor.n == 0 || cursor.p[0] == 'd')) {
		e = list_drives(c, link, out);
		if (e != ERR_OK || out->next.n > 0)
			return e;
		link = S("");
	}
	return list_items(c, folder, link, rows, out);
}

static enum err
graph_show(struct cloud *c, struct str id, struct cloud_file *out)
{
	json_object *reply = NULL;
	struct str drive, item;
	enum err e;

	cloud_id_split(id, &drive, &item);
	e = cloud_get(
	    c, arena_printf(c->a, "%.*s?$select=" ITEM_FIELDS, S_ARG(item_url(c, id))).p, &reply);
	if (e != ERR_OK)
		return e;
	*out = (struct cloud_file){ .size = -1 };
	read_item(c->a, reply, drive, out);
	return ERR_OK;
}

/* The bytes are at another address, for a short time, which is told nothing of who asks. */
static enum err
graph_fetch(struct cloud *c, struct cloud_file *f, struct sink *into)
{
	struct http_request q = {
		.url = arena_printf(c->a, "%.*s/content", S_ARG(item_url(c, f->id))).p,
		.bearer = c->token
	};
	struct http_request there = { .foreign = true };
	enum err e;

	if ((e = cloud_download(c, &q, into)) != ERR_OK || q.status == 200)
		return e;
	if (q.status != 302 || !*q.location) {
		c->why = "OneDrive does not say where the file's bytes are.";
		return ERR_UPSTREAM_FAILED;
	}
	there.url = q.location;
	e = cloud_bytes(c, &there, into);
	return e == ERR_UNAUTHORIZED ? ERR_UPSTREAM_FAILED : e;
}

/* A mark is the address of the next page of changes. */
static enum err
read_mark(struct cloud *c, json_object *reply, const char *name, struct str *mark)
{
	*mark = json_text(reply, name);
	if (mark->n > 0 && is_ours(*mark))
		return ERR_OK;
	c->why = "OneDrive does not say where its changes go on.";
	return ERR_UPSTREAM_FAILED;
}

/*
 * The whole drive's: OneDrive for Business gives no others. Of a drive of which only the folder is
 * shared, the folder's.
 */
static enum err
graph_mark(struct cloud *c, struct str folder, struct str *mark)
{
	struct str drive, item, of;
	json_object *reply = NULL;
	enum err e;

	cloud_id_split(folder, &drive, &item);
	of = drive.n > 0 ? arena_printf(c->a, "drives/%.*s", S_ARG(drive)) : S("me/drive");
	e = cloud_get(c,
	    arena_printf(c->a, "%s/%.*s/root/delta?token=latest&$select=" ITEM_FIELDS,
		config()->graph_url, S_ARG(of))
		.p,
	    &reply);
	if (e == ERR_NOT_FOUND || e == ERR_FORBIDDEN)
		e = cloud_get(c,
		    arena_printf(c->a, "%.*s/delta?token=latest&$select=" ITEM_FIELDS,
			S_ARG(item_url(c, folder)))
			.p,
		    &reply);
	return e == ERR_OK ? read_mark(c, reply, "@odata.deltaLink", mark) : e;
}

static enum err
graph_changes(struct cloud *c, struct str folder, struct str mark, struct cloud_files *out)
{
	json_object *reply = NULL, *items;
	struct str drive, item;
	enum err e;

	cloud_id_split(folder, &drive, &item);
	if (!is_ours(mark)) {
		c->why = "This is no page of OneDrive's.";
		return ERR_BAD_REQUEST;
	}
	if ((e = get_page(c, arena_cstr(c->a, mark), &reply, &items)) != ERR_OK)
		return e;
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		json_object *o = json_object_array_get_idx(items, i);
		struct cloud_file *f = cloud_file_add(c->a, out);

		read_item(c->a, o, drive, f);
		f->id = cloud_id_join(c->a, drive, json_text(o, "id"));
	}
	out->is_last = !json_has(reply, "@odata.nextLink");
	return read_mark(
	    c, reply, out->is_last ? "@odata.deltaLink" : "@odata.nextLink", &out->next);
}

const struct cloud_service cloud_graph = { "onedrive", "microsoft", "OneDrive", graph_list,
	graph_show, graph_fetch, graph_mark, graph_changes };
