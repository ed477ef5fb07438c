/*
 * The parser of a provider's event stream: whatever the bytes and wherever they are cut, it gives
 * the same events, none longer than its bound. The first byte says how the rest is cut.
 */
#include <assert.h>
#include <stdlib.h>

#include <millrace/arena.h>

#include "runner/outside/sse.c"

#define EVENT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Everything that was dispatched, one after the other. */
struct seen {
	char *p;
	size_t n, room;
};

static bool
on_event(void *arg, struct str type, struct str data)
{
	struct seen *s = arg;
	struct str parts[] = { type, S("\x1f"), data, S("\x1e") };

	assert(data.n <= EVENT_MAX && type.n > 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		assert(add(&s->p, &s->n, &s->room, parts[i], SIZE_MAX));
	return !str_eq(data, S("[DONE]"));
}

static bool
parse(struct str bytes, size_t step, struct seen *seen)
{
	struct sse s;
	bool more = true;

	sse_init(&s, EVENT_MAX);
	while (more && bytes.n > 0) {
		size_t n = step < bytes.n ? step : bytes.n;

		more = sse_feed(&s, (struct str){ bytes.p, n }, on_event, seen);
		bytes.p += n;
		bytes.n -= n;
	}
	if (more)
		more = sse_end(&s, on_event, seen);
	sse_free(&s);
	return more;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct seen whole = { 0 }, cut = { 0 };
	struct str rest;
	bool a, b;

	if (n < 1)
		return 0;
	rest = (struct str){ (const char *)bytes + 1, n - 1 };
	a = parse(rest, rest.n, &whole);
	b = parse(rest, bytes[0] % 16 + 1U, &cut);
	assert(a == b);
	/*
	 * Where the parser gives up for length, it may have dispatched less: what both saw is the
	 * same.
	 */
	assert(!a || str_eq((struct str){ whole.p, whole.n }, (struct str){ cut.p, cut.n }));
	free(whole.p);
	free(cut.p);
	return 0;
}
