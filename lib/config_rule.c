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

static bool
is_port(struct str port)
{
	int64_t n;

	return str_int(port, &n) && n >= 1 && n <= 65535;
}

/* As libpq's "port" has them: one for each host, which may be empty. */
static bool
is_ports(const char *value)
{
	struct str rest = str_from(value), one;

	while (rest.n > 0) {
		rest = str_cut(rest, ',', &one);
		if (one.n > 0 && !is_port(one))
			return false;
	}
	return true;
}

/* A URI is none: db_conninfo puts the user behind it. */
static bool
is_conninfo(const char *value)
{
	struct arena *a = arena_new();
	char *why = NULL;
	PQconninfoOption *all = PQconninfoParse(arena_printf(a, "%s user=millrace", value).p, &why);
	bool good = all != NULL;

	for (const PQconninfoOption *o = all; o && o->keyword; o++)
		if (strcmp(o->keyword, "user") == 0)
			good = good && o->val && strcmp(o->val, "millrace") == 0;
		else if (strcmp(o->keyword, "port") == 0)
			good = good && (!o->val || is_ports(o->val));
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

/* systemd has no comments behind a value: what looks like one is part of it. */
static bool
has_comment(const char *value)
{
	return strstr(value, " #") != NULL || strstr(value, "\t#") != NULL;
}

static bool
is_directory(const char *value)
{
	return is_absolute(value) && !has_comment(value);
}

static bool
is_without_comment(const char *value)
{
	return !has_comment(value);
}

static bool
is_visible(const char *value)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return true;
}

/* A name, an id or a key of a vendor's. */
static bool
is_id(const char *value)
{
	return is_visible(value) && strpbrk(value, "\"'\\") == NULL;
}

/* Not also what stands around one elsewhere: NAME= of a file of settings, "Bearer". */
static bool
is_secret(const char *value)
{
	size_t name = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	for (const char *p = value; *p; p++)
		if ((unsigned char)*p > '~')
			return false;
	/* A key in base64 may end in =. */
	return is_id(value) &&
	       (name == 0 || value[name] != '=' || value[name + strspn(value + name, "=")] == '\0');
}

static bool
is_stripe_key(const char *value)
{
	return is_secret(value) && (strncmp(value, "sk_", 3) == 0 || strncmp(value, "rk_", 3) == 0);
}

static bool
is_stripe_signing(const char *value)
{
	return is_secret(value) && strncmp(value, "whsec_", 6) == 0;
}

static bool
is_price(const char *value)
{
	return is_id(value) && strncmp(value, "prod_", 5) != 0;
}

static bool
is_scopes(const char *value)
{
	return strpbrk(value, "\"'\\") == NULL && !has_comment(value);
}

static bool
is_label(const char *value)
{
	return strspn(value, LETTERS_DIGITS "._-") == strlen(value);
}

/* What stands between the scheme and the path: [user@]host[:port], with a host (RFC 3986, 3.2). */
static bool
is_authority(struct str text)
{
	const char *at = memrchr(text.p, '@', text.n), *end = text.p + text.n, *port;
	struct str host = at ? (struct str){ at + 1, (size_t)(end - at) - 1 } : text;

	port = host.n > 0 && host.p[0] == '[' ? memrchr(host.p, ']', host.n) : host.p;
	if (!port)
		return false;
	port = memchr(port, ':', (size_t)(end - port));
	if (port && !is_port((struct str){ port + 1, (size_t)(end - port) - 1 }))
		return false;
	return (port ? port : end) > host.p;
}

/* The authority of a URL, which has one. */
static struct str
authority_of(const char *url)
{
	const char *p = strstr(url, "//") + 2;

	return (struct str){ p, strcspn(p, "/?#") };
}

static bool
is_http(const char *url)
{
	return (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0) &&
	       is_visible(url) && is_authority(authority_of(url));
}

/* Paths are put behind it, and others are told it. */
static bool
is_public(const char *url)
{
	struct str authority;

	if (!is_http(url) || strpbrk(url, "?#"))
		return false;
	authority = authority_of(url);
	return memchr(authority.p, '@', authority.n) == NULL;
}

/* An issuer is compared by its bytes, and Clerk's have no slash at their end. */
static bool
is_clerk_issuer(const char *url)
{
	return is_http(url) && url[strlen(url) - 1] != '/';
}

static bool
is_project(const char *url)
{
	return is_http(url) && strstr(url, "/auth/v1") == NULL;
}

/* Origins as browsers send them. */
static bool
is_parties(const char *value)
{
	struct str rest = str_from(value), one;

	while (rest.n > 0) {
		rest = str_cut(rest, ' ', &one);
		if (one.n > 0 && (one.p[one.n - 1] == '/' || one.p[0] == '#' || one.p[0] == '"'))
			return false;
	}
	return true;
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
	struct str authority;

	if (strncasecmp(url, "smtp://", 7) != 0 && strncasecmp(url, "smtps://", 8) != 0)
		return false;
	authority = authority_of(url);
	/* A user and password would be shown wherever the address is. */
	return is_visible(url) && is_authority(authority) &&
	       memchr(authority.p, '@', authority.n) == NULL;
}

static bool
is_sender(const char *value)
{
	const char *open = strchr(value, '<');

	if (open && strchr(open, '>') != value + strlen(value) - 1)
		return false;
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
		if (one.n < 2 || one.p[0] != '/' || memchr(one.p, ' ', one.n) || ++n > 15)
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
	struct str rest = str_from(value), name, kind, url, first;
	int n = 0;

	while (provider_list_next_pair(&rest, &name, &url))
		if (!provider_list_is_name(name) || is_own_provider(name) || !url.p ||
		    !provider_list_find(value, name, &first) || first.p != url.p ||
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

#define ALONE "what the vendor gave, alone in the file, without blanks and quotes around it"

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
	{ "MILLRACE_RUNTIME_DIR", is_directory, "a path from the root on, such as /run/millrace",
	    false },
	{ "MILLRACE_INSTANCE", is_label, "letters, digits and ._-, such as 1", false },
	{ "MILLRACE_LOG_LEVEL", NULL, "debug, info, warn or error", false },
	{ "MILLRACE_PROVIDER", is_provider,
	    "auto, or names of providers such as anthropic openai/gpt-4o local", false },
	{ "MILLRACE_PROVIDERS", is_servers,
	    "names with the format and address of a server each, every name once, such as "
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
	    "at most 15 names with a slash each, separated by commas, such as /admin,/shop",
	    false },
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
	{ "SMTP_URL", is_relay,
	    "smtp://host:587 or smtps://host:465; a user is for SMTP_USER and SMTP_PASSWORD",
	    false },
	{ "SMTP_USER", is_without_comment, "the user's name alone, without a comment behind it",
	    false },
	{ "SMTP_FROM", is_sender, "an address, or Name <address>", false },
	{ "STRIPE_API_KEY", is_stripe_key,
	    "Stripe's secret key alone, which begins with sk_ (or rk_)", false },
	{ "STRIPE_WEBHOOK_SECRET", is_stripe_signing,
	    "the endpoint's signing secret alone, which begins with whsec_", false },
	{ "STRIPE_WEBHOOK_SECRET_OLD", is_stripe_signing,
	    "the endpoint's signing secret alone, which begins with whsec_", false },
	{ "STRIPE_PRICE_ID", is_price,
	    "a price's id, such as price_0123456789 (prod_… is a product's)", false },
	{ "*_API_KEY", is_secret, ALONE, false },
	{ "*_CLIENT_SECRET", is_secret, ALONE, false },
	{ "SLACK_SIGNING_SECRET", is_secret, ALONE, false },
	{ "SLACK_SIGNING_SECRET_OLD", is_secret, ALONE, false },
	{ "*_CLIENT_ID", is_id, "the id alone, without blanks and quotes", false },
	{ "*_MODEL", is_id, "a model's name alone, without blanks and quotes", false },
	{ "*_SCOPES", is_scopes, "scopes separated by spaces, without quotes or a comment", false },
	{ "*_TENANT", is_label, "common, organizations, consumers, or a tenant's id or domain",
	    false },
	{ "MILLRACE_CLERK_AZP", is_parties,
	    "origins separated by spaces, without a slash behind them, such as "
	    "https://app.example.com",
	    false },
	{ "MILLRACE_CLERK_ISSUER", is_clerk_issuer,
	    "an address that begins with https://, without a slash behind it, as the tokens' iss",
	    false },
	{ "SUPABASE_URL", is_project,
	    "the project's address, such as https://abcdefghijkl.supabase.co", false },
	{ "MILLRACE_PUBLIC_URL", is_public,
	    "an address that begins with https:// (or http://), without ?, # and @, such as "
	    "https://api.example.com",
	    false },
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
