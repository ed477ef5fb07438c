#include <ctype.h>

#include <millrace/oauth.h>

const struct oauth_provider *
oauth_provider(struct str name)
{
	static const struct oauth_provider list[] = {
		{ "github", "GitHub", false, "", offsetof(struct config, github) },
		/* Without these Google issues a refresh token at the first consent only. */
		{ "google", "Google", true, "&access_type=offline&prompt=consent",
		    offsetof(struct config, google) },
		{ "microsoft", "Microsoft", true, "", offsetof(struct config, microsoft) },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		if (str_eq(name, str_from(list[i].name)))
			return &list[i];
	return NULL;
}

bool
oauth_is_set_up(const struct oauth_provider *p)
{
	return *oauth_config(p)->client_id && *config()->public_url && *config()->oauth_return_url;
}

struct str
oauth_callback_url(struct arena *a, const struct oauth_provider *p)
{
	struct str base = str_from(config()->public_url);

	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	return arena_printf(a, "%.*s/api/v1/auth2/%s/callback", S_ARG(base), p->name);
}

struct str
oauth_url(struct arena *a, const char *url)
{
	const char *at = strstr(url, "{tenant}");

	if (!at)
		return str_from(url);
	return arena_printf(a, "%.*s%s%s", (int)(at - url), url, config()->microsoft_tenant,
	    at + strlen("{tenant}"));
}

void
form_put(struct buf *b, const char *name, struct str value)
{
	buf_printf(b, "%s%s=", b->n > 0 ? "&" : "", name);
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c > 0 && c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			buf_printf(b, "%c", c);
		else
			buf_printf(b, "%%%02X", c);
	}
}
