/*
 * Markdown as Slack's own markup, mrkdwn (docs.slack.dev/messaging/formatting-message-text), which
 * is another one: bold is *bold*, a link <address|text>. A text can name nobody by it (<!channel>,
 * <@user>): its <, > and & are escaped.
 */
#ifndef RUNNER_OUTSIDE_MRKDWN_H
#define RUNNER_OUTSIDE_MRKDWN_H

#include <millrace/arena.h>

/*
 * The text in mrkdwn; the arena's. Each line is written by itself, so that more text after it
 * changes at most the last. Does not block; any thread.
 */
struct str mrkdwn(struct arena *a, struct str markdown);

#endif
