#include <ctype.h>

#include <millrace/clock.h>
#include <millrace/lenient.h>
#include <millrace/log.h>

#include "runner/jobs/headers.h"
#include "runner/jobs/remote.h"
#include "runner/models/tools.h"
#include "runner/runner.h"
#include "sql_job.h"

#define SERVERS_MAX 8 /* that one run has to do with */
#define PAGES_MAX 10
#define LIST_MS 5000 /* for each page */
#define LISTS_MS 10000 /* for all that a run asks for first */
#define CALL_MS 60000
#define KEPT_MAX ((size_t)128 * 1024) /* bytes of a server's tools */
#define CALLED_MAX 64 /* bytes of a name: what vendors take */
#define AGAIN_S 300 /* after which a server is asked again what it has */
#define FAILED_S 60 /* the same, of one that did not say */

/* -- what servers have -- */

struct listing {
	struct buf kept;
	struct str names[REMOTE_TOOLS_MAX];
	int n, left_out;
	bool is_cut; /* there are pages that were not asked for */
};

/* Is there one of its name already? Servers without an end show theirs again. */
static bool
is_listed(const struct listing *l, struct str name)
{
	for (int i = 0; i < l->n; i++)
		if (str_eq(l->names[i], name))
			return true;
	return false;
}

/* A page's tools. False where all were there before, or no more are taken. */
static bool
take_page(struct listing *l, json_object *tools)
{
	size_t n = json_object_array_length(tools), known = 0;

	for (size_t i = 0; i < n; i++) {
		json_object *tool = json_object_array_get_idx(tools, i);
		size_t before = l->kept.n;

		if (is_listed(l, json_text(tool, "name"))) {
			known++;
			continue;
		}
		buf_put(&l->kept, l->n > 0 ? S(",") : S("["));
		if (l->n < REMOTE_TOOLS_MAX && remote_check(&l->kept, tool) &&
		    l->kept.n < KEPT_MAX) {
			l->names[l->n++] = json_text(tool, "name");
			continue;
		}
		l->kept.n = before;
		l->left_out++;
	}
	return (n == 0 || known < n) && l->n < REMOTE_TOOLS_MAX;
}

static enum mcp_end
list_all(
    struct job *j, struct remote_server *s, int64_t until_ms, struct listing *l, const char **why)
{
	struct mcp_answer answer;
	struct str cursor = { NULL, 0 };
	json_object *tools;

	for (int page = 0; page < PAGES_MAX; page++) {
		struct buf params = { .a = j->a };
		int64_t left_ms = until_ms - clock_ms();
		enum mcp_end end;

		if (cursor.p) {
			buf_put(&params, S("\"cursor\":"));
			buf_json(&params, cursor);
		}
		end = mcp_request(&j->stop, j->a, &s->peer, "tools/list", buf_str(&params),
		    left_ms < 1		? 1
		    : left_ms < LIST_MS ? left_ms
					: LIST_MS,
		    &answer);
		*why = answer.why;
		if (end != MCP_ANSWERED)
			return end;
		tools = json_at(answer.result, "tools");
		cursor = json_text(answer.result, "nextCursor");
		if (!json_object_is_type(tools, json_type_array)) {
			*why = "What it answers is no list of tools.";
			return MCP_FAILED;
		}
		if (!take_page(l, tools) || !cursor.p) {
			l->is_cut = cursor.p && l->n == REMOTE_TOOLS_MAX;
			return MCP_ANSWERED;
		}
	}
	l->is_cut = true;
	return MCP_ANSWERED;
}

/* For its user; NULL: nothing is. */
static const char *
what_is_missing(struct arena *a, const struct listing *l)
{
	const char *more = l->is_cut ? " It has more than are asked for." : "";

	if (l->left_out == 0)
		return l->is_cut ? more + 1 : NULL;
	return arena_printf(a,
	    "Tools whose names or schemas are not in order, or for which there is no room, are "
	    "left "
	    "out: %d.%s",
	    l->left_out, more)
	    .p;
}

/* Asks a server what it has, and stores it; *tools is that, where it has said so. */
static enum err
list_server(struct job *j, struct remote_server *s, int64_t until_ms, struct str *tools)
{
	struct listing l = { .kept = { .a = j->a } };
	struct str kept = { NULL, 0 }, revision = { NULL, 0 };
	const char *why;
	enum mcp_end end = list_all(j, s, until_ms, &l, &why);

	if (end == MCP_STOPPED)
		return ERR_CONFLICT;
	if (end == MCP_ANSWERED) {
		buf_put(&l.kept, l.n > 0 ? S("]") : S("[]"));
		*tools = kept = mcp_without_secrets(j->a, &s->peer, buf_str(&l.kept));
		revision = str_from(s->peer.is_legacy ? s->peer.revision : MCP_MODERN);
		why = what_is_missing(j->a, &l);
	} else if (!*why) {
		why = "It refuses to say which tools it has.";
	}
	return job_runner_mcp_listed(j, NULL, s->id, kept, revision, str_from(why),
	    end == MCP_ANSWERED ? AGAIN_S : FAILED_S);
}

/* -- which of them a run has -- */

/*
 * What a server of runner_mcp_servers is sent with each request. Not *usable: a secret of that is
 * missing, which is then its problem.
 */
static enum err
open_secrets(struct job *j, const PGresult *res, int row, struct remote_server *s, bool *usable)
{
	struct str none = { NULL, 0 };
	const char *why;
	enum err e = headers_open(
	    j, sql_get(res, row, 3), sql_get(res, row, 7), "mcp", &s->peer.headers, &why);

	*usable = e == ERR_OK;
	return e == ERR_NOT_FOUND
		   ? job_runner_mcp_listed(j, NULL, s->id, none, none, str_from(why), FAILED_S)
		   : e;
}

static struct remote_server *
server_of(struct job *j, const PGresult *res, int row)
{
	struct remote_server *s = arena_alloc(j->a, sizeof(*s));
	struct str revision = sql_get(res, row, 4);

	s->name = sql_get(res, row, 1);
	s->peer.url = arena_cstr(j->a, sql_get(res, row, 2));
	s->peer.is_legacy = revision.n > 0 && !str_eq(revision, S(MCP_MODERN));
	if (!uuid_parse(sql_get(res, row, 0), &s->id))
		return NULL;
	return s;
}

/* "mcp:SERVER" of it, or "mcp:SERVER/TOOL". */
static bool
is_named(struct str_list names, struct str server, struct str tool)
{
	for (size_t i = 0; i < names.n; i++) {
		struct str rest = names.p[i], one;

		if (!str_starts(rest, S("mcp:")))
			continue;
		rest = str_cut((struct str){ rest.p + 4, rest.n - 4 }, '/', &one);
		if (str_eq(one, server) && (!rest.p || !tool.p || str_eq(rest, tool)))
			return true;
	}
	return false;
}

/* Vendors take letters, digits, _ and -, and so many of them. */
static struct str
called(struct arena *a, struct str server, struct str tool)
{
	struct str s = arena_printf(a, "%.*s__%.*s", S_ARG(server), S_ARG(tool));
	char *p = arena_cstr(a, s);

	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)p[i]) && p[i] != '-')
			p[i] = '_';
	return (struct str){ p, s.n < CALLED_MAX ? s.n : CALLED_MAX };
}

/* Another name for the k-th of the same: names that differ in what vendors do not take, or behind
 * what they take. */
static struct str
called_again(struct arena *a, struct str name, int k)
{
	struct str mark = arena_printf(a, "_%d", k);
	size_t n = name.n + mark.n <= CALLED_MAX ? name.n : CALLED_MAX - mark.n;

	return arena_printf(a, "%.*s%.*s", (int)n, name.p, S_ARG(mark));
}

static void
take_tools(struct job *j, struct remote_server *s, struct str kept, bool all, struct str_list names,
    struct remote_tools *out)
{
	json_object *list;
	const char *why;

	if (json_parse(j->a, kept, &list, &why) != ERR_OK)
		return;
	for (size_t i = 0; i < json_object_array_length(list) && out->n < REMOTE_TOOLS_MAX; i++) {
		json_object *o = json_object_array_get_idx(list, i);
		struct remote_tool t = { .name = json_text(o, "name"),
			.says = json_text(o, "description"),
			.reads = json_object_get_boolean(json_at(o, "reads")),
			.server = s };

		if (!all && !is_named(names, s->name, t.name))
			continue;
		t.called = called(j->a, s->name, t.name);
		for (int k = 2; remote_find(out, t.called); k++)
			t.called = called_again(j->a, t.called, k);
		t.parameters = arena_str(j->a, json_serialised(json_at(o, "inputSchema")));
		out->p[out->n++] = t;
	}
}

enum err
remote_load(struct job *j, bool all, struct str_list names, struct remote_tools *out)
{
	int64_t until_ms = clock_ms() + LISTS_MS;
	PGresult *res = NULL;
	enum err e = job_runner_mcp_servers(j, &res, j->owner);

	*out = (struct remote_tools){ 0 };
	if (e != ERR_OK || PQntuples(res) == 0)
		return e;
	out->p = arena_alloc(j->a, REMOTE_TOOLS_MAX * sizeof(*out->p));
	for (int i = 0, n = 0; i < PQntuples(res) && n < SERVERS_MAX; i++) {
		struct remote_server *s = server_of(j, res, i);
		struct str kept = sql_get(res, i, 5);
		bool usable;

		if (!s || (!all && !is_named(names, s->name, (struct str){ NULL, 0 })))
			continue;
		n++;
		if ((e = open_secrets(j, res, i, s, &usable)) != ERR_OK)
			return e;
		if (!usable)
			continue;
		if (sql_bool(res, i, 6) && clock_ms() < until_ms &&
		    (e = list_server(j, s, until_ms, &kept)) != ERR_OK)
			return e;
		take_tools(j, s, kept, all, names, out);
	}
	return ERR_OK;
}

enum err
remote_list(struct job *j, struct str name)
{
	PGresult *res = NULL;
	struct str kept;
	bool usable;
	enum err e = job_runner_mcp_servers(j, &res, j->owner);

	if (e != ERR_OK)
		return e;
	for (int i = 0; i < PQntuples(res); i++) {
		struct remote_server *s = server_of(j, res, i);

		if (!s || !str_eq(s->name, name))
			continue;
		if ((e = open_secrets(j, res, i, s, &usable)) != ERR_OK || !usable)
			return e;
		return list_server(j, s, clock_ms() + LISTS_MS, &kept);
	}
	return ERR_OK;
}

const struct remote_tool *
remote_find(const struct remote_tools *tools, struct str name)
{
	for (size_t i = 0; i < tools->n; i++)
		if (str_eq(tools->p[i].called, name))
			return &tools->p[i];
	return NULL;
}

const char *
remote_schema(struct arena *a, const char *own, const struct remote_tools *tools)
{
	struct buf b = { .a = a };

	buf_put(&b, str_from(own));
	for (size_t i = 0; i < tools->n; i++) {
		const struct remote_tool *t = &tools->p[i];

		b.n--; /* one more */
		buf_put(&b, b.n > 1 ? S(",") : S(""));
		buf_printf(&b,
		    "{\"type\":\"function\",\"function\":{\"name\":\"%.*s\",\"description\":",
		    S_ARG(t->called));
		buf_json(&b, t->says);
		buf_printf(&b, ",\"parameters\":%.*s}}]", S_ARG(t->parameters));
	}
	return buf_str(&b).p;
}

/* -- calls -- */

/* What a part of a result is to a model. */
static void
put_part(struct arena *a, struct buf *b, json_object *part)
{
	struct str type = json_text(part, "type"), text = lenient_text(a, part);
	json_object *resource = json_at(part, "resource");

	buf_put(b, b->n > 0 ? S("\n") : S(""));
	if (resource)
		text = lenient_text(a, json_at(resource, "text"));
	if (text.p)
		buf_put(b, text);
	else if (str_eq(type, S("resource_link")))
		buf_printf(
		    b, "%.*s: %.*s", S_ARG(json_text(part, "name")), S_ARG(json_text(part, "uri")));
	else if (!json_at(part, "text"))
		buf_printf(b, "[%.*s, which is not shown]", S_ARG(type));
}

static struct str
text_of(struct arena *a, const struct mcp_peer *p, json_object *result)
{
	json_object *content = json_at(result, "content"),
		    *structured = json_at(result, "structuredContent");
	struct buf b = { .a = a };

	if (str_eq(json_text(result, "resultType"), S("input_required")))
		return S("The tool asks its user for more, which is not possible here.");
	if (content && !json_object_is_type(content, json_type_array))
		put_part(a, &b, content);
	for (size_t i = 0; i < json_length(content) && b.n <= TOOL_READ_MOST; i++)
		put_part(a, &b, json_object_array_get_idx(content, i));
	if (b.n == 0 && structured)
		buf_put(&b, json_serialised(structured));
	return b.n > 0 ? tool_cut(a, mcp_without_secrets(a, p, buf_str(&b)), "result")
		       : S("The tool has nothing to say.");
}

enum err
remote_run(struct job *j, const struct remote_tool *t, struct tool_call *call, bool *failed)
{
	struct buf params = { .a = j->a };
	struct mcp_answer answer;
	enum mcp_end end;

	if ((*failed = !is_json_object(call->arguments))) {
		call->output = S("The arguments are wrong: not an object.");
		return ERR_OK;
	}
	buf_put(&params, S("\"name\":"));
	buf_json(&params, t->name);
	buf_printf(&params, ",\"arguments\":%.*s", S_ARG(call->arguments));
	end = mcp_request(
	    &j->stop, j->a, &t->server->peer, "tools/call", buf_str(&params), CALL_MS, &answer);
	if (end == MCP_STOPPED)
		return ERR_CONFLICT;
	if (end == MCP_ANSWERED) {
		*failed = json_object_get_boolean(json_at(answer.result, "isError")) ||
			  json_has(answer.result, "inputRequests");
		call->output = text_of(j->a, &t->server->peer, answer.result);
		return ERR_OK;
	}
	*failed = true;
	call->output = arena_printf(j->a, "The server %.*s did not do it: %s",
	    S_ARG(t->server->name), *answer.why ? answer.why : "it does not say why.");
	/* It may have other tools by now. */
	return job_runner_mcp_stale(j, NULL, t->server->id);
}
