#include <string.h>
#include <unistd.h>

#include <millrace/oauth.h>
#include <millrace/payments.h>
#include <millrace/provider_list.h>

#include "config_together.h"

/* Does it need no row of MILLRACE_PROVIDERS? */
static bool
is_own_provider(struct str name)
{
	return str_eq(name, S("auto")) || str_eq(name, S("local")) || provider_list_is_kind(name);
}

static bool
is_given(const char *value)
{
	return value != NULL && *value != '\0';
}

/* A secret of ours that is not there; NULL is another program's. */
static bool
is_missing(const char *secret)
{
	return secret != NULL && *secret == '\0';
}

bool
config_has_mail(void)
{
	return *config()->smtp_url && *config()->smtp_from;
}

struct str
config_public_url(void)
{
	struct str url = str_from(config()->public_url);

	while (url.n > 0 && url.p[url.n - 1] == '/')
		url.n--;
	return url;
}

bool
config_credits_required(void)
{
	return strcmp(config()->credits, "required") == 0;
}

/* The setting of a key that is missing for the vendor's own server; NULL: all is well. */
static const char *
missing_key(struct str name)
{
	const struct config *c = config();
	const struct {
		const char *name, *key_name, *key, *url, *vendor;
	} own[] = {
		{ "openai", "OPENAI_API_KEY", c->openai_key, c->openai_base_url,
		    "://api.openai.com" },
		{ "anthropic", "ANTHROPIC_API_KEY", c->anthropic_key, c->anthropic_base_url,
		    "://api.anthropic.com" },
		{ "google", "GEMINI_API_KEY", c->gemini_key, c->gemini_base_url,
		    "://generativelanguage.googleapis.com" },
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (str_eq(name, str_from(own[i].name)) && is_missing(own[i].key) &&
		    strstr(own[i].url, own[i].vendor) != NULL)
			return own[i].key_name;
	return NULL;
}

/* Is each that MILLRACE_PROVIDER names there, with its key and model? */
static void
check_providers(config_report *report, void *arg, struct arena *a)
{
	const struct config *c = config();
	struct str rest = str_from(c->provider), name, model, value;

	while (provider_list_next(&rest, &name, &model)) {
		bool listed = provider_list_find(c->providers, name, &value);

		if (!provider_list_is_name(name))
			continue; /* which its own rule says */
		if (!is_own_provider(name) && !listed)
			report(arg, true,
			    arena_printf(a,
				"MILLRACE_PROVIDER names %.*s, which is neither auto, local, "
				"openai, "
				"anthropic or google nor one of MILLRACE_PROVIDERS.",
				S_ARG(name))
				.p);
		else if (listed && !model.p)
			report(arg, true,
			    arena_printf(a,
				"MILLRACE_PROVIDER has to name a model of %.*s: %.*s/MODEL.",
				S_ARG(name), S_ARG(name))
				.p);
		if (missing_key(name))
			report(arg, false,
			    arena_printf(a,
				"Chats fail: MILLRACE_PROVIDER is %.*s, and %s is not set.",
				S_ARG(name), missing_key(name))
				.p);
	}
}

/* Does each model of MILLRACE_FALLBACKS lead to a provider that is there? */
static void
check_fallbacks(config_report *report, void *arg, struct arena *a)
{
	struct str rest = str_from(config()->fallbacks), asked, other, name, server;

	while (provider_list_next_pair(&rest, &asked, &other)) {
		(void)str_cut(other, '/', &name);
		if (!is_own_provider(name) &&
		    !provider_list_find(config()->providers, name, &server))
			report(arg, true,
			    arena_printf(a,
				"MILLRACE_FALLBACKS names %.*s, which is neither openai, anthropic "
				"or google nor one of MILLRACE_PROVIDERS.",
				S_ARG(name))
				.p);
	}
}

/* Is each key of a further provider's? */
static void
check_keys(config_report *report, void *arg, struct arena *a)
{
	struct str rest, name, key, server;

	if (!is_given(config()->provider_keys))
		return;
	rest = str_from(config()->provider_keys);
	while (provider_list_next_pair(&rest, &name, &key))
		if (!provider_list_find(config()->providers, name, &server))
			report(arg, false,
			    arena_printf(a,
				"A key in MILLRACE_PROVIDER_KEYS is used by nobody: "
				"MILLRACE_PROVIDERS has no %.*s.",
				S_ARG(name))
				.p);
}

/* Has each network a node, and is each recipient on one of them? */
static void
check_payments(config_report *report, void *arg, struct arena *a)
{
	const struct config *c = config();
	struct str rest = str_from(c->payment_networks), pair, value, provider, at;
	struct payment_network n;

	while (payment_network_next(&rest, &n))
		if (c->payment_urls && !provider_list_find(c->payment_urls, n.name, &value))
			report(arg, false,
			    arena_printf(a,
				"Nothing is paid on %.*s: MILLRACE_PAYMENT_URLS has no node of it.",
				S_ARG(n.name))
				.p);
	rest = str_from(c->payment_recipients);
	while (provider_list_next_pair(&rest, &pair, &value)) {
		at = str_cut(pair, '@', &provider);
		if (!payment_network_find(c->payment_networks, at, &n))
			report(arg, false,
			    arena_printf(a,
				"Nothing is paid to %.*s: MILLRACE_PAYMENT_NETWORKS has no such "
				"network.",
				S_ARG(pair))
				.p);
	}
}

/* A provider by its name, as two settings beside MILLRACE_PROVIDER name one. */
static void
check_named(
    config_report *report, void *arg, struct arena *a, const char *setting, const char *value)
{
	struct str rest = str_from(value), name, model, server, kind, url;

	if (!provider_list_next(&rest, &name, &model))
		return;
	if (!is_own_provider(name) && !provider_list_find(config()->providers, name, &server))
		report(arg, true,
		    arena_printf(a,
			"%s names %.*s, which is neither openai, anthropic or google nor one of "
			"MILLRACE_PROVIDERS.",
			setting, S_ARG(name))
			.p);
	else if (!is_own_provider(name) && !model.p)
		report(arg, true,
		    arena_printf(a, "%s has to name a model of %.*s: %.*s/MODEL.", setting,
			S_ARG(name), S_ARG(name))
			.p);
	else if (!is_own_provider(name) && provider_list_server(server, &kind, &url) &&
		 str_eq(kind, S("anthropic")) && strcmp(setting, "MILLRACE_EMBEDDINGS") == 0)
		report(arg, true,
		    arena_printf(a,
			"MILLRACE_EMBEDDINGS names %.*s, which speaks Anthropic's format: it has "
			"no embeddings.",
			S_ARG(name))
			.p);
	else if (missing_key(name))
		report(arg, false,
		    arena_printf(a, "%s does nothing: it names %.*s, and %s is not set.", setting,
			S_ARG(name), missing_key(name))
			.p);
}

void
config_together(config_report *report, void *arg)
{
	const struct config *c = config();
	bool mail = *c->smtp_url != '\0', pages = *c->public_url && *c->oauth_return_url;
	struct arena *a = arena_new();

	if (strcmp(c->smtp_tls, "off") == 0 && is_given(c->smtp_password))
		report(arg, true, "SMTP_TLS is off, so SMTP_PASSWORD would go out in clear.");
	if (mail != is_given(c->smtp_from))
		report(arg, false, "No mail is sent: that takes SMTP_URL and SMTP_FROM, both.");
	else if (mail && !*c->reset_url)
		report(arg, false,
		    "No link for a new password is mailed: that takes MILLRACE_RESET_URL.");
	check_providers(report, arg, a);
	check_keys(report, arg, a);
	check_fallbacks(report, arg, a);
	check_payments(report, arg, a);
	check_named(report, arg, a, "MILLRACE_EMBEDDINGS", c->embeddings);
	check_named(report, arg, a, "MILLRACE_RERANK", c->rerank);
	if (is_given(c->telegram_token) && strcmp(c->telegram_updates, "webhook") == 0 &&
	    !*c->public_url)
		report(arg, false,
		    "Telegram is not heard: MILLRACE_TELEGRAM_UPDATES is webhook, which takes "
		    "MILLRACE_PUBLIC_URL.");
	if (is_given(c->stripe_key) && is_missing(c->stripe_webhook_secret))
		report(arg, false,
		    "Payments are not noticed: Stripe's events take STRIPE_WEBHOOK_SECRET.");
	if (access(arena_printf(a, "%s/millrace-extract", c->libexec_dir).p, X_OK) != 0)
		report(arg, false,
		    arena_printf(a,
			"No document is read: %s, which is MILLRACE_LIBEXEC_DIR, has no "
			"millrace-extract.",
			c->libexec_dir)
			.p);
	/* Without it text in the usual fonts of Chinese, Japanese and Korean is refused. */
	if (access("/usr/share/poppler/cidToUnicode", R_OK | X_OK) != 0)
		report(arg, false,
		    "PDF files in Chinese, Japanese or Korean are not read: that takes the package "
		    "poppler-data.");
	for (const struct oauth_provider *p = oauth_providers;
	     p < oauth_providers + n_oauth_providers; p++)
		if (*oauth_config(p)->client_id &&
		    (!pages || is_missing(oauth_config(p)->client_secret)))
			report(arg, false,
			    arena_printf(a,
				"Nobody can sign in by %s: that takes its client id and secret, "
				"MILLRACE_PUBLIC_URL and MILLRACE_OAUTH_RETURN_URL.",
				p->title)
				.p);
	arena_free(a);
}
