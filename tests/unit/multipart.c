/*
 * lib/multipart.c: forms cut at every place, forms that lie, and binary data that must come out as
 * it went in.
 */
#include <millrace/multipart.h>

#include "test.h"

#define TYPE S("multipart/form-data; boundary=bnd")

static struct arena *mem;
static struct buf heard; /* [name|file name or -]bytes; for each part */
static enum err refuse_with;
static const char *problem;

static enum err
on_part(void *arg, struct str name, struct str file_name)
{
	(void)arg;
	buf_printf(&heard, "[%.*s|", S_ARG(name));
	buf_put(&heard, file_name.p ? file_name : S("-"));
	buf_put(&heard, S("]"));
	return refuse_with;
}

static enum err
on_data(void *arg, struct str bytes)
{
	(void)arg;
	buf_put(&heard, bytes);
	return ERR_OK;
}

static enum err
on_end(void *arg)
{
	(void)arg;
	buf_put(&heard, S(";"));
	return ERR_OK;
}

static const struct multipart_events events = { on_part, on_data, on_end };

/* Feeds a copy of its own to the parser, so that a read past its end is seen. */
static enum err
feed(struct multipart *m, const char *p, size_t n)
{
	char *copy = xmalloc(n);
	enum err e;

	if (n > 0)
		memcpy(copy, p, n);
	e = multipart_feed(m, (struct str){ copy, n });
	free(copy);
	return e;
}

/* Parses a body in pieces of at most `step` bytes, the first of `first`. */
static enum err
parse(struct str type, struct str body, size_t first, size_t step)
{
	struct multipart *m = multipart_new(mem, type, &events, NULL);
	enum err e = ERR_OK;

	heard = (struct buf){ .a = mem };
	problem = NULL;
	if (!m)
		return ERR_UNSUPPORTED_MEDIA_TYPE;
	for (size_t at = 0, n; at < body.n && e == ERR_OK; at += n) {
		n = at == 0 ? first : step;
		n = n < body.n - at ? n : body.n - at;
		e = feed(m, body.p + at, n);
	}
	if (e == ERR_OK)
		e = multipart_end(m);
	problem = multipart_problem(m);
	return e;
}

/* At once, a byte at a time, and cut in two at every place: is it always heard so? */
static bool
is_heard(struct str body, const char *want)
{
	bool good = true;

	for (size_t i = 0; i <= body.n && good; i++) {
		size_t first = i == 0 ? 1 : i;

		EACH(good,
		    parse(TYPE, body, first, i == 0 ? 1 : body.n) == ERR_OK &&
			str_eq(buf_str(&heard), str_from(want)),
		    "cut at %zu: %s, %s", i, buf_str(&heard).p, problem);
	}
	arena_reset(mem);
	return good;
}

static bool
is_refused(struct str body)
{
	bool good = true;

	for (size_t i = 0; i <= body.n && good; i++) {
		size_t first = i == 0 ? 1 : i;

		EACH(good, parse(TYPE, body, first, i == 0 ? 1 : body.n) == ERR_BAD_REQUEST,
		    "cut at %zu is taken: %s", i, buf_str(&heard).p);
		EACH(good, problem && *problem, "cut at %zu has no sentence", i);
	}
	arena_reset(mem);
	return good;
}

#define DISPOSITION "Content-Disposition: form-data; "
#define PART(parameters, body) "--bnd\r\n" DISPOSITION parameters "\r\n\r\n" body "\r\n"
#define END "--bnd--\r\n"

static void
well_formed(void)
{
	CHECK("two parts",
	    is_heard(S(PART("name=\"a\"", "one") PART("name=\"f\"; filename=\"x.pdf\"", "two") END),
		"[a|-]one;[f|x.pdf]two;"));
	CHECK("an empty body", is_heard(S(PART("name=a", "") END), "[a|-];"));
	CHECK("no part at all", is_heard(S(END), ""));
	CHECK("no line end at the end", is_heard(S(PART("name=a", "x") "--bnd--"), "[a|-]x;"));
	CHECK("preamble and epilogue", is_heard(S("This is\r\na preamble --bnd\r\n" PART(
						    "name=a", "x") END "an\r\n--bnd\r\nepi"),
					   "[a|-]x;"));
	CHECK("line ends around",
	    is_heard(S("\r\n\r\n" PART("name=a", "\r\n\r\n") END), "[a|-]\r\n\r\n;"));
	CHECK("other headers, in any case",
	    is_heard(S("--bnd\r\nX-Name: name=\"no\"\r\ncontent-DISPOSITION:form-data; "
		       "name=\"a\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx\r\n" END),
		"[a|-]x;"));
	CHECK("an encoding that changes nothing",
	    is_heard(S("--bnd\r\nContent-Transfer-Encoding: Binary \r\n" DISPOSITION
		       "name=a\r\n\r\nx\r\n" END),
		"[a|-]x;"));
	CHECK("an encoding of mails",
	    is_refused(S("--bnd\r\n" DISPOSITION "name=a\r\nContent-transfer-encoding:base64\r\n"
			 "\r\neA==\r\n" END)));
}

static void
like_boundaries(void)
{
	static const char data[] =
	    "\r\n--bn\r\n--bn\r--bnd\n--bnd\r\r\n-\r\n--\r\n --bnd\r\n--BND\r";
	struct arena *a = arena_new();
	struct str body = arena_printf(a, PART("name=a", "%s") END, data);

	CHECK(
	    "data that is almost a boundary", is_heard(body, arena_printf(a, "[a|-]%s;", data).p));
	CHECK(
	    "a boundary with something behind it", is_refused(S(PART("name=a", "\r\n--bndx") END)));
	CHECK("a boundary that ends in LF only",
	    is_refused(S("--bnd\n" DISPOSITION "name=a\n\nx\n--bnd--\n")));
	CHECK("half a closing boundary", is_refused(S(PART("name=a", "x") "--bnd-x\r\n")));
	arena_free(a);
}

static void
names(void)
{
	CHECK("quotes and backslashes in names",
	    is_heard(S(PART("name=\"a\\\"b\\\\\"; filename=\"c;d=\\\"e\\\".txt\"", "x") END),
		"[a\"b\\|c;d=\"e\".txt]x;"));
	CHECK("quotes as browsers write them, and no other per cent sign",
	    is_heard(S(PART("name=\"a%22\"; filename=\"%22b%22 %2522%0A%2.txt\"", "x") END),
		"[a\"|\"b\" %2522%0A%2.txt]x;"));
	CHECK("a Windows path keeps its backslashes",
	    is_heard(S(PART("name=\"a\"; filename=\"C:\\dir\\x.txt\"", "x") END),
		"[a|C:\\dir\\x.txt]x;"));
	CHECK("names without quotes",
	    is_heard(S(PART("filename=x.txt ; name=a ", "x") END), "[a|x.txt]x;"));
	CHECK("the file name before the name",
	    is_heard(S(PART("filename=\"name=b; name=c\"; name=\"a\"", "x") END),
		"[a|name=b; name=c]x;"));
	CHECK(
	    "UTF-8", is_heard(S(PART("name=\"\xc3\xa4\"; filename=\"\xf0\x9f\x98\x80\"", "x") END),
			 "[\xc3\xa4|\xf0\x9f\x98\x80]x;"));
	CHECK("an empty name, an empty file name",
	    is_heard(S(PART("name=\"\"; filename=\"\"", "x") END), "[|]x;"));
	CHECK("an open quote", is_heard(S(PART("name=\"abc", "x") END), "[abc|-]x;"));
	CHECK("not UTF-8", is_refused(S(PART("name=\"\xff\"", "x") END)) &&
			       is_refused(S(PART("name=a; filename=\"\xc3\"", "x") END)));
	CHECK("no name", is_refused(S(PART("filename=\"a\"", "x") END)) &&
			     is_refused(S(PART("", "x") END)) &&
			     is_refused(S("--bnd\r\nX: y\r\n\r\nx\r\n" END)));
	CHECK("no headers", is_refused(S("--bnd\r\n\r\nx\r\n" PART("name=a", "y") END)));
	CHECK("headers that are none",
	    is_refused(S("--bnd\r\nhello\r\n" DISPOSITION "name=a\r\n\r\nx\r\n" END)));
}

static void
unfinished(void)
{
	static const char whole[] =
	    PART("name=\"a\"", "one") PART("name=\"f\"; filename=\"x\"", "two") "--bnd--";
	bool good = true;

	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		EACH(good, parse(TYPE, (struct str){ whole, n }, n, n) == ERR_BAD_REQUEST,
		    "%zu bytes", n);
	CHECK("a form that is cut short anywhere is refused", good);
	CHECK("a form with another boundary",
	    is_refused(S("--other\r\n" DISPOSITION "name=a\r\n\r\nx\r\n--other--\r\n")));
	CHECK("no form at all",
	    is_refused(S("{\"a\":1}")) && parse(TYPE, S(""), 1, 1) == ERR_BAD_REQUEST);
	refuse_with = ERR_TOO_LARGE;
	CHECK("a listener's err ends it",
	    parse(TYPE, S(PART("name=a", "x") END), 1000, 1000) == ERR_TOO_LARGE);
	refuse_with = ERR_OK;
	arena_reset(mem);
}

static struct str
many_parts(int n)
{
	struct buf b = { .a = mem };

	for (int i = 0; i < n; i++)
		buf_put(&b, S(PART("name=a", "x")));
	buf_put(&b, S(END));
	return buf_str(&b);
}

/* A part whose headers have n bytes, without the empty line. */
static struct str
long_headers(size_t n)
{
	struct buf b = { .a = mem };
	static const char begin[] = DISPOSITION "name=a\r\nX: ";

	buf_put(&b, S("--bnd\r\n"));
	buf_put(&b, str_from(begin));
	for (size_t i = sizeof(begin) - 1; i < n; i++)
		buf_put(&b, S("y"));
	buf_put(&b, S("\r\n\r\nx\r\n" END));
	return buf_str(&b);
}

static void
bounds(void)
{
	struct buf b;

	CHECK("128 parts", parse(TYPE, many_parts(128), 7, 100) == ERR_OK);
	CHECK("129 are refused", parse(TYPE, many_parts(129), 7, 100) == ERR_BAD_REQUEST);
	CHECK("ten thousand too", parse(TYPE, many_parts(10000), 4096, 4096) == ERR_BAD_REQUEST);
	CHECK("8 KiB of headers", parse(TYPE, long_headers(8192), 1, 1000) == ERR_OK &&
				      parse(TYPE, long_headers(8192), 20000, 20000) == ERR_OK);
	CHECK("more are refused",
	    parse(TYPE, long_headers(8193), 1, 1000) == ERR_BAD_REQUEST &&
		parse(TYPE, long_headers(8193), 20000, 20000) == ERR_BAD_REQUEST);
	CHECK("and headers without end",
	    parse(TYPE, long_headers(1000000), 5000, 5000) == ERR_BAD_REQUEST);
	b = (struct buf){ .a = mem };
	buf_put(&b, S("--bnd\r\n" DISPOSITION "x"));
	for (int i = 0; i < 2000; i++)
		buf_put(&b, S(";a="));
	buf_put(&b, S("; name=a\r\n\r\nx\r\n" END));
	CHECK("a header of two thousand parameters",
	    parse(TYPE, buf_str(&b), 3, 1000) == ERR_OK && str_eq(buf_str(&heard), S("[a|-]x;")));
	arena_reset(mem);
}

static void
content_types(void)
{
	static const char *const good_ones[] = { "multipart/form-data; boundary=bnd",
		"Multipart/Form-Data;boundary=\"bnd\"",
		"multipart/form-data; charset=utf-8; Boundary=bnd",
		"multipart/form-data; boundary=bnd; charset=utf-8" };
	static const char *const bad_ones[] = { "", "multipart/form-data",
		"multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"",
		"multipart/mixed; boundary=bnd", "application/json",
		"multipart/form-datax; boundary=b", "multipart/form-data; xboundary=bnd",
		"multipart/form-data; boundary="
		"12345678901234567890123456789012345678901234567890123456789012345678901" };
	bool good = true;

	for (size_t i = 0; i < sizeof(good_ones) / sizeof(*good_ones); i++)
		EACH(good,
		    parse(str_from(good_ones[i]), S(PART("name=a", "x") END), 9, 9) == ERR_OK, "%s",
		    good_ones[i]);
	CHECK("content types with a boundary", good);
	good = true;
	for (size_t i = 0; i < sizeof(bad_ones) / sizeof(*bad_ones); i++)
		EACH(good, !multipart_new(mem, str_from(bad_ones[i]), &events, NULL), "%s",
		    bad_ones[i]);
	CHECK("others have no parser",
	    good && !multipart_new(mem, (struct str){ NULL, 0 }, &events, NULL));
	arena_reset(mem);
}

/* Random bytes, with many CRs, LFs and dashes among them, in random pieces. */
static void
round_trips(void)
{
	static const char some[] = "\r\n--bnd\0x";
	uint32_t state = 7;
	bool good = true;

	for (int turn = 0; turn < 300; turn++) {
		size_t n = test_random(&state) % 30000;
		char *data = arena_alloc(mem, n + 1);
		struct buf b = { .a = mem };

		for (size_t i = 0; i < n; i++)
			data[i] = turn % 3 ? some[test_random(&state) % (sizeof(some) - 1)]
					   : (char)test_random(&state);
		if (memmem(data, n, "\r\n--bnd", 7) || (n >= 5 && memcmp(data, "--bnd", 5) == 0))
			continue;
		buf_put(&b, S("--bnd\r\n" DISPOSITION "name=a\r\n\r\n"));
		buf_put(&b, (struct str){ data, n });
		buf_put(&b, S("\r\n" END));
		EACH(good,
		    parse(TYPE, buf_str(&b), 1 + test_random(&state) % 9000,
			1 + test_random(&state) % (turn % 2 ? 20 : 9000)) == ERR_OK &&
			heard.n == n + 6 && memcmp(heard.p + 5, data, n) == 0,
		    "turn %d", turn);
		arena_reset(mem);
	}
	CHECK("binary data comes out as it went in", good);
}

int
main(void)
{
	mem = arena_new();
	well_formed();
	like_boundaries();
	names();
	unfinished();
	bounds();
	content_types();
	round_trips();
	arena_free(mem);
	return test_end();
}
