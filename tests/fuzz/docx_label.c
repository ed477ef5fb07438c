/*
 * The labels of numbered paragraphs: whatever a list's levels are and in whatever order its
 * paragraphs come, a label is UTF-8, within its bound, and without what XML cannot hold.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "extract/docx/docx_numbering.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Of the extractor's other files. */
bool
package_xml_whole(struct package *p, const char *part, const struct xml_events *events, void *arg)
{
	(void)p, (void)part, (void)events, (void)arg;
	return true;
}

struct bytes
xml_attr(const struct xml_element *e, enum ns ns, const char *name)
{
	(void)e, (void)ns, (void)name;
	return (struct bytes){ 0 };
}

struct input {
	const uint8_t *p;
	size_t n;
};

static unsigned
next(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

/* Pieces of a level's text: what may stand there, and what is near to a number's place. */
static char *
some_text(struct input *in)
{
	static const char *const pieces[] = { "%1", "%2", "%9", "%0", "%", ".", " ", "§", "第", "(",
		"\xef\x82\xb7", "o", "Clause ", "%%3" };
	char *to = grow(NULL, 600);
	size_t len = 0, count = next(in) % 90;

	for (; count > 0; count--) {
		const char *piece = pieces[next(in) % (sizeof(pieces) / sizeof(pieces[0]))];

		memcpy(to + len, piece, strlen(piece));
		len += strlen(piece);
	}
	to[len] = '\0';
	return to;
}

static char symbol[] = "Symbol";

static void
fill_level(struct docx_level *l, struct input *in)
{
	unsigned kind = next(in);

	*l = (struct docx_level){ .format = kind % (NUMBER_IDEOGRAPHS + 1), .restart = -1 };
	l->bullet = kind & 0x80;
	l->width = next(in);
	l->start = (int32_t)(next(in) << 23 | next(in) << 12 | next(in));
	l->restart = (int32_t)(next(in) % 12) - 2;
	l->legal = kind & 0x40;
	l->text = some_text(in);
	l->font = kind & 0x20 ? symbol : NULL;
}

static void
check(const char *label, size_t n)
{
	size_t i, used;
	uint32_t c;

	assert(n <= DOCX_LABEL_MAX);
	for (i = 0; i < n; i += used) {
		used = utf8_get((const unsigned char *)label + i, n - i, &c);
		assert(used > 0 && c >= ' ');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct docx_list list;
	static struct docx_num nums[2];
	struct docx_numbering all = { .lists = &list, .n_lists = 1, .nums = nums, .n_nums = 2 };
	struct input in = { bytes, n };
	char label[DOCX_LABEL_MAX];
	int i;

	list = (struct docx_list){ .id = 0 };
	for (i = 0; i < DOCX_LEVELS; i++)
		fill_level(&list.levels[i], &in);
	for (i = 0; i < 2; i++)
		nums[i] = (struct docx_num){ .id = i + 1 };
	for (i = 0; i < DOCX_LEVELS; i++) {
		nums[0].start[i] = -1;
		nums[1].start[i] = (int32_t)next(&in) - 1;
	}
	while (in.n > 0) {
		unsigned what = next(&in);

		check(label,
		    docx_label(&all, (int32_t)(what % 4), (int32_t)(what >> 3) - 4, NULL, label));
	}
	for (i = 0; i < DOCX_LEVELS; i++)
		free(list.levels[i].text);
	return 0;
}
