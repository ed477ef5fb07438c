#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/log.h>

#include "runner/jobs/cloud_access.h"
#include "runner/jobs/ingest_page.h"
#include "runner/outside/page.h"
#include "runner/queue/slots.h"
#include "sql_job.h"

#define PART ((size_t)262144) /* bytes of a blob's chunk */

#define CLOUD_WITHIN_MS (60 * 1000) /* no request to a cloud service begins later */

/* A page is held in memory while it is fetched, which its server may take its time over. */
static struct slots fetching = SLOTS(2, 8, 0);

/* Reads the file by parts: into the hash, or, where there is a blob, into that. */
static enum err
each_part(struct job *j, const struct page *p, struct sha256 *hash, const struct uuid *blob)
{
	char *part = xmalloc(PART);
	enum err e = ERR_OK;

	for (int64_t n = 0; e == ERR_OK && n * (int64_t)PART < p->size; n++) {
		ssize_t got = pread(p->file, part, PART, (off_t)(n * (int64_t)PART));
		struct str bytes = { part, got > 0 ? (size_t)got : 0 };
		PGresult *res = NULL;

		if (got <= 0)
			e = ERR_INTERNAL;
		else if (blob)
			e = job_runner_page_part(j, &res, *blob, n, bytes);
		else
			sha256_add(hash, bytes);
	}
	free(part);
	return e;
}

static const char *
digest(struct job *j, const struct page *p)
{
	struct sha256 *hash = sha256_new(j->a);
	char *hex = arena_alloc(j->a, 65);
	struct str bytes;

	if (each_part(j, p, hash, NULL) != ERR_OK)
		return NULL;
	bytes = sha256_end(hash);
	return sodium_bin2hex(hex, 65, (const unsigned char *)bytes.p, bytes.n);
}

/* What is told of a page. */
static struct str
page_metadata(struct arena *a, const struct page *p)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"url\":"));
	buf_json(&b, p->url);
	if (!str_eq(p->url, p->final_url)) {
		buf_put(&b, S(",\"finalUrl\":"));
		buf_json(&b, p->final_url);
	}
	buf_put(&b, S("}"));
	return buf_str(&b);
}

static struct str
facts(struct job *j, const struct page *p, struct str blob, const char *sha256, struct str metadata)
{
	struct buf b = { .a = j->a };

	buf_printf(&b, "{\"blob\":\"%.*s\",\"sha256\":\"%s\",\"size\":%lld,\"etag\":", S_ARG(blob),
	    sha256, (long long)p->size);
	buf_json(&b, str_from(p->etag));
	buf_put(&b, S(",\"lastModified\":"));
	buf_json(&b, str_from(p->last_modified));
	buf_printf(&b, ",\"metadata\":%.*s}", S_ARG(metadata));
	return buf_str(&b);
}

static struct outcome
keep(struct job *j, const char *why)
{
	if (why)
		log_info("document: could not be fetched", "run", j->run.text, "error", why);
	return job_end_runner_document_end_kept(j, why ? str_from(why) : (struct str){ NULL, 0 });
}

/* The page's bytes into the database. */
static bool
store(struct job *j, const struct page *p, const char *sha256, struct str metadata,
    struct page_read *in, struct outcome *o)
{
	PGresult *res = NULL;
	struct uuid blob;
	enum err e;

	e = job_runner_page_begin(j, &res, p->size, config()->user_bytes);
	if (e == ERR_OK && PQntuples(res) == 0) {
		*o = job_stopped();
		return false;
	}
	if (e == ERR_OK && PQgetisnull(res, 0, 0)) {
		*o = keep(j, "There is no room for it: delete some documents first.");
		return false;
	}
	if (e == ERR_OK && !uuid_parse(sql_get(res, 0, 0), &blob))
		e = ERR_INTERNAL;
	if (e == ERR_OK)
		in->facts = facts(j, p, arena_str(j->a, sql_get(res, 0, 0)), sha256, metadata);
	if (e == ERR_OK)
		e = each_part(j, p, NULL, &blob);
	if (e != ERR_OK)
		*o = job_db_error(j, e, "the page could not be stored");
	return e == ERR_OK;
}

/* --- a file at a cloud service --- */

struct cloud_fetch {
	const struct page_before *before;
	struct page *page;
	struct cloud_file file;
	bool same; /* it has not changed */
};

static enum err
fetch_file(struct cloud *c, void *arg)
{
	struct cloud_fetch *x = arg;
	struct sink into = { .file = x->page->file, .most = x->page->bytes_max };
	enum err e = x->before->service->show(c, x->before->file, &x->file);

	if (e != ERR_OK)
		return e;
	if (x->file.is_folder) {
		c->why = "It is a folder: save it as one, and its files follow.";
		return ERR_FORBIDDEN;
	}
	x->same = x->file.version.n > 0 && str_eq(x->file.version, str_from(x->before->etag));
	if (x->same)
		return ERR_OK;
	if ((e = x->before->service->fetch(c, &x->file, &into)) == ERR_OK && into.n == 0) {
		c->why = "The file is empty.";
		return ERR_FORBIDDEN;
	}
	x->page->size = into.n;
	return e;
}

static struct str
file_metadata(struct arena *a, const struct cloud_file *f)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"mimeType\":"));
	buf_json(&b, f->mime_type);
	buf_put(&b, S(",\"modifiedAt\":"));
	buf_json(&b, f->modified_at);
	buf_put(&b, S(",\"webUrl\":"));
	buf_json(&b, f->web_url);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* As page_fetch. */
static enum page_end
cloud_fetch(struct job *j, const struct page_before *before, struct page *p, struct page_read *in,
    struct str *metadata)
{
	struct cloud_fetch x = { .before = before, .page = p };
	enum err e = cloud_use(j, before->service, CLOUD_WITHIN_MS, fetch_file, &x, &p->why);

	if (stop_why(&j->stop) != STOP_NOT)
		return PAGE_STOPPED;
	if (!*p->why)
		p->why = "The file could not be asked for.";
	if (e != ERR_OK)
		return e == ERR_UPSTREAM_FAILED || e == ERR_OVERLOADED ? PAGE_LATER : PAGE_REFUSED;
	if (x.same)
		return PAGE_SAME;
	p->etag = arena_cstr(j->a, x.file.version);
	p->last_modified = "";
	in->name = arena_cstr(j->a, x.file.name);
	in->charset = "";
	*metadata = file_metadata(j->a, &x.file);
	return PAGE_FETCHED;
}

static enum page_end
fetch(struct job *j, const struct page_before *before, struct page *p, struct page_read *in,
    struct str *metadata)
{
	enum page_end end;

	if (before->service)
		return cloud_fetch(j, before, p, in, metadata);
	end = page_fetch(&j->stop, j->a, p);
	if (end == PAGE_FETCHED) {
		in->name = page_file_name(p->content_type, p->final_url);
		in->charset = page_charset(j->a, p->content_type);
		*metadata = page_metadata(j->a, p);
	}
	return end;
}

static bool
take(struct job *j, const struct page *p, const struct page_before *before, struct str metadata,
    struct page_read *in, struct outcome *o)
{
	const char *sha256 = digest(j, p);

	if (!sha256) {
		*o = job_again("the page could not be read back", 0);
		return false;
	}
	if (strcmp(sha256, before->sha256) == 0) {
		*o = keep(j, NULL);
		return false;
	}
	return store(j, p, sha256, metadata, in, o);
}

bool
ingest_page(struct job *j, const struct page_before *before, int file, struct page_read *in,
    struct outcome *o)
{
	struct page p = { .url = before->url,
		.etag_before = before->etag,
		.last_modified_before = before->last_modified,
		.file = file,
		.bytes_max = config()->upload_max };
	struct str metadata = { NULL, 0 };
	enum page_end end;
	struct slot mine = { .of = &fetching, .owner = j->owner };

	*o = job_stopped();
	if (!slot_acquire(&mine, &j->stop))
		return false;
	end = fetch(j, before, &p, in, &metadata);
	slot_release(&mine);
	switch (end) {
	case PAGE_FETCHED:
		return take(j, &p, before, metadata, in, o);
	case PAGE_SAME:
		*o = keep(j, NULL);
		return false;
	case PAGE_LATER:
		if (j->attempt < j->max_attempts) {
			*o = job_again(p.why, 0);
			return false;
		}
		break;
	case PAGE_REFUSED:
	case PAGE_STOPPED:
		break;
	}
	if (end != PAGE_STOPPED)
		*o = keep(j, p.why);
	return false;
}
