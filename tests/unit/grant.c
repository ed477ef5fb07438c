/* lib/identity/grant.c: what a worker writes is what streamd reads, and anything else is refused.
 */
#include <millrace/crypto.h>
#include <millrace/grant.h>

#include "test.h"

#define USER "0190b3e8-8a54-7c3e-9d55-0242ac120002"

static struct arena *mem;

static struct grant
example(void)
{
	struct grant g = { .method = S("GET"),
		.topic = S("run:" USER),
		.after = INT64_MAX - 1,
		.expires_at = 1893456000,
		.wait_seconds = 50,
		.timeout_status = 504,
		.timeout_body = S("{\"error\":\"\xc3\xa4 \\\"late\\\"\"}"),
		.n_headers = 2,
		.request_id = S("req-1.x_Y") };

	if (!uuid_parse(S(USER), &g.user))
		abort();
	g.session = g.key = g.user;
	g.token_hash = S("\xff hash");
	g.analytics = true;
	g.headers[0] = (struct grant_header){ S("X-RateLimit-Limit"), S("600") };
	g.headers[1] = (struct grant_header){ S("Link"), S("</api?a=1>; rel=\"next\"") };
	return g;
}

static bool
same(const struct grant *a, const struct grant *b)
{
	bool good = str_eq(a->method, b->method) && str_eq(a->topic, b->topic) &&
		    str_eq(uuid_str(&a->user), uuid_str(&b->user)) && a->after == b->after &&
		    str_eq(uuid_str(&a->session), uuid_str(&b->session)) &&
		    str_eq(uuid_str(&a->key), uuid_str(&b->key)) && a->analytics == b->analytics &&
		    str_eq(a->token_hash, b->token_hash) && a->expires_at == b->expires_at &&
		    a->wait_seconds == b->wait_seconds && a->timeout_status == b->timeout_status &&
		    str_eq(a->timeout_body, b->timeout_body) &&
		    str_eq(a->request_id, b->request_id) && a->n_headers == b->n_headers;

	for (size_t i = 0; good && i < a->n_headers; i++)
		good = str_eq(a->headers[i].name, b->headers[i].name) &&
		       str_eq(a->headers[i].value, b->headers[i].value);
	return good;
}

static void
round_trip(void)
{
	struct grant g = example(), out;
	struct str text = grant_write(mem, &g);

	CHECK("a grant comes back", grant_read(mem, text, &out) == ERR_OK && same(&g, &out));
	CHECK("it has only characters of base64url",
	    strspn(text.p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
		text.n);
	for (g.n_headers = 0; g.n_headers < GRANT_HEADERS_MAX; g.n_headers++)
		g.headers[g.n_headers] = (struct grant_header){ S("X-A"), S("") };
	CHECK("eight headers",
	    grant_read(mem, grant_write(mem, &g), &out) == ERR_OK && same(&g, &out));
	g = (struct grant){ .method = S("HEAD"), .topic = S("user:x") };
	CHECK("without a user",
	    grant_read(mem, grant_write(mem, &g), &out) == ERR_OK && !out.user.text[0]);
	g = example();
	g.timeout_body = (struct str){ NULL, 0 };
	g.timeout_status = 0;
	g.n_headers = 0;
	CHECK("a stream has no response for a time limit",
	    grant_read(mem, grant_write(mem, &g), &out) == ERR_OK && same(&g, &out) &&
		!out.timeout_body.p);
}

#define BEGIN "{\"method\":\"GET\",\"user\":\"" USER "\",\"topic\":\"run:x\""

static bool
is_refused(struct str json)
{
	struct grant out = { 0 };

	return grant_read(mem, base64url(mem, json), &out) == ERR_BAD_REQUEST && !out.topic.p;
}

static void
hostile(void)
{
	static const char *const bad[] = { "", "{}", "[]", "null", "1", "\"x\"", "{", BEGIN,
		"{\"method\":\"GET\",\"user\":\"" USER "\"}",
		"{\"method\":\"GET\",\"topic\":\"run:x\",\"user\":\"x\"}",
		"{\"user\":\"" USER "\",\"topic\":\"run:x\"}",
		"{\"method\":1,\"user\":\"" USER "\",\"topic\":\"run:x\"}",
		BEGIN ",\"timeout_status\":99999}", BEGIN ",\"timeout_status\":-1}",
		BEGIN ",\"timeout_status\":4294967496}", BEGIN ",\"headers\":[1]}",
		BEGIN ",\"headers\":[[]]}", BEGIN ",\"headers\":[[\"a\"]]}",
		BEGIN ",\"headers\":[[\"a\",\"b\",\"c\"]]}", BEGIN ",\"headers\":[[\"a\",1]]}",
		BEGIN ",\"headers\":[[\"\",\"b\"]]}", BEGIN ",\"headers\":[[null,\"b\"]]}",
		BEGIN ",\"headers\":[[\"a\",\"b\\r\\nX: y\"]]}",
		BEGIN ",\"headers\":[[\"a: b\\r\\nX\",\"y\"]]}",
		BEGIN ",\"headers\":[[\"a\",\"b\\u007f\"]]}",
		BEGIN
		",\"headers\":[[\"a\",\"\"],[\"a\",\"\"],[\"a\",\"\"],[\"a\",\"\"],[\"a\",\"\"],"
		"[\"a\",\"\"],[\"a\",\"\"],[\"a\",\"\"],[\"a\",\"\"]]}",
		BEGIN ",\"request_id\":\"\\u0000\"}" };
	struct grant out;
	bool good = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, is_refused(str_from(bad[i])), "%s", bad[i]);
	CHECK("malformed grants are refused", good);
	CHECK("the shortest grant", grant_read(mem, base64url(mem, S(BEGIN "}")), &out) == ERR_OK &&
					out.n_headers == 0 && out.after == 0);
	CHECK(
	    "no base64url", grant_read(mem, S("!!!"), &out) == ERR_BAD_REQUEST &&
				grant_read(mem, S(BEGIN "}"), &out) == ERR_BAD_REQUEST &&
				grant_read(mem, S(""), &out) == ERR_BAD_REQUEST &&
				grant_read(mem, (struct str){ NULL, 0 }, &out) == ERR_BAD_REQUEST);
	CHECK("not UTF-8", is_refused(S("{\"method\":\"\xff\"}")));
}

/* A grant with one byte changed is read or refused without a crash. */
static void
changed(void)
{
	struct grant g = example(), out;
	struct str text = grant_write(mem, &g);
	uint32_t state = 3;
	size_t n_read = 0;

	for (int i = 0; i < 5000; i++) {
		struct arena *a = arena_new();
		char *copy = arena_cstr(a, text);

		copy[test_random(&state) % text.n] = (char)test_random(&state);
		n_read += grant_read(a, (struct str){ copy, text.n }, &out) == ERR_OK;
		arena_free(a);
	}
	CHECK("changed bytes do not crash", n_read < 5000);
}

int
main(void)
{
	mem = arena_new();
	round_trip();
	hostile();
	changed();
	arena_free(mem);
	return test_end();
}
