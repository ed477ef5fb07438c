/*
 * Embeddings: what texts mean, as vectors, by a provider whose server has them: in OpenAI's format
 * (API reference, "Embeddings") or Google's ("Embeddings", batchEmbedContents). Asked in batches;
 * what a reply lacks is asked for again. Runs in the job's thread, and blocks it.
 */
#ifndef RUNNER_MODELS_EMBED_H
#define RUNNER_MODELS_EMBED_H

#include "runner/models/provider.h"

struct embedding {
	/* What is asked. */
	const struct str *items; /* JSON each: a text, or a list of tokens, which Google has not */
	size_t n;
	bool has_tokens;
	int64_t dimensions; /* numbers of a vector; 0: as many as the model gives */
	const char *task; /* Google's task type; NULL: none */
	int64_t within_ms; /* of each try */
	int tries; /* of each request; of one, nothing is waited for */
	size_t numbers_max; /* of all vectors together; more end it; 0: no bound */

	/* What came. */
	float **vector; /* of each item; NULL: none came */
	size_t n_came;
	size_t size; /* numbers of each vector */
};

/*
 * Asks c->provider (c->job and c->a are the caller's as well), and stores the use as the run's
 * call `number`. CALL_DONE: there is a vector for each item. Else as model_call, with c->problem
 * and c->refused; some vectors may be there all the same. Vectors are c->a's, and finite.
 */
enum call_end embed(struct call *c, struct embedding *e, int64_t number);

#endif
