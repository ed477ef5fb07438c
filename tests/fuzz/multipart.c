/*
 * Forms. The first byte says in what pieces the body comes, the first line is the Content-Type, the
 * rest the body. It must be heard alike however it is cut, in order, within bounds, and no data may
 * hold the boundary.
 */
#undef NDEBUG
#include <assert.h>

#include <millrace/multipart.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* All that was told, one after the other. */
struct heard {
	struct buf told, data;
	int n_parts;
	bool in_part;
	struct str boundary;
};

static enum err
on_part(void *arg, struct str name, struct str file_name)
{
	struct heard *h = arg;

	assert(!h->in_part && name.p && str_utf8(name) && str_utf8(file_name));
	assert(++h->n_parts <= 128);
	h->in_part = true;
	h->data.n = 0;
	buf_put(&h->told, S("\n["));
	buf_put(&h->told, name);
	buf_put(&h->told, file_name.p ? S("|") : S("]"));
	buf_put(&h->told, file_name);
	return ERR_OK;
}

static enum err
on_data(void *arg, struct str bytes)
{
	struct heard *h = arg;

	assert(h->in_part && bytes.n > 0);
	buf_put(&h->told, bytes);
	buf_put(&h->data, bytes);
	return ERR_OK;
}

static enum err
on_end(void *arg)
{
	struct heard *h = arg;

	assert(h->in_part);
	h->in_part = false;
	/* It was text behind "\r\n--" that ended the part, so it stands nowhere within. */
	if (h->boundary.n > 0 && h->data.n > 0)
		assert(!memmem(h->data.p, h->data.n, h->boundary.p, h->boundary.n));
	buf_put(&h->told, S(";"));
	return ERR_OK;
}

/* What ended it, and in *h what was told before. ERR_INTERNAL where there is no parser for such a
 * type. */
static enum err
parse(struct arena *a, struct str type, struct str body, size_t step, struct heard *h)
{
	static const struct multipart_events events = { on_part, on_data, on_end };
	struct multipart *m = multipart_new(a, type, &events, h);
	enum err e = ERR_OK;

	if (!m)
		return ERR_INTERNAL;
	while (body.n > 0 && e == ERR_OK) {
		size_t n = body.n < step ? body.n : step;

		e = multipart_feed(m, (struct str){ body.p, n });
		body.p += n;
		body.n -= n;
	}
	if (e == ERR_OK)
		e = multipart_end(m);
	assert(e == ERR_OK || (e == ERR_BAD_REQUEST && *multipart_problem(m)));
	assert(e != ERR_OK || !h->in_part);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a;
	struct str text, type, body;
	struct heard whole = { .n_parts = 0 }, cut = { .n_parts = 0 };
	enum err e;

	if (n < 2)
		return 0;
	a = arena_new();
	whole.told.a = whole.data.a = cut.told.a = cut.data.a = a;
	text = (struct str){ (const char *)bytes + 1, n - 1 };
	body = str_cut(text, '\n', &type);
	if (str_eq(type, S("multipart/form-data; boundary=b")))
		whole.boundary = cut.boundary = S("\r\n--b");
	e = parse(a, type, body, body.n, &whole);
	assert(e == parse(a, type, body, (size_t)bytes[0] + 1, &cut));
	/* What is refused may have been heard to different lengths, but to no different beginning.
	 */
	if (e == ERR_OK)
		assert(str_eq(buf_str(&whole.told), buf_str(&cut.told)));
	arena_free(a);
	return 0;
}
