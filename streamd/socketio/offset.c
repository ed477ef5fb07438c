#include "streamd/socketio/offset.h"

#define UUID_LEN 36

bool
offset_same_topic(const struct offset *a, const struct offset *b)
{
	return a->kind == b->kind && memcmp(a->id.text, b->id.text, sizeof(a->id.text)) == 0;
}

bool
offset_of_room(struct str room, struct offset *out)
{
	struct str kind, id = str_cut(room, '_', &kind);

	if (str_eq(kind, S("agent")))
		out->kind = 'a';
	else if (str_eq(kind, S("user")))
		out->kind = 'u';
	else
		return false;
	return id.p && uuid_parse(id, &out->id);
}

static const char *
kind_name(const struct offset *p)
{
	return p->kind == 'a' ? "agent" : "user";
}

struct str
offset_room(struct arena *a, const struct offset *p)
{
	return arena_printf(a, "%s_%s", kind_name(p), p->id.text);
}

struct str
offset_topic(struct arena *a, const struct offset *p)
{
	return arena_printf(a, "%s:%s", kind_name(p), p->id.text);
}

void
offset_put(struct buf *b, const struct offset *p)
{
	buf_printf(b, "%s%c%s.%lld", b->n > 0 ? "~" : "", p->kind, p->id.text, (long long)p->seq);
}

static bool
offset_read(struct str text, struct offset *out)
{
	const struct str id = { text.p + 1, UUID_LEN };

	if (text.n < UUID_LEN + 3 || (text.p[0] != 'a' && text.p[0] != 'u') ||
	    text.p[UUID_LEN + 1] != '.')
		return false;
	out->kind = text.p[0];
	return uuid_parse(id, &out->id) &&
	       str_int((struct str){ text.p + UUID_LEN + 2, text.n - UUID_LEN - 2 }, &out->seq) &&
	       out->seq >= 0 && out->seq < INT64_MAX;
}

int
offsets_read(struct str offset, struct offset *out)
{
	struct str rest = offset, one;
	int n = 0;

	if (str_eq(offset, S("~")))
		return 0;
	do {
		rest = str_cut(rest, '~', &one);
		if (n == OFFSETS_MAX || !offset_read(one, &out[n]))
			return -1;
		for (int i = 0; i < n; i++)
			if (offset_same_topic(&out[i], &out[n]))
				return -1;
		n++;
	} while (rest.p);
	return n;
}
