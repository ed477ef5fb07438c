/*
 * The provider that needs no key and no network. It quotes the caller's documents, with their
 * sources, and says that this is what it does; it is no model and does not pass for one. The same
 * question over the same documents gives the same answer, so that a second attempt goes on where
 * the first one was cut.
 */
#include "runner/knowledge/furniture.h"
#include "runner/knowledge/words.h"
#include "runner/models/provider.h"

#define LITTLE_LESS (-1e-3) /* than any other sentence */
#define LED 0.8 /* what a word counts that the heading of a sentence has */
#define HEADING 0.7 /* and what its own count, beside those of a sentence */
#define QUOTES 4 /* passages quoted at most */
#define QUOTED_EACH 3 /* sentences of one */
#define QUOTE_MAX 600 /* bytes of one quotation */
#define PIECE 20 /* bytes of a delta, about */
#define PIECE_MS 8

#define HOW_TO_CONFIGURE                                                                  \
	"No language model is configured on this server. An administrator can set "       \
	"OPENAI_API_KEY, "                                                                \
	"ANTHROPIC_API_KEY or GEMINI_API_KEY (or, for another OpenAI-compatible server, " \
	"OPENAI_BASE_URL and OPENAI_MODEL) and restart the runner."

/* A passage's sentences, and how much of the question each holds. */
struct rated {
	struct str sentence[SUPPORT_MAX];
	bool leads[SUPPORT_MAX]; /* sentence_leads() */
	double weight[SUPPORT_MAX];
	size_t n;
	double best;
};

static bool
is_idle(struct str s)
{
	return furniture_is_shouted(s) || furniture_is_entry(s) || furniture_is_address(s);
}

/*
 * A question, or a heading, says what the sentence behind it is about; it is no answer itself,
 * where one follows.
 */
static void
rate(const struct passage *p, struct rated *r)
{
	struct str sentence, text = p->text;
	double led = 0;

	r->n = 0;
	for (text = quote_next(text, &sentence); sentence.n > 0 && r->n < SUPPORT_MAX;
	     text = quote_next(text, &sentence)) {
		double own = r->n < p->n_support ? p->support[r->n] : 0;

		r->leads[r->n] = sentence_leads(sentence);
		r->weight[r->n] = is_idle(sentence) ? LITTLE_LESS : own + LED * led * (1 - own);
		led = !r->leads[r->n] ? 0 : own > led ? own : led;
		r->sentence[r->n++] = sentence;
	}
	r->best = -1;
	for (size_t i = 0; i < r->n; i++) {
		if (i + 1 < r->n && r->leads[i])
			r->weight[i] *= sentence_asks(r->sentence[i]) ? 0 : HEADING;
		r->best = r->weight[i] > r->best ? r->weight[i] : r->best;
	}
}

/* A sentence with each run of white space as one space, cut between words where it is very long. */
static void
put_sentence(struct buf *b, struct str s)
{
	size_t most = s.n > QUOTE_MAX ? QUOTE_MAX : s.n, word = most;

	while (most < s.n && word > 0 && !strchr(" \n\t", s.p[word]))
		word--;
	most = word > QUOTE_MAX / 2 ? word : most;
	while (most < s.n && most > 0 && ((unsigned char)s.p[most] & 0xc0) == 0x80)
		most--;
	for (size_t i = 0, from = 0; i <= most; i++) {
		if (i < most && !strchr(" \n\t", s.p[i]))
			continue;
		buf_put(b, (struct str){ s.p + from, i - from });
		if (i < most && from < i)
			buf_put(b, S(" "));
		from = i + 1;
	}
	if (most < s.n)
		buf_put(b, S("…"));
}

/* What has been quoted. */
struct quoted {
	struct str sentence[QUOTES * QUOTED_EACH];
	size_t n, passages;
};

/* Is it one of the best of its passage, and not quoted yet? The next passage may begin with it. */
static bool
is_quotable(const struct rated *r, size_t i, double least, const struct quoted *q)
{
	size_t better = 0;

	for (size_t k = 0; k < q->n; k++)
		if (str_eq(q->sentence[k], r->sentence[i]))
			return false;
	for (size_t k = 0; k < r->n; k++)
		better += r->weight[k] > r->weight[i] || (r->weight[k] == r->weight[i] && k < i);
	return r->weight[i] >= least && better < QUOTED_EACH;
}

/*
 * The best sentences of a passage, in their order, as one quotation; "…" where some are left out.
 * False: there is nothing new.
 */
static bool
put_quote(struct buf *b, const struct rated *r, double least, size_t number, struct quoted *q)
{
	size_t n = 0, next = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (!is_quotable(r, i, least, q))
			continue;
		buf_put(b, n == 0 ? S("> ") : i == next ? S(" ") : S(" … "));
		put_sentence(b, r->sentence[i]);
		q->sentence[q->n + n++] = r->sentence[i];
		next = i + 1;
	}
	if (n == 0)
		return false;
	q->n += n;
	q->passages++;
	buf_printf(b, " [%zu]\n\n", number);
	return true;
}

static struct str
quotations(struct call *c)
{
	struct buf b = { .a = c->a }, sources = { .a = c->a };
	struct rated *r = arena_alloc(c->a, sizeof(*r));
	struct quoted quoted = { .n = 0 };
	double best = -1, least;

	for (size_t i = 0; i < c->found->n; i++) {
		rate(&c->found->p[i], r);
		best = r->best > best ? r->best : best;
	}
	/* Where all is said in other words, the first one's beginning. */
	least = best > 0 ? best * 0.5 : best;
	buf_put(&b, c->is_visitors ? S("The documents say:\n\n") : S("Your documents say:\n\n"));
	for (size_t i = 0; i < c->found->n && quoted.passages < (best > 0 ? QUOTES : 1); i++) {
		const struct passage *p = &c->found->p[i];

		rate(p, r);
		if (put_quote(&b, r, least, i + 1, &quoted))
			buf_printf(&sources, "- [%zu] %.*s, %.*s\n", i + 1, S_ARG(p->name),
			    S_ARG(p->mark));
	}
	buf_put(&b, S("Sources:\n"));
	buf_put(&b, buf_str(&sources));
	buf_put(&b, S("\nThese are quotations found by search, not a model's answer."));
	buf_put(&b, c->is_visitors ? S("") : S(" " HOW_TO_CONFIGURE));
	return buf_str(&b);
}

static struct str
answer(struct call *c)
{
	if (c->found->n > 0 && c->found->answer)
		return quotations(c);
	if (c->as_is)
		return S(
		    "I cannot answer this: I am no model, and only quote documents, which calls "
		    "of this API do not search; POST /api/chat does. " HOW_TO_CONFIGURE);
	if (c->is_visitors)
		return S("I found nothing about this in my documents.");
	if (c->has_documents)
		return S("I found nothing about this in your documents. " HOW_TO_CONFIGURE
			 " Until then I can only quote documents that you have uploaded.");
	return S("I cannot answer this yet. " HOW_TO_CONFIGURE
		 " Without one I can only quote documents, and you have none; upload one (POST "
		 "/api/documents/upload) and ask again.");
}

/* The next delta: up to PIECE bytes and on to the end of the word. */
static size_t
piece(struct str s)
{
	size_t n = s.n < PIECE ? s.n : PIECE;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\n')
		n++;
	return n;
}

static enum call_end
local_call(struct call *c)
{
	struct str all = answer(c), said = buf_str(&c->text);

	c->finish = "stop";
	if (str_starts(all, said)) {
		all.p += said.n;
		all.n -= said.n;
	} else if (said.n > 0) {
		all = arena_printf(c->a,
		    "\n\nYour documents changed while I answered; here is the answer "
		    "again.\n\n%.*s",
		    S_ARG(all));
	}
	while (all.n > 0) {
		struct str text = { all.p, piece(all) };

		c->on_text(c->text_arg, text);
		buf_put(&c->text, text);
		all.p += text.n;
		all.n -= text.n;
		if (all.n > 0 && !stop_sleep(&c->job->stop, PIECE_MS))
			return CALL_STOPPED;
	}
	return CALL_DONE;
}

const struct provider provider_local = {
	.name = "local",
	.model = "local",
	.call = local_call,
};
