#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/knowledge/thesaurus.h"

static struct {
	const struct thesaurus_header *head;
	const uint32_t *end; /* of each word in the text */
	const uint32_t *pair_end[THESAURUS_N], *pair[THESAURUS_N];
	const char *text;
} t;

/* The file's length as its header has it. */
static size_t
length(const struct thesaurus_header *h)
{
	size_t n = sizeof(*h) + (THESAURUS_N + 1) * (size_t)h->n_words * sizeof(uint32_t);

	for (int r = 0; r < THESAURUS_N; r++)
		n += h->n_pairs[r] * sizeof(uint32_t);
	return n + h->text_len;
}

bool
thesaurus_open(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	const struct thesaurus_header *h = MAP_FAILED;
	const uint32_t *at;
	struct stat st;

	if (file < 0)
		return false;
	if (fstat(file, &st) == 0 && (size_t)st.st_size >= sizeof(*h))
		h = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, file, 0);
	(void)close(file);
	if (h == MAP_FAILED || h->magic != THESAURUS_MAGIC || length(h) != (size_t)st.st_size)
		return false;
	at = (const uint32_t *)(h + 1);
	t.end = at;
	at += h->n_words;
	for (int r = 0; r < THESAURUS_N; r++) {
		t.pair_end[r] = at;
		t.pair[r] = at + h->n_words;
		at += h->n_words + h->n_pairs[r];
	}
	t.text = (const char *)at;
	t.head = h;
	return true;
}

static struct str
word_at(size_t i)
{
	uint32_t from = i > 0 ? t.end[i - 1] : 0;

	return (struct str){ t.text + from, t.end[i] - from };
}

/* The number of a word, or the count of all where it is not there. */
static size_t
find(struct str word)
{
	size_t from = 0, to = t.head->n_words;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		struct str w = word_at(mid);
		int c = memcmp(w.p, word.p, w.n < word.n ? w.n : word.n);

		if (c == 0 && w.n == word.n)
			return mid;
		if (c < 0 || (c == 0 && w.n < word.n))
			from = mid + 1;
		else
			to = mid;
	}
	return t.head->n_words;
}

void
thesaurus_each(enum thesaurus_relation r, struct str stem,
    void (*put)(void *arg, struct str word, double weight), void *arg)
{
	size_t i;

	if (t.head == NULL || (i = find(stem)) == t.head->n_words)
		return;
	for (uint32_t k = i > 0 ? t.pair_end[r][i - 1] : 0; k < t.pair_end[r][i]; k++)
		put(arg, word_at(t.pair[r][k] >> 8), (t.pair[r][k] & 255) / 255.0);
}
