#!/bin/sh
# Project: @portkey-ai/gateway 1.15.2 (npm), with the @hono/node-server that its own range brings (1.19.19).
#
# Behaviour: every streamed call is answered 500, while the upstream's answer is complete and calls that are not
# streamed succeed. The package asks for @hono/node-server ^1.3.3, and npm takes the newest of that range; from 1.14 on
# that server gives a reply made of an upstream's stream headers that cannot be changed, and a handler that adds one
# throws "TypeError: immutable". With @hono/node-server 1.13.8, of the same range, the same call streams.
#
# Documentation: the package's README shows streamed calls with the server as npm installs it; a minor release within
# a caret range is to be compatible (https://semver.org, section 7).
#
# What we do: the benchmark that measures our gateway beside it overrides that one dependency
# (tests/bench/peers/gateway/package.json).
#
# Seen on 2026-11-28:
#     with 1.19.19: plain 200, streamed 500
#     with 1.13.8: plain 200, streamed 200
set -u
for program in node npm curl; do
	command -v $program >/dev/null || { echo "no $program" >&2; exit 2; }
done
dir=$(mktemp -d)
cd "$dir" || exit 2
trap 'kill $(cat "$dir/pids") 2>/dev/null; rm -rf "$dir"' EXIT
cat >upstream.mjs <<'END'
import { createServer } from "node:http";
const chunk = (delta, finish_reason = null) => "data: " + JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1,
	model: "m", choices: [{ index: 0, delta, finish_reason }] }) + "\n\n";
createServer(async (request, response) => {
	let body = "";
	for await (const part of request)
		body += part;
	if (JSON.parse(body).stream) {
		response.writeHead(200, { "Content-Type": "text/event-stream" });
		response.end(chunk({ role: "assistant", content: "Hello" }) + chunk({}, "stop") + "data: [DONE]\n\n");
	} else {
		response.writeHead(200, { "Content-Type": "application/json" });
		response.end(JSON.stringify({ id: "c1", object: "chat.completion", created: 1, model: "m", usage: { prompt_tokens: 1,
			completion_tokens: 1, total_tokens: 2 }, choices: [{ index: 0, finish_reason: "stop",
			message: { role: "assistant", content: "Hello" } }] }));
	}
}).listen(Number(process.argv[2]), "127.0.0.1");
END
upstream=18431
node upstream.mjs $upstream &
echo $! >pids
# Prints "with VERSION: plain STATUS, streamed STATUS".
try() {
	mkdir "$1" && cd "$1" || exit 2
	echo '{"private":true,"dependencies":{"@portkey-ai/gateway":"1.15.2"},"overrides":{"@hono/node-server":"'"$1"'"}}' >package.json
	npm install --silent --no-fund --no-audit --ignore-scripts >/dev/null 2>&1 || exit 2
	node node_modules/@portkey-ai/gateway/build/start-server.js --headless --port="$2" >/dev/null 2>&1 &
	echo $! >>../pids
	n=0
	until curl -s -o /dev/null "http://127.0.0.1:$2/"; do
		n=$((n + 1))
		[ $n -lt 100 ] || exit 2
		sleep 0.1
	done
	plain=$(call "$2" false)
	streamed=$(call "$2" true)
	echo "with $1: plain $plain, streamed $streamed"
	cd ..
}
call() {
	curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/v1/chat/completions" -H 'Content-Type: application/json' \
		-H 'Authorization: Bearer x' -H 'x-portkey-provider: openai' -H "x-portkey-custom-host: http://127.0.0.1:$upstream/v1" \
		-d '{"model":"m","stream":'"$2"',"messages":[{"role":"user","content":"Hello"}]}'
}
newer=$(try 1.19.19 18432) || exit 2
older=$(try 1.13.8 18433) || exit 2
echo "$newer"
echo "$older"
[ "$newer" = 'with 1.19.19: plain 200, streamed 500' ] && [ "$older" = 'with 1.13.8: plain 200, streamed 200' ]
