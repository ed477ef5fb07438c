#!/bin/sh
# @microsoft/fetch-event-source 2.0.1
#
# What it does: it takes the id of an event as soon as it has read the line `id: …`, and sends it as Last-Event-ID when it comes back, even
# where the connection was cut before the event was complete, so that the event is never seen. And it calls onmessage for every blank line,
# also behind a comment or `retry:` alone.
#
# What the standard says (HTML, 9.2.6): the last event ID is set when a blank line dispatches the event, and an incomplete event at the end
# of the stream is discarded; where the data is empty, nothing is dispatched.
#
# What we do: `id:` is the last line of an event (streamd/events/event.c), and nothing but an event ends with a blank line
# (include/millrace/sse.h).
#
# Seen on 2026-11-27, with Node 20.20:
#     id first, cut in the data: last-event-id 2, events seen: 1
#     id last, cut in the data: last-event-id 1, events seen: 1
#     a ping and a blank line: 1 message, data ""
#     a ping alone: 0 messages
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install @microsoft/fetch-event-source@2.0.1 >/dev/null 2>&1 || exit 2
said=$(node - <<'END'
const { getLines, getMessages } = require("@microsoft/fetch-event-source/lib/cjs/parse");
function read(text) {
	const messages = [];
	let last = "";
	getLines(getMessages((id) => { last = id; }, () => {}, (m) => messages.push(m)))(Buffer.from(text));
	return { messages, last };
}
function cut(order) {
	const event = (n) => ({ first: `id: ${n}\ndata: x\n\n`, last: `data: x\nid: ${n}\n\n` })[order];
	const text = event(1) + event(2), { messages, last } = read(text.slice(0, text.lastIndexOf("x")));
	console.log(`id ${order}, cut in the data: last-event-id ${last}, events seen: ${messages.map((m) => m.id)}`);
}
cut("first");
cut("last");
console.log(`a ping and a blank line: ${read(": ping\n\n").messages.length} message, data "${read(": ping\n\n").messages[0]?.data}"`);
console.log(`a ping alone: ${read(": ping\n").messages.length} messages`);
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
