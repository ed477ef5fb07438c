/*
 * Markdown as other services write it: Slack's own markup, mrkdwn
 * (docs.slack.dev/messaging/formatting-message-text), in which bold is *bold* and a link
 * <address|text>, and the HTML of Telegram's Bot API (core.telegram.org/bots/api#html-style), whose
 * elements are nested and closed in their message. A text can name nobody and bring no markup of
 * its own: its <, > and & are escaped.
 */
#ifndef RUNNER_OUTSIDE_MARKUP_H
#define RUNNER_OUTSIDE_MARKUP_H

#include <millrace/arena.h>

/*
 * The text in mrkdwn; the arena's. Each line is written by itself, so that more text after it
 * changes at most the last. Does not block; any thread.
 */
struct str markup_slack(struct arena *a, struct str markdown);

/*
 * The text in HTML; the arena's. What a reader sees of it has no more UTF-16 units than `markdown`.
 */
struct str markup_telegram(struct arena *a, struct str markdown);

#endif
