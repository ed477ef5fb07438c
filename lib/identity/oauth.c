#include <ctype.h>

#include <millrace/oauth.h>

const struct oauth_provider oauth_providers[] = {
	{ "github", "GitHub", false, "", offsetof(struct config, github) },
	/* Without these Google issues a refresh token at the first consent only. */
	{ "google", "Google", true, "&access_type=offline&prompt=consent",
	    offsetof(struct config, google) },
	{ "microsoft", "Microsoft", true, "", offsetof(struct config, microsoft) },
};
const size_t n_oauth_providers = sizeof(oauth_providers) / sizeof(*oauth_providers);

const struct oauth_provider *
oauth_provider(struct str name)
{
	for (size_t i = 0; i < n_oauth_providers; i++)
		if (str_eq(name, str_from(oauth_providers[i].name)))
			return &oauth_providers[i];
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
	return arena_printf(
	    a, "%.*s/api/v1/auth2/%s/callback", S_ARG(config_public_url()), p->name);
}

struct str
oauth_url(struct arena *a, const char *url)
{
	return arena_fill(a, url, "{tenant}", str_from(config()->microsoft_tenant));
}

static void
put_escaped(struct buf *b, struct str text, const char *plain)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c > 0 && c < 0x80 && (isalnum(c) || strchr(plain, c)))
			buf_printf(b, "%c", c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

void
form_put(struct buf *b, const char *name, struct str value)
{
	buf_put(b, b->n > 0 ? S("&") : S(""));
	put_escaped(b, str_from(name), "-._~[]");
	buf_put(b, S("="));
	put_escaped(b, value, "-._~");
}
