#include <stddef.h>
#include <stdlib.h>

#include <http_parser.h>

#include "streamd/http/head.h"

#define HEAD_MAX (64U * 1024)
#define NAME_MAX_LEN 64

/* The headers that are kept, and where. */
static const struct wanted {
	struct str name;
	size_t offset; /* of its str in struct http_head */
} wanted[] = {
	{ { "x-grant", 7 }, offsetof(struct http_head, grant) },
	{ { "x-request-id", 12 }, offsetof(struct http_head, request_id) },
	{ { "origin", 6 }, offsetof(struct http_head, origin) },
	{ { "content-type", 12 }, offsetof(struct http_head, type) },
	{ { "sec-websocket-key", 17 }, offsetof(struct http_head, ws_key) },
	{ { "sec-websocket-version", 21 }, offsetof(struct http_head, ws_version) },
	{ { "sec-websocket-extensions", 24 }, offsetof(struct http_head, ws_extensions) },
};
#define WANTED (sizeof(wanted) / sizeof(*wanted))

struct http_parse {
	http_parser parser;
	bool begun, complete;
	bool too_large; /* the body */
	bool in_value;
	size_t name_len; /* above NAME_MAX_LEN: none that is kept */
	char name[NAME_MAX_LEN];
	struct buf url;
	struct buf values[WANTED];
	struct buf upgrade; /* Upgrade's; http-parser itself checks Connection */
	struct buf body;
	struct buf *value; /* where the current header's value goes, or NULL */
};

static int
head_on_url(http_parser *p, const char *at, size_t n)
{
	struct http_head *h = p->data;

	buf_put(&h->parse->url, (struct str){ at, n });
	return 0;
}

static int
head_on_field(http_parser *p, const char *at, size_t n)
{
	struct http_parse *parse = ((struct http_head *)p->data)->parse;

	if (parse->in_value)
		parse->name_len = 0;
	parse->in_value = false;
	if (parse->name_len + n <= NAME_MAX_LEN)
		memcpy(parse->name + parse->name_len, at, n);
	parse->name_len += n;
	return 0;
}

/* A header that is kept may come once. */
static struct buf *
value_slot(struct http_parse *parse)
{
	struct str name = { parse->name, parse->name_len };

	if (parse->name_len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < WANTED; i++)
		if (str_eq_nocase(name, wanted[i].name))
			return &parse->values[i];
	return str_eq_nocase(name, S("upgrade")) ? &parse->upgrade : NULL;
}

static int
head_on_value(http_parser *p, const char *at, size_t n)
{
	struct http_parse *parse = ((struct http_head *)p->data)->parse;

	if (!parse->in_value) {
		parse->value = value_slot(parse);
		if (parse->value && parse->value->p)
			return -1;
	}
	parse->in_value = true;
	if (parse->value)
		buf_put(parse->value, (struct str){ at, n });
	return 0;
}

static int
head_on_head_complete(http_parser *p)
{
	struct http_parse *parse = ((struct http_head *)p->data)->parse;

	parse->too_large = !(p->flags & F_CHUNKED) && p->content_length != UINT64_MAX &&
			   p->content_length > HTTP_BODY_MAX;
	return parse->too_large ? -1 : 0;
}

static int
head_on_body(http_parser *p, const char *at, size_t n)
{
	struct http_parse *parse = ((struct http_head *)p->data)->parse;

	parse->too_large = parse->body.n + n > HTTP_BODY_MAX;
	if (parse->too_large)
		return -1;
	buf_put(&parse->body, (struct str){ at, n });
	return 0;
}

/* What follows belongs to the protocol that the connection is upgraded to. */
static int
head_on_complete(http_parser *p)
{
	((struct http_head *)p->data)->parse->complete = true;
	http_parser_pause(p, 1);
	return 0;
}

struct http_head *
http_head_new(void)
{
	struct arena *a = arena_new();
	struct http_head *h = arena_alloc(a, sizeof(*h));

	*h = (struct http_head){ .arena = a, .parse = arena_alloc(a, sizeof(*h->parse)) };
	h->parse->url.a = h->parse->upgrade.a = h->parse->body.a = a;
	for (size_t i = 0; i < WANTED; i++)
		h->parse->values[i].a = a;
	http_parser_set_max_header_size(HEAD_MAX); /* of all parsers of the process */
	http_parser_init(&h->parse->parser, HTTP_REQUEST);
	h->parse->parser.data = h;
	return h;
}

void
http_head_free(struct http_head *h)
{
	if (h)
		arena_free(h->arena);
}

bool
http_head_begun(const struct http_head *h)
{
	return h->parse->begun;
}

static struct str
absent_if_empty(const struct buf *b)
{
	return b->n > 0 ? buf_str(b) : (struct str){ NULL, 0 };
}

static enum http_method_kind
method_kind(unsigned method)
{
	switch (method) {
	case HTTP_GET:
		return METHOD_GET;
	case HTTP_HEAD:
		return METHOD_HEAD;
	case HTTP_POST:
		return METHOD_POST;
	case HTTP_OPTIONS:
		return METHOD_OPTIONS;
	default:
		return METHOD_OTHER;
	}
}

static void
head_fill(struct http_head *h)
{
	struct http_parse *parse = h->parse;

	h->method = method_kind(parse->parser.method);
	h->query = str_cut(buf_str(&parse->url), '?', &h->path);
	h->wants_upgrade = parse->parser.upgrade &&
			   str_eq_nocase(str_trim(buf_str(&parse->upgrade)), S("websocket"));
	for (size_t i = 0; i < WANTED; i++)
		*(struct str *)((char *)h + wanted[i].offset) = absent_if_empty(&parse->values[i]);
	h->body = absent_if_empty(&parse->body);
}

enum http_state
http_head_feed(struct http_head *h, struct str bytes)
{
	static const http_parser_settings settings = {
		.on_url = head_on_url,
		.on_header_field = head_on_field,
		.on_header_value = head_on_value,
		.on_headers_complete = head_on_head_complete,
		.on_body = head_on_body,
		.on_message_complete = head_on_complete,
	};
	struct http_parse *parse = h->parse;
	size_t took = http_parser_execute(&parse->parser, &settings, bytes.p, bytes.n);

	parse->begun = parse->begun || bytes.n > 0;
	if (HTTP_PARSER_ERRNO(&parse->parser) == HPE_HEADER_OVERFLOW)
		return HTTP_HEAD_TOO_LARGE;
	if (parse->too_large)
		return HTTP_TOO_LARGE;
	if (parse->complete) {
		h->rest = (struct str){ bytes.p + took, bytes.n - took };
		head_fill(h);
		return HTTP_READY;
	}
	return HTTP_PARSER_ERRNO(&parse->parser) == HPE_OK ? HTTP_MORE : HTTP_BAD;
}

const char *
http_reason(int status)
{
	const char *text = http_status_str((enum http_status)status);

	return text[0] == '<' ? "Unknown" : text;
}
