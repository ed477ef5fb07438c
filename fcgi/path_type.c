#include <millrace/arena.h>
#include <millrace/oauth.h>

#include "fcgi/path_type.h"

#define TEXT_BYTES_MAX 200

static bool
is_text(struct str part)
{
	return part.n > 0 && part.n <= TEXT_BYTES_MAX;
}

static bool
is_uuid(struct str part)
{
	struct uuid u;

	return uuid_parse(part, &u);
}

static bool
is_provider(struct str part)
{
	return oauth_provider(part) != NULL;
}

static bool
is_integration(struct str part)
{
	return str_eq(part, S("slack")) || str_eq(part, S("website"));
}

static bool
is_decision(struct str part)
{
	return str_eq(part, S("approve")) || str_eq(part, S("reject"));
}

const struct path_type path_types[] = {
	{ "text", is_text, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":200}", "some text" },
	{ "uuid", is_uuid, "{\"type\":\"string\",\"format\":\"uuid\"}",
	    "0190b3e8-8a54-7c3e-9d55-0242ac120002" },
	{ "provider", is_provider,
	    "{\"type\":\"string\",\"enum\":[\"github\",\"google\",\"microsoft\"]}", "github" },
	{ "integration", is_integration, "{\"type\":\"string\",\"enum\":[\"slack\",\"website\"]}",
	    "website" },
	{ "decision", is_decision, "{\"type\":\"string\",\"enum\":[\"approve\",\"reject\"]}",
	    "approve" },
};
const size_t n_path_types = sizeof(path_types) / sizeof(*path_types);

const struct path_type *
path_type_of(struct str part)
{
	struct str name, type;

	if (part.n < 2 || part.p[0] != '{' || part.p[part.n - 1] != '}')
		return NULL;
	type = str_cut((struct str){ part.p + 1, part.n - 2 }, ':', &name);
	for (size_t i = 0; type.p && i < n_path_types; i++)
		if (str_eq(type, str_from(path_types[i].name)))
			return &path_types[i];
	return NULL;
}

struct str
path_variable(struct str part)
{
	struct str name;

	(void)str_cut((struct str){ part.p + 1, part.n - 2 }, ':', &name);
	return name;
}
