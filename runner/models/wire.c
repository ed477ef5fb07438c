#include <ctype.h>
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/wire.h"

struct str
wire_base(const struct call *c)
{
	struct str base = str_from(c->provider->base_url);

	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	return base;
}

bool
wire_is_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr(" \t\r\n", s.p[i]))
			return false;
	return true;
}

bool
wire_part(
    struct arena *a, const struct message *m, json_object **parts, size_t i, struct wire_part *out)
{
	json_object *o;

	*out = (struct wire_part){ .text = m->content };
	if (m->parts.n == 0)
		return i == 0;
	if ((i == 0 && !lenient_parse(a, m->parts, parts)) || i >= json_length(*parts))
		return false;
	o = json_object_array_get_idx(*parts, i);
	out->text = json_text(o, "text");
	out->image = json_text(json_at(o, "image_url"), "url");
	out->file = json_text(json_at(o, "file"), "file_data");
	if (out->file.n == 0)
		out->file = json_text(json_at(o, "file"), "file_url");
	return true;
}

bool
wire_is_data_url(struct str url, struct str *type, struct str *data)
{
	if (!str_starts(url, S("data:")))
		return false;
	*data = str_cut((struct str){ url.p + 5, url.n - 5 }, ',', type);
	(void)str_cut(*type, ';', type);
	return data->p != NULL;
}

void
wire_put_name(struct buf *b, struct str name)
{
	char safe[64];
	size_t n = name.n < sizeof(safe) ? name.n : sizeof(safe);

	for (size_t i = 0; i < n; i++)
		safe[i] = isalnum((unsigned char)name.p[i]) || name.p[i] == '-' ? name.p[i] : '_';
	buf_json(b, (struct str){ safe, n });
}

void
wire_put_number(struct buf *b, const char *name, struct str value)
{
	if (value.p)
		buf_printf(b, "%s:%.*s", name, S_ARG(value));
}

void
wire_put_tools(const struct call *c, struct buf *b, const char *schema)
{
	json_object *tools, *f;

	if (!lenient_parse(c->a, str_from(c->schema), &tools))
		return;
	for (size_t i = 0; i < json_object_array_length(tools); i++) {
		f = json_at(json_object_array_get_idx(tools, i), "function");
		buf_put(b, i > 0 ? S(",{\"name\":") : S("{\"name\":"));
		buf_json(b, json_text(f, "name"));
		buf_put(b, S(",\"description\":"));
		buf_json(b, json_text(f, "description"));
		buf_printf(b, ",\"%s\":", schema);
		buf_put(b, json_at(f, "parameters") ? json_serialised(json_at(f, "parameters"))
						    : S("{\"type\":\"object\",\"properties\":{}}"));
		buf_put(b, S("}"));
	}
}

const struct tool_call *
wire_call_of(const struct message *messages, size_t i)
{
	struct str id = messages[i].call_id;

	while (i-- > 0)
		for (size_t k = 0; k < messages[i].n_calls; k++)
			if (str_eq(messages[i].calls[k].wire_id, id))
				return &messages[i].calls[k];
	return NULL;
}

unsigned
wire_parts(const struct call *c, unsigned parts)
{
	bool is_all = c->n_messages == 1 && c->messages[0].role == ROLE_SYSTEM;

	return is_all ? parts & ~(unsigned)PART_SYSTEM : parts;
}

const struct message *
wire_messages(const struct call *c, unsigned parts, size_t *n)
{
	struct message *all = arena_alloc(c->a, (c->n_messages + 2) * sizeof(*all));
	struct str system = { NULL, 0 };

	*n = 0;
	for (size_t i = 0; i < c->n_messages; i++) {
		struct message m = c->messages[i];

		if (m.role == ROLE_SYSTEM && !(parts & PART_SYSTEM)) {
			system = m.content;
			continue;
		}
		if (m.role == ROLE_USER && system.n > 0) {
			m.content =
			    arena_printf(c->a, "%.*s\n\n%.*s", S_ARG(system), S_ARG(m.content));
			system.n = 0;
		}
		all[(*n)++] = m;
	}
	if (system.n > 0)
		all[(*n)++] = (struct message){ .role = ROLE_USER, .content = system };
	if (c->text.n == 0)
		return all;
	/* The rest of an answer that was broken off is asked for. */
	all[(*n)++] = (struct message){ .role = ROLE_ASSISTANT, .content = buf_str(&c->text) };
	all[(*n)++] = (struct message){ .role = ROLE_USER,
		.content = S("Your last message was cut off by a technical fault. Continue it "
			     "exactly where it stops: write only what comes next, from "
			     "the next character on, repeating nothing and explaining nothing.") };
	return all;
}
