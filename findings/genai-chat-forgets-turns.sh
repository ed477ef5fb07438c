#!/bin/sh
# @google/genai 3.3.0 (npm)
#
# What it does: a chat (chats.create, sendMessageStream) sends with each question what was said before, and leaves out of it the turn before
# altogether, question and answer, where one chunk of that answer's stream had no parts: a last one with the finish reason alone, one with
# the usage alone, or a stream that was cut. The text was shown to the user meanwhile, and nothing throws: the model is asked "Are you sure?"
# and knows neither of what. getHistory() has the question, and an answer without parts.
#
# What the documentation says: getHistory's comment: the curated history, which is sent, has "only the valid turns". GenerateContentResponse
# requires neither candidates nor parts in a chunk, and the service ends streams so (pydantic-ai 2631, kubectl-ai 351; gemini-cli mended its own
# copy, 7859). For this package none was found.
#
# What we do: the conversation is ours, and each request is written from it (runner/models/google.c). Where the package is used: keep the turns,
# and give them by `history` or `contents`.
#
# Seen on 2026-11-28, with Node 20.20:
#     finish reason with the last text: shown Pay 100, then sent How much? | Pay 100 | Are you sure?
#     finish reason by itself: shown Pay 100, then sent Are you sure?
#     content without parts: shown Pay 100, then sent Are you sure?
#     usage by itself: shown Pay 100, then sent Are you sure?
#     cut off: shown Pay 100, then sent Are you sure?
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install @google/genai@3.3.0 >/dev/null 2>&1 || exit 2
cat >chat.mjs <<'END'
import { createServer } from "node:http";
import { GoogleGenAI } from "@google/genai";
const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 3, totalTokenCount: 6 };
const candidate = (fields) => ({ candidates: [{ index: 0, ...fields }], usageMetadata });
const content = (...parts) => ({ role: "model", parts });
const text = content({ text: "Pay 100" });
const streams = {
	"finish reason with the last text": [candidate({ content: text, finishReason: "STOP" })],
	"finish reason by itself": [candidate({ content: text }), candidate({ finishReason: "STOP" })],
	"content without parts": [candidate({ content: text }), candidate({ content: content(), finishReason: "STOP" })],
	"usage by itself": [candidate({ content: text, finishReason: "STOP" }), { usageMetadata }],
	"cut off": [candidate({ content: text })],
};
let stream, sent;
const server = createServer(async (request, response) => {
	let body = "";
	for await (const part of request)
		body += part;
	sent = JSON.parse(body).contents.flatMap((turn) => turn.parts.map((part) => part.text));
	response.writeHead(200, { "Content-Type": "text/event-stream" });
	response.end(stream.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(""));
});
server.listen(0, "127.0.0.1", async () => {
	const ai = new GoogleGenAI({ apiKey: "x", httpOptions: { baseUrl: `http://127.0.0.1:${server.address().port}` } });
	for (const what in streams) {
		stream = streams[what];
		const chat = ai.chats.create({ model: "m" });
		let shown = "";
		for await (const chunk of await chat.sendMessageStream({ message: "How much?" }))
			shown += chunk.text ?? "";
		for await (const chunk of await chat.sendMessageStream({ message: "Are you sure?" }))
			void chunk;
		console.log(`${what}: shown ${shown}, then sent ${sent.join(" | ")}`);
	}
	server.closeAllConnections();
	server.close();
});
END
said=$(node chat.mjs 2>/dev/null) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
