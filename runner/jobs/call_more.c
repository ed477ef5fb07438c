/*
 * What a client asks for that only a server of OpenAI's format may know: it gets it as it is, where
 * that changes neither the reply's form nor its price. All are told a schema in words, too.
 */
#include <millrace/json.h>

#include "runner/jobs/call.h"

static const char *const names[] = { "seed", "presence_penalty", "frequency_penalty", "logit_bias",
	"user", "verbosity", "service_tier", "safety_identifier", "prompt_cache_key",
	"prompt_cache_retention", "metadata", "store", NULL };

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
	static const struct {
		const char *name, *google;
	} known[] = { { "seed", "seed" }, { "presence_penalty", "presencePenalty" },
		{ "frequency_penalty", "frequencyPenalty" } };
	json_object *parallel = json_at(f->asked, "parallel_tool_calls");
	struct buf google = { .a = f->call.a };

	if (!is_cheap(json_text(f->asked, "service_tier")))
		return "service_tier may not ask for what costs more than the model's price.";
	face_members(f, more, names);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		put_member(&google, known[i].google, json_at(f->asked, known[i].name));
	f->call.more_google = buf_str(&google);
	f->call.one_call = parallel && !json_object_get_boolean(parallel);
	return NULL;
}

void
face_members(struct face_call *f, struct buf *more, const char *const members[])
{
	for (; *members; members++)
		put_member(more, *members, json_at(f->asked, *members));
}

const char *
face_effort(struct face_call *f, json_object *effort)
{
	if (effort && !json_object_is_type(effort, json_type_string))
		return "How hard to think must be a word.";
	f->call.effort = arena_str(f->call.a, (struct str){ json_object_get_string(effort),
						  (size_t)json_object_get_string_len(effort) });
	f->call.effort_as_is = true;
	return NULL;
}

static struct str
name_of(json_object *tool)
{
	json_object *function = json_at(tool, "function");

	return json_text(function ? function : tool, "name");
}

static bool
is_named(json_object *list, struct str name)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (str_eq(name_of(json_object_array_get_idx(list, i)), name))
			return true;
	return false;
}

const char *
face_allowed(struct face_call *f, json_object *allowed)
{
	json_object *list = json_at(allowed, "tools"), *all;
	struct buf b = { .a = f->call.a };
	const char *why;

	f->call.tool_choice = json_text(allowed, "mode");
	if (!json_object_is_type(list, json_type_array) ||
	    (!str_eq(f->call.tool_choice, S("auto")) &&
		!str_eq(f->call.tool_choice, S("required"))) ||
	    json_parse(f->call.a, str_from(f->call.schema), &all, &why) != ERR_OK)
		return "allowed_tools of tool_choice must have a list of tools, and the mode auto "
		       "or required.";
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		json_object *tool = json_object_array_get_idx(all, i);

		if (!is_named(list, name_of(tool)))
			continue;
		buf_put(&b, b.n > 0 ? S(",") : S("["));
		buf_put(&b, json_serialised(tool));
	}
	if (b.n == 0)
		return "allowed_tools of tool_choice names none of tools.";
	buf_put(&b, S("]"));
	f->call.schema = arena_cstr(f->call.a, buf_str(&b));
	return NULL;
}

const char *
face_named(struct face_call *f, const char *const members[])
{
	for (; *members; members++) {
		json_object *o = json_at(f->asked, *members);

		if (o && (!json_object_is_type(o, json_type_boolean) || json_object_get_boolean(o)))
			return arena_printf(f->call.a, "%s is not taken here.", *members).p;
	}
	return NULL;
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
	f->call.format = S(",\"responseMimeType\":\"application/json\"");
	if (schema)
		f->call.format = arena_printf(f->call.a, "%.*s,\"responseJsonSchema\":%.*s",
		    S_ARG(f->call.format), S_ARG(json_serialised(schema)));
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
