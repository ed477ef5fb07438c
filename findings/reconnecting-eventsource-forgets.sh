#!/bin/sh
# reconnecting-eventsource 1.6.5 (npm), with eventsource 5.1.5
#
# What it does: it remembers how far it has read only by the listeners of addEventListener(). Who sets `onmessage` reads the same events, and after a
# refusal (a proxy's 502 while its server restarts), where this library begins anew, the request has no lastEventId: what came meanwhile is lost, or
# all comes again, as the server has it. One listener, for whatever type, that is called for the latest event cures it.
#
# What the documentation says: README: "To use it, just replace" EventSource by it; in EventSource both ways are one (HTML, 9.2.2), and the id goes with
# every new request. That only listeners count, nothing.
#
# What we do: streams take ?lastEventId= beside the header (streamd/http/sse.h), and the tests read by this library with addEventListener
# (tests/api/event-clients.test.mjs).
#
# Seen on 2026-11-29, with Node 20.20; the requests after event 7, of which the first is answered with 502:
#     onmessage: no parameter, Last-Event-ID 7; then no parameter, Last-Event-ID absent
#     addEventListener: no parameter, Last-Event-ID 7; then ?lastEventId=7, Last-Event-ID absent
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install reconnecting-eventsource@1.6.5 eventsource@5.1.5 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'JS'
const { createServer } = require("node:http");
(async () => {
	const { EventSource } = await import("eventsource"), Client = require("reconnecting-eventsource").default;
	let asked, done;
	const server = createServer((request, response) => {
		asked.push(`${new URL(request.url, "http://x").search || "no parameter"}, Last-Event-ID ${request.headers["last-event-id"] ?? "absent"}`);
		if (asked.length === 2) {
			response.writeHead(502);
			return response.end();
		}
		response.writeHead(200, { "Content-Type": "text/event-stream" });
		if (asked.length === 1)
			return response.end("retry: 10\n\nid: 7\ndata: seven\n\n");
		response.write(": open\n\n");
		done();
	});
	await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
	for (const way of ["onmessage", "addEventListener"]) {
		asked = [];
		const end = new Promise((resolve) => (done = resolve));
		const source = new Client(`http://127.0.0.1:${server.address().port}/`, { eventSourceClass: EventSource, max_retry_time: 100 });
		if (way === "onmessage")
			source.onmessage = () => {};
		else
			source.addEventListener("message", () => {});
		await end;
		source.close();
		console.log(`${way}: ${asked.slice(1).join("; then ")}`);
	}
	process.exit();
})();
JS
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
