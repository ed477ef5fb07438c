/*
 * The mails' texts. Nothing that a user has written stands in them, so that nobody can make us
 * carry theirs.
 */
#include "runner/jobs/letter.h"

const struct letter letter_reset = {
	"Your new password",
	"somebody asked for a new password for your account, most likely you.\n"
	"This page takes it; the link works once, within the next hour:",
	"Choose a new password",
	"If it was not you, do nothing: your password stays as it is.",
};

const struct letter letter_invitation = {
	"Your invitation",
	"you are invited to make an account on our server. The link works once,\n"
	"and ends in {detail}:",
	"Make your account",
	"If you do not know what this is about, do nothing: there is no account yet.",
};

const struct letter letter_address_changed = {
	"Your account has another address now",
	"the address of your account was changed: mails go to the new one from now\n"
	"on, and this one no longer signs in.",
	NULL,
	"If you did not want this, tell the administrator of the server at once.",
};

const struct letter letter_source_lost = {
	"A data source does not answer",
	"a process that writes to this address could not read one of its data\n"
	"sources, at {detail}. It goes on with the others, and tries again at its\n"
	"next run.",
	NULL,
	"The process's latest task says why. You get another mail when the source\n"
	"answers again.",
};

const struct letter letter_source_back = {
	"A data source answers again",
	"a data source at {detail}, of which we wrote that it did not answer, was\n"
	"read again by its process.",
	NULL,
	"There is nothing to do.",
};

static struct str
escaped(struct arena *a, struct str s)
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < s.n; i++)
		if (strchr("&<>\"'", s.p[i]) && s.p[i])
			buf_printf(&b, "&#%d;", s.p[i]);
		else
			buf_put(&b, (struct str){ s.p + i, 1 });
	return buf_str(&b);
}

static void
put_paragraph(struct buf *b, struct str text)
{
	buf_printf(b, "<p>%.*s</p>\n", S_ARG(escaped(b->a, text)));
}

void
letter_write(struct arena *a, const struct letter *l, const char *page, struct str token,
    struct str detail, struct mail *m)
{
	struct buf text = { .a = a }, html = { .a = a };
	struct str before = arena_fill(a, l->before, "{detail}", detail), link;

	buf_printf(&text, "Hello,\n\n%.*s\n\n", S_ARG(before));
	buf_printf(&html,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n"
	    "<head><meta charset=\"utf-8\"><title>%s</title></head>\n"
	    "<body style=\"font-family: sans-serif; line-height: 1.5\">\n<p>Hello,</p>\n",
	    l->subject);
	put_paragraph(&html, before);
	if (l->action) {
		link = arena_fill(a, page, "{token}", token);
		buf_printf(&text, "%.*s\n\n", S_ARG(link));
		buf_printf(
		    &html, "<p><a href=\"%.*s\">%s</a></p>\n", S_ARG(escaped(a, link)), l->action);
	}
	buf_printf(&text, "%s\n", l->after);
	put_paragraph(&html, str_from(l->after));
	buf_put(&html, S("</body>\n</html>\n"));
	m->subject = str_from(l->subject);
	m->text = buf_str(&text);
	m->html = buf_str(&html);
}
