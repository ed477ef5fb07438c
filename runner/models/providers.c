/* Who answers, as the settings say. */
#include <ctype.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/provider_list.h>

#include "runner/models/provider.h"
#include "runner/models/tools.h"
#include "runner/models/wire.h"
#include "runner/queue/periodic.h"
#include "runner/runner.h"
#include "runner/secrets/vault.h"
#include "sql_runner.h"

#define NOTE_AGAIN_MS 5000
#define KEY_MAX 1000 /* bytes */
#define OWN 3 /* with settings of their own */
#define KNOWN_MAX (OWN + PROVIDERS_MORE + 1)

/*
 * A key of the vault's that is everybody's, and goes before that of the settings. Copies of
 * providers point here. One that is replaced is overwritten.
 */
struct shared_key {
	pthread_mutex_t lock; /* of `key` */
	char key[KEY_MAX + 1]; /* "": there is none */
	char put[100]; /* which it is, as the database says; providers_note's own */
};

static struct shared_key shared_keys[KNOWN_MAX];
static struct provider known[KNOWN_MAX];
/* Of these, in order; a row for each that `auto` may be: one with settings of its own, or local */
static struct provider asked[OWN + 1][PROVIDERS_MAX];
static atomic_size_t chosen; /* which row */
static size_t n_known, n_asked;
static struct arena *texts; /* for as long as the process lives */

static const struct wire *
wire_of(struct str kind)
{
	return str_eq(kind, S("openai"))      ? &wire_openai
	       : str_eq(kind, S("anthropic")) ? &wire_anthropic
					      : &wire_google;
}

/* Those with settings of their own, in the order in which `auto` takes them. */
static size_t
own_providers(struct provider own[OWN])
{
	const struct config *c = config();

	own[0] = (struct provider){ .name = "openai",
		.model = c->openai_model,
		.wire = &wire_openai,
		.base_url = c->openai_base_url,
		.key = c->openai_key,
		.key_setting = "OPENAI_API_KEY",
		.url_setting = "OPENAI_BASE_URL",
		.model_setting = "OPENAI_MODEL" };
	own[1] = (struct provider){ .name = "anthropic",
		.model = c->anthropic_model,
		.wire = &wire_anthropic,
		.base_url = c->anthropic_base_url,
		.key = c->anthropic_key,
		.key_setting = "ANTHROPIC_API_KEY",
		.url_setting = "ANTHROPIC_BASE_URL",
		.model_setting = "ANTHROPIC_MODEL" };
	own[2] = (struct provider){ .name = "google",
		.model = c->gemini_model,
		.wire = &wire_google,
		.base_url = c->gemini_base_url,
		.key = c->gemini_key,
		.key_setting = "GEMINI_API_KEY",
		.url_setting = "GEMINI_BASE_URL",
		.model_setting = "GEMINI_MODEL" };
	return OWN;
}

/* As OPENAI_API_KEY is for openai. */
static const char *
vault_key(struct str name)
{
	struct buf key = { .a = texts };

	for (size_t i = 0; i < name.n; i++)
		buf_put(&key,
		    isalnum((unsigned char)name.p[i])
			? (struct str){ (char[]){ (char)toupper((unsigned char)name.p[i]) }, 1 }
			: S("_"));
	buf_put(&key, S("_API_KEY"));
	return arena_cstr(texts, buf_str(&key));
}

/* A further one, as MILLRACE_PROVIDERS names it: its address is there. */
static struct provider
further(struct str name, struct str kind, struct str url)
{
	struct str key;

	if (!provider_list_find(config()->provider_keys, name, &key))
		key = S("");
	return (struct provider){ .name = arena_cstr(texts, name),
		.vault_key = vault_key(name),
		.wire = wire_of(kind),
		.base_url = arena_cstr(texts, url),
		.key = arena_cstr(texts, key),
		.key_setting = "MILLRACE_PROVIDER_KEYS",
		.url_setting = "MILLRACE_PROVIDERS",
		.model_setting = "MILLRACE_PROVIDER" };
}

/* All that may be asked by name. */
static void
know_all(void)
{
	struct str rest = str_from(config()->providers), name, kind, url, value;
	size_t n = own_providers(known);

	for (size_t i = 0; i < n; i++)
		known[i].vault_key = known[i].key_setting;
	while (n < KNOWN_MAX - 1 && provider_list_next_pair(&rest, &name, &value))
		if (provider_list_server(value, &kind, &url))
			known[n++] = further(name, kind, url);
	known[n++] = provider_local;
	for (size_t i = 0; i < n; i++) {
		known[i].call = known[i].wire ? wire_call : known[i].call;
		known[i].refused = wire_refused_new(i);
		known[i].shared = known[i].wire ? &shared_keys[i] : NULL;
		pthread_mutex_init(&shared_keys[i].lock, NULL);
	}
	n_known = n;
}

/* The one of this name; `local`, the last, for what is none, which config_load has refused. */
static const struct provider *
named(struct str name, size_t choice)
{
	bool is_auto = str_eq(name, S("auto"));

	for (size_t i = 0; i < n_known; i++)
		if (is_auto ? i < OWN && i == choice : str_eq(name, str_from(known[i].name)))
			return &known[i];
	return &known[n_known - 1];
}

/* The row of the list for one choice of `auto`. */
static void
list_asked(size_t choice)
{
	struct str rest = str_from(config()->provider), name, model;

	for (n_asked = 0; n_asked < PROVIDERS_MAX && provider_list_next(&rest, &name, &model);) {
		struct provider *p = &asked[choice][n_asked];

		*p = *named(name, choice);
		if (p->wire && model.p) {
			p->model = arena_cstr(texts, model);
			p->model_setting = "MILLRACE_PROVIDER";
			p->refused = wire_refused_new(KNOWN_MAX + n_asked);
		}
		if (n_asked++ > 0)
			p[-1].next = p;
	}
}

/* `auto` is the first that has a key, of the settings or everybody's. */
static void
choose(struct arena *a)
{
	size_t i = 0;

	while (i < OWN && *provider_key(a, &known[i]) == '\0')
		i++;
	if (atomic_exchange(&chosen, i) != i && strstr(config()->provider, "auto"))
		log_info("provider: is asked now", "provider", asked[i]->name);
	runner.provider = asked[i]->name;
	runner.model = asked[i]->model;
}

void
provider_init(void)
{
	struct arena *a = arena_new();

	texts = arena_new();
	know_all();
	for (size_t i = 0; i <= OWN; i++)
		list_asked(i);
	choose(a);
	arena_free(a);
}

const struct provider *
provider_default(void)
{
	return asked[atomic_load(&chosen)];
}

const char *
provider_key(struct arena *a, const struct provider *p)
{
	const char *key = "";

	if (p->is_own_key || !p->shared)
		return p->key;
	pthread_mutex_lock(&p->shared->lock);
	if (*p->shared->key)
		key = arena_str(a, str_from(p->shared->key)).p;
	pthread_mutex_unlock(&p->shared->lock);
	return *key ? key : p->key;
}

/* Puts `key` in the place of the one before; "": there is none any more. */
static void
share(struct shared_key *s, struct str key)
{
	pthread_mutex_lock(&s->lock);
	sodium_memzero(s->key, sizeof(s->key));
	memcpy(s->key, key.p, key.n);
	pthread_mutex_unlock(&s->lock);
}

bool
provider_key_is_good(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if ((unsigned char)key.p[i] <= ' ' || (unsigned char)key.p[i] >= 0x7f)
			return false;
	return key.n > 0 && key.n <= KEY_MAX;
}

/* Is there nothing that it could be asked with? */
static bool
lacks_key(struct arena *a, const struct provider *p)
{
	return p->wire && *provider_key(a, p) == '\0' &&
	       (strstr(p->base_url, "://api.openai.com") ||
		   strstr(p->base_url, "://api.anthropic.com") ||
		   strstr(p->base_url, "://generativelanguage.googleapis.com"));
}

bool
provider_is_unset(void)
{
	const struct provider *p = provider_default();
	struct arena *a = arena_new();
	bool is_unset = p->wire ? lacks_key(a, p) : strcmp(config()->provider, "auto") == 0;

	arena_free(a);
	return is_unset;
}

/* The lists that the statement takes. */
struct noted {
	struct str_list names, kinds, models;
};

static void
note(struct arena *a, struct noted *n, const struct provider *p)
{
	for (size_t i = 0; i < n->names.n; i++)
		if (str_eq(n->names.p[i], str_from(p->name)))
			return;
	if (lacks_key(a, p))
		return;
	n->names.p[n->names.n++] = str_from(p->name);
	n->kinds.p[n->kinds.n++] = str_from(p->wire ? p->wire->kind : "local");
	n->models.p[n->models.n++] = str_from(p->model ? p->model : "");
}

static struct str_list
list_of(struct arena *a, size_t n)
{
	return (struct str_list){ arena_alloc(a, n * sizeof(struct str)), 0 };
}

/* Row `row` of the vault's list is of this provider. False where it cannot be opened for now. */
static bool
open_shared(struct db *db, struct arena *a, struct provider *p, const PGresult *rows, int row)
{
	struct str put = sql_get(rows, row, 2), key;
	struct uuid owner;

	if (str_eq(put, str_from(p->shared->put)))
		return true;
	if (!uuid_parse(sql_get(rows, row, 1), &owner) ||
	    vault_open(db, a, owner, str_from(p->vault_key), "providers", &key) != ERR_OK)
		return false;
	if (!provider_key_is_good(key)) {
		log_warn("provider: the vault's key is none", "key", p->vault_key);
		key = S("");
	}
	share(p->shared, key);
	snprintf(p->shared->put, sizeof(p->shared->put), "%.*s", S_ARG(put));
	return true;
}

/* Takes over what the vault has for everybody, and lets go of what it has no more. */
static bool
read_shared(struct db *db, struct arena *a)
{
	struct str_list names = list_of(a, n_known);
	PGresult *rows = NULL;
	bool good = true;

	for (size_t i = 0; i < n_known; i++)
		if (known[i].shared)
			names.p[names.n++] = str_from(known[i].vault_key);
	if (db_runner_shared_keys(db, a, &rows, names) != ERR_OK)
		return false;
	for (size_t i = 0; i < n_known; i++) {
		int row = 0;

		if (!known[i].shared)
			continue;
		while (row < PQntuples(rows) &&
		       !str_eq(sql_get(rows, row, 0), str_from(known[i].vault_key)))
			row++;
		if (row < PQntuples(rows)) {
			good &= open_shared(db, a, &known[i], rows, row);
		} else {
			share(known[i].shared, S(""));
			known[i].shared->put[0] = '\0';
		}
	}
	return good;
}

/* What MILLRACE_RERANK takes at most: of each passage 1,000 bytes and its name, and an answer. */
static int64_t
choosing_tokens(void)
{
	return *config()->rerank ? config()->rerank_passages * 400 + 600 : 0;
}

int64_t
providers_note(struct db *db, struct arena *a, struct stop *stop)
{
	size_t most = n_asked + n_known;
	struct noted n = { list_of(a, most), list_of(a, most), list_of(a, most) };
	bool good = read_shared(db, a);

	(void)stop;
	choose(a);
	for (size_t i = 0; i < n_asked; i++)
		note(a, &n, &provider_default()[i]);
	for (size_t i = 0; i < n_known; i++)
		note(a, &n, &known[i]);
	if (db_runner_gateway_providers(db, a, NULL, n.names, n.kinds, n.models) != ERR_OK ||
	    db_runner_choosing_note(db, a, NULL, choosing_tokens()) != ERR_OK)
		log_warn("provider: the list could not be stored");
	else if (good)
		return PERIODIC_AS_TABLED;
	return NOTE_AGAIN_MS;
}

bool
provider_has_tools(const struct provider *p)
{
	return p->wire && traits_of(p->wire->kind, p->model)->tools &&
	       !(wire_refused(p) & PART_TOOLS);
}

const struct provider *
provider_find(struct str name)
{
	for (const struct provider *p = provider_default(); p; p = p->next)
		if (str_eq(name, str_from(p->name)))
			return p;
	for (size_t i = 0; i < n_known; i++)
		if (str_eq(name, str_from(known[i].name)))
			return &known[i];
	return NULL;
}

const struct provider *
provider_with_model(struct arena *a, const struct provider *p, struct str model)
{
	struct provider *with;

	if (!p->wire || (p->model && str_eq(model, str_from(p->model))))
		return p;
	with = arena_alloc(a, sizeof(*with));
	*with = *p;
	with->model = arena_cstr(a, model);
	with->refused = NULL;
	return with;
}
