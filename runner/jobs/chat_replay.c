/*
 * A later attempt of a chat: what the earlier ones said and did stands in the run's events, and is
 * neither said nor done again.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/chat.h"
#include "sql_job.h"

/* -- what is kept of a round beside its events -- */

static void
put_member(struct buf *b, const char *name, struct str object)
{
	if (object.n > 0)
		buf_printf(b, ",\"%s\":%.*s", name, S_ARG(object));
}

struct str
chat_round_json(struct arena *a, const struct round *r)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"calls\":["));
	for (size_t i = 0; i < r->n; i++) {
		buf_put(&b, i > 0 ? S(",{\"id\":") : S("{\"id\":"));
		buf_json(&b, r->calls[i].wire_id);
		put_member(&b, "extra", r->calls[i].extra);
		put_member(&b, "function_extra", r->calls[i].function_extra);
		buf_put(&b, S("}"));
	}
	buf_put(&b, S("]"));
	put_member(&b, "extra", r->extra);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* A member that is an object, as text; absent where it is none. */
static struct str
object_text(struct arena *a, json_object *o, const char *name)
{
	json_object *member = json_at(o, name);

	if (!json_object_is_type(member, json_type_object))
		return (struct str){ NULL, 0 };
	return arena_str(a, json_serialised(member));
}

/* Fills in what chat_round_json wrote. A call of which nothing is kept goes by our id. */
static void
recall(struct arena *a, struct round *r, struct str kept)
{
	struct arena *scratch = arena_new();
	json_object *o = NULL, *calls;
	const char *why;

	if (!kept.p || json_parse(scratch, kept, &o, &why) != ERR_OK)
		o = NULL;
	calls = json_at(o, "calls");
	r->extra = object_text(a, o, "extra");
	for (size_t i = 0; i < r->n; i++) {
		struct tool_call *call = &r->calls[i];
		json_object *from = json_object_is_type(calls, json_type_array)
					? json_object_array_get_idx(calls, i)
					: NULL;

		call->wire_id = arena_str(a, json_text(from, "id"));
		if (call->wire_id.n == 0)
			call->wire_id = call->id;
		call->extra = object_text(a, from, "extra");
		call->function_extra = object_text(a, from, "function_extra");
	}
	arena_free(scratch);
}

/* -- the events -- */

/* What is being read: a round's text, then its calls; and what is kept of each, by its number. */
struct replay {
	struct buf text;
	struct tool_call calls[TOOL_CALLS_MAX];
	size_t n;
	const PGresult *kept;
};

/* The round that was read. */
static struct round
round_of(struct chat *c, struct replay *r)
{
	struct arena *a = c->j->a;
	struct round round = { .text = buf_str(&r->text), .n = r->n };
	struct str kept = { NULL, 0 };
	int64_t number;

	round.calls = arena_alloc(a, r->n * sizeof(*round.calls));
	memcpy(round.calls, r->calls, r->n * sizeof(*round.calls));
	for (int i = 0; i < PQntuples(r->kept); i++)
		if (str_int(sql_get(r->kept, i, 0), &number) && number == c->rounds)
			kept = sql_get(r->kept, i, 1);
	recall(a, &round, kept);
	return round;
}

static void
end_round(struct chat *c, struct replay *r)
{
	struct round round = round_of(c, r);

	for (size_t i = 0; i < round.n; i++)
		if (!round.calls[i].output.p)
			round.calls[i].output = S("The call was interrupted.");
	chat_add_round(c, &round);
	r->text = (struct buf){ .a = c->j->a };
	r->n = 0;
}

/* The arguments as text again: an event holds them as JSON where they were JSON. */
static struct str
arguments_of(struct arena *a, json_object *event)
{
	json_object *input = json_at(event, "input");

	if (json_object_is_type(input, json_type_string))
		return arena_str(a, json_text(event, "input"));
	return arena_str(a, json_serialised(input));
}

static void
replay_activity(struct chat *c, struct replay *r, json_object *event)
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
replay_token(struct chat *c, struct replay *r, json_object *event)
{
	struct str text = json_text(event, "content");

	if (r->n > 0)
		end_round(c, r);
	buf_put(&c->answer, text);
	buf_put(&r->text, text);
}

static void
replay_row(struct chat *c, struct replay *r, const PGresult *res, int row)
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
	struct replay *r = arena_alloc(j->a, sizeof(*r));
	PGresult *res = NULL, *kept = NULL;
	enum err e;

	r->text.a = j->a;
	if ((e = job_runner_chat_events(j, &res)) != ERR_OK ||
	    (e = job_runner_chat_rounds(j, &kept)) != ERR_OK)
		return e;
	r->kept = kept;
	for (int i = 0; i < PQntuples(res); i++)
		replay_row(c, r, res, i);
	c->between_rounds = c->rounds > 0 && r->text.n == 0;
	if (r->n == 0)
		c->partial = buf_str(&r->text);
	else
		c->unfinished = round_of(c, r);
	return ERR_OK;
}
