/* The files that an assistant wrote. */
#include <sodium.h>

#include "handlers/chat/chat.h"
#include "sql_api.h"

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
