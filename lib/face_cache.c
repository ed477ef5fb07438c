#include <millrace/face.h>
#include <millrace/json.h>

/* Is one of a list's elements marked so, or what is in it? */
static bool
has_long_ttl(json_object *list)
{
	for (size_t i = 0; i < json_length(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);
		struct str ttl = json_text(json_at(o, "cache_control"), "ttl");

		if ((ttl.n > 0 && !str_eq(ttl, S("5m"))) || has_long_ttl(json_at(o, "content")))
			return true;
	}
	return false;
}

bool
face_asks_long_cache(json_object *body)
{
	struct str ttl = json_text(json_at(body, "cache_control"), "ttl");

	return (ttl.n > 0 && !str_eq(ttl, S("5m"))) || has_long_ttl(json_at(body, "system")) ||
	       has_long_ttl(json_at(body, "tools")) || has_long_ttl(json_at(body, "messages"));
}
