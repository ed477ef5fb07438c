#!/bin/sh
# @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/client 2.4.0 (npm)
#
# What it does: when a server has forgotten a session (it was restarted, or the session is too old) and says so with 404, these clients reject the
# call and keep the session's id: every later call of the same Client carries it and is rejected as well, for as long as the program runs. client's
# connect() can be called again, with another transport; sdk's cannot, and wants another Client.
#
# What the standard says: Model Context Protocol 2025-11-25, Transports, "Session Management", 4: a client that gets a 404 for a request with a session's
# id has to start a new session by an InitializeRequest without one.
#
# What we do: a tool server of a user's is asked in a new session after such a 404, once, within the same call (runner/outside/mcp.c).
#
# Seen on 2026-11-29, with Node 20.20; what the server was sent:
#     sdk: initialize without, tools/list s1, forgotten: rejected, rejected; sent: tools/list s1, tools/list s1; connect() again: rejected
#     client: initialize without, tools/list s1, forgotten: rejected, rejected; sent: tools/list s1, tools/list s1; connect() again: resolved
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/client@2.4.0 zod@4.6.7 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'JS'
const { createServer } = require("node:http");
let log, sessions, forgotten;
const server = createServer(async (request, response) => {
	let body = "";
	for await (const part of request)
		body += part;
	const session = request.headers["mcp-session-id"], answer = (status, headers, json) => response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(json && JSON.stringify(json));
	if (request.method !== "POST")
		return answer(405);
	const { id, method, params } = JSON.parse(body);
	if (id === undefined)
		return answer(202);
	log.push(`${method} ${session ?? "without"}`);
	if (method === "initialize")
		return answer(200, { "Mcp-Session-Id": `s${++sessions}` }, { jsonrpc: "2.0", id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "mill", version: "1" } } });
	if (session === forgotten)
		return answer(404, {}, { jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } });
	answer(200, {}, { jsonrpc: "2.0", id, result: { tools: [] } });
});
server.listen(0, "127.0.0.1", async () => {
	const url = new URL(`http://127.0.0.1:${server.address().port}/mcp`), said = (promise) => promise.then(() => "resolved", () => "rejected");
	const { Client: A } = await import("@modelcontextprotocol/sdk/client/index.js"), { StreamableHTTPClientTransport: TA } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
	const { Client: B, StreamableHTTPClientTransport: TB } = await import("@modelcontextprotocol/client");
	for (const [name, Client, Transport] of [["sdk", A, TA], ["client", B, TB]]) {
		[log, sessions, forgotten] = [[], 0, ""];
		const client = new Client({ name: "x", version: "1" });
		await client.connect(new Transport(url));
		await client.listTools();
		const before = log.splice(0).join(", ");
		forgotten = "s1";
		const ends = [await said(client.listTools()), await said(client.listTools())], sent = log.splice(0).join(", ");
		console.log(`${name}: ${before}, forgotten: ${ends.join(", ")}; sent: ${sent}; connect() again: ${await said(client.connect(new Transport(url)))}`);
	}
	process.exit();
});
JS
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
