#include "runner/jobs/task.h"
#include "runner/thread.h"

static void
empty(struct task_batch *b)
{
	arena_reset(b->a);
	b->ids = arena_alloc(b->a, TASK_BATCH_ROWS * sizeof(*b->ids));
	b->more = arena_alloc(b->a, TASK_BATCH_ROWS * sizeof(*b->more));
	b->k = arena_alloc(b->a, TASK_BATCH_ROWS * sizeof(*b->k));
	b->n = b->bytes = 0;
	b->good = true;
}

void
task_flow_begin(struct task_flow *f)
{
	for (size_t i = 0; i < 2; i++) {
		f->both[i] = (struct task_batch){ .j = f->j, .a = arena_new() };
		empty(&f->both[i]);
	}
	f->at = 0;
}

struct task_batch *
task_flow_batch(struct task_flow *f)
{
	return &f->both[f->at];
}

static void *
make_keys(void *arg)
{
	struct task_batch *b = arg;

	b->good = task_keys_make(b->j, b->a, b->k, b->n, &b->o);
	return NULL;
}

/* Waits for its keys. */
static bool
batch_wait(struct task_batch *b, struct outcome *o)
{
	if (b->runs)
		pthread_join(b->thread, NULL);
	b->runs = false;
	if (!b->good)
		*o = b->o;
	return b->good;
}

static struct str_list
new_list(const struct task_batch *b)
{
	return (struct str_list){ arena_alloc(b->a, (b->n + 1) * sizeof(struct str)), b->n };
}

static bool
store(struct task_flow *f, struct task_batch *b, struct outcome *o)
{
	struct task_lists l = { { b->ids, b->n }, { b->more, b->n }, new_list(b), new_list(b),
		new_list(b), new_list(b), new_list(b) };
	bool good;

	if (b->n == 0)
		return true;
	for (size_t i = 0; i < b->n; i++) {
		l.e164.p[i] = b->k[i].e164;
		l.phone.p[i] = b->k[i].phone_key;
		l.email.p[i] = b->k[i].email_key;
		l.mailbox.p[i] = b->k[i].mailbox_key;
		l.name.p[i] = b->k[i].name_key;
	}
	good = f->store(f->arg, b, &l, o);
	empty(b);
	return good;
}

bool
task_flow_next(struct task_flow *f, struct outcome *o)
{
	struct task_batch *b = &f->both[f->at], *before = &f->both[1 - f->at];

	if (!batch_wait(before, o))
		return false;
	b->runs = b->n > 0 && thread_start(&b->thread, make_keys, b, false);
	if (!b->runs)
		make_keys(b);
	f->at = 1 - f->at;
	return store(f, before, o);
}

bool
task_flow_end(struct task_flow *f, bool good, struct outcome *o)
{
	struct outcome dropped;
	struct task_batch *last;

	good = good && task_flow_next(f, o);
	last = &f->both[1 - f->at];
	good = batch_wait(last, good ? o : &dropped) && good && store(f, last, o);
	for (size_t i = 0; i < 2; i++)
		arena_free(f->both[i].a);
	return good;
}
