/*
 * What a client asks for that only a server of OpenAI's format may know: it gets it as it is, where
 * that changes neither the reply's form nor its price. The others are told a schema in words.
 */
#include <millrace/json.h>

#include "runner/jobs/call.h"

static const char *const names[] = { "seed", "presence_penalty", "frequency_penalty", "logit_bias",
	"user", "parallel_tool_calls", "reasoning_effort", "verbosity", "service_tier",
	"safety_identifier", "prompt_cache_key", NULL };

static void
put_member(struct buf *more, const char *name, json_object *value)
{
	if (value)
		buf_printf(more, ",\"%s\":%.*s", name, S_ARG(json_serialised(value)));
}

/* May the model's price be told by the tier? */
static bool
is_cheap(struct str tier)
{
	return !tier.p || str_eq(tier, S("auto")) || str_eq(tier, S("default")) ||
	       str_eq(tier, S("flex"));
}

const char *
face_more(struct face_call *f, struct buf *more)
{
	if (!is_cheap(json_text(f->asked, "service_tier")))
		return "service_tier may not ask for what costs more than the model's price.";
	for (const char *const *name = names; *name; name++)
		put_member(more, *name, json_at(f->asked, *name));
	return NULL;
}

void
face_reasoning(struct face_call *f, struct buf *more)
{
	put_member(more, "reasoning_effort", json_at(json_at(f->asked, "reasoning"), "effort"));
	put_member(more, "verbosity", json_at(json_at(f->asked, "text"), "verbosity"));
}

void
face_schema(struct face_call *f, struct buf *more, json_object *format, json_object *of)
{
	json_object *schema = json_at(of, "schema");
	struct str type = json_text(format, "type"), name = json_text(of, "name");
	struct message m = { .role = ROLE_SYSTEM };

	if (schema)
		m.content = arena_printf(f->call.a,
		    "Answer with JSON alone, without a code fence, that fits this JSON Schema: "
		    "%.*s",
		    S_ARG(json_serialised(schema)));
	else if (str_eq(type, S("json_object")))
		m.content = S("Answer with one JSON object alone, without a code fence.");
	else
		return;
	face_add(f, m);
	buf_printf(more, ",\"response_format\":{\"type\":\"%s\"", schema ? "json_schema" : type.p);
	if (schema) {
		buf_put(more, S(",\"json_schema\":{\"name\":"));
		buf_json(more, name.n > 0 ? name : S("answer"));
		put_member(more, "description", json_at(of, "description"));
		put_member(more, "strict", json_at(of, "strict"));
		put_member(more, "schema", schema);
		buf_put(more, S("}"));
	}
	buf_put(more, S("}"));
}
