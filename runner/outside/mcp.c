#include <string.h>
#include <strings.h>

#include <millrace/lenient.h>

#include "runner/outside/http.h"
#include "runner/outside/mcp.h"
#include "runner/outside/refusal.h"
#include "runner/outside/sse.h"

#define REPLY_MAX ((size_t)1024 * 1024)
#define SECRET_MIN 4 /* bytes: what is shorter stands in any sentence */
#define TOKEN_MIN 8 /* the same, in what a tool gives */

/* One request and what comes of it. */
struct exchange {
	struct http_request http;
	struct arena *a;
	const char *const *secrets; /* lines of the request */
	int64_t id; /* 0: it is a notification */
	struct sse sse;
	struct buf body;
	size_t n; /* bytes that came */
	bool is_stream, is_too_long;
	json_object *reply; /* the response to it; NULL: none yet */
};

/* -- what comes -- */

/* The response to it in a message, or among several; NULL: there is none. */
static json_object *
response_in(json_object *o, int64_t id)
{
	for (size_t i = 0; i < json_length(o); i++) {
		json_object *one = response_in(json_object_array_get_idx(o, i), id);

		if (one)
			return one;
	}
	/* A server that could not read the request knows no id. */
	if (!json_at(o, "id"))
		return json_at(o, "error") ? o : NULL;
	return lenient_count(json_at(o, "id")) == id &&
		       (json_has(o, "result") || json_has(o, "error"))
		   ? o
		   : NULL;
}

/* What else comes in a stream tells of the request's progress. */
static bool
mcp_on_event(void *arg, struct str type, struct str data)
{
	struct exchange *x = arg;
	json_object *o;

	(void)type;
	if (mended_parse(x->a, &data, &o))
		x->reply = response_in(o, x->id);
	return !x->reply;
}

static enum http_want
mcp_on_bytes(void *arg, struct str bytes)
{
	struct exchange *x = arg;

	if (x->n == 0)
		x->is_stream = strncasecmp(x->http.content_type, "text/event-stream", 17) == 0;
	x->n += bytes.n;
	if ((x->is_too_long = x->n > REPLY_MAX))
		return HTTP_NO_MORE;
	if (!x->is_stream) {
		buf_put(&x->body, bytes);
		return HTTP_MORE;
	}
	if (sse_feed(&x->sse, bytes, mcp_on_event, x))
		return HTTP_MORE;
	x->http.useful = x->reply != NULL;
	return HTTP_NO_MORE;
}

/* The value of a line: what it says of Authorization is its last word. */
static struct str
secret_in(const char *line)
{
	const char *value = strstr(line, ": "), *last;

	if (!value)
		return (struct str){ NULL, 0 };
	value += 2;
	if (strncasecmp(line, "Authorization:", 14) == 0 && (last = strrchr(value, ' ')) != NULL)
		value = last + 1;
	return str_from(value);
}

static bool
holds_secret(struct str said, const char *line)
{
	struct str secret = secret_in(line);

	return secret.n >= SECRET_MIN && said.n > 0 && memmem(said.p, said.n, secret.p, secret.n);
}

struct str
mcp_without_secrets(struct arena *a, const struct mcp_peer *p, struct str said)
{
	for (const char *const *h = p->headers; h && *h; h++) {
		struct str secret = secret_in(*h), rest = said;
		struct buf b = { .a = a };
		const char *at;

		while (secret.n >= TOKEN_MIN && rest.n > 0 &&
		       (at = memmem(rest.p, rest.n, secret.p, secret.n)) != NULL) {
			size_t before = (size_t)(at - rest.p);

			buf_put(&b, (struct str){ rest.p, before });
			buf_put(&b, S("[secret]"));
			rest.p += before + secret.n;
			rest.n -= before + secret.n;
		}
		if (b.n > 0) {
			buf_put(&b, rest);
			said = buf_str(&b);
		}
	}
	return said;
}

/* A server's words, cut, for a person. */
static const char *
words(const struct exchange *x, struct str body)
{
	for (const char *const *h = x->secrets; h && *h; h++)
		if (holds_secret(body, *h))
			return "What it says holds the credential.";
	return arena_cstr(x->a, refusal_words(x->a, body));
}

static enum mcp_end
failed(struct mcp_answer *out, const char *why)
{
	out->why = why;
	return MCP_FAILED;
}

static enum mcp_end
read_response(struct exchange *x, json_object *o, struct mcp_answer *out)
{
	json_object *error = json_at(o, "error");

	if (error) {
		out->code = json_int(error, "code", 0);
		out->why = words(x, json_serialised(o));
		return MCP_REFUSED;
	}
	out->result = json_at(o, "result");
	if (json_object_is_type(out->result, json_type_object))
		return MCP_ANSWERED;
	return failed(out, "What it answers is not the protocol.");
}

static enum mcp_end
read_status(struct exchange *x, struct mcp_answer *out)
{
	struct str body = x->http.reply;
	json_object *o;
	int status = x->http.status;

	if (mended_parse(x->a, &body, &o) &&
	    json_object_is_type(json_at(o, "error"), json_type_object))
		return read_response(x, o, out);
	if (status == 401 || status == 403)
		return failed(out, "It does not accept the credential.");
	if (status >= 300 && status < 400)
		return failed(out, "It has moved to another address.");
	return failed(out,
	    arena_printf(x->a, "It answers with status %d. %s", status, words(x, x->http.reply)).p);
}

static enum mcp_end
conclude(struct exchange *x, enum http_end how, struct mcp_answer *out)
{
	struct str body = buf_str(&x->body);
	json_object *o;

	if (how == HTTP_STOPPED)
		return MCP_STOPPED;
	if (x->is_too_long)
		return failed(out, "It says more than a mebibyte.");
	if (how == HTTP_DONE && x->is_stream && !x->reply)
		(void)!sse_end(&x->sse, mcp_on_event, x);
	if (x->reply)
		return read_response(x, x->reply, out);
	if (x->http.status >= 300)
		return read_status(x, out);
	if (how == HTTP_DONE && x->id == 0)
		return MCP_ANSWERED;
	if (how == HTTP_DONE && mended_parse(x->a, &body, &o) &&
	    (x->reply = response_in(o, x->id)) != NULL)
		return read_response(x, x->reply, out);
	if (how == HTTP_DONE || how == HTTP_ENDED)
		return failed(out, "What it answers is not the protocol.");
	if (how == HTTP_FORBIDDEN)
		return failed(out, "Its address is not a public one.");
	if (how == HTTP_SILENT)
		return failed(out, "It did not answer in time.");
	return failed(out, arena_printf(x->a, "It could not be reached: %s.", x->http.error).p);
}

/* -- what is sent -- */

static const char *const *
headers_of(struct arena *a, const struct mcp_peer *p, const char *method, struct str name)
{
	const char *revision = p->is_legacy ? p->revision : MCP_MODERN, **lines;
	size_t n = 0, most = 7;

	for (const char *const *h = p->headers; h && *h; h++)
		most++;
	lines = arena_alloc(a, most * sizeof(*lines));
	for (const char *const *h = p->headers; h && *h; h++)
		lines[n++] = *h;

	lines[n++] = "Content-Type: application/json";
	lines[n++] = "Accept: application/json, text/event-stream";
	if (revision)
		lines[n++] = arena_printf(a, "MCP-Protocol-Version: %s", revision).p;
	if (!p->is_legacy)
		lines[n++] = arena_printf(a, "Mcp-Method: %s", method).p;
	if (!p->is_legacy && name.p)
		lines[n++] = arena_printf(a, "Mcp-Name: %.*s", S_ARG(name)).p;
	if (p->is_legacy && p->session[0])
		lines[n++] = arena_printf(a, "Mcp-Session-Id: %s", p->session).p;
	lines[n] = NULL;
	return lines;
}

static struct str
message(
    struct arena *a, const struct mcp_peer *p, const char *method, struct str params, int64_t id)
{
	struct buf b = { .a = a };

	buf_printf(
	    &b, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":{%.*s", method, S_ARG(params));
	if (!p->is_legacy)
		buf_printf(&b,
		    "%s\"_meta\":{\"" MCP_META_VERSION "\":\"" MCP_MODERN "\",\"" MCP_META_CLIENT
		    "\":%s,\"" MCP_META_CAPABILITIES "\":{}}",
		    params.n > 0 ? "," : "", mcp_implementation);
	buf_put(&b, S("}"));
	if (id > 0)
		buf_printf(&b, ",\"id\":%lld", (long long)id);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* The name of the tool that is called, which repeats in a header. */
static struct str
name_of(struct arena *a, struct str body)
{
	json_object *o;
	const char *why;

	return json_parse(a, body, &o, &why) == ERR_OK ? json_text(json_at(o, "params"), "name")
						       : (struct str){ NULL, 0 };
}

static enum mcp_end
exchange(struct stop *stop, struct arena *a, struct mcp_peer *p, const char *method,
    struct str params, int64_t within_ms, struct mcp_answer *out, int *status)
{
	bool is_notification = strncmp(method, "notifications/", 14) == 0;
	struct exchange x = {
		.a = a,
		.id = is_notification ? 0 : ++p->n_asked,
		.body = { .a = a },
		.secrets = p->headers,
	};
	struct str body = message(a, p, method, params, x.id);
	enum mcp_end end;

	*out = (struct mcp_answer){ .why = "" };
	x.http = (struct http_request){ .url = p->url,
		.headers = headers_of(a, p, method, name_of(a, body)),
		.body = body,
		.within_ms = within_ms,
		.foreign = true,
		.on_body = mcp_on_bytes,
		.arg = &x };
	sse_init(&x.sse, REPLY_MAX);
	end = conclude(&x, http_call(stop, a, &x.http), out);
	sse_free(&x.sse);
	if (strcmp(method, "initialize") == 0)
		memcpy(p->session, x.http.mcp_session, sizeof(p->session));
	*status = x.http.status;
	return end;
}

/* -- the handshake -- */

static enum mcp_end
shake_hands(struct stop *stop, struct arena *a, struct mcp_peer *p, int64_t within_ms,
    struct mcp_answer *out)
{
	static const char *const known[] = { MCP_LEGACY, MCP_OLDER, "2025-03-26" };
	struct str chosen;
	struct mcp_answer ignored;
	enum mcp_end end;
	int status;

	p->revision = NULL;
	p->session[0] = '\0';
	end = exchange(stop, a, p, "initialize",
	    arena_printf(a,
		"\"protocolVersion\":\"" MCP_LEGACY "\",\"capabilities\":{},\"clientInfo\":%s",
		mcp_implementation),
	    within_ms, out, &status);
	if (end != MCP_ANSWERED)
		return end;
	chosen = json_text(out->result, "protocolVersion");
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_eq(chosen, str_from(known[i])))
			p->revision = known[i];
	if (!p->revision)
		return failed(out, "It speaks no revision of the protocol that is spoken here.");
	end =
	    exchange(stop, a, p, "notifications/initialized", S(""), within_ms, &ignored, &status);
	p->is_open = end != MCP_STOPPED;
	return end == MCP_STOPPED ? end : MCP_ANSWERED;
}

/*
 * Does a server say in this way that it wants a handshake? Whoever speaks the revision without says
 * otherwise what is wrong (2026-07-28, Streamable HTTP, "Backward Compatibility").
 */
static bool
wants_handshake(enum mcp_end end, int status, const struct mcp_answer *out)
{
	if (end == MCP_REFUSED)
		return out->code != MCP_HEADER_MISMATCH && out->code != MCP_NO_CAPABILITY;
	return end == MCP_FAILED && status >= 400 && status < 500 && status != 401 &&
	       status != 403 && status != 429;
}

enum mcp_end
mcp_request(struct stop *stop, struct arena *a, struct mcp_peer *p, const char *method,
    struct str params, int64_t within_ms, struct mcp_answer *out)
{
	enum mcp_end end;
	int status;

	if (!p->is_legacy) {
		end = exchange(stop, a, p, method, params, within_ms, out, &status);
		if (strcmp(method, "tools/list") != 0 || !wants_handshake(end, status, out))
			return end;
		p->is_legacy = true;
	}
	for (int tries = 1;; tries++) {
		if (!p->is_open && (end = shake_hands(stop, a, p, within_ms, out)) != MCP_ANSWERED)
			return end;
		end = exchange(stop, a, p, method, params, within_ms, out, &status);
		/* The session has ended (2025-11-25, Transports, "Session Management"). */
		if (status != 404 || !p->session[0] || tries > 1)
			return end;
		p->is_open = false;
	}
}
