/*
 * What a continuation of an answer only says again. Servers that are asked to go on often begin
 * with all that was said, with its last sentence, or tell the whole once more in other words.
 * Functions of the bytes alone, wherever they are cut; one thread.
 */
#ifndef RUNNER_MODELS_ECHO_H
#define RUNNER_MODELS_ECHO_H

#include <millrace/arena.h>

struct echo {
	struct str said; /* the answer so far */
	struct buf held; /* the continuation's beginning, while it may be an echo */
	size_t same; /* bytes of it that are those of the answer's beginning */
	bool is_open; /* it may still be one */
};

/* `said` is UTF-8 and outlives it; an answer of a few bytes has no echo. */
void echo_init(struct echo *e, struct arena *a, struct str said);
/*
 * Takes off *text what is an echo; *text is then what is new, the arena's, and empty as long as
 * that is not known. Call it while is_open. False where the answer is told again in other words.
 */
bool echo_skip(struct echo *e, struct str *text);
/* The continuation has ended: what of the bytes that are still held is new. */
struct str echo_rest(const struct echo *e);

#endif
