/*
 * A folder at Google Drive or OneDrive that is kept in step: listed once, at any depth, then
 * followed by the service's changes. Each page is stored together with what asks for the next
 * (sql/functions/folders.sql), and what to do next is asked of the database before each step, so
 * that another runner goes on where this one was killed. Files are fetched by runs of their own.
 */
#include <strings.h>

#include <millrace/cloud.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/jobs/cloud_access.h"
#include "runner/jobs/kinds.h"
#include "sql_job.h"

#define WITHIN_MS 30000 /* for each page */
#define ROWS 200
#define ANEW_MOST 2 /* listings that begin anew in one look */
#define STEPS_MOST 20000 /* in one look: whose pages have no end has no more of a thread */

struct folder_in {
	struct uuid folder;
};

static const struct field folder_fields[] = {
	F_UUID(struct folder_in, folder, REQUIRED),
};

/* A look at a folder. All but the first five are of one step, whose arena they are in. */
struct look {
	struct job *j;
	bool looked; /* the folder itself was asked for */
	bool followed; /* changes were asked for until there were no more */
	int anew;
	int steps;

	const struct cloud_service *service;
	struct str folder; /* its id, as it was saved */
	struct str root; /* as its rows have it; absent before the first look */
	struct str token, item, cursor; /* folder_step() */

	struct cloud_file file; /* what came */
	struct cloud_files files;
	struct str mark;
	int64_t wait_ms;
	const char *why;
};

/* -- requests -- */

static enum err
fetch_self(struct cloud *c, void *arg)
{
	struct look *x = arg;
	enum err e = x->service->show(c, x->root.n > 0 ? x->root : x->folder, &x->file);

	if (e == ERR_OK && x->token.n == 0)
		e = x->service->mark(c, x->file.id, &x->mark);
	x->wait_ms = c->wait_ms;
	return e;
}

static enum err
fetch_rows(struct cloud *c, void *arg)
{
	struct look *x = arg;
	enum err e;

	x->files = (struct cloud_files){ 0 };
	e = x->service->list(c, x->item, x->cursor, ROWS, &x->files);
	x->wait_ms = c->wait_ms;
	return e;
}

static enum err
fetch_changes(struct cloud *c, void *arg)
{
	struct look *x = arg;
	enum err e;

	x->files = (struct cloud_files){ 0 };
	e = x->service->changes(c, x->root, x->token, &x->files);
	x->wait_ms = c->wait_ms;
	return e;
}

static enum err
fetch(struct look *x, enum err (*fn)(struct cloud *, void *))
{
	x->why = "";
	return cloud_use(x->j, x->service, WITHIN_MS, fn, x, &x->why);
}

/* -- what a file is -- */

/* Is there no text in it, as far as its name and type tell? */
static bool
is_unreadable(const struct cloud_file *f)
{
	static const char *const types[] = { "image/", "video/", "audio/", "font/",
		"application/zip", "application/x-zip", "application/x-7z", "application/x-rar",
		"application/vnd.rar", "application/gzip", "application/x-gzip",
		"application/x-tar", "application/x-ms", "application/x-iso",
		"application/java-archive", "application/vnd.android", "application/x-sqlite" };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (str_starts(f->mime_type, str_from(types[i])))
			return true;
	return f->has_no_form;
}

/* Why a file is to be no document, as cloud_item.left_out has it; NULL: it is to be one. */
static const char *
left_out(const struct cloud_file *f)
{
	/* What is exported has no bytes yet. */
	bool is_native = str_starts(f->mime_type, S("application/vnd.google-apps."));

	if (f->is_folder)
		return NULL;
	if (is_unreadable(f))
		return "kind";
	if (f->size == 0 && !is_native)
		return "empty";
	return f->size > config()->upload_max && !is_native ? "size" : NULL;
}

static void
put_row(struct buf *b, const struct cloud_file *f)
{
	const char *why = left_out(f);

	buf_put(b, b->n > 1 ? S(",{\"id\":") : S("{\"id\":"));
	buf_json(b, f->id);
	buf_put(b, S(",\"parent\":"));
	buf_json(b, f->parent);
	buf_put(b, S(",\"name\":"));
	buf_json(b, f->name);
	buf_put(b, S(",\"version\":"));
	buf_json(b, f->version);
	buf_put(b, S(",\"leftOut\":"));
	buf_json(b, why ? str_from(why) : (struct str){ NULL, 0 });
	buf_printf(b, ",\"size\":%lld,\"isFolder\":%s,\"removed\":%s}",
	    (long long)(f->size > 0 ? f->size : 0), f->is_folder ? "true" : "false",
	    f->is_removed || !f->name.p ? "true" : "false");
}

/* Links are left out: what they lead to is elsewhere, and its changes do not come here. */
static struct str
page_of(struct look *x)
{
	struct buf b = { .a = x->j->a };

	buf_put(&b, S("["));
	for (size_t i = 0; i < x->files.n; i++)
		if (cloud_is_id(x->files.p[i].id) && !x->files.p[i].is_link)
			put_row(&b, &x->files.p[i]);
	buf_put(&b, S("]"));
	return buf_str(&b);
}

/* -- ends -- */

static struct outcome
end_with(struct look *x, const char *why, bool lost)
{
	const struct config *c = config();
	struct str said = why ? str_from(why) : (struct str){ NULL, 0 };

	if (why)
		log_info("folder: not in step", "run", x->j->run.text, "error", why);
	return job_end_runner_folder_end(x->j, said, lost, x->wait_ms, c->folder_seconds,
	    c->folder_files, c->folder_bytes, c->user_documents);
}

/* The service could not be asked, or does not let us: `lost` where that is for good. */
static struct outcome
end_refused(struct look *x, enum err e, bool lost)
{
	if (stop_why(&x->j->stop) != STOP_NOT)
		return job_stopped();
	if (!*x->why)
		return job_db_error(x->j, e, "a folder could not be asked for");
	return end_with(x, x->why, lost || e == ERR_NOT_CONNECTED);
}

/* -- steps: true: there is more to do; false: *o is the end -- */

/* How a statement that stores something went. */
static bool
stored(struct look *x, enum err e, PGresult *row, struct outcome *o)
{
	if (e == ERR_OK && sql_bool(row, 0, 0))
		return true;
	*o = e == ERR_OK ? job_failed("NOT_FOUND", "The folder is not kept any more.")
			 : job_db_error(x->j, e, "what is in a folder could not be stored");
	return false;
}

static bool
anew(struct look *x, struct str item, enum err why, struct outcome *o)
{
	PGresult *row = NULL;
	enum err e;

	if (x->anew++ == ANEW_MOST) {
		*o = end_refused(x, why, false);
		return false;
	}
	x->looked = false;
	e = job_runner_folder_anew(x->j, &row, item);
	return stored(x, e, row, o);
}

static bool
look(struct look *x, struct outcome *o)
{
	PGresult *row = NULL;
	enum err e = fetch(x, fetch_self);

	if (e == ERR_NOT_FOUND)
		x->why = arena_printf(
		    x->j->a, "%s has no such folder for this account any more.", x->service->title)
			     .p;
	if (e == ERR_OK && (x->file.is_removed || !x->file.is_folder)) {
		x->why = x->file.is_folder ? "The folder was deleted." : "It is no folder.";
		e = ERR_NOT_FOUND;
	}
	if (e != ERR_OK) {
		*o = end_refused(x, e, e == ERR_NOT_FOUND || e == ERR_FORBIDDEN);
		return false;
	}
	x->looked = true;
	/* A drive's top is called "root" or "Drive": it keeps the name that it was saved by. */
	if (x->file.parent.n == 0)
		x->file.name = (struct str){ NULL, 0 };
	e = job_runner_folder_looked(
	    x->j, &row, x->file.id, x->file.name, x->file.web_url, x->mark);
	return stored(x, e, row, o);
}

static bool
store(struct look *x, struct str page, struct outcome *o)
{
	const struct config *c = config();
	struct str was = x->item.n > 0 ? x->cursor : x->token;
	PGresult *row = NULL;
	enum err e;

	if (!x->files.is_last && x->files.next.n > 0 && str_eq(x->files.next, was)) {
		*o = end_with(x,
		    arena_printf(x->j->a, "%s gives the same page again.", x->service->title).p,
		    false);
		return false;
	}
	e = job_runner_folder_page(x->j, &row, x->item, was, x->files.next, x->files.is_last, page,
	    c->folder_files, c->folder_bytes, c->user_documents);

	return stored(x, e, row, o);
}

/* A folder within that is not to be had is empty; where it is gone, its change says so. */
static bool
drop(struct look *x, struct outcome *o)
{
	x->files = (struct cloud_files){ 0 };
	return store(x, S("[]"), o);
}

static bool
list(struct look *x, struct outcome *o)
{
	enum err e = fetch(x, fetch_rows);

	x->followed = false; /* what has changed meanwhile is asked for */
	if (e == ERR_OK)
		return store(x, page_of(x), o);
	if (e == ERR_BAD_REQUEST && x->cursor.n > 0)
		return anew(x, x->item, e, o);
	/* OneDrive says 400 of a vault that is shut. */
	if ((e == ERR_NOT_FOUND || e == ERR_FORBIDDEN || e == ERR_BAD_REQUEST) &&
	    !str_eq(x->item, x->root))
		return drop(x, o);
	if (e == ERR_NOT_FOUND || e == ERR_FORBIDDEN)
		return anew(x, (struct str){ NULL, 0 }, e, o);
	*o = end_refused(x, e, false);
	return false;
}

static bool
changes(struct look *x, struct outcome *o)
{
	enum err e = fetch(x, fetch_changes);

	if (e == ERR_NOT_FOUND || e == ERR_BAD_REQUEST || e == ERR_FORBIDDEN) {
		log_info("folder: listed anew, since its changes are not known any more", "run",
		    x->j->run.text, "error", x->why);
		return anew(x, (struct str){ NULL, 0 }, e, o);
	}
	if (e != ERR_OK) {
		*o = end_refused(x, e, false);
		return false;
	}
	for (size_t i = 0; i < x->files.n; i++)
		if (str_eq(x->files.p[i].id, x->root))
			x->looked = false;
	x->followed = x->files.is_last;
	return store(x, page_of(x), o);
}

static bool
step(struct look *x, struct outcome *o)
{
	PGresult *row = NULL;
	enum err e = job_runner_folder_step(x->j, &row);

	if (e != ERR_OK) {
		*o = job_db_error(x->j, e, "a folder could not be looked up");
		return false;
	}
	if (PQntuples(row) == 0 || !(x->service = cloud_service(sql_get(row, 0, 0)))) {
		*o = job_failed("NOT_FOUND", "The folder is not kept any more.");
		return false;
	}
	x->folder = sql_get(row, 0, 1);
	x->root = sql_get(row, 0, 2);
	x->token = sql_get(row, 0, 3);
	x->item = sql_get(row, 0, 4);
	x->cursor = sql_get(row, 0, 5);
	x->mark = (struct str){ NULL, 0 };
	if (x->steps++ == STEPS_MOST) {
		*o = end_with(x, "It has more pages than are asked for at once.", false);
		return false;
	}
	if (!x->looked || x->token.n == 0)
		return look(x, o);
	if (x->item.n > 0)
		return list(x, o);
	if (!x->followed)
		return changes(x, o);
	x->wait_ms = 0;
	*o = end_with(x, NULL, false);
	return false;
}

/* Each step has an arena of its own: a folder may be thousands of pages. */
static bool
turn(struct look *x, struct outcome *o)
{
	struct arena *whole = x->j->a;
	bool more;

	x->j->a = arena_new();
	more = step(x, o);
	arena_free(x->j->a);
	x->j->a = whole;
	return more;
}

struct outcome
folder_run(struct job *j)
{
	struct folder_in in = { 0 };
	struct look x = { .j = j };
	struct outcome o;

	if (!job_input(j, folder_fields, sizeof(folder_fields) / sizeof(*folder_fields), &in, &o))
		return o;
	while (turn(&x, &o))
		if (stop_why(&j->stop) != STOP_NOT)
			return job_stopped();
	return o;
}
