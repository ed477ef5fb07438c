#include <string.h>

#include "runner/models/traits.h"

/* clang-format off */
static const struct traits table[] = {
	/* OpenAI, "Reasoning models" and the models' pages; others by their model cards */
	/* kind        prefix                  sampling       compl. tools images most    thinking */
	{ "openai",    "",                     SAMPLING_ALL,  false, true, true,  0,      THINK_NONE },
	{ "openai",    "gpt-",                 SAMPLING_NONE, true,  true, true,  128000, THINK_EFFORT },
	{ "openai",    "gpt-3.5",              SAMPLING_ALL,  false, true, false, 4096,   THINK_NONE },
	{ "openai",    "gpt-4",                SAMPLING_ALL,  false, true, true,  8192,   THINK_NONE },
	{ "openai",    "gpt-4o",               SAMPLING_ALL,  false, true, true,  16384,  THINK_NONE },
	{ "openai",    "gpt-4.1",              SAMPLING_ALL,  false, true, true,  32768,  THINK_NONE },
	{ "openai",    "gpt-oss",              SAMPLING_ALL,  false, true, false, 0,      THINK_EFFORT },
	{ "openai",    "o1",                   SAMPLING_NONE, true,  true, true,  100000, THINK_EFFORT },
	{ "openai",    "o3",                   SAMPLING_NONE, true,  true, true,  100000, THINK_EFFORT },
	{ "openai",    "o4",                   SAMPLING_NONE, true,  true, true,  100000, THINK_EFFORT },
	{ "openai",    "deepseek-",            SAMPLING_ALL,  false, true, false, 8192,   THINK_NONE },

	/* Anthropic, "Models overview" and the migration guides: a Claude that is unknown is new */
	{ "anthropic", "",                     SAMPLING_ALL,  false, true, true,  8192,   THINK_NONE },
	{ "anthropic", "claude-",              SAMPLING_NONE, false, true, true,  64000,  THINK_EFFORT },
	{ "anthropic", "claude-3-",            SAMPLING_ALL,  false, true, true,  4096,   THINK_NONE },
	{ "anthropic", "claude-3-5-",          SAMPLING_ALL,  false, true, true,  8192,   THINK_NONE },
	{ "anthropic", "claude-3-7-",          SAMPLING_ALL,  false, true, true,  64000,  THINK_TOKENS },
	{ "anthropic", "claude-opus-4-0",      SAMPLING_ALL,  false, true, true,  32000,  THINK_TOKENS },
	{ "anthropic", "claude-opus-4-2025",   SAMPLING_ALL,  false, true, true,  32000,  THINK_TOKENS },
	{ "anthropic", "claude-sonnet-4-0",    SAMPLING_ALL,  false, true, true,  64000,  THINK_TOKENS },
	{ "anthropic", "claude-sonnet-4-2025", SAMPLING_ALL,  false, true, true,  64000,  THINK_TOKENS },
	{ "anthropic", "claude-opus-4-1",      SAMPLING_ONE,  false, true, true,  32000,  THINK_TOKENS },
	{ "anthropic", "claude-opus-4-5",      SAMPLING_ONE,  false, true, true,  64000,  THINK_TOKENS },
	{ "anthropic", "claude-sonnet-4-5",    SAMPLING_ONE,  false, true, true,  64000,  THINK_TOKENS },
	{ "anthropic", "claude-haiku-4-5",     SAMPLING_ONE,  false, true, true,  64000,  THINK_TOKENS },
	{ "anthropic", "claude-opus-4-6",      SAMPLING_ONE,  false, true, true,  128000, THINK_EFFORT },
	{ "anthropic", "claude-sonnet-4-6",    SAMPLING_ONE,  false, true, true,  64000,  THINK_EFFORT },

	/* Google, "Gemini models": sampling is deprecated from 3.6 on; Gemma calls no functions */
	{ "google",    "",                     SAMPLING_NONE, false, true, true,  65536,  THINK_EFFORT },
	{ "google",    "gemini-1.",            SAMPLING_ALL,  false, true, true,  8192,   THINK_NONE },
	{ "google",    "gemini-2.",            SAMPLING_ALL,  false, true, true,  65536,  THINK_TOKENS },
	{ "google",    "gemini-2.0",           SAMPLING_ALL,  false, true, true,  8192,   THINK_NONE },
	{ "google",    "gemini-3-",            SAMPLING_ALL,  false, true, true,  65536,  THINK_EFFORT },
	{ "google",    "gemini-3.1",           SAMPLING_ALL,  false, true, true,  65536,  THINK_EFFORT },
	{ "google",    "gemini-3.5",           SAMPLING_ALL,  false, true, true,  65536,  THINK_EFFORT },
	{ "google",    "gemma-",               SAMPLING_ALL,  false, false,true,  8192,   THINK_NONE },
};
/* clang-format on */

const struct traits *
traits_of(const char *kind, const char *model)
{
	const struct traits *best = NULL;

	/* Gateways put the vendor's name before it: google/gemini-3.5-flash. */
	if (strrchr(model, '/'))
		model = strrchr(model, '/') + 1;
	for (const struct traits *t = table; t < table + sizeof(table) / sizeof(*table); t++)
		if (strcmp(t->kind, kind) == 0 &&
		    strncmp(t->prefix, model, strlen(t->prefix)) == 0 &&
		    (!best || strlen(t->prefix) > strlen(best->prefix)))
			best = t;
	return best;
}
