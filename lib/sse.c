#include <millrace/sse.h>

#define WAIT_LEAST_S 5

int64_t
sse_wait_s(int64_t wait_s)
{
	return wait_s > WAIT_LEAST_S ? wait_s : WAIT_LEAST_S;
}

struct str
sse_refusal(struct arena *a, enum err e, struct str text, int64_t wait_s)
{
	struct buf b = { .a = a };

	buf_printf(&b, ": %s ", err_info(e)->code);
	buf_json(&b, text.p ? text : str_from(err_info(e)->text));
	buf_printf(&b, "\nretry: %lld\n", (long long)sse_wait_s(wait_s) * 1000);
	return buf_str(&b);
}
