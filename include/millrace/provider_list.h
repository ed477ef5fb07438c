/*
 * The settings that name providers of models: MILLRACE_PROVIDER (who is asked, in order),
 * MILLRACE_PROVIDERS (further ones, NAME=KIND:URL) and MILLRACE_PROVIDER_KEYS (NAME=KEY). Words are
 * separated by blanks or commas. Functions of the text alone: nothing blocks, any thread.
 */
#ifndef MILLRACE_PROVIDER_LIST_H
#define MILLRACE_PROVIDER_LIST_H

#include <stdbool.h>

#include <millrace/str.h>

#define PROVIDERS_MAX 16 /* of MILLRACE_PROVIDER */
#define PROVIDERS_MORE 16 /* of MILLRACE_PROVIDERS */

/*
 * The first word of *rest, NAME or NAME/MODEL, which is taken off; *model is absent where there is
 * none. False: there is no further one.
 */
bool provider_list_next(struct str *rest, struct str *name, struct str *model);
/* The first word of *rest, NAME=VALUE, likewise; *value is absent where it has no =. */
bool provider_list_next_pair(struct str *rest, struct str *name, struct str *value);
/* What stands behind `name` and = in the first such word. False: there is none. */
bool provider_list_find(const char *pairs, struct str name, struct str *value);
/*
 * Is it a server's address without the endpoint, which is put behind it? Vendors' pages show a
 * request's with it, such as /v1/chat/completions.
 */
bool provider_list_is_base(struct str url);
/* Cuts what stands behind a name of MILLRACE_PROVIDERS. False: it is not KIND:URL of a base. */
bool provider_list_server(struct str value, struct str *kind, struct str *url);
/* May a provider be called so? Small letters, digits, dots, hyphens and underscores. */
bool provider_list_is_name(struct str name);
/* Is it one of the formats that servers are spoken to in: openai, anthropic, google? */
bool provider_list_is_kind(struct str kind);

#endif
