#!/bin/sh
# postal-mime 4.0.0 (npm)
#
# What it does: of a text in format=flowed, which Thunderbird and others send, it joins the lines as they stand, with their quote marks: the marks of the
# second and later lines of a quoted paragraph end up in the middle of its sentences; and where a quoted line ends with a space, the answer
# below it becomes a part of the quote. Who wrote what cannot be told afterwards.
#
# What the standard says: RFC 3676, 4.5 and 4.2: quote marks are counted and taken off before lines are joined, and a line whose depth differs from
# that of the line before begins a paragraph, whatever that one ended with. mailparser 3.14.2 reads the same messages so.
#
# What we do: mails of ours are not flowed (runner/outside/message.c); the tests read them by this library.
#
# Seen on 2026-11-29, with Node 20.20:
#     postal-mime, a quote of two lines: > Is the mill > open on Monday? / It is closed.
#     mailparser, a quote of two lines: > Is the mill open on Monday? / It is closed.
#     postal-mime, an answer below a quote: > Is it open? No, it is closed.
#     mailparser, an answer below a quote: > Is it open? / No, it is closed.
#     postal-mime, a quote of a quote: >> Is the mill >> open? / > I believe > so.
#     mailparser, a quote of a quote: >> Is the mill open? / > I believe so.
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install postal-mime@4.0.0 mailparser@3.14.2 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'JS'
const { simpleParser } = require("mailparser");
(async () => {
	const { default: PostalMime } = await import("postal-mime");
	const texts = {
		"a quote of two lines": "> Is the mill \r\n> open on Monday?\r\nIt is closed.\r\n",
		"an answer below a quote": "> Is it open? \r\nNo, it is closed.\r\n",
		"a quote of a quote": ">> Is the mill \r\n>> open?\r\n> I believe \r\n> so.\r\n",
	};
	for (const [name, text] of Object.entries(texts)) {
		const mail = `From: ann@example.com\r\nSubject: the mill\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n\r\n${text}`;
		const line = (read) => read.trim().replace(/ *\n/g, " / ");
		console.log(`postal-mime, ${name}: ${line((await PostalMime.parse(mail)).text)}`);
		console.log(`mailparser, ${name}: ${line((await simpleParser(mail)).text)}`);
	}
})();
JS
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
