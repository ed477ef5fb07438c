#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "runner/knowledge/near.h"
#include "sql_job.h"

static int
by_likeness(const void *a, const void *b)
{
	const struct near_passage *x = a, *y = b;

	return (x->likeness < y->likeness) - (x->likeness > y->likeness);
}

static uint32_t
big_endian(const unsigned char *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | (uint32_t)b[3];
}

/*
 * The product of the question's vector and a passage's, as PostgreSQL sends arrays (array_send()):
 * five numbers of 32 bits, then each element behind its length.
 */
static double
likeness(struct arena *scratch, const struct meaning *m, struct str hex)
{
	size_t len = hex.n / 2;
	unsigned char *bytes = arena_alloc(scratch, len + 1);
	double sum = 0;

	if (sodium_hex2bin(bytes, len, hex.p, hex.n, NULL, &len, NULL) != 0 || len != 20 + 8 * m->n)
		return -1;
	for (size_t i = 0; i < m->n; i++) {
		uint32_t bits = big_endian(bytes + 24 + 8 * i);
		float x;

		memcpy(&x, &bits, sizeof(x));
		sum += (double)x * (double)m->v[i];
	}
	return sum;
}

enum err
near_find(struct job *j, struct arena *scratch, const struct meaning *m, bool of_chatbot,
    struct near *out)
{
	PGresult *res = NULL;
	enum err e = job_runner_passages_near(
	    j, scratch, &res, j->owner, m->embedding, m->bits, m->vector, NEAR_LOOK, of_chatbot);

	if (e != ERR_OK)
		return e;
	for (int i = 0; i < PQntuples(res) && out->n < NEAR_LOOK; i++) {
		struct near_passage *p = &out->p[out->n++];
		struct str said = sql_get(res, i, 1);

		p->id = sql_get(res, i, 0);
		p->likeness = said.p ? strtod(arena_cstr(scratch, said), NULL)
				     : likeness(scratch, m, sql_get(res, i, 2));
	}
	qsort(out->p, out->n, sizeof(*out->p), by_likeness);
	out->n = out->n < NEAR_MOST ? out->n : NEAR_MOST;
	return ERR_OK;
}
