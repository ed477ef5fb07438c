/*
 * An ingestion: the document's file out of the database, or off the web or a cloud service, through
 * the extractor, cut into passages, and these with what they are found by into the database, in
 * place of the old ones, in the step that makes the document ready.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <millrace/log.h>

#include "runner/jobs/blob.h"
#include "runner/jobs/ingest_page.h"
#include "runner/jobs/kinds.h"
#include "runner/knowledge/extractor.h"
#include "runner/knowledge/passage_index.h"
#include "runner/queue/periodic.h"
#include "runner/queue/slots.h"
#include "runner/runner.h"
#include "sql_job.h"

#define NOTICES_MAX 32 /* the extractor gives fewer (extract/out.h) */

/*
 * The first is held while the extractor runs, a child that may take 512 MiB and half a minute, and
 * until there is the second, for a file's passages, which may take a connection for as long: while
 * some are stored, the next files are read, and no text waits that has neither.
 */
static struct slots reading = SLOTS(2, 4, 0), storing = SLOTS(2, 4, 0);

/* What is known of a document beside its file. */
struct origin {
	struct str title; /* its name and that of its file, a line each */
	struct str page; /* as ingest_page() gives it; empty where it is none */
};

/* What the extractor tells of a file beside its text. */
struct facts {
	int64_t pages;
	struct str notices[NOTICES_MAX];
	size_t n_notices;
};

/* What is known of the file, lines that begin with a group separator. */
static void
read_facts(struct str lines, struct facts *out)
{
	struct str line;

	while (lines.p) {
		lines = str_cut(lines, '\n', &line);
		if (str_starts(line, S("\x1dpages ")))
			(void)str_int((struct str){ line.p + 7, line.n - 7 }, &out->pages);
		else if (str_starts(line, S("\x1dnotice ")) && out->n_notices < NOTICES_MAX)
			out->notices[out->n_notices++] = (struct str){ line.p + 8, line.n - 8 };
	}
}

/* The blocks: a mark's line, then its text. */
static size_t
read_blocks(struct arena *a, struct str rest, struct block **out)
{
	struct block *blocks;
	size_t n = 1;

	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == '\x1e';
	*out = blocks = arena_alloc(a, n * sizeof(*blocks));
	for (n = 0; rest.p;) {
		struct block b;

		rest = str_cut(rest, '\x1e', &b.text);
		b.text = str_cut(b.text, '\n', &b.mark);
		if (b.mark.n > 0 && b.mark.n <= 100)
			blocks[n++] = b;
	}
	return n;
}

/*
 * The extractor's output (extract/out.h): "MILLRACE-TEXT 2 type", what is known of the file, then
 * blocks that each begin with a record separator. False: it is not that.
 */
static bool
index_text(struct str text, struct str *type, struct facts *facts, struct index *x)
{
	struct str line, word, rest = str_cut(text, '\n', &line);
	struct block *blocks;
	size_t n;

	if (!str_utf8(text) ||
	    !str_eq((line = str_cut(line, ' ', &word), word), S("MILLRACE-TEXT")))
		return false;
	*type = str_cut(line, ' ', &word);
	if (!str_eq(word, S("2")) || type->n == 0)
		return false;
	rest = str_cut(rest, '\x1e', &line);
	read_facts(line, facts);
	n = read_blocks(x->a, rest, &blocks);
	index_document(x, blocks, n);
	return true;
}

static struct outcome
fail_document(struct job *j, const char *why)
{
	log_info("document: could not be read", "run", j->run.text, "error", why);
	return job_end_runner_document_end_failed(j, str_from(why));
}

/* What document_ready() takes as metadata; the notices, and a page, have columns of their own. */
static struct str
metadata_json(struct arena *a, const struct facts *out, const struct index *x, struct str page)
{
	struct buf b = { .a = a };
	size_t i;

	if (out->pages > 0)
		buf_printf(&b, "{\"pages\":%lld", (long long)out->pages);
	else
		buf_put(&b, S("{\"pages\":null"));
	buf_printf(
	    &b, ",\"characters\":%zu,\"chunks\":%zu,\"notices\":[", x->characters, x->marks.n);
	for (i = 0; i < out->n_notices; i++) {
		buf_put(&b, i > 0 ? S(",") : S(""));
		buf_json(&b, out->notices[i]);
	}
	buf_put(&b, S("]"));
	if (page.n > 0)
		buf_printf(&b, ",\"page\":%.*s", S_ARG(page));
	buf_put(&b, S("}"));
	return buf_str(&b);
}

static struct outcome
store(struct job *j, struct str text, const struct origin *of)
{
	struct index x = { .a = j->a, .title = of->title };
	struct facts facts = { 0 };
	struct str type;
	struct outcome o;

	if (!index_text(text, &type, &facts, &x))
		return job_again("the extractor's output is broken", 0);
	if (x.marks.n == 0)
		return fail_document(j, "The document holds no text that could be read.");
	o = job_end_runner_document_end_ready(j, type, metadata_json(j->a, &facts, &x, of->page),
	    x.marks, x.headings, x.texts, x.carried, x.words, x.stems, INDEX_VERSION);
	if (o.end == END_DONE) {
		atomic_fetch_add(&counters.documents, 1);
		atomic_fetch_add(&counters.passages, (long long)x.marks.n);
		periodic_wake(S("passages"));
		periodic_wake(S("embeddings"));
	}
	return o;
}

/* What came of the extractor; its slot goes when there is one for the passages. */
static struct outcome
store_in_turn(struct job *j, struct slot *of_reading, struct str text, const struct origin *of)
{
	struct slot mine = { .of = &storing, .owner = j->owner };
	struct outcome o;
	bool stopped = !slot_acquire(&mine, &j->stop);

	slot_release(of_reading);
	if (stopped)
		return job_stopped();
	o = store(j, text, of);
	slot_release(&mine);
	return o;
}

static struct outcome
unread(struct job *j, enum extract_end end, const char *why)
{
	if (end == EXTRACT_UNREADABLE)
		return fail_document(j, arena_printf(j->a, "%s", why).p);
	if (end != EXTRACT_BROKEN)
		return job_stopped();
	log_error("extractor: failed", "run", j->run.text, "error", why);
	if (j->attempt >= j->max_attempts)
		return fail_document(j, "The document could not be read.");
	return job_again("the extractor could not be run", 0);
}

static struct outcome
in_turn(struct job *j, int file, const struct extract_how *how, const struct origin *of)
{
	struct slot mine = { .of = &reading, .owner = j->owner };
	struct extracted x;
	struct outcome o;
	enum extract_end end;

	if (!slot_acquire(&mine, &j->stop))
		return job_stopped();
	end = extract(&j->stop, file, how, &x);
	if (end == EXTRACT_TEXT) {
		o = store_in_turn(j, &mine, (struct str){ x.text, x.n }, of);
	} else {
		slot_release(&mine);
		o = unread(j, end, x.why);
	}
	free(x.text);
	return o;
}

static struct str
title_of(struct job *j, PGresult *row)
{
	return arena_printf(
	    j->a, "%.*s\n%.*s", S_ARG(sql_get(row, 0, 7)), S_ARG(sql_get(row, 0, 0)));
}

/* An upload: its file is in the database. */
static struct outcome
ingest_file(struct job *j, PGresult *row, int file)
{
	struct extract_how how = { .name = arena_cstr(j->a, sql_get(row, 0, 0)) };
	struct uuid blob;
	int64_t size;
	enum err e;

	if (!uuid_parse(sql_get(row, 0, 1), &blob) || !str_int(sql_get(row, 0, 2), &size))
		return job_again("the document's row is broken", 0);
	if ((e = blob_load(j, blob, size, file)) == ERR_OK)
		return in_turn(j, file, &how, &(struct origin){ title_of(j, row), S("") });
	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	if (e == ERR_NOT_FOUND)
		return job_failed("NOT_FOUND", "The document was deleted.");
	return job_db_error(j, e, "the document's file could not be read");
}

static struct outcome
ingest_fetched(struct job *j, PGresult *row, int file)
{
	struct page_before before = { .url = arena_str(j->a, sql_get(row, 0, 3)),
		.etag = arena_cstr(j->a, sql_get(row, 0, 4)),
		.last_modified = arena_cstr(j->a, sql_get(row, 0, 5)),
		.sha256 = arena_cstr(j->a, sql_get(row, 0, 6)),
		.service = cloud_service(sql_get(row, 0, 8)),
		.file = arena_str(j->a, sql_get(row, 0, 9)) };
	struct page_read in;
	struct extract_how how;
	struct outcome o;

	if (!ingest_page(j, &before, file, &in, &o))
		return o;
	how = (struct extract_how){
		.name = in.name, .charset = in.charset, .page = before.service == NULL
	};
	return in_turn(j, file, &how, &(struct origin){ title_of(j, row), in.facts });
}

struct outcome
ingest_run(struct job *j)
{
	PGresult *row = NULL;
	struct outcome o;
	enum err e;
	int file;

	if ((e = job_runner_document_process(j, &row, j->document)) != ERR_OK)
		return job_db_error(j, e, "the document could not be looked up");
	if (PQntuples(row) != 1)
		return job_failed("NOT_FOUND", "The document was deleted.");
	if ((file = memfd_create("document", MFD_CLOEXEC)) < 0)
		return job_again("there is no memory for the document", 0);
	if (PQgetisnull(row, 0, 3) && PQgetisnull(row, 0, 8))
		o = ingest_file(j, row, file);
	else
		o = ingest_fetched(j, row, file);
	close(file);
	return o;
}
