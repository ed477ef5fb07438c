/*
 * The mail with a link for a new password. Nothing that a user has written stands in it, so that
 * nobody can make us carry theirs.
 */
#include <millrace/config.h>

#include "runner/jobs/reset.h"

static const char text[] = "Hello,\n"
			   "\n"
			   "somebody asked for a new password for your account, most likely you.\n"
			   "This page takes it; the link works once, within the next hour:\n"
			   "\n"
			   "%.*s\n"
			   "\n"
			   "If it was not you, do nothing: your password stays as it is.\n";

static const char html[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head><meta charset=\"utf-8\"><title>Your new password</title></head>\n"
    "<body style=\"font-family: sans-serif; line-height: 1.5\">\n"
    "<p>Hello,</p>\n"
    "<p>somebody asked for a new password for your account, most likely you.\n"
    "This page takes it; the link works once, within the next hour:</p>\n"
    "<p><a href=\"%.*s\">Choose a new password</a></p>\n"
    "<p>If it was not you, do nothing: your password stays as it is.</p>\n"
    "</body>\n"
    "</html>\n";

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

/* The configured page with the token in its place. */
static struct str
link_of(struct arena *a, struct str token)
{
	const char *page = config()->reset_url, *place = strstr(page, "{token}");

	return arena_printf(
	    a, "%.*s%.*s%s", (int)(place - page), page, S_ARG(token), place + strlen("{token}"));
}

void
reset_mail(struct arena *a, struct str token, struct mail *m)
{
	struct str link = link_of(a, token), safe = escaped(a, link);

	m->subject = S("Your new password");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	m->text = arena_printf(a, text, S_ARG(link));
	m->html = arena_printf(a, html, S_ARG(safe));
#pragma GCC diagnostic pop
}
