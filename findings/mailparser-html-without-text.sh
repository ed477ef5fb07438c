#!/bin/sh
# mailparser 3.14.2 (npm)
#
# What it does: it makes a message's `text` out of its HTML where the HTML is the whole message, or stands beside a part of plain text, and
# nowhere else. An HTML message with a file attached, with a picture in it, or with a multipart/alternative of one part has no text: the property
# is absent, as it is for an empty message. Who hands `text` to a model or an index does so for all, and these arrive empty, with no error and
# textConversionError unset.
#
# What the documentation says: `text` is the plaintext of the message, made from HTML where there is none unless skipHtmlToText is set; the README
# names three reasons why it may be missing, none of which this is. Known upstream (issues 243 and 345), where the maintainer calls the
# conversion simple; it is as it was.
#
# What we do: mail is no format of ours. Who reads it so takes `html` where `text` is absent, and makes the text by itself (html-to-text).
#
# Seen on 2026-11-28, with Node 20.20:
#     HTML alone: text "Your order is ready."
#     HTML and a PDF: text undefined, html "<p>Your order is ready.</p>"
#     HTML with a picture: text undefined, html "<p>Your order is ready.</p>"
#     an alternative of HTML alone: text undefined, html "<p>Your order is ready.</p>"
#     plain text, HTML and a PDF: text "Your order is ready."
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install mailparser@3.14.2 >/dev/null 2>&1 || exit 2
said=$(node - <<'END'
const { simpleParser } = require("mailparser");
const html = "Content-Type: text/html; charset=utf-8\r\n\r\n<p>Your order is ready.</p>";
const plain = "Content-Type: text/plain; charset=utf-8\r\n\r\nYour order is ready.";
const pdf = "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n%PDF-";
const png = "Content-Type: image/png\r\nContent-ID: <1>\r\nContent-Disposition: inline\r\n\r\npicture";
let n = 0;
function many(kind, ...parts) {
	const boundary = `part${n++}`;
	return `Content-Type: multipart/${kind}; boundary=${boundary}\r\n\r\n` + parts.map((p) => `--${boundary}\r\n${p}\r\n`).join("") + `--${boundary}--\r\n`;
}
async function show(what, body) {
	const mail = await simpleParser(`From: shop@shop.example\r\nSubject: Order\r\nMIME-Version: 1.0\r\n${body}`);
	const text = mail.text === undefined ? `undefined, html ${JSON.stringify(mail.html)}` : JSON.stringify(mail.text.trim());
	console.log(`${what}: text ${text}${mail.textConversionError || ""}`);
}
(async () => {
	await show("HTML alone", html);
	await show("HTML and a PDF", many("mixed", html, pdf));
	await show("HTML with a picture", many("related", html, png));
	await show("an alternative of HTML alone", many("alternative", html));
	await show("plain text, HTML and a PDF", many("mixed", many("alternative", plain, html), pdf));
})();
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
