/*
 * Retrieval: a user's passages for a query, by its words and those that mean much the same, and,
 * where there are vectors, by what it means. Chat, its tool and GET /api/documents/search share it.
 */
#ifndef RUNNER_KNOWLEDGE_RETRIEVE_H
#define RUNNER_KNOWLEDGE_RETRIEVE_H

#include <millrace/arena.h>
#include <millrace/err.h>

struct job;

#define PASSAGES_MAX 64 /* of one chat */
#define SUPPORT_MAX 128 /* pieces of a passage that can be quoted */

struct passage {
	int64_t chunk;
	struct uuid document;
	struct str name; /* the document's */
	struct str mark; /* "page 3", "paragraph 12" */
	struct str heading; /* those that it stands under, " › " between them; may be empty */
	struct str text;
	struct str score; /* decimal digits */
	double *support; /* of the best: how much of the question each of its pieces has */
	size_t n_support; /* (support.h); the others: none */
};

/* Numbered from 1 in the order found: [1], [2] … */
struct passages {
	struct passage *p; /* NULL: none yet; else room for PASSAGES_MAX */
	size_t n;
	bool of_chatbot; /* only of the documents that the run's chatbot has (run_documents()) */
	bool answer; /* some answer what was searched for, as far as words tell (question.h) */
};

/* A question's meaning: a vector of length 1, of one of the models that passages have theirs of. */
struct meaning {
	int64_t embedding; /* embedding_model.id */
	const float *v;
	size_t n;
	struct str vector, bits; /* v as SQL's real[], and its signs as SQL's bit varying */
};

/* What models add, of which this part knows nothing; either may be NULL. */
struct retrieve_models {
	/* jobs/meaning.h; false: none. */
	bool (*meaning)(struct job *j, struct arena *a, struct str query, struct meaning *out);
	/*
	 * jobs/rerank.h: chooses of `from` what answers the query; places[] gets theirs, best
	 * first, and it returns how many. 0: the order stays.
	 */
	size_t (*choose)(struct job *j, struct arena *a, struct str query,
	    const struct passages *from, size_t places[PASSAGES_MAX]);
	size_t choose_from; /* passages */
};
/* Once, before the first job; it lives as long as the process. */
void retrieve_init(const struct retrieve_models *models);

/*
 * Adds up to `want` passages that are not there yet; *first gets the index of the first new one.
 * Everything is the job's arena's. Waits while others search (runner/queue/slots.h); where the
 * job's stop ends that or the search, nothing is added, and the job is to look at it.
 */
MUST_CHECK enum err retrieve(
    struct job *j, struct str query, int want, struct passages *into, size_t *first);
/* The same, of which a model has chosen, where there is one for that: for what a model reads. */
MUST_CHECK enum err retrieve_chosen(
    struct job *j, struct str query, int want, struct passages *into, size_t *first);

/* One as a JSON object, numbered n (0: without a number). */
void passage_json(struct buf *b, const struct passage *p, size_t n);
/* "[n] name, mark" and the text: how a model is shown one. */
void passage_text(struct buf *b, const struct passage *p, size_t n);

#endif
