/*
 * The provider that needs no key and no network. It quotes the caller's documents, with their
 * sources, and says that this is what it does; it is no model and does not pass for one. The same
 * question over the same documents gives the same answer, so that a second attempt goes on where
 * the first one was cut.
 */
#include "runner/knowledge/words.h"
#include "runner/models/provider.h"

#define LITTLE_LESS (-1e-3) /* than any other sentence */
#define QUOTES 4 /* passages quoted at most */
#define SENTENCES 64 /* of a passage that are looked at */
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
	struct str sentence[SENTENCES];
	uint32_t words[SENTENCES];
	double weight[SENTENCES];
	size_t n;
	double best;
};

/*
 * How rare each word of the question is among all sentences found: words like "the" weigh next to
 * nothing.
 */
static void
weigh_words(
    struct arena *a, const struct words *w, const struct passages *found, double weights[WORDS_MAX])
{
	int in[WORDS_MAX] = { 0 }, total = 0;

	for (size_t i = 0; i < found->n; i++) {
		struct str rest = found->p[i].text, sentence;

		for (rest = sentence_next(rest, &sentence); sentence.n > 0;
		     rest = sentence_next(rest, &sentence)) {
			uint32_t bits = words_in(a, w, sentence);

			total++;
			for (size_t k = 0; k < w->n; k++)
				in[k] += (bits >> k & 1) != 0;
		}
	}
	for (size_t k = 0; k < w->n; k++)
		weights[k] = in[k] == 0 || w->w[k].n < 2
				 ? 0
				 : total / (total + 4.0 * in[k]) * (w->w[k].n < 4 ? 0.3 : 1);
}

/* In capitals alone: a running head, more likely than what the text says. */
static bool
is_shouted(struct str s)
{
	bool capital = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= 'a' && s.p[i] <= 'z')
			return false;
		capital = capital || (s.p[i] >= 'A' && s.p[i] <= 'Z');
	}
	return capital;
}

static void
rate(struct arena *a, const struct words *w, const double weights[WORDS_MAX], struct str text,
    struct rated *r)
{
	struct str sentence;

	r->n = 0;
	r->best = -1;
	for (text = sentence_next(text, &sentence); sentence.n > 0 && r->n < SENTENCES;
	     text = sentence_next(text, &sentence)) {
		double weight = is_shouted(sentence) ? LITTLE_LESS : 0;

		r->words[r->n] = words_in(a, w, sentence);
		for (size_t k = 0; k < w->n; k++)
			weight += r->words[r->n] >> k & 1 ? weights[k] : 0;
		r->sentence[r->n] = sentence;
		r->weight[r->n++] = weight;
		r->best = weight > r->best ? weight : r->best;
	}
}

/* A sentence with its line breaks as spaces, cut where it is very long. */
static void
put_sentence(struct buf *b, struct str s)
{
	size_t most = s.n > QUOTE_MAX ? QUOTE_MAX : s.n;

	while (most < s.n && most > 0 && ((unsigned char)s.p[most] & 0xc0) == 0x80)
		most--;
	for (size_t i = 0, from = 0; i <= most; i++) {
		if (i < most && s.p[i] != '\n' && s.p[i] != '\t')
			continue;
		buf_put(b, (struct str){ s.p + from, i - from });
		if (i < most && from < i)
			buf_put(b, S(" "));
		from = i + 1;
	}
	if (most < s.n)
		buf_put(b, S("…"));
}

/* The best sentences of a passage, in their order, as one quotation. */
static void
put_quote(struct buf *b, const struct rated *r, double least, size_t number)
{
	bool first = true;

	buf_put(b, S("> "));
	for (size_t i = 0, n = 0; i < r->n && n < 3; i++) {
		if (r->weight[i] < least)
			continue;
		if (!first)
			buf_put(b, S(" "));
		put_sentence(b, r->sentence[i]);
		first = false;
		n++;
	}
	buf_printf(b, " [%zu]\n\n", number);
}

static struct str
quotations(struct call *c)
{
	struct buf b = { .a = c->a }, sources = { .a = c->a };
	struct rated *r = arena_alloc(c->a, sizeof(*r));
	struct words *w = arena_alloc(c->a, sizeof(*w));
	double weights[WORDS_MAX] = { 0 }, best = -1, least;
	size_t quoted = 0;

	words_of(c->a, c->question, w);
	weigh_words(c->a, w, c->found, weights);
	for (size_t i = 0; i < c->found->n; i++) {
		rate(c->a, w, weights, c->found->p[i].text, r);
		best = r->best > best ? r->best : best;
	}
	/* Where all is said in other words, the first one's beginning. */
	least = best > 0 ? best * 0.5 : best;
	for (size_t i = 0; i < c->found->n && quoted < (best > 0 ? QUOTES : 1); i++) {
		const struct passage *p = &c->found->p[i];

		rate(c->a, w, weights, p->text, r);
		if (r->best < least)
			continue;
		if (quoted++ == 0)
			buf_put(&b, c->is_visitors ? S("The documents say:\n\n")
						   : S("Your documents say:\n\n"));
		put_quote(&b, r, least, i + 1);
		buf_printf(&sources, "- [%zu] %.*s, %.*s\n", i + 1, S_ARG(p->name), S_ARG(p->mark));
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
