/* X-Grant: the bytes as the header itself, and as the JSON within it. What is read is written and
 * read again the same. */
#undef NDEBUG
#include <assert.h>

#include <millrace/crypto.h>
#include <millrace/grant.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
read_grant(struct arena *a, struct str header)
{
	struct grant g = { 0 }, again = { 0 };

	if (grant_read(a, header, &g) != ERR_OK) {
		assert(!g.topic.p);
		return;
	}
	assert(g.topic.p && g.method.p && g.n_headers <= GRANT_HEADERS_MAX);
	assert(g.timeout_status >= 0 && g.timeout_status <= 599);
	for (size_t i = 0; i < g.n_headers; i++) {
		assert(g.headers[i].name.n > 0);
		for (size_t k = 0; k < g.headers[i].name.n; k++)
			assert((unsigned char)g.headers[i].name.p[k] >= 0x20);
		for (size_t k = 0; k < g.headers[i].value.n; k++)
			assert((unsigned char)g.headers[i].value.p[k] >= 0x20);
	}
	assert(grant_read(a, grant_write(a, &g), &again) == ERR_OK);
	assert(str_eq(g.topic, again.topic) && str_eq(g.method, again.method) &&
	       str_eq(g.request_id, again.request_id) && g.after == again.after &&
	       g.expires_at == again.expires_at && g.wait_seconds == again.wait_seconds &&
	       str_eq(g.timeout_body, again.timeout_body) && g.n_headers == again.n_headers);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str text = { (const char *)bytes, n };

	read_grant(a, text);
	read_grant(a, base64url(a, text));
	arena_free(a);
	return 0;
}
