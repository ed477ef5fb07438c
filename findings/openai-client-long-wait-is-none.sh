#!/bin/sh
# openai 7.59.0 (npm)
#
# What it does: a server that asks for a pause of more than a minute (Retry-After: 61) is asked again after half a second, and then after one more; one
# that asks for a minute or less is obeyed. So the longer the pause that is asked for, the sooner the client is back. @anthropic-ai/sdk 1.14.0,
# made by the same generator, waits as long as it is told.
#
# What the documentation says: README, "Retries": twice by default, "with a short exponential backoff", among others for 429; of Retry-After
# nothing. RFC 9110, 10.2.3: how long the user agent ought to wait. The header x-should-retry: false ends it at once.
#
# What we do: a refusal with a longer pause carries x-should-retry: false (fcgi/reply.c), so that the caller is told of it instead.
#
# Seen on 2026-11-29, with Node 20.20; when the server was asked within four seconds:
#     openai, Retry-After 1: at 0, 1, 2 s
#     openai, Retry-After 60: at 0 s
#     openai, Retry-After 61: at 0, under 1, under 2 s
#     openai, Retry-After 3600: at 0, under 1, under 2 s
#     openai, Retry-After 61, x-should-retry false: at 0 s, and tells its caller
#     anthropic, Retry-After 61: at 0 s
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install openai@7.59.0 @anthropic-ai/sdk@1.14.0 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'JS'
const { createServer } = require("node:http"), OpenAI = require("openai").default, Anthropic = require("@anthropic-ai/sdk").default;
let headers, asked;
const server = createServer((request, response) => {
	asked.push(Date.now());
	response.writeHead(429, { "Content-Type": "application/json", ...headers });
	response.end('{"type":"error","error":{"type":"rate_limit_error","message":"later"}}');
});
server.listen(0, "127.0.0.1", async () => {
	const at = `http://127.0.0.1:${server.address().port}`, messages = [{ role: "user", content: "x" }];
	const ask = {
		openai: () => new OpenAI({ apiKey: "x", baseURL: `${at}/v1` }).chat.completions.create({ model: "m", messages }),
		anthropic: () => new Anthropic({ apiKey: "x", baseURL: at }).messages.create({ model: "m", max_tokens: 9, messages }),
	};
	for (const [client, wait, more] of [["openai", 1], ["openai", 60], ["openai", 61], ["openai", 3600], ["openai", 61, "false"], ["anthropic", 61]]) {
		headers = { "Retry-After": wait, ...(more && { "x-should-retry": more }) };
		const mine = asked = [], end = await Promise.race([ask[client]().catch(() => "told"), new Promise((resolve) => setTimeout(resolve, 4000))]);
		const times = mine.map((t) => (t - mine[0]) / 1000).map((s, i) => (i === 0 ? "0" : s >= i * wait ? `${i * wait}` : `under ${Math.ceil(s)}`));
		console.log(`${client}, Retry-After ${wait}${more ? `, x-should-retry ${more}` : ""}: at ${times.join(", ")} s${end && more ? ", and tells its caller" : ""}`);
	}
	process.exit();
});
JS
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
