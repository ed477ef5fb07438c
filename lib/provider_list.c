#include <string.h>

#include <millrace/provider_list.h>

static bool
is_between(char c)
{
	return c == ' ' || c == ',' || c == '\t';
}

/* The first word, which is taken off; empty at the end. */
static struct str
next_word(struct str *rest)
{
	struct str word;

	while (rest->n > 0 && is_between(rest->p[0])) {
		rest->p++;
		rest->n--;
	}
	word = (struct str){ rest->p, 0 };
	while (word.n < rest->n && !is_between(rest->p[word.n]))
		word.n++;
	rest->p += word.n;
	rest->n -= word.n;
	return word;
}

bool
provider_list_next(struct str *rest, struct str *name, struct str *model)
{
	struct str word = next_word(rest);

	*model = str_cut(word, '/', name);
	return word.n > 0;
}

bool
provider_list_next_pair(struct str *rest, struct str *name, struct str *value)
{
	struct str word = next_word(rest);

	*value = str_cut(word, '=', name);
	return word.n > 0;
}

bool
provider_list_find(const char *pairs, struct str name, struct str *value)
{
	struct str rest = str_from(pairs), its;

	while (provider_list_next_pair(&rest, &its, value))
		if (value->p && str_eq(its, name))
			return true;
	return false;
}

bool
provider_list_is_base(struct str url)
{
	static const char *const endpoints[] = { "completions", "responses", "embeddings",
		"messages", "models", NULL };
	struct str part, last = { NULL, 0 };

	while (url.n > 0) {
		url = str_cut(url, '/', &part);
		if (part.n > 0)
			last = part;
	}
	return !str_is_in(last, endpoints);
}

bool
provider_list_server(struct str value, struct str *kind, struct str *url)
{
	*url = str_cut(value, ':', kind);
	return provider_list_is_kind(*kind) &&
	       (str_starts(*url, S("http://")) || str_starts(*url, S("https://"))) &&
	       provider_list_is_base(*url);
}

bool
provider_list_is_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", name.p[i]))
			return false;
	return name.n > 0 && name.n <= 40;
}

bool
provider_list_is_kind(struct str kind)
{
	return str_eq(kind, S("openai")) || str_eq(kind, S("anthropic")) ||
	       str_eq(kind, S("google"));
}
