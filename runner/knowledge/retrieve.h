/*
 * Retrieval: a user's passages for a query, by full text and local vectors. Chat, its tool and GET
 * /api/documents/search share it.
 */
#ifndef RUNNER_KNOWLEDGE_RETRIEVE_H
#define RUNNER_KNOWLEDGE_RETRIEVE_H

#include <millrace/arena.h>
#include <millrace/err.h>

struct job;

#define PASSAGES_MAX 64 /* of one chat */

struct passage {
	int64_t chunk;
	struct uuid document;
	struct str name; /* the document's */
	struct str mark; /* "page 3", "paragraph 12" */
	struct str text;
	struct str score; /* decimal digits */
};

/* Numbered from 1 in the order found: [1], [2] … */
struct passages {
	struct passage p[PASSAGES_MAX];
	size_t n;
	bool of_chatbot; /* only of the documents that the run's chatbot has (run_documents()) */
};

/*
 * Adds up to `want` passages that are not there yet; *first gets the index of the first new one.
 * Everything is the job's arena's. Waits while others search (runner/queue/slots.h); where the
 * job's stop ends that or the search, nothing is added, and the job is to look at it.
 */
MUST_CHECK enum err retrieve(
    struct job *j, struct str query, int want, struct passages *into, size_t *first);

/* One as a JSON object, numbered n (0: without a number). */
void passage_json(struct buf *b, const struct passage *p, size_t n);
/* "[n] name, mark" and the text: how a model is shown one. */
void passage_text(struct buf *b, const struct passage *p, size_t n);

#define EMBED_BITS 2048
#define EMBED_HEX (EMBED_BITS / 4)

/*
 * The local embedding (embed.c) of a text, by its terms' words: each, and each piece of four
 * letters, sets a bit. `hex` gets EMBED_HEX digits and a NUL. Pure; the same for passages and
 * queries.
 */
void embed_local(struct str words, char hex[EMBED_HEX + 1]);
/* Decodes one character of text that is well-formed UTF-8; returns its length. */
size_t utf8_next(struct str s, uint32_t *c);

#endif
