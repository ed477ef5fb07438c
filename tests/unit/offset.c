/* streamd/socketio/offset.c: rooms' names, and offsets as they are written, read and refused. */
#include "streamd/socketio/offset.h"
#include "test.h"

#define A "0198c0de-0000-7000-8000-000000000001"
#define B "0198c0de-0000-7000-8000-000000000002"

static const char *const bad[] = {
	"",
	"~~",
	"a" A,
	"a" A ".",
	"a" A ".x",
	"a" A ".-1",
	"a" A ".9223372036854775807",
	"a" A ".99999999999999999999",
	"b" A ".1",
	"a0198c0de.1",
	"a" A ".1~",
	"~a" A ".1",
	"a" A ".1~a" A ".2",
	"a" A ".1~u" B,
	"a" A " 1",
};

static void
test_rooms(void)
{
	struct arena *a = arena_new();
	struct offset p = { .seq = 7 };
	bool taken = offset_of_room(S("agent_0198C0DE-0000-7000-8000-000000000001"), &p);

	CHECK("an agent's room", taken && p.kind == 'a' && p.seq == 7 &&
				     str_eq(offset_room(a, &p), S("agent_" A)) &&
				     str_eq(offset_topic(a, &p), S("agent:" A)));
	CHECK("a user's room", offset_of_room(S("user_" B), &p) && p.kind == 'u' &&
				   str_eq(offset_topic(a, &p), S("user:" B)));
	CHECK("other names", !offset_of_room(S("run_" B), &p) && !offset_of_room(S("user"), &p) &&
				 !offset_of_room(S("user_"), &p) &&
				 !offset_of_room(S("agent_1"), &p) &&
				 !offset_of_room(S("user:" B), &p));
	arena_free(a);
}

static void
test_offsets(void)
{
	struct arena *a = arena_new();
	struct offset p[OFFSETS_MAX];
	struct buf b = { .a = a };
	const struct str two = S("a" A ".0~u" B ".1234567890123");
	int n = offsets_read(two, p);
	bool good = true;

	CHECK("an offset is read", n == 2 && p[0].kind == 'a' && p[0].seq == 0 &&
				       p[1].kind == 'u' && p[1].seq == 1234567890123);
	for (int i = 0; i < n; i++)
		offset_put(&b, &p[i]);
	CHECK("and written unchanged", str_eq(buf_str(&b), two));
	CHECK("the offset of no rooms", offsets_read(S("~"), p) == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, offsets_read(str_from(bad[i]), p) == -1, "%s", bad[i]);
	CHECK("malformed offsets", good);
	arena_free(a);
}

static void
test_most(void)
{
	struct arena *a = arena_new();
	struct offset p[OFFSETS_MAX];
	struct buf b = { .a = a };

	for (int i = 0; i <= OFFSETS_MAX; i++) {
		struct offset one = { .kind = 'u', .seq = INT64_MAX - 1 };

		(void)uuid_parse(arena_printf(a, "0198c0de-0000-7000-8000-%012d", i), &one.id);
		if (i == OFFSETS_MAX)
			CHECK("as many as may be", offsets_read(buf_str(&b), p) == OFFSETS_MAX);
		offset_put(&b, &one);
	}
	CHECK("one more", offsets_read(buf_str(&b), p) == -1);
	arena_free(a);
}

int
main(void)
{
	test_rooms();
	test_offsets();
	test_most();
	return test_end();
}
