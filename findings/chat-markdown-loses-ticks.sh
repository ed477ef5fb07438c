#!/bin/sh
# slackify-markdown 4.5.0 and telegramify-markdown 1.3.3 (npm), which make a model's Markdown into Slack's and Telegram's
#
# What they do: of a list of tasks both drop the boxes: "[x] paid" and "[ ] paid" become the same line, "• paid", so that the reader of an
# agent's report cannot see what is done. Slack's gets a backslash, which is a character there, for a line break of two spaces.
#
# What the documentation says: GitHub's Flavored Markdown (5.3) has the mark as the item's state, and both packages parse by it. Their READMEs name
# the target's dialect and no loss. Slack and Telegram have no boxes of their own, so the characters would have to stay. No issue was found.
#
# What we do: our own conversion for Slack leaves what it does not know as it stands (runner/outside/markup.c). Before either package: replace
# `[x]` and `[ ]` at an item's start by characters such as ☑ and ☐, and two spaces at a line's end by nothing.
#
# Seen on 2026-11-28, with Node 20.20:
#     slackify-markdown: "•   invoice sent\n•   invoice paid\n", "Mill Lane 5\\\nNorthfield\n"
#     telegramify-markdown: "•   invoice sent\n•   invoice paid\n"
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install slackify-markdown@4.5.0 telegramify-markdown@1.3.3 >/dev/null 2>&1 || exit 2
said=$(node - <<'END'
const show = (...texts) => texts.map((text) => JSON.stringify(text)).join(", ");
const tasks = "- [x] invoice sent\n- [ ] invoice paid", lines = "Mill Lane 5  \nNorthfield";
const slack = require("slackify-markdown"), telegram = require("telegramify-markdown");
console.log(`slackify-markdown: ${show(slack(tasks), slack(lines))}`);
console.log(`telegramify-markdown: ${show(telegram(tasks, "escape"))}`);
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
