/* The files that an assistant wrote. */
#include <sodium.h>

#include "handlers/chat/chat.h"
#include "sql_api.h"

struct artifacts_in {
	int64_t limit;
	struct uuid before;
	struct uuid conversation_id;
};

static const struct field list_fields[] = {
	F_PAGE(struct artifacts_in),
	F_UUID(struct artifacts_in, conversation_id, OPTIONAL),
};
FIELD_TABLE(artifact_list_query, struct artifacts_in, list_fields, artifact_list);

struct sending {
	struct uuid blob;
	struct str mime_type;
	char *bytes;
	size_t len, n;
	int64_t chunk;
};

static enum err
artifact_chunk_read(struct req *r)
{
	struct sending *s = r->state;
	struct str hex;
	size_t len;

	if (row_count(r) == 0)
		return ERR_INTERNAL;
	hex = row_text(r, 0, 0);
	if (sodium_hex2bin((unsigned char *)s->bytes + s->n, s->len - s->n, hex.p, hex.n, NULL,
		&len, NULL) != 0)
		return ERR_INTERNAL;
	s->n += len;
	if (s->n < s->len)
		return sql_blob_chunk_read(r, artifact_chunk_read, s->blob, ++s->chunk);
	return reply_body(r, 200, arena_cstr(r->a, s->mime_type), (struct str){ s->bytes, s->n });
}

/* RFC 6266: a plain name for old clients, a percent-encoded UTF-8 one (RFC 8187) for the rest. */
static struct str
disposition(struct arena *a, struct str name)
{
	struct buf b = { .a = a };

	buf_put(&b, S("attachment; filename=\""));
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		buf_printf(
		    &b, "%c", c > 0x1f && c < 0x7f && c != '"' && c != '\\' && c != '/' ? c : '_');
	}
	buf_put(&b, S("\"; filename*=UTF-8''"));
	for (size_t i = 0; i < name.n; i++)
		buf_printf(&b, "%%%02X", (unsigned char)name.p[i]);
	return buf_str(&b);
}

static enum err
artifact_found(struct req *r)
{
	struct sending *s = arena_alloc(r->a, sizeof(*s));
	int64_t len;

	if (row_count(r) == 0)
		return ERR_NOT_FOUND;
	if (!str_int(row_text(r, 0, 3), &len))
		return ERR_INTERNAL;
	s->blob = row_uuid(r, 0, 0);
	/* The runner writes text as UTF-8; without a charset browsers assume Latin-1. */
	s->mime_type = arena_printf(r->a, "%.*s%s", S_ARG(row_text(r, 0, 2)),
	    str_starts(row_text(r, 0, 2), S("text/")) &&
		    !memchr(row_text(r, 0, 2).p, ';', row_text(r, 0, 2).n)
		? "; charset=utf-8"
		: "");
	s->len = (size_t)len;
	s->bytes = arena_alloc(r->a, s->len + 1);
	r->state = s;
	/* Name and content may be anybody's: never rendered as a page of this origin. */
	reply_header(r, "Content-Disposition", disposition(r->a, row_text(r, 0, 1)));
	if (s->len == 0)
		return reply_body(r, 200, arena_cstr(r->a, s->mime_type), S(""));
	return sql_blob_chunk_read(r, artifact_chunk_read, s->blob, 0);
}

/* GET /api/artifacts/{id}: the file itself. */
enum err
artifact_show(struct req *r)
{
	return sql_artifact_show(r, artifact_found, path_uuid(r, 0));
}

/* GET /api/artifacts: the newest version of each file, of all conversations or of one. */
enum err
artifact_list(struct req *r)
{
	struct artifacts_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, artifact_list_query, &in)) != ERR_OK)
		return e;
	return sql_artifact_list(
	    r, res_list, list_rows(r, in.limit), in.before, in.conversation_id);
}

static enum err
versions_of(struct req *r)
{
	const struct list_in *in = r->state;

	if (row_count(r) == 0)
		return ERR_NOT_FOUND;
	return sql_artifact_versions(
	    r, res_list, path_uuid(r, 0), list_rows(r, in->limit), in->before);
}

/* GET /api/artifacts/{id}/versions: all versions of the file that this one is of. */
enum err
artifact_versions(struct req *r)
{
	struct list_in *in = arena_alloc(r->a, sizeof(*in));
	enum err e;

	*in = (struct list_in){ 0 };
	if ((e = query_bind(r, list_query, in)) != ERR_OK)
		return e;
	r->state = in;
	return sql_artifact_show(r, versions_of, path_uuid(r, 0));
}
