/*
 * What models take, as their vendors document it: a table by the beginning of their names, the
 * longest counts. What a server refuses all the same is left out when it is asked again
 * (exchange.c). Functions of the names alone: nothing blocks, any thread.
 */
#ifndef RUNNER_MODELS_TRAITS_H
#define RUNNER_MODELS_TRAITS_H

#include <stdbool.h>
#include <stdint.h>

enum sampling { SAMPLING_NONE = 1, SAMPLING_ONE /* temperature or top_p */, SAMPLING_ALL };

/* How a model is told to think: not at all, for so many tokens, or how hard. */
enum thinking { THINK_NONE = 1, THINK_TOKENS, THINK_EFFORT };

struct traits {
	const char *kind; /* a wire's */
	const char *prefix; /* of the model's name; "": any */
	enum sampling sampling;
	bool completion_limit; /* OpenAI's: max_completion_tokens; else max_tokens */
	bool tools;
	bool images;
	int64_t output_max; /* tokens of one answer; 0: not known */
	enum thinking thinking;
};

/* The row of a model; there is always one. */
const struct traits *traits_of(const char *kind, const char *model);

#endif
