#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <sodium.h>

#include <millrace/address.h>
#include <millrace/oauth.h>
#include <millrace/payments.h>
#include <millrace/provider_list.h>

#include "config_rule.h"

#define LETTERS_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* A URI is none: db_conninfo puts the user behind it. */
static bool
is_conninfo(const char *value)
{
	struct arena *a = arena_new();
	char *why = NULL;
	PQconninfoOption *all = PQconninfoParse(arena_printf(a, "%s user=millrace", value).p, &why);
	bool good = false;

	for (const PQconninfoOption *o = all; o && o->keyword; o++)
		if (strcmp(o->keyword, "user") == 0)
			good = o->val && strcmp(o->val, "millrace") == 0;
	PQconninfoFree(all);
	PQfreemem(why);
	arena_free(a);
	return good;
}

static bool
is_absolute(const char *path)
{
	return *path == '/';
}

/* A name, and not what would have containers in a network namespace that is another's. */
static bool
is_container_network(const char *value)
{
	return strcmp(value, "host") != 0 && strspn(value, LETTERS_DIGITS "_.-") == strlen(value);
}

/* A path of it is a URL's. */
static bool
is_image(const char *value)
{
	return strspn(value, LETTERS_DIGITS "._/:@-") == strlen(value);
}

static bool
is_visible(const char *value)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return true;
}

static bool
is_http(const char *url)
{
	return (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0) &&
	       strlen(strstr(url, "//")) > 2 && is_visible(url);
}

static bool
is_base_url(const char *url)
{
	return is_http(url) && provider_list_is_base(str_from(url));
}

/* Also an app's own scheme. */
static bool
is_return(const char *url)
{
	const char *behind = strstr(url, "://");

	return behind && behind > url && behind[3] != '\0' && is_visible(url);
}

static bool
is_page(const char *url)
{
	return is_http(url) && strstr(url, "{token}") != NULL;
}

static bool
is_relay(const char *url)
{
	return (strncasecmp(url, "smtp://", 7) == 0 || strncasecmp(url, "smtps://", 8) == 0) &&
	       is_visible(url);
}

static bool
is_sender(const char *value)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			return false;
	return address_is_email(address_of_sender(str_from(value)));
}

/* Does it need no row of MILLRACE_PROVIDERS? */
static bool
is_own_provider(struct str name)
{
	return str_eq(name, S("auto")) || str_eq(name, S("local")) || provider_list_is_kind(name);
}

/* 15: streamd's SIO_NAMESPACES_MAX, with "/" itself. */
static bool
is_namespaces(const char *value)
{
	struct str rest = str_from(value), one;
	int n = 0;

	while (rest.p) {
		rest = str_cut(rest, ',', &one);
		one = str_trim(one);
		if (one.n < 2 || one.p[0] != '/' || ++n > 15)
			return false;
	}
	return true;
}

static bool
is_provider(const char *value)
{
	struct str rest = str_from(value), name, model;
	int n = 0;

	while (provider_list_next(&rest, &name, &model))
		if (!provider_list_is_name(name) || (model.p && model.n == 0) ||
		    ++n > PROVIDERS_MAX)
			return false;
	return n > 0;
}

/* One provider, which has a model of its own or is given one. */
static bool
is_one_provider(const char *value)
{
	struct str rest = str_from(value), name, model;

	return provider_list_next(&rest, &name, &model) && provider_list_is_name(name) &&
	       !(model.p && model.n == 0) && !provider_list_next(&rest, &name, &model);
}

static bool
is_embeddings(const char *value)
{
	struct str rest = str_from(value), name, model;

	return is_one_provider(value) && provider_list_next(&rest, &name, &model) && model.p &&
	       !str_eq(name, S("local")) && !str_eq(name, S("auto")) &&
	       !str_eq(name, S("anthropic"));
}

static bool
is_servers(const char *value)
{
	struct str rest = str_from(value), name, kind, url;
	int n = 0;

	while (provider_list_next_pair(&rest, &name, &url))
		if (!provider_list_is_name(name) || is_own_provider(name) || !url.p ||
		    !provider_list_server(url, &kind, &url) || ++n > PROVIDERS_MORE)
			return false;
	return true;
}

static bool
is_keys(const char *value)
{
	struct str rest = str_from(value), name, key;

	while (provider_list_next_pair(&rest, &name, &key))
		if (!provider_list_is_name(name) || key.n == 0)
			return false;
	return true;
}

/* Origins as a browser has them: no path, not even a slash. */
static bool
is_origins(const char *value)
{
	struct str rest = str_from(value), one;

	while (rest.n > 0) {
		rest = str_cut(rest, ' ', &one);
		if (one.n > 0 &&
		    (!(str_starts(one, S("https://")) || str_starts(one, S("http://"))) ||
			memrchr(one.p, '/', one.n) != strstr(one.p, "//") + 1 ||
			one.p[one.n - 1] == '/' || memchr(one.p, ',', one.n)))
			return false;
	}
	return true;
}

static bool
is_bot_token(const char *value)
{
	size_t id = strspn(value, "0123456789");

	return id > 0 && value[id] == ':' && value[id + 1] != '\0' &&
	       strspn(value + id + 1,
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
		   strlen(value + id + 1);
}

static bool
is_fallbacks(const char *value)
{
	struct str rest = str_from(value), asked, other, name, model;

	while (provider_list_next_pair(&rest, &asked, &other)) {
		model = str_cut(other, '/', &name);
		if (asked.n == 0 || !provider_list_is_name(name) || model.n == 0)
			return false;
	}
	return true;
}

static bool
is_key(const char *value)
{
	struct str text = str_trim(str_from(value));
	unsigned char bytes[32];
	size_t n = 0;
	bool good = sodium_base642bin(bytes, sizeof(bytes), text.p, text.n, NULL, &n, NULL,
			sodium_base64_VARIANT_ORIGINAL) == 0 &&
		    n == sizeof(bytes);

	sodium_memzero(bytes, sizeof(bytes));
	return good;
}

/* What stands above comes first. */
static const struct config_rule rules[] = {
	{ "MILLRACE_DB", is_conninfo,
	    "libpq's names and values, such as host=/run/postgresql dbname=millrace", false },
	{ "MILLRACE_CONTAINER_SOCKET", is_absolute,
	    "a path from the root on, such as /run/podman/podman.sock", false },
	{ "MILLRACE_CONTAINER_IMAGE", is_image,
	    "an image's name, such as localhost/millrace-container:latest", false },
	{ "MILLRACE_CONTAINER_NETWORK", is_container_network,
	    "none, or the name of a network that the engine has for containers; host is none",
	    false },
	{ "MILLRACE_FALLBACKS", is_fallbacks,
	    "models, each with another one of a provider, such as "
	    "gpt-4o=anthropic/claude-sonnet-5-5",
	    false },
	{ "MILLRACE_FETCH_NETWORKS", address_is_networks,
	    "networks separated by spaces, such as 10.1.0.0/16 fd12::/32", false },
	{ "MILLRACE_LOG_LEVEL", NULL, "debug, info, warn or error", false },
	{ "MILLRACE_PROVIDER", is_provider,
	    "auto, or names of providers such as anthropic openai/gpt-4o local", false },
	{ "MILLRACE_PROVIDERS", is_servers,
	    "names with the format and address of a server each, such as "
	    "vllm=openai:http://127.0.0.1:8000/v1",
	    false },
	{ "MILLRACE_PAYMENT_NETWORKS", payment_networks_fit,
	    "names with a chain's id each, and, where they differ from the default, confirmations "
	    "and the token's address with its checksum, such as arc=5042/1",
	    false },
	{ "MILLRACE_PAYMENT_URLS", payment_urls_fit,
	    "names of networks with a node's URL each, such as arc=https://node.example", false },
	{ "MILLRACE_PAYMENT_RECIPIENTS", payment_recipients_fit,
	    "providers and networks with an address each, whose checksum (EIP-55: capitals and "
	    "small letters) is right, such as "
	    "openai@arc=0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
	    false },
	{ "MILLRACE_EMBEDDINGS", is_embeddings,
	    "a provider that has embeddings and its model, such as "
	    "openai/text-embedding-3-small",
	    false },
	{ "MILLRACE_RERANK", is_one_provider, "one provider, such as openai or openai/gpt-4o-mini",
	    false },
	{ "MILLRACE_SOCKETIO_NAMESPACES", is_namespaces,
	    "at most 15 names with a slash each, such as /admin,/shop", false },
	{ "MILLRACE_VAULT_KEY", is_key,
	    "32 bytes in base64, as `millracectl vault init` writes them", true },
	{ "MILLRACE_VAULT_KEY_OLD", is_key,
	    "32 bytes in base64, as `millracectl vault init` writes them", true },
	{ "MILLRACE_AUDIT_KEY", is_key,
	    "32 bytes in base64, as `millracectl audit init` writes them", true },
	{ "MILLRACE_OAUTH_RETURN_URL", is_return,
	    "a page's address, such as https://app.example.com/", false },
	{ "MILLRACE_OAUTH_ERROR_URL", is_return,
	    "a page's address, such as https://app.example.com/", false },
	{ "MILLRACE_PROVIDER_KEYS", is_keys,
	    "names of MILLRACE_PROVIDERS with a key each, such as vllm=KEY", false },
	{ "MILLRACE_CHECKOUT_ORIGINS", is_origins,
	    "origins separated by spaces, without a path or a slash behind them, such as "
	    "https://shop.example.com",
	    false },
	{ "TELEGRAM_BOT_TOKEN", is_bot_token,
	    "what BotFather gives: digits, a colon, and letters, digits, _ and -", false },
	{ "MILLRACE_CREDITS", NULL, "required or optional", false },
	{ "MILLRACE_LOST_STREAMS", NULL, "finish or stop", false },
	{ "MILLRACE_TELEGRAM_UPDATES", NULL, "polling or webhook", false },
	{ "STRIPE_MODE", NULL, "subscription or payment", false },
	{ "MILLRACE_REGISTRATION", NULL, "open, invited or closed", false },
	{ "MILLRACE_RESET_URL", is_page,
	    "the page's address with {token} in it, such as "
	    "https://app.example.com/reset?token={token}",
	    false },
	{ "MILLRACE_INVITE_URL", is_page,
	    "the page's address with {token} in it, such as "
	    "https://app.example.com/join?invitation={token}",
	    false },
	{ "SMTP_TLS", NULL, "required or off", false },
	{ "SMTP_URL", is_relay, "smtp://host:587 or smtps://host:465", false },
	{ "SMTP_FROM", is_sender, "an address, or Name <address>", false },
	{ "*_BASE_URL", is_base_url,
	    "an address that begins with https:// (or http://), without the endpoint", false },
	{ "*_URL", is_http,
	    "an address that begins with https:// (or http://, in a network you trust)", false },
	{ "*_ISSUER", is_http, "an address that begins with https://", false },
};

/* Is `value` one of the words in "a, b or c"? */
static bool
is_word(const char *words, const char *value)
{
	size_t n = strlen(value);

	if (strcspn(value, ", ") != n || strcmp(value, "or") == 0)
		return false;
	for (const char *at = words; (at = strstr(at, value)) != NULL; at++)
		if ((at == words || at[-1] == ' ') && strchr(", ", at[n]) != NULL)
			return true;
	return false;
}

static bool
is_of(const struct config_rule *r, const char *name)
{
	size_t n = strlen(name), end = strlen(r->name) - 1;

	if (*r->name != '*')
		return strcmp(r->name, name) == 0;
	return n > end && strcmp(name + n - end, r->name + 1) == 0;
}

const struct config_rule *
config_rule_broken(const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct config_rule *r = &rules[i];

		if (is_of(r, name))
			return (r->holds ? r->holds(value) : is_word(r->takes, value)) ? NULL : r;
	}
	return NULL;
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
config_rule_together(config_report *report, void *arg)
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
