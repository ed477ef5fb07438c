#include <millrace/json.h>

#include "runner/jobs/relay.h"
#include "sql_job.h"

#define FIRST_MS 250 /* until the second step; then twice as long each time */
#define PARTS_MAX 64

struct step {
	struct relay r;
	const struct relay_chat *chat;
	struct str text;
	int64_t len; /* of what it was made of: bytes */
	bool ended;
	int64_t shown; /* len of the step before */
	int64_t sending; /* the message that an earlier attempt was about to send, or -1 */
	struct str sent[PARTS_MAX]; /* ids of messages */
	size_t n_sent;
};

struct str
relay_part(struct str text, size_t units)
{
	size_t n = 0, blank = 0;

	for (size_t i = 0; i < text.n && n < units; n++) {
		unsigned char c = (unsigned char)text.p[i];
		size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

		if (len == 4 && ++n == units)
			return (struct str){ text.p, i };
		i += len;
		if (i >= text.n)
			return text;
		if (c == '\n' || (c == ' ' && (blank == 0 || text.p[blank - 1] != '\n')))
			blank = i;
		if (n + 1 == units)
			return (struct str){ text.p, blank > i / 2 ? blank : i };
	}
	return (struct str){ text.p, 0 };
}

static bool
load(struct step *s, bool *gone, struct outcome *o)
{
	struct job *j = s->r.j;
	PGresult *res = NULL;
	json_object *sent;
	const char *why;
	enum err e;

	if ((e = job_runner_relay_progress(j, &res)) != ERR_OK) {
		*o = job_db_error(j, e, "the answer could not be read");
		return false;
	}
	*gone = PQntuples(res) == 0;
	if (*gone)
		return true;
	s->text = sql_get(res, 0, 0);
	s->len = (int64_t)s->text.n;
	if (s->chat->text)
		s->text = s->chat->text(j->a, s->text);
	s->ended = sql_bool(res, 0, 1);
	(void)str_int(sql_get(res, 0, 3), &s->shown);
	s->r.plain = sql_bool(res, 0, 4);
	(void)str_int(sql_get(res, 0, 5), &s->sending);
	if (json_parse(j->a, sql_get(res, 0, 2), &sent, &why) != ERR_OK) {
		*o = job_failed("INTERNAL", "What was sent is not known any more.");
		return false;
	}
	for (size_t i = 0; i < json_object_array_length(sent) && i < PARTS_MAX; i++)
		s->sent[s->n_sent++] =
		    str_from(json_object_get_string(json_object_array_get_idx(sent, i)));
	return true;
}

/* What a statement that needs the lease has come to. */
static bool
is_kept(struct step *s, enum err e, const PGresult *res, struct outcome *o)
{
	if (e != ERR_OK)
		*o = job_db_error(s->r.j, e, "what was sent could not be kept");
	else if (!sql_bool(res, 0, 0))
		*o = job_lost(s->r.j);
	else
		return true;
	return false;
}

static bool
intend(struct step *s, int64_t n, struct outcome *o)
{
	PGresult *res = NULL;
	enum err e = job_runner_relay_sending(s->r.j, &res, n);

	return is_kept(s, e, res, o);
}

/*
 * Sends the next message. That it is about to be sent is kept before, and its id after that: an
 * attempt that was cut off between the two may have sent it, which the next one looks for.
 */
static bool
post(struct step *s, struct str part, struct outcome *o)
{
	int64_t n = (int64_t)s->n_sent;
	struct str id = { NULL, 0 };
	PGresult *res = NULL;
	struct outcome cleared;
	enum err e;

	s->r.n = s->n_sent;
	s->r.again = s->sending == n;
	if (!s->r.again && !intend(s, n, o))
		return false;
	if (s->r.again && s->chat->find && !s->chat->find(&s->r, &id, o))
		return false;
	if (!id.p && !s->chat->post(&s->r, part, &id, o)) {
		if (s->r.unsent && !s->r.again)
			(void)intend(s, -1, &cleared);
		return false;
	}
	e = job_runner_relay_sent(s->r.j, &res, n, id);
	if (!is_kept(s, e, res, o))
		return false;
	s->sent[s->n_sent++] = id;
	return true;
}

/* The last part, of an answer that grows. */
static bool
grow(struct step *s, size_t n, struct str part, struct outcome *o)
{
	if (s->chat->draft && !s->r.plain && !s->chat->draft(&s->r, part, o))
		return false;
	if ((s->chat->draft && !s->r.plain) || part.n == 0)
		return true;
	if (n >= s->n_sent)
		return post(s, part, o);
	return s->len == s->shown || s->chat->change(&s->r, s->sent[n], part, o);
}

static bool
show(struct step *s, struct outcome *o)
{
	struct str rest = s->text;

	for (size_t n = 0; n < PARTS_MAX; n++) {
		struct str part = relay_part(rest, s->chat->units_max);
		bool last = part.n == rest.n;

		if (last && !s->ended)
			return grow(s, n, part, o);
		if (n >= s->n_sent && str_trim(part).n > 0 && !post(s, part, o))
			return false;
		/* It was sent while it grew, and may be shorter than what is there now. */
		if (n + 1 == s->n_sent && s->len != s->shown &&
		    !s->chat->change(&s->r, s->sent[n], part, o))
			return false;
		if (last)
			return true;
		rest = (struct str){ rest.p + part.n, rest.n - part.n };
	}
	return true;
}

static struct str
wait_text(const struct step *s)
{
	int attempt = s->r.j->attempt < 8 ? s->r.j->attempt : 8;
	int64_t wait = (int64_t)FIRST_MS << (attempt - 1);

	return arena_printf(s->r.j->a, "%lld milliseconds",
	    (long long)(wait < s->chat->pause_ms ? wait : s->chat->pause_ms));
}

struct outcome
relay_step(struct job *j, const struct relay_chat *chat, void *arg)
{
	struct step *s = arena_alloc(j->a, sizeof(*s));
	struct outcome o;
	bool gone;

	*s = (struct step){ .r = { .j = j, .arg = arg }, .chat = chat };
	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	if (!load(s, &gone, &o) || (!gone && !show(s, &o)))
		return o;
	if (gone || s->ended)
		return job_end_runner_job_end_done(j, S("{}"), (struct str){ NULL, 0 });
	return job_end_runner_relay_again(j, wait_text(s), s->len, s->r.plain);
}
