#include <string.h>

#include <millrace/query.h>

#include "runner/container/container.h"

#define CLEAR_MS 5000
#define USAGE_MS 5000
#define KILLED S("killed\n")

/*
 * kill spares the shell that calls it and the container's first process. Without CAP_KILL, as in a
 * container of other settings, it would spare strangers' commands as well: the container goes then.
 */
#define MEASURE "exec du -sk /workspace 2>/dev/null"
#define CLEAR                                                                              \
	S("while read -r name value; do case $name$value in CapEff:*24) kill -9 -1; echo " \
	  "killed;; "                                                                      \
	  "esac; done </proc/self/status; " MEASURE)
#define USAGE S(MEASURE)

struct said {
	char text[128];
	size_t n;
};

static bool
clear_on_bytes(void *arg, unsigned int stream, struct str bytes)
{
	struct said *s = arg;
	size_t n = bytes.n < sizeof(s->text) - s->n ? bytes.n : sizeof(s->text) - s->n;

	if (stream == 1) {
		memcpy(s->text + s->n, bytes.p, n);
		s->n += n;
	}
	return true;
}

/* What a short command of ours prints. */
static struct str
output_of(struct engine *e, const struct uuid *owner, struct str command, int64_t within_ms)
{
	struct said said = { .n = 0 };
	struct engine_exec x = { .on_bytes = clear_on_bytes, .arg = &said };

	if (engine_exec(e, owner, ENGINE_AS_ROOT, command, &x) == ENGINE_DONE)
		(void)!engine_attach(e, &x, within_ms);
	return arena_str(e->a, (struct str){ said.text, said.n });
}

/* The first word of what du says. */
static int64_t
kib_of(struct str text)
{
	int64_t kib;
	struct str word;

	(void)str_cut(text, '\t', &word);
	return str_int(word, &kib) ? kib : SQL_NULL_INT;
}

int64_t
container_usage(struct engine *e, const struct uuid *owner)
{
	return kib_of(output_of(e, owner, USAGE, USAGE_MS));
}

enum clear_end
container_clear(struct engine *e, const struct uuid *owner, int64_t *kib)
{
	struct str text = output_of(e, owner, CLEAR, CLEAR_MS);

	*kib = SQL_NULL_INT;
	if (str_starts(text, KILLED)) {
		text.p += KILLED.n;
		text.n -= KILLED.n;
		*kib = kib_of(text);
		return CLEAR_DONE;
	}
	return engine_remove(e, owner, true) == ENGINE_DONE ? CLEAR_GONE : CLEAR_UNKNOWN;
}
