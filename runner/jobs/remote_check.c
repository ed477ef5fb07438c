/* Is a tool what it ought to be? One that is not would spoil all others for the model's server. */
#include <ctype.h>

#include "runner/jobs/remote.h"

#define DEPTH_MAX 12
#define SUBSCHEMAS_MAX 300
#define SCHEMA_MAX 16384 /* bytes */
#define NAME_MAX_LEN 128
#define SAYS_MAX 1000

static bool is_schema(json_object *o, int depth, int *left);

static bool
is_type_name(json_object *o)
{
	static const char *const types[] = { "object", "array", "string", "number", "integer",
		"boolean", "null" };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (json_object_is_type(o, json_type_string) &&
		    strcmp(json_object_get_string(o), types[i]) == 0)
			return true;
	return false;
}

static bool
is_type(json_object *o, int depth, int *left)
{
	(void)depth;
	(void)left;
	if (!json_object_is_type(o, json_type_array))
		return is_type_name(o);
	for (size_t i = 0; i < json_object_array_length(o); i++)
		if (!is_type_name(json_object_array_get_idx(o, i)))
			return false;
	return json_object_array_length(o) > 0;
}

static bool
is_text(json_object *o, int depth, int *left)
{
	(void)depth;
	(void)left;
	return json_object_is_type(o, json_type_string);
}

static bool
is_names(json_object *o, int depth, int *left)
{
	if (!json_object_is_type(o, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(o); i++)
		if (!is_text(json_object_array_get_idx(o, i), depth, left))
			return false;
	return true;
}

static bool
is_values(json_object *o, int depth, int *left)
{
	(void)depth;
	(void)left;
	return json_object_is_type(o, json_type_array) && json_object_array_length(o) > 0;
}

static bool
is_schemas(json_object *o, int depth, int *left)
{
	if (!is_values(o, depth, left))
		return false;
	for (size_t i = 0; i < json_object_array_length(o); i++)
		if (!is_schema(json_object_array_get_idx(o, i), depth, left))
			return false;
	return true;
}

static bool
is_schema_map(json_object *o, int depth, int *left)
{
	if (!json_object_is_type(o, json_type_object))
		return false;
	json_object_object_foreach (o, name, value) {
		(void)name;
		if (!is_schema(value, depth, left))
			return false;
	}
	return true;
}

/* Of the schema itself: nobody fetches another one. */
static bool
is_own_reference(json_object *o, int depth, int *left)
{
	return is_text(o, depth, left) && json_object_get_string(o)[0] == '#';
}

/* Is to be repeated in a header of the call, which is not done here. */
static bool
is_never(json_object *o, int depth, int *left)
{
	(void)o;
	(void)depth;
	(void)left;
	return false;
}

/* JSON Schema 2020-12: what its members are, as far as it matters. */
static const struct {
	const char *name;
	bool (*is)(json_object *o, int depth, int *left);
} members[] = {
	{ "type", is_type },
	{ "description", is_text },
	{ "title", is_text },
	{ "format", is_text },
	{ "pattern", is_text },
	{ "required", is_names },
	{ "enum", is_values },
	{ "$ref", is_own_reference },
	{ "properties", is_schema_map },
	{ "patternProperties", is_schema_map },
	{ "$defs", is_schema_map },
	{ "definitions", is_schema_map },
	{ "items", is_schema },
	{ "additionalProperties", is_schema },
	{ "propertyNames", is_schema },
	{ "contains", is_schema },
	{ "not", is_schema },
	{ "if", is_schema },
	{ "then", is_schema },
	{ "else", is_schema },
	{ "anyOf", is_schemas },
	{ "oneOf", is_schemas },
	{ "allOf", is_schemas },
	{ "prefixItems", is_schemas },
	{ "x-mcp-header", is_never },
};

static bool
is_schema(json_object *o, int depth, int *left)
{
	json_object *member;

	if (json_object_is_type(o, json_type_boolean))
		return depth > 0;
	if (!json_object_is_type(o, json_type_object) || depth > DEPTH_MAX || --*left < 0)
		return false;
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (json_object_object_get_ex(o, members[i].name, &member) &&
		    !members[i].is(member, depth + 1, left))
			return false;
	return true;
}

static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !memchr("_-./", s.p[i], 4))
			return false;
	return s.n > 0 && s.n <= NAME_MAX_LEN;
}

bool
remote_check(struct buf *b, json_object *tool)
{
	struct str name = json_text(tool, "name"), says = json_text(tool, "description"), schema;
	json_object *parameters = json_at(tool, "inputSchema");
	int left = SUBSCHEMAS_MAX;

	if (!is_name(name) || !is_schema(parameters, 0, &left) ||
	    !str_eq(json_text(parameters, "type"), S("object")))
		return false;
	schema = json_serialised(parameters);
	if (schema.n > SCHEMA_MAX)
		return false;
	if (says.n > SAYS_MAX)
		says.n = SAYS_MAX;
	while (says.n > 0 && !str_utf8(says))
		says.n--;
	buf_put(b, S("{\"name\":"));
	buf_json(b, name);
	buf_put(b, S(",\"description\":"));
	buf_json(b, says.p ? says : S(""));
	buf_printf(b, ",\"inputSchema\":%.*s,\"reads\":%s}", S_ARG(schema),
	    json_object_get_boolean(json_at(json_at(tool, "annotations"), "readOnlyHint"))
		? "true"
		: "false");
	return true;
}
