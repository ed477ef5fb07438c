#include <millrace/mcp.h>
#include <millrace/version.h>

const char mcp_implementation[] = "{\"name\":\"millrace\",\"version\":\"" MILLRACE_VERSION "\"}";

void
mcp_put_result(struct buf *b, struct str id, bool is_modern, struct str members)
{
	buf_printf(b, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{", S_ARG(id));
	if (is_modern)
		buf_printf(b, "\"resultType\":\"complete\",\"_meta\":{\"%s\":%s}%s",
		    MCP_META_SERVER, mcp_implementation, members.n > 0 ? "," : "");
	buf_put(b, members);
	buf_put(b, S("}}"));
}

struct str
mcp_tool_result(struct arena *a, struct str text, bool failed)
{
	struct buf b = { .a = a };

	buf_put(&b, S("\"content\":[{\"type\":\"text\",\"text\":"));
	buf_json(&b, text);
	buf_printf(&b, "}],\"isError\":%s", failed ? "true" : "false");
	return buf_str(&b);
}
