/* What data sources name: documents, addresses, files and folders at cloud services. */
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include <millrace/cloud.h>
#include <millrace/config.h>

#include "runner/jobs/blob.h"
#include "runner/jobs/cloud_access.h"
#include "runner/jobs/headers.h"
#include "runner/jobs/task.h"
#include "runner/outside/page.h"
#include "runner/queue/slots.h"
#include "sql_job.h"

#define CLOUD_WITHIN_MS (60 * 1000) /* no request to a cloud service begins later */
#define FOLDER_FILES_MAX 100
#define FOLDER_PAGE 1000
#define FOLDER_PAGES_MAX 50 /* some services give fewer files a page than are asked for */

/* Held while a source is fetched and read: its file is in memory, and a child reads it. */
static struct slots slots = SLOTS(2, 4, 0);

/* What a source's reading needs all the way. */
struct open {
	struct task *t;
	const struct task_source *s;
	int file; /* in memory */
	const char **why;
	bool *later;
	struct outcome *o;
};

static bool
fails(struct open *x, const char *why)
{
	*x->why = why;
	return true;
}

/* A document that was uploaded; its id is the resource. */
static bool
read_upload(struct open *x)
{
	struct job *j = x->t->j;
	struct uuid document, blob;
	PGresult *row = NULL;
	struct extract_how how = { 0 };
	int64_t size;
	enum err e;

	if (!uuid_parse(x->s->resource, &document))
		return fails(x, "The resource_identifier of an upload is a document's id.");
	e = job_runner_task_document(j, &row, j->owner, document);
	if (e == ERR_OK && PQntuples(row) == 0)
		return fails(x, "There is no such document any more.");
	if (e == ERR_OK &&
	    (!uuid_parse(sql_get(row, 0, 2), &blob) || !str_int(sql_get(row, 0, 3), &size)))
		e = ERR_INTERNAL;
	if (e == ERR_OK)
		e = blob_load(j, blob, size, x->file);
	if (e == ERR_NOT_FOUND)
		return fails(x, "There is no such document any more.");
	if (e != ERR_OK) {
		*x->o = job_db_error(j, e, "a document's file could not be read");
		return false;
	}
	how.name = arena_cstr(j->a, sql_get(row, 0, sql_get(row, 0, 0).n > 0 ? 0 : 1));
	return task_rows_read(x->t, x->s, document, x->file, &how, x->why, x->o);
}

/* What an address gives: a file, or the reply of a service. */
static bool
read_address(struct open *x)
{
	struct job *j = x->t->j;
	struct page p = { .url = x->s->resource,
		.etag_before = "",
		.last_modified_before = "",
		.file = x->file,
		.bytes_max = config()->upload_max };
	struct extract_how how;
	enum page_end end;
	enum err e;

	if (!str_starts_nocase(p.url, S("http://")) && !str_starts_nocase(p.url, S("https://")))
		return fails(x, "The resource_identifier must be an address that begins with "
				"http:// or https://.");
	e = headers_open(j, x->s->secret, x->s->headers, "datasource", &p.secret_headers, x->why);
	if (e == ERR_NOT_FOUND)
		return true;
	*x->why = NULL;
	if (e != ERR_OK) {
		*x->o = job_db_error(j, e, "a data source's secrets could not be opened");
		return false;
	}
	end = page_fetch(&j->stop, j->a, &p);
	if (end == PAGE_STOPPED) {
		*x->o = job_stopped();
		return false;
	}
	if (end != PAGE_FETCHED) {
		*x->later = end == PAGE_LATER;
		return fails(x, p.why);
	}
	how = (struct extract_how){ .name = page_file_name(p.content_type, p.final_url),
		.charset = page_charset(j->a, p.content_type) };
	return task_rows_read(x->t, x->s, (struct uuid){ "" }, x->file, &how, x->why, x->o);
}

/* --- cloud services --- */

struct fetching {
	const struct cloud_service *service;
	struct str id;
	struct str cursor;
	struct cloud_file file;
	struct cloud_files files;
	struct sink into;
};

/* What the id is; the bytes of a file. What stands for a folder is that folder, where it is. */
static enum err
task_fetch_file(struct cloud *c, void *arg)
{
	struct fetching *q = arg;
	enum err e = q->service->show(c, q->id, &q->file);

	if (e == ERR_OK && q->file.is_link && q->file.is_folder)
		e = q->service->show(c, q->file.id, &q->file);
	if (e == ERR_OK && q->file.is_removed) {
		c->why = arena_printf(c->a, "%s has it in the trash.", c->title).p;
		return ERR_NOT_FOUND;
	}
	if (e != ERR_OK || q->file.is_folder)
		return e;
	q->into.n = 0;
	return q->service->fetch(c, &q->file, &q->into);
}

static enum err
fetch_folder(struct cloud *c, void *arg)
{
	struct fetching *q = arg;

	q->files = (struct cloud_files){ 0 };
	return q->service->list(c, q->id, q->cursor, FOLDER_PAGE, &q->files);
}

/* True: *fn was done. False: it could not be, and x says the rest, with *ends where the job is to
   end. */
static bool
fetch(struct open *x, struct fetching *q, enum err (*fn)(struct cloud *, void *), bool *ends)
{
	struct job *j = x->t->j;
	const char *why = "";
	enum err e = cloud_use(j, q->service, CLOUD_WITHIN_MS, fn, q, &why);

	*ends = false;
	if (e == ERR_OK)
		return true;
	if (stop_why(&j->stop) != STOP_NOT) {
		*x->o = job_stopped();
		*ends = true;
	}
	*x->later = e == ERR_UPSTREAM_FAILED || e == ERR_OVERLOADED;
	*x->why = *why ? why : "The service could not be asked.";
	return false;
}

static bool
read_file(struct open *x, const struct fetching *q)
{
	struct extract_how how = { .name = arena_cstr(x->t->j->a, q->file.name) };

	if (q->into.n == 0)
		return fails(x, "The file is empty.");
	return task_rows_read(x->t, x->s, (struct uuid){ "" }, x->file, &how, x->why, x->o);
}

/* May there be rows in it? */
static bool
is_table(const struct cloud_file *f)
{
	static const char *const endings[] = { ".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm",
		".xls", ".ods", ".json", ".jsonl", ".ndjson" };

	if (f->is_folder || !f->name.p || !cloud_is_id(f->id))
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t n = strlen(endings[i]);

		if (f->name.n > n && strncasecmp(f->name.p + f->name.n - n, endings[i], n) == 0)
			return true;
	}
	return str_eq(f->mime_type, S("application/vnd.google-apps.spreadsheet"));
}

/* A table of a folder. True: *why names it, where it could not be read. */
static bool
read_table(struct open *x, const struct fetching *folder, const struct cloud_file *table)
{
	struct fetching q = { .service = folder->service, .id = table->id, .into = folder->into };
	bool ends, good = fetch(x, &q, task_fetch_file, &ends) ? read_file(x, &q) : !ends;

	if (good && *x->why)
		*x->why = arena_printf(x->t->j->a, "%.*s: %s", S_ARG(table->name), *x->why).p;
	return good;
}

/* All tables of a folder, but not those of folders in it. The first that fails says why. */
static bool
read_folder(struct open *x, struct fetching *folder)
{
	const char *first = NULL;
	size_t n = 0;
	bool ends;

	for (int page = 0; page < FOLDER_PAGES_MAX; page++) {
		if (!fetch(x, folder, fetch_folder, &ends))
			return !ends;
		for (size_t i = 0; i < folder->files.n; i++) {
			if (!is_table(&folder->files.p[i]))
				continue;
			if (n++ == FOLDER_FILES_MAX)
				return fails(x, "The folder has more than 100 tables.");
			if (!read_table(x, folder, &folder->files.p[i]))
				return false;
			first = first ? first : *x->why;
			if (*x->later)
				return true;
		}
		folder->cursor = folder->files.next;
		if (folder->cursor.n == 0)
			return fails(x, n > 0 ? first : "There is no table in the folder.");
	}
	return fails(x, "The folder has more than 50 pages of files.");
}

static bool
read_cloud(struct open *x, const struct cloud_service *service)
{
	struct fetching q = { .service = service,
		.id = x->s->resource,
		.into = { .file = x->file, .most = config()->upload_max } };
	bool ends;

	if (!cloud_is_id(q.id))
		return fails(x, "The resource_identifier must be the id of a file or a folder.");
	if (!fetch(x, &q, task_fetch_file, &ends))
		return !ends;
	if (!q.file.is_folder)
		return read_file(x, &q);
	q.id = q.file.id;
	return read_folder(x, &q);
}

bool
task_source_read(
    struct task *t, const struct task_source *s, const char **why, bool *later, struct outcome *o)
{
	const struct cloud_service *service = cloud_service(s->platform);
	struct open x = { t, s, -1, why, later, o };
	struct slot mine = { .of = &slots, .owner = t->j->owner };
	bool good;

	*why = NULL;
	*later = false;
	*o = job_stopped();
	if (!slot_acquire(&mine, &t->j->stop))
		return false;
	if ((x.file = memfd_create("source", MFD_CLOEXEC)) < 0) {
		*o = job_again("there is no memory for a source's file", 0);
		good = false;
	} else if (service) {
		good = read_cloud(&x, service);
	} else if (str_eq(s->platform, S("upload"))) {
		good = read_upload(&x);
	} else {
		good = read_address(&x);
	}
	if (x.file >= 0)
		close(x.file);
	slot_release(&mine);
	return good;
}
