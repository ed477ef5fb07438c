/*
 * A later attempt of a chat: what the earlier ones said and did stands in the run's events, and is
 * neither said nor done again.
 */
#include <string.h>

#include <millrace/json.h>

#include "runner/jobs/chat.h"
#include "sql_job.h"

/* The round that is being read: its text, then its calls. */
struct round {
	struct buf text;
	struct tool_call calls[TOOL_CALLS_MAX];
	size_t n;
};

static void
end_round(struct chat *c, struct round *r)
{
	struct tool_call *calls = arena_alloc(c->j->a, r->n * sizeof(*calls));

	for (size_t i = 0; i < r->n; i++) {
		calls[i] = r->calls[i];
		if (!calls[i].output.p)
			calls[i].output = S("The call was interrupted.");
	}
	chat_add_round(c, buf_str(&r->text), calls, r->n);
	c->rounds++;
	*r = (struct round){ .text = { .a = c->j->a } };
}

/* The arguments as text again: an event holds them as JSON where they were JSON. */
static struct str
arguments_of(struct arena *a, json_object *event)
{
	json_object *input = json_at(event, "input");

	if (json_object_is_type(input, json_type_string))
		return arena_str(a, json_text(event, "input"));
	return arena_str(a, str_from(json_object_to_json_string_ext(
				input, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
}

static void
replay_activity(struct chat *c, struct round *r, json_object *event)
{
	struct arena *a = c->j->a;
	struct str id = json_text(event, "id"), type = json_text(event, "type");

	if (str_eq(id, S("retrieval"))) {
		c->searched = true;
		return;
	}
	if (str_eq(type, S("tool_result"))) {
		for (size_t i = 0; i < r->n; i++)
			if (str_eq(r->calls[i].id, id))
				r->calls[i].output = arena_str(a, json_text(event, "output"));
		return;
	}
	/* A call after results begins another round. */
	if (r->n > 0 && r->calls[0].output.p)
		end_round(c, r);
	if (r->n < TOOL_CALLS_MAX)
		r->calls[r->n++] = (struct tool_call){ .id = arena_str(a, id),
			.name = arena_str(a, json_text(event, "name")),
			.arguments = arguments_of(a, event) };
}

static void
replay_token(struct chat *c, struct round *r, json_object *event)
{
	struct str text = json_text(event, "content");

	if (r->n > 0)
		end_round(c, r);
	buf_put(&c->answer, text);
	buf_put(&r->text, text);
}

static void
replay_row(struct chat *c, struct round *r, const PGresult *res, int row)
{
	struct arena *scratch = arena_new();
	json_object *event;
	const char *why;

	if (json_parse(scratch, sql_get(res, row, 1), &event, &why) == ERR_OK) {
		if (str_eq(sql_get(res, row, 0), S("token")))
			replay_token(c, r, event);
		else
			replay_activity(c, r, event);
	}
	arena_free(scratch);
}

enum err
chat_replay(struct chat *c)
{
	struct job *j = c->j;
	struct round *r = arena_alloc(j->a, sizeof(*r));
	PGresult *res = NULL;
	enum err e;

	r->text.a = j->a;
	if ((e = job_runner_chat_events(j, &res)) != ERR_OK)
		return e;
	for (int i = 0; i < PQntuples(res); i++)
		replay_row(c, r, res, i);
	c->between_rounds = c->rounds > 0 && r->text.n == 0;
	if (r->n == 0) {
		c->partial = buf_str(&r->text);
		return ERR_OK;
	}
	c->before_calls = buf_str(&r->text);
	c->calls = arena_alloc(j->a, r->n * sizeof(*c->calls));
	memcpy(c->calls, r->calls, r->n * sizeof(*c->calls));
	c->n_calls = r->n;
	return ERR_OK;
}
