/*
 * The body comes over FastCGI as fast as it is read here (nginx has all of it), so the pace is this
 * file's: a few chunks are in flight to the database at a time, and the loop serves others in
 * between. Each chunk is a transaction of its own, since a pipeline cannot hold one open across
 * others' statements; the handler's statement, the last, makes the blob whole and is the one that
 * counts. What is refused after all is given up at once, for the runner to delete; it also sweeps
 * what a worker that died has left.
 */
#include <inttypes.h>
#include <stdlib.h>

#include <millrace/config.h>
#include <millrace/multipart.h>

#include "fcgi/skeleton.h"
#include "fcgi/upload.h"
#include "fcgi/worker.h"
#include "sql_api.h"

#define CHUNK_LEN ((size_t)256 * 1024)
#define CHUNKS_IN_FLIGHT 4
#define READ_LEN 65536
#define FIELD_LEN_MAX 65536
#define FILE_NAME_MAX 255
#define FORM_LEN 4096 /* what a form adds to its file, generously */

struct receiving {
	struct upload up; /* first: r->upload points to it */
	struct req *r;
	struct multipart *form; /* NULL: the body is JSON, */
	struct skeleton skeleton; /* and this is what is left of it */
	struct sha256 *hash;
	struct sha256 *fields_hash; /* of the form's other parts, for Idempotency-Key */
	char *chunk;
	size_t chunk_len;
	int64_t n_chunks;
	int in_flight;
	bool in_file, read_all;
	struct str field_name;
	struct buf field;
	enum err e;
};

static void upload_continue(struct receiving *u);

const void *
upload_bound(const struct req *r, const struct field_table *t)
{
	if (t != r->route->body)
		abort();
	return r->upload->fields;
}

static void
upload_chunk_stored(void *arg, const struct pipe_reply *reply)
{
	struct req *r = arg;
	struct receiving *u = (struct receiving *)r->upload;

	u->in_flight--;
	if (reply->e != ERR_OK && u->e == ERR_OK) {
		u->e = reply->e;
		r->error_text = arena_str(r->a, reply->text);
	}
	upload_continue(u);
}

static enum err
upload_send_chunk(struct receiving *u)
{
	const struct sql_arg args[] = {
		{ .type = SQL_UUID, .u = u->up.blob },
		{ .type = SQL_INT, .i = u->n_chunks++ },
		{ .type = SQL_BYTES, .s = { u->chunk, u->chunk_len } },
	};
	enum err e = req_also(u->r, &query_blob_chunk_add, args, 3, upload_chunk_stored);

	u->chunk_len = 0;
	if (e == ERR_OK)
		u->in_flight++;
	return e;
}

/* Some clients send a path; only its last part is a name. */
static struct str
base_name(struct str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/' || path.p[i - 1] == '\\')
			return (struct str){ path.p + i, path.n - i };
	return path;
}

/* The most that is stored of a body. */
static int64_t
size_max(const struct req *r)
{
	return r->route->body_kind == BODY_JSON ? LARGE_BODY_MAX : config()->upload_max;
}

/* Names the limit. */
static enum err
file_too_large(struct req *r)
{
	int64_t most = size_max(r);
	bool mib = most % (int64_t)MIB == 0;

	r->error_text =
	    arena_printf(r->a, "The %s is larger than %" PRId64 " %s, the most that is taken.",
		r->route->body_kind == BODY_JSON ? "request body" : "file",
		mib ? most / (int64_t)MIB : most, mib ? "MiB" : "bytes");
	return ERR_TOO_LARGE;
}

static enum err
upload_on_part(void *arg, struct str name, struct str file_name)
{
	struct receiving *u = arg;

	u->in_file = str_eq(name, S("file")) && file_name.p;
	u->field_name = name;
	u->field = (struct buf){ .a = u->r->a };
	if (!u->in_file)
		return ERR_OK;
	if (u->up.file_name.p)
		return refuse(u->r, ERR_BAD_REQUEST, "The form has more than one file.");
	file_name = base_name(file_name);
	if (file_name.n == 0 || file_name.n > FILE_NAME_MAX ||
	    memchr(file_name.p, '\0', file_name.n)) {
		problem_add(&u->r->problems, S("file"), "must have a file name of 1 to %d bytes",
		    FILE_NAME_MAX);
		return ERR_BAD_REQUEST;
	}
	u->up.file_name = file_name;
	return ERR_OK;
}

/* Stores what is next of the file. */
static enum err
upload_store(struct receiving *u, struct str bytes)
{
	enum err e;

	u->up.size += (int64_t)bytes.n;
	if (u->up.size > size_max(u->r))
		return file_too_large(u->r);
	sha256_add(u->hash, bytes);
	while (bytes.n > 0) {
		size_t room = CHUNK_LEN - u->chunk_len, n = bytes.n < room ? bytes.n : room;

		memcpy(u->chunk + u->chunk_len, bytes.p, n);
		u->chunk_len += n;
		bytes.p += n;
		bytes.n -= n;
		if (u->chunk_len == CHUNK_LEN && (e = upload_send_chunk(u)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err
upload_on_data(void *arg, struct str bytes)
{
	struct receiving *u = arg;

	if (u->in_file)
		return upload_store(u, bytes);
	if (u->field.n + bytes.n > FIELD_LEN_MAX)
		return refuse(u->r, ERR_TOO_LARGE,
		    "A field of the form is larger than 64 KiB, the most that is taken.");
	buf_put(&u->field, bytes);
	return ERR_OK;
}

static enum err
upload_on_part_end(void *arg)
{
	struct receiving *u = arg;
	struct req *r = u->r;
	const struct field_table *t = r->route->body;
	struct str value = buf_str(&u->field);

	if (u->in_file)
		return u->chunk_len > 0 ? upload_send_chunk(u) : ERR_OK;
	if (!str_utf8(value) || memchr(value.p, '\0', value.n)) {
		problem_add(&r->problems, u->field_name, "must be UTF-8 without NUL");
		return ERR_BAD_REQUEST;
	}
	sha256_add(u->fields_hash,
	    arena_printf(r->a, "%zu:%.*s%zu:", u->field_name.n, S_ARG(u->field_name), value.n));
	sha256_add(u->fields_hash, value);
	/* The reply names every bad field, so go on; upload_finish looks at the problems. */
	(void)!text_field(r->a, t->p, t->n, u->field_name, value, u->up.fields, &r->problems);
	return ERR_OK;
}

static enum err
upload_read(struct receiving *u)
{
	static char bytes[READ_LEN];
	int n = FCGX_GetStr(bytes, sizeof(bytes), u->r->fcgx.in);
	struct str read = { bytes, (size_t)n };
	enum err e = u->form ? multipart_feed(u->form, read) : upload_store(u, read);

	if (!u->form && e == ERR_OK && !skeleton_feed(&u->skeleton, read))
		return refuse(u->r, ERR_TOO_LARGE,
		    "The request body has more than 1 MiB beside images and other long texts.");
	if (u->form && e == ERR_BAD_REQUEST && !u->r->error_text.p && u->r->problems.n == 0)
		u->r->error_text = str_from(multipart_problem(u->form));
	if (n < (int)sizeof(bytes))
		u->read_all = true;
	/* A form's file ends with its part. */
	if (!u->form && u->read_all && e == ERR_OK && u->chunk_len > 0)
		e = upload_send_chunk(u);
	return e;
}

static enum err
upload_finish(struct receiving *u)
{
	struct req *r = u->r;
	enum err e;

	if (!u->form) {
		r->body_sha256 = sha256_end(u->hash);
		r->body = buf_str(&u->skeleton.out);
		return r->route->handler(r);
	}
	if ((e = multipart_end(u->form)) != ERR_OK)
		return refuse(r, e, multipart_problem(u->form));
	fields_missing(r->route->body->p, r->route->body->n, u->up.fields, &r->problems);
	if (!u->up.file_name.p)
		problem_add(&r->problems, S("file"), "is required");
	else if (u->up.size == 0)
		problem_add(&r->problems, S("file"), "must not be empty");
	if (r->problems.n > 0)
		return refuse(r, ERR_BAD_REQUEST, "Some fields are not valid.");
	u->up.sha256 = sha256_end(u->hash);
	/* An Idempotency-Key is for the same file under the same name with the same fields. */
	r->body = arena_printf(r->a, "%.*s %.*s %.*s", S_ARG(base64url(r->a, u->up.sha256)),
	    S_ARG(base64url(r->a, sha256_end(u->fields_hash))), S_ARG(u->up.file_name));
	return r->route->handler(r);
}

/* Reads and stores as far as the bounds allow; called again as chunks are stored. */
static void
upload_continue(struct receiving *u)
{
	struct req *r = u->r;

	while (u->e == ERR_OK && !u->read_all && u->in_flight < CHUNKS_IN_FLIGHT)
		u->e = upload_read(u);
	if (u->in_flight > 0)
		return;
	if (u->e == ERR_OK)
		u->e = upload_finish(u);
	if (u->e != ERR_OK)
		r->worker->fail(r, u->e);
}

static enum err
upload_blob_created(struct req *r)
{
	r->upload->blob = row_uuid(r, 0, 0);
	upload_continue((struct receiving *)r->upload);
	return ERR_OK;
}

void
upload_ended(struct req *r, int status)
{
	const struct sql_arg arg = { .type = SQL_UUID, .u = r->upload->blob };

	if (status >= 400)
		body_drain(r);
	/* A repeated request was answered from the first one's row: its file is nobody's. Where the
	   outcome is not known the statement looks itself; should it fail, the sweep finds it. */
	if (r->upload->blob.text[0] && (status >= 400 || r->n_replayed > 0))
		(void)!req_also(r, &query_blob_give_up, &arg, 1, NULL);
}

enum err
upload_begin(struct req *r)
{
	static const struct multipart_events events = { upload_on_part, upload_on_data,
		upload_on_part_end };
	bool is_json = r->route->body_kind == BODY_JSON;
	struct receiving *u;
	enum err e;

	if (r->content_length > size_max(r) + (is_json ? 0 : MIB))
		return file_too_large(r);
	if (is_json && (e = body_check_type(r)) != ERR_OK)
		return e;
	u = arena_alloc(r->a, sizeof(*u));
	u->r = r;
	u->skeleton = (struct skeleton){ .out = { .a = r->a }, .max = MIB };
	u->form = is_json ? NULL : multipart_new(r->a, r->content_type, &events, u);
	if (!u->form && !is_json)
		return refuse(r, ERR_UNSUPPORTED_MEDIA_TYPE,
		    "The body's Content-Type is to be multipart/form-data with a boundary; the "
		    "file is its part \"file\".");
	u->hash = sha256_new(r->a);
	u->fields_hash = sha256_new(r->a);
	u->chunk = arena_alloc(r->a, CHUNK_LEN);
	u->up.fields = is_json ? NULL : arena_alloc(r->a, r->route->body->len);
	r->upload = &u->up;
	return sql_blob_create(r, upload_blob_created,
	    r->content_length > FORM_LEN ? r->content_length - FORM_LEN : 0, config()->user_bytes,
	    is_json ? 0 : config()->user_documents);
}
