#include <millrace/crypto.h>
#include <millrace/grant.h>
#include <millrace/json.h>

struct str
grant_write(struct arena *a, const struct grant *g)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"method\":"));
	buf_json(&b, g->method);
	buf_put(&b, S(",\"user\":"));
	buf_json(&b, uuid_str(&g->user));
	buf_put(&b, S(",\"session\":"));
	buf_json(&b, uuid_str(&g->session));
	buf_put(&b, S(",\"key\":"));
	buf_json(&b, uuid_str(&g->key));
	buf_put(&b, S(",\"token_hash\":"));
	buf_json(&b, base64url(a, g->token_hash));
	buf_printf(&b, ",\"analytics\":%s,\"topic\":", g->analytics ? "true" : "false");
	buf_json(&b, g->topic);
	buf_printf(&b,
	    ",\"after\":%lld,\"expires_at\":%lld,\"wait_seconds\":%lld,\"timeout_status\":%d,"
	    "\"timeout_body\":",
	    (long long)g->after, (long long)g->expires_at, (long long)g->wait_seconds,
	    g->timeout_status);
	buf_json(&b, g->timeout_body);
	buf_printf(&b, ",\"streams\":%s,\"face\":%d,\"cancels\":%s", g->streams ? "true" : "false",
	    (int)g->face, g->cancels ? "true" : "false");
	buf_put(&b, S(",\"request_id\":"));
	buf_json(&b, g->request_id);
	buf_put(&b, S(",\"headers\":["));
	for (size_t i = 0; i < g->n_headers; i++) {
		buf_put(&b, i ? S(",[") : S("["));
		buf_json(&b, g->headers[i].name);
		buf_put(&b, S(","));
		buf_json(&b, g->headers[i].value);
		buf_put(&b, S("]"));
	}
	buf_put(&b, S("]}"));
	return base64url(a, buf_str(&b));
}

static struct str
text_at(json_object *pair, size_t i)
{
	json_object *o = json_object_array_get_idx(pair, i);

	return json_object_is_type(o, json_type_string) ? (struct str){ json_object_get_string(o),
		(size_t)json_object_get_string_len(o) }
							: (struct str){ NULL, 0 };
}

/* Headers are sent unchanged, so a line break in one is refused. */
static bool
is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
read_headers(json_object *list, struct grant *g)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	if (n > GRANT_HEADERS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		json_object *pair = json_object_array_get_idx(list, i);
		struct grant_header *h = &g->headers[i];

		if (!json_object_is_type(pair, json_type_array) ||
		    json_object_array_length(pair) != 2)
			return false;
		*h = (struct grant_header){ text_at(pair, 0), text_at(pair, 1) };
		if (!h->name.p || !h->value.p || h->name.n == 0 || !is_printable(h->name) ||
		    !is_printable(h->value))
			return false;
	}
	g->n_headers = n;
	return true;
}

/* A member that is a UUID, absent or null. */
static bool
read_uuid(json_object *o, const char *name, struct uuid *out)
{
	return !json_at(o, name) || uuid_parse(json_text(o, name), out);
}

static bool
read_hash(struct arena *a, json_object *o, struct str *out)
{
	return !json_at(o, "token_hash") || base64url_decode(a, json_text(o, "token_hash"), out);
}

enum err
grant_read(struct arena *a, struct str header, struct grant *out)
{
	struct str text;
	json_object *o;
	const char *why;
	struct grant g = { 0 };
	int64_t status;

	if (!base64url_decode(a, header, &text) || json_parse(a, text, &o, &why) != ERR_OK ||
	    !json_object_is_type(o, json_type_object))
		return ERR_BAD_REQUEST;
	g.method = json_text(o, "method");
	g.topic = json_text(o, "topic");
	g.request_id = json_text(o, "request_id");
	g.timeout_body = json_text(o, "timeout_body");
	g.after = json_int(o, "after", 0);
	g.expires_at = json_int(o, "expires_at", 0);
	g.wait_seconds = json_int(o, "wait_seconds", 0);
	status = json_int(o, "timeout_status", 504);
	g.timeout_status = (int)status;
	g.streams = json_object_get_boolean(json_at(o, "streams"));
	g.face = (enum face)json_int(o, "face", FACE_NONE);
	g.cancels = json_object_get_boolean(json_at(o, "cancels"));
	g.analytics = json_object_get_boolean(json_at(o, "analytics"));
	if (status < 0 || status > 599 || !g.topic.p || !g.method.p ||
	    !read_uuid(o, "user", &g.user) || !read_uuid(o, "session", &g.session) ||
	    !read_uuid(o, "key", &g.key) || !read_hash(a, o, &g.token_hash) ||
	    !read_headers(json_at(o, "headers"), &g))
		return ERR_BAD_REQUEST;
	*out = g;
	return ERR_OK;
}
