/*
 * Terms taken for German compounds, by a thesaurus in which every third word is: the parts lie in
 * the term, one after the other, and begin where characters do.
 */
#include <assert.h>
#include <stdint.h>

#include "runner/knowledge/compound.h"
#include "runner/knowledge/stems.h"
#include "runner/knowledge/thesaurus.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

void
thesaurus_each(enum thesaurus_relation r, struct str stem,
    void (*put)(void *arg, struct str word, double weight), void *arg)
{
	(void)r;
	if (term_hash(stem) % 3 == 0)
		put(arg, stem, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str term = { (const char *)bytes, n }, part[2];

	if (compound_split(a, term, part)) {
		assert(part[0].p == term.p && part[0].n > 0 && part[1].n > 0);
		assert(part[0].p + part[0].n <= part[1].p);
		assert(part[1].p + part[1].n == term.p + term.n);
		assert(((unsigned char)*part[1].p & 0xc0) != 0x80);
	}
	arena_free(a);
	return 0;
}
