#!/bin/sh
# @slack/web-api 8.2.0 (npm)
#
# What it does: it repeats every method, also those that say something, where the reply is lost or is a 5xx: up to ten times in half an
# hour, by default, and with nothing in the request that tells the second from the first. A message that Slack has taken is posted again, and in a
# streamed answer (chatStream) the same piece is appended again, so that its readers see words twice. The caller learns nothing of it: the
# promise resolves with the last one's ts, and the first message can be neither updated nor deleted.
#
# What the documentation says: README, "Automatic retries": a failed call is repeated up to ten times; that a call which has failed here may have
# succeeded there, nothing. Slack's API has no key for it (slack-api-specs, issue 10, open since 2018).
#
# What we do: http_call() repeats nothing that posts (runner/outside/http.h), and a message has its run in its metadata, by which it is looked for
# before it is sent again (docs/slack.md). With this client: another WebClient with `retryConfig: { retries: 0 }` for what posts and streams.
#
# Seen on 2026-11-28, with Node 20.20:
#     postMessage, the first reply lost: resolves with 2, posted: Your order is confirmed. | Your order is confirmed.
#     postMessage, the first reply 503: resolves with 2, posted: Your order is confirmed. | Your order is confirmed.
#     the same without retries: rejects, posted: Your order is confirmed.
#     chatStream, one reply lost: the total | is 12 | is 12 | euros.
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install @slack/web-api@8.2.0 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'END'
const { createServer } = require("node:http");
const { WebClient } = require("@slack/web-api");
let taken = [], failing = 0, how;
const server = createServer(async (request, response) => {
	let body = "";
	for await (const part of request)
		body += part;
	const form = new URLSearchParams(body), said = form.get("text") ?? JSON.parse(form.get("chunks") ?? "[]").map((chunk) => chunk.text).join("");
	if (said)
		taken.push(said.trim());
	if (taken.length === failing && how === "lost")
		return request.socket.destroy();
	response.writeHead(taken.length === failing ? 503 : 200, { "Content-Type": "application/json" });
	response.end(JSON.stringify({ ok: true, channel: "C1", ts: String(taken.length), message: {} }));
});
server.listen(0, "127.0.0.1", async () => {
	const slackApiUrl = `http://127.0.0.1:${server.address().port}/api/`, client = new WebClient("x", { slackApiUrl });
	async function post(what, by, kind) {
		taken = [];
		failing = 1;
		how = kind;
		const end = await by.chat.postMessage({ channel: "C1", text: "Your order is confirmed." }).then((r) => `resolves with ${r.ts}`, () => "rejects");
		console.log(`${what}: ${end}, posted: ${taken.join(" | ")}`);
	}
	await post("postMessage, the first reply lost", client, "lost");
	await post("postMessage, the first reply 503", client, "503");
	await post("the same without retries", new WebClient("x", { slackApiUrl, retryConfig: { retries: 0 } }), "lost");
	taken = [];
	failing = 2;
	how = "lost";
	const stream = client.chatStream({ channel: "C1", thread_ts: "1.1", recipient_team_id: "T1", recipient_user_id: "U1", buffer_size: 1 });
	for (const piece of ["the total ", "is 12 ", "euros."])
		await stream.append({ markdown_text: piece });
	await stream.stop();
	console.log(`chatStream, one reply lost: ${taken.join(" | ")}`);
	server.closeAllConnections();
	server.close();
});
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
