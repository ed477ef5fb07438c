#include <string.h>

#include <millrace/config.h>
#include <millrace/fields.h>
#include <millrace/json.h>
#include <millrace/log.h>

#include "runner/models/tools.h"
#include "sql_job.h"

#define SEARCH_WANT 6
#define FILE_MAX ((size_t)1024 * 1024)

struct search_in {
	struct str query;
};

struct write_in {
	struct str name;
	struct str content;
	struct str mime_type;
};

struct read_in {
	struct str name;
};

static bool
is_file_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == '/' || s.p[i] == '\\' ||
		    s.p[i] == 0x7f)
			return false;
	return !str_eq(s, S(".")) && !str_eq(s, S(".."));
}

static bool
is_mime_type(struct str s)
{
	size_t slashes = 0;

	for (size_t i = 0; i < s.n; i++) {
		slashes += s.p[i] == '/';
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	}
	return slashes == 1;
}

static const struct field search_fields[] = {
	F_STR(struct search_in, query, 1, 2000, REQUIRED),
};

static const struct field write_fields[] = {
	F_CHECKED(struct write_in, name, 1, 120, REQUIRED, is_file_name,
	    "must be a file name without a path"),
	F_STR(struct write_in, content, 0, FILE_MAX, REQUIRED),
	F_CHECKED(struct write_in, mime_type, 1, 100, OPTIONAL, is_mime_type,
	    "must be a media type such as text/plain"),
};

static const struct field read_fields[] = {
	F_STR(struct read_in, name, 1, 200, REQUIRED),
};

bool
tool_bind(struct job *j, struct tool_call *call, const struct field *fields, size_t n, void *into)
{
	struct str why;

	if (fields_from_text(j->a, fields, n, call->arguments, into, &why))
		return true;
	call->output = arena_printf(j->a, "The arguments are wrong: %.*s", S_ARG(why));
	return false;
}

struct str
tool_cut(struct arena *a, struct str text, const char *what)
{
	size_t n = TOOL_READ_MOST;

	if (text.n <= n)
		return arena_str(a, text);
	while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	return arena_printf(a, "%.*s\n[cut here: the %s is longer]", (int)n, text.p, what);
}

static enum err
search_documents(struct job *j, struct tool_call *call, struct passages *found, bool *failed)
{
	struct search_in in = { 0 };
	struct buf b = { .a = j->a };
	size_t first;
	enum err e;

	if ((*failed = !tool_bind(j, call, search_fields, 1, &in)))
		return ERR_OK;
	if ((e = retrieve(j, in.query, SEARCH_WANT, found, &first)) != ERR_OK)
		return e;
	for (size_t i = first; i < found->n; i++)
		passage_text(&b, &found->p[i], i + 1);
	call->output = b.n > 0 ? buf_str(&b) : S("Nothing new was found.");
	return ERR_OK;
}

static const char *
mime_of(struct str name)
{
	static const struct {
		const char *ending, *type;
	} known[] = { { ".md", "text/markdown" }, { ".html", "text/html" }, { ".csv", "text/csv" },
		{ ".json", "application/json" }, { ".xml", "application/xml" },
		{ ".svg", "image/svg+xml" }, { ".js", "text/javascript" }, { ".css", "text/css" } };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t n = strlen(known[i].ending);

		if (name.n > n && str_eq_nocase((struct str){ name.p + name.n - n, n },
				      str_from(known[i].ending)))
			return known[i].type;
	}
	return "text/plain";
}

static void
publish_artifact(struct job *j, struct str id, const struct write_in *in, struct str version)
{
	struct buf b = { .a = j->a };

	buf_printf(&b, "{\"id\":\"%.*s\",\"name\":", S_ARG(id));
	buf_json(&b, in->name);
	buf_put(&b, S(",\"mimeType\":"));
	buf_json(&b, in->mime_type);
	buf_printf(&b, ",\"size\":%zu,\"url\":\"/api/artifacts/%.*s\",\"version\":%.*s}",
	    in->content.n, S_ARG(id), S_ARG(version));
	outbox_event(j->out, "artifact", buf_str(&b));
}

static enum err
write_file(struct job *j, struct tool_call *call, struct passages *found, bool *failed)
{
	struct write_in in = { 0 };
	PGresult *res = NULL;
	enum err e;

	(void)found;
	if ((*failed = !tool_bind(j, call, write_fields, 3, &in)))
		return ERR_OK;
	if (!in.mime_type.p)
		in.mime_type = str_from(mime_of(in.name));
	e = job_runner_file_write(
	    j, &res, call->id, in.name, in.mime_type, in.content, config()->user_bytes);
	if (e != ERR_OK)
		return e;
	if (PQntuples(res) == 0) {
		stop_set(&j->stop, STOP_LOST);
		return ERR_CONFLICT;
	}
	if ((*failed = PQgetisnull(res, 0, 0))) {
		call->output = S("It was not written: the user's files take up all the room that "
				 "they may. Some documents or conversations have to be deleted.");
		return ERR_OK;
	}
	if (!sql_bool(res, 0, 2))
		publish_artifact(j, sql_get(res, 0, 0), &in, sql_get(res, 0, 1));
	call->output = arena_printf(j->a, "Wrote %.*s, version %.*s, %zu bytes.", S_ARG(in.name),
	    S_ARG(sql_get(res, 0, 1)), in.content.n);
	return ERR_OK;
}

static enum err
read_file(struct job *j, struct tool_call *call, struct passages *found, bool *failed)
{
	struct read_in in = { 0 };
	PGresult *res = NULL;
	enum err e;

	(void)found;
	if ((*failed = !tool_bind(j, call, read_fields, 1, &in)))
		return ERR_OK;
	e = job_runner_file_read(j, &res, j->owner, j->conversation, in.name, TOOL_READ_MOST);
	if (e != ERR_OK && e != ERR_BAD_REQUEST)
		return e;
	*failed = e != ERR_OK || PQntuples(res) == 0 || PQgetisnull(res, 0, 0);
	if (*failed) {
		call->output =
		    arena_printf(j->a, "There is no file or document named %.*s.", S_ARG(in.name));
		return ERR_OK;
	}
	call->output = sql_get(res, 0, 0);
	if (!sql_bool(res, 0, 1))
		call->output =
		    arena_printf(j->a, "%.*s\n[cut here: the file is longer]", S_ARG(call->output));
	return ERR_OK;
}

/* In the order of tool_list. */
static enum err (*const runs[N_TOOLS])(
    struct job *j, struct tool_call *call, struct passages *found, bool *failed) = {
	search_documents,
	write_file,
	read_file,
	tool_fetch_url,
	tool_search_leads,
	tool_rank_leads,
	tool_rate_lead,
	tool_run_command,
};

const char *
tools_schema(struct arena *a, unsigned given)
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < N_TOOLS; i++) {
		if (!(given & 1U << i))
			continue;
		buf_put(&b, b.n > 0 ? S(",") : S("["));
		buf_printf(&b,
		    "{\"type\":\"function\",\"function\":{\"name\":\"%s\",\"description\":",
		    tool_list[i].name);
		buf_json(&b, str_from(tool_list[i].says));
		buf_printf(&b, ",\"parameters\":%s}}", tool_list[i].parameters);
	}
	buf_put(&b, b.n > 0 ? S("]") : S("[]"));
	return b.p;
}

unsigned
tools_there(unsigned given)
{
	return *config()->container_socket ? given : given & ~(unsigned)TOOL_RUN_COMMAND;
}

unsigned
tools_named(struct str_list names)
{
	unsigned found = 0;

	for (size_t i = 0; i < N_TOOLS; i++)
		for (size_t k = 0; k < names.n; k++)
			if (str_eq(names.p[k], str_from(tool_list[i].name)))
				found |= 1U << i;
	return tools_there(found);
}

enum err
tool_run(
    struct job *j, unsigned given, struct tool_call *call, struct passages *found, bool *failed)
{
	*failed = false;
	for (size_t i = 0; i < N_TOOLS; i++)
		if (given & 1U << i && str_eq(call->name, str_from(tool_list[i].name)))
			return runs[i](j, call, found, failed);
	*failed = true;
	call->output = S("There is no such tool.");
	return ERR_OK;
}
