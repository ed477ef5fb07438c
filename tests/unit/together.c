/*
 * fcgi/together.c: what comes while one of its kind is in the pipe goes behind it as one statement,
 * and each has the answer that it would have had alone. The pipe is the test's.
 */
#include <string.h>

#include "fcgi/together.h"
#include "test.h"

#define UNITS_MAX 16

extern const struct query query_caller_session;
extern const struct query query_caller_key;

static const struct query many = { .name = "many", .sql = "many", .n_columns = 6 };
static const struct query one = {
	.name = "one", .sql = "one", .n_args = 2, .n_columns = 3, .many = &many
};
static const struct query other = { .name = "other", .sql = "other", .n_args = 2 };

static struct {
	const struct query *query; /* the last statement's */
	pipe_held *held;
	pipe_done *done;
	void *arg;
	char sessions[40], keys[40], texts[40]; /* of a group's: its lists */
} units[UNITS_MAX];
static int n_units;
static bool is_down;
static struct together together;
static struct arena *scratch;
static char log_of[200]; /* what the senders were told */

static void
join(char *to, const struct sql_arg *list)
{
	*to = '\0';
	for (size_t i = 0; i < list->list.n; i++)
		snprintf(to + strlen(to), 40 - strlen(to), "%.*s,",
		    list->list.p[i].n > 4 ? 4 : (int)list->list.p[i].n, list->list.p[i].p);
}

enum err
pipe_send_held(struct pipe *p, struct arena *a, const struct pipe_statement *statements, int n,
    pipe_held *held, pipe_done *done, void *arg)
{
	(void)p, (void)a;
	if (is_down)
		return ERR_OVERLOADED;
	units[n_units].query = statements[n - 1].query;
	units[n_units].held = held;
	units[n_units].done = done;
	units[n_units].arg = arg;
	if (statements->query == &many) {
		join(units[n_units].sessions, &statements->args[0]);
		join(units[n_units].keys, &statements->args[1]);
		join(units[n_units].texts, &statements->args[4]);
	}
	n_units++;
	return ERR_OK;
}

bool
pipe_is_up(const struct pipe *p)
{
	(void)p;
	return !is_down;
}

struct sender {
	const char *who;
};

static void
told(const char *what, const struct sender *s, const char *more)
{
	size_t n = strlen(log_of);

	snprintf(log_of + n, sizeof(log_of) - n, "%s %s%s; ", s->who, what, more);
}

static void
on_held(void *arg)
{
	told("held", arg, "");
}

static void
on_done(void *arg, const struct pipe_reply *reply)
{
	char text[40];

	if (reply->e != ERR_OK) {
		told("failed", arg, "");
		return;
	}
	if (reply->n == 2)
		snprintf(text, sizeof(text), " %s %s", PQgetvalue(reply->res[0], 0, 0),
		    PQgetisnull(reply->res[1], 0, 1) ? PQgetvalue(reply->res[1], 0, 0) : "?");
	told("done", arg, reply->n == 2 ? text : "");
}

static enum err
send(const struct query *q, const char *who, bool by_key)
{
	struct sql_arg caller[3] = {
		by_key ? (struct sql_arg){ .type = SQL_BYTES, .s = S("\xab\xcd") }
		       : (struct sql_arg){ .type = SQL_UUID },
		{ .type = SQL_BOOL },
		{ .type = SQL_TEXT, .s = S("write") },
	};
	struct sql_arg own[2] = { { .type = SQL_TEXT }, { .type = SQL_TEXT, .s = str_from(who) } };
	struct pipe_statement s[2] = {
		{ .query = by_key ? &query_caller_key : &query_caller_session,
		    .args = caller,
		    .n_args = by_key ? 3 : 1 },
		{ .query = q, .args = own, .n_args = 2 },
	};
	struct sender *sender = arena_alloc(scratch, sizeof(*sender));
	enum err e;

	sender->who = who;
	if (!by_key)
		snprintf(caller[0].u.text, sizeof(caller[0].u.text), "%s-1", who);
	e = together_send(&together, NULL, scratch, s, 2, on_held, on_done, sender);
	memset(caller, 0, sizeof(caller));
	memset(own, 0, sizeof(own));
	return e;
}

static void
begin(void)
{
	n_units = 0;
	log_of[0] = '\0';
	together = (struct together){ .first = NULL };
}

static bool
is_log(const char *text)
{
	bool good = strcmp(log_of, text) == 0;

	if (!good)
		printf("# %s\n", log_of);
	log_of[0] = '\0';
	return good;
}

/* The unit comes back and has its flush. */
static void
answer(int i, enum err e, PGresult *res)
{
	if (e == ERR_OK)
		units[i].held(units[i].arg);
	units[i].done(units[i].arg, &(struct pipe_reply){ .e = e, .res = &res, .n = 1 });
	PQclear(res);
}

/* Rows of what was begun together: each the caller's three columns and the query's. */
static PGresult *
rows(int n, const char *const users[], const char *const runs[])
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	static char name[] = "column";
	PGresAttDesc columns[6] = { { .name = name }, { .name = name }, { .name = name },
		{ .name = name }, { .name = name }, { .name = name } };

	(void)PQsetResultAttrs(res, 6, columns);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < 6; k++) {
			const char *value = k == 0 ? users[i] : k == 3 ? runs[i] : NULL;
			char copy[8];

			snprintf(copy, sizeof(copy), "%s", value ? value : "");
			(void)PQsetvalue(res, i, k, copy, value ? (int)strlen(copy) : -1);
		}
	return res;
}

static void
goes_together(void)
{
	bool sent = send(&one, "a", false) == ERR_OK && send(&one, "b", false) == ERR_OK &&
		    send(&other, "x", false) == ERR_OK && send(&one, "c", true) == ERR_OK &&
		    send(&one, "d", false) == ERR_OK;

	CHECK("the first goes alone, and what is of no kind",
	    sent && n_units == 2 && units[0].query == &one && units[1].query == &other);
	units[0].held(units[0].arg);
	CHECK("behind it all that have come, before it is on disk",
	    n_units == 3 && units[2].query == &many &&
		strcmp(units[2].sessions, "b-1,,d-1,") == 0 &&
		strcmp(units[2].keys, ",abcd,,") == 0 && strcmp(units[2].texts, "b,c,d,") == 0 &&
		is_log("a held; "));
	units[0].done(units[0].arg, &(struct pipe_reply){ .e = ERR_OK });
	(void)is_log("");
	answer(2, ERR_OK,
	    rows(3, (const char *[]){ "ub", "", "ud" }, (const char *[]){ "rb", NULL, "rd" }));
	CHECK("each has its row, and who has none is sent alone",
	    is_log("b held; c held; d held; b done ub rb; d done ud rd; ") && n_units == 4 &&
		units[3].query == &one);
	answer(3, ERR_OK, NULL);
	CHECK("and answered as that says", is_log("c held; c done; "));
	CHECK("the next goes at once",
	    send(&one, "e", false) == ERR_OK && n_units == 5 && units[4].query == &one);
	answer(4, ERR_OK, NULL);
}

static void
fails(void)
{
	bool sent = send(&one, "a", false) == ERR_OK && send(&one, "b", false) == ERR_OK &&
		    send(&one, "c", false) == ERR_OK;

	answer(0, ERR_FORBIDDEN, NULL);
	CHECK("one that fails holds up nobody",
	    sent && is_log("a failed; ") && n_units == 2 && units[1].query == &many);
	answer(1, ERR_OVERLOADED, NULL);
	CHECK("where all fail each is sent alone",
	    is_log("") && n_units == 4 && units[2].query == &one && units[3].query == &one);
	answer(2, ERR_OK, NULL);
	answer(3, ERR_FORBIDDEN, NULL);
	CHECK("and has its own answer", is_log("b held; b done; c failed; "));
	sent = send(&one, "d", false) == ERR_OK && send(&one, "e", false) == ERR_OK &&
	       send(&one, "f", false) == ERR_OK;
	is_down = true;
	answer(4, ERR_OVERLOADED, NULL);
	CHECK("where the connection is lost all that wait are told",
	    sent && is_log("e failed; f failed; d failed; "));
	CHECK("and what comes then is refused",
	    send(&one, "g", false) == ERR_OVERLOADED && is_log(""));
	is_down = false;
	CHECK("until it is back", send(&one, "h", false) == ERR_OK && n_units == 6);
	answer(5, ERR_OK, NULL);
}

/* Many, and long ones, are several groups. */
static void
bounds(void)
{
	static char texts[41][8];
	bool sent = send(&one, "a", false) == ERR_OK;

	for (int i = 0; i < 40; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%d", i);
		sent = send(&one, texts[i], false) == ERR_OK && sent;
	}
	answer(0, ERR_OK, NULL);
	CHECK("32 go together", sent && n_units == 2);
	log_of[0] = '\0';
	is_down = true;
	answer(1, ERR_OVERLOADED, NULL);
	is_down = false;
	CHECK("what is left is not forgotten",
	    strncmp(log_of, "32 failed; ", 11) == 0 && !together.first && !together.sent);
}

int
main(void)
{
	scratch = arena_new();
	goes_together();
	begin();
	fails();
	begin();
	bounds();
	arena_free(scratch);
	return test_end();
}
