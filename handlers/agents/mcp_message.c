#include <millrace/json.h>

#include "handlers/agents/mcp_message.h"

#define ID_MAX 256 /* bytes, as JSON */
#define ENCODED "=?base64?"

static const char *const revisions[] = { MCP_MODERN, MCP_LEGACY, MCP_OLDER };

enum err
mcp_reply(struct req *r, const struct mcp_message *m, struct str members)
{
	struct buf b = { .a = r->a };

	mcp_put_result(&b, m->id, m->is_modern, members);
	return reply_json(r, 200, buf_str(&b));
}

static enum err
reply_error_with(struct req *r, const struct mcp_message *m, int status, enum mcp_code code,
    struct str text, struct str data)
{
	struct buf b = { .a = r->a };

	buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":%d,\"message\":",
	    S_ARG(m->id.p ? m->id : S("null")), (int)code);
	buf_json(&b, text);
	if (data.p)
		buf_printf(&b, ",\"data\":%.*s", S_ARG(data));
	buf_put(&b, S("}}"));
	return reply_json(r, status, buf_str(&b));
}

enum err
mcp_refuse(
    struct req *r, const struct mcp_message *m, int status, enum mcp_code code, struct str text)
{
	return reply_error_with(r, m, status, code, text, (struct str){ NULL, 0 });
}

static bool
refused(struct req *r, const struct mcp_message *m, enum mcp_code code, const char *text)
{
	(void)mcp_refuse(r, m, 400, code, str_from(text));
	return false;
}

static bool
refused_revision(struct req *r, const struct mcp_message *m, struct str asked)
{
	struct buf b = { .a = r->a };

	buf_put(&b, S("{\"supported\":"));
	for (size_t i = 0; i < sizeof(revisions) / sizeof(*revisions); i++)
		buf_printf(&b, "%s\"%s\"", i > 0 ? "," : "[", revisions[i]);
	buf_put(&b, S("],\"requested\":"));
	buf_json(&b, asked);
	buf_put(&b, S("}"));
	(void)reply_error_with(
	    r, m, 400, MCP_UNSUPPORTED_VERSION, S("Unsupported protocol version"), buf_str(&b));
	return false;
}

/* A header's value, which may be in base64 with the marks of the protocol ("Value Encoding"). */
static struct str
header_value(struct req *r, const char *param)
{
	struct str value = req_param(r, param), bytes;

	if (!str_starts(value, S(ENCODED)) || value.n < sizeof(ENCODED) + 1 ||
	    value.p[value.n - 2] != '?' || value.p[value.n - 1] != '=')
		return value;
	value.p += sizeof(ENCODED) - 1;
	value.n -= sizeof(ENCODED) + 1;
	return base64_decode(r->a, value, &bytes) ? bytes : (struct str){ NULL, 0 };
}

/* Of a modern request. Headers repeat the body for whoever looks at them alone. */
static bool
read_modern(struct req *r, struct mcp_message *m, struct str revision, json_object *meta)
{
	struct str header = req_param(r, "HTTP_MCP_PROTOCOL_VERSION");

	if (!str_eq(header, revision))
		return refused(
		    r, m, MCP_HEADER_MISMATCH, "MCP-Protocol-Version must say the same as _meta.");
	if (!str_eq(revision, S(MCP_MODERN)))
		return refused_revision(r, m, revision);
	if (!json_object_is_type(json_at(meta, MCP_META_CAPABILITIES), json_type_object))
		return refused(
		    r, m, MCP_INVALID_PARAMS, "_meta must have " MCP_META_CAPABILITIES ".");
	if (!str_eq(req_param(r, "HTTP_MCP_METHOD"), m->method))
		return refused(
		    r, m, MCP_HEADER_MISMATCH, "Mcp-Method must say the same as the body.");
	if (str_eq(m->method, S("tools/call")) &&
	    !str_eq(header_value(r, "HTTP_MCP_NAME"), json_text(m->params, "name")))
		return refused(
		    r, m, MCP_HEADER_MISMATCH, "Mcp-Name must say the same as the body.");
	m->is_modern = true;
	return true;
}

static bool
read_revision(struct req *r, struct mcp_message *m)
{
	struct str header = req_param(r, "HTTP_MCP_PROTOCOL_VERSION");
	json_object *meta = json_at(m->params, "_meta");
	struct str revision = json_text(meta, MCP_META_VERSION);

	if (m->kind != MCP_REQUEST) {
		m->is_modern = str_eq(header, S(MCP_MODERN));
		return true;
	}
	if (revision.p)
		return read_modern(r, m, revision, meta);
	/* Without the header it is of a revision that had none. */
	if (header.n == 0 || str_eq(m->method, S("initialize")) || str_eq(header, S(MCP_LEGACY)) ||
	    str_eq(header, S(MCP_OLDER)))
		return true;
	if (str_eq(header, S(MCP_MODERN)))
		return refused(r, m, MCP_INVALID_PARAMS, "_meta must have " MCP_META_VERSION ".");
	return refused_revision(r, m, header);
}

/* A request's id is a string or a whole number. */
static bool
read_id(struct req *r, json_object *o, struct mcp_message *m)
{
	json_object *id = json_at(o, "id");
	struct str text;

	if (!json_object_is_type(id, json_type_string) && !json_object_is_type(id, json_type_int))
		return false;
	text = json_serialised(id);
	if (text.n > ID_MAX)
		return false;
	m->id = arena_str(r->a, text);
	return true;
}

bool
mcp_read(struct req *r, struct mcp_message *m)
{
	json_object *o;
	const char *why;

	*m = (struct mcp_message){ .kind = MCP_REQUEST };
	if (json_parse(r->a, r->body, &o, &why) != ERR_OK)
		return refused(r, m, MCP_PARSE_ERROR, why);
	m->method = json_text(o, "method");
	m->params = json_at(o, "params");
	if (json_has(o, "id") && !read_id(r, o, m))
		return refused(r, m, MCP_INVALID_REQUEST, "id must be a string or a whole number.");
	if (!str_eq(json_text(o, "jsonrpc"), S("2.0")))
		return refused(
		    r, m, MCP_INVALID_REQUEST, "The body must be one message of JSON-RPC 2.0.");
	if (!m->method.p && m->id.p && (json_has(o, "result") || json_has(o, "error")))
		m->kind = MCP_RESPONSE;
	else if (!m->method.p)
		return refused(r, m, MCP_INVALID_REQUEST, "method must be a string.");
	else if (!m->id.p)
		m->kind = MCP_NOTIFICATION;
	if (m->params && !json_object_is_type(m->params, json_type_object))
		return refused(r, m, MCP_INVALID_REQUEST, "params must be an object.");
	return read_revision(r, m);
}
