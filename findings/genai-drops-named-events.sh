#!/bin/sh
# @google/genai 3.3.0 (npm)
#
# What it does: of a stream's event it takes what begins with `data:` and nothing else. Where `id:`, `event:` or a comment stands before the data, the
# event is dropped, with its text, and nothing is thrown: generateContentStream() ends as if the model had said nothing, or less. A gateway
# that writes event streams by any library, or that keeps a connection alive by comments, sends such events.
#
# What the standard says (HTML, 9.2.6): fields come in any order, lines that begin with a colon are ignored, and an event without data is the only one
# that is not dispatched. The package's documentation lets another server answer (httpOptions.baseUrl) and names no subset of the format. No issue
# was found.
#
# What we do: as a client of Google's we read whole events (runner/outside/sse.c). Before this client, a server writes `data:` alone.
#
# Seen on 2026-11-29, with Node 20.20:
#     data alone: Pay 100 euros
#     event, then data: Pay euros
#     id, then data: Pay euros
#     data, then id: Pay  SyntaxError
#     a comment in the event: Pay euros
#     a comment between events: Pay 100 euros
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install @google/genai@3.3.0 >/dev/null 2>&1 || exit 2
cat >ask.mjs <<'END'
import { createServer } from "node:http";
import { GoogleGenAI } from "@google/genai";
const forms = {
	"data alone": (json) => `data: ${json}\n\n`,
	"event, then data": (json) => `event: message\ndata: ${json}\n\n`,
	"id, then data": (json) => `id: 1\ndata: ${json}\n\n`,
	"data, then id": (json) => `data: ${json}\nid: 1\n\n`,
	"a comment in the event": (json) => `: alive\ndata: ${json}\n\n`,
	"a comment between events": (json) => `: alive\n\ndata: ${json}\n\n`,
};
const chunk = (text, rest) => JSON.stringify({ candidates: [{ index: 0, content: { role: "model", parts: [{ text }] }, ...rest }] });
let form;
const server = createServer((request, response) => {
	response.writeHead(200, { "Content-Type": "text/event-stream" });
	response.end(`data: ${chunk("Pay ")}\n\n` + form(chunk("100 ")) + `data: ${chunk("euros", { finishReason: "STOP" })}\n\n`);
});
server.listen(0, "127.0.0.1", async () => {
	const ai = new GoogleGenAI({ apiKey: "x", httpOptions: { baseUrl: `http://127.0.0.1:${server.address().port}` } });
	for (const what in forms) {
		form = forms[what];
		let text = "";
		try {
			for await (const part of await ai.models.generateContentStream({ model: "m", contents: "How much?" }))
				text += part.text ?? "";
		} catch (error) {
			text += ` ${error.name}`;
		}
		console.log(`${what}: ${text}`);
	}
	server.closeAllConnections();
	server.close();
});
END
said=$(node ask.mjs 2>/dev/null) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
