#!/bin/sh
# @modelcontextprotocol/server 2.4.0, @modelcontextprotocol/client 2.4.0 and zod 4.6.7 (npm)
#
# What it does: the server finds a tool's structured result right by its zod schema and sends it as the tool returned it. The client compiles
# the JSON Schema that the same server has announced, finds the same result wrong, and throws: the call is done, its result is lost. So it goes
# with a field that the schema does not have (zod drops it, the server sends it, the announced schema forbids it), with a default that zod would
# fill in, with 19.99 as a multiple of 0.01 (zod allows for floats, ajv does not), and with a regular expression with /i, whose flag zod's
# z.toJSONSchema() drops. Only a client that has listed the tools looks, so that one call succeeds and the next does not.
#
# What the documentation says: MCP (server/tools, "Output Schema"): servers must send results that conform to the schema, clients should
# validate them. The SDK's pages name none of these. Its pull requests 1985 and 2467 are about the first two.
#
# What we do: as a client we take a result as it comes, text first (text_of() in runner/jobs/remote.c), and validate nothing; as a server we
# announce no outputSchema (lib/mcp.c). A server of zod's schemas sends what parse() gives, and keeps multipleOf and flags out of them.
#
# Seen on 2026-11-28, with Node 20.20:
#     a field more: refused, data must NOT have additional properties
#     a default: refused, data must have required property 'v'
#     19.99 of 0.01: refused, data/v must be multiple of 0.01
#     AB-12 by /^ab-\d+$/i: refused, data/v must match pattern "^ab-\d+$"
#     the last without tools/list before: {"v":"AB-12"}
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install @modelcontextprotocol/server@2.4.0 @modelcontextprotocol/client@2.4.0 zod@4.6.7 >/dev/null 2>&1 || exit 2
cat >call.mjs <<'END'
import { Client } from "@modelcontextprotocol/client";
import { InMemoryTransport, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
async function call(what, outputSchema, structuredContent, list = true) {
	const server = new McpServer({ name: "server", version: "1" }), client = new Client({ name: "client", version: "1" });
	const content = [{ type: "text", text: JSON.stringify(structuredContent) }];
	server.registerTool("tool", { inputSchema: z.object({}), outputSchema }, async () => ({ content, structuredContent }));
	const [one, other] = InMemoryTransport.createLinkedPair();
	await server.connect(one);
	await client.connect(other);
	if (list)
		await client.listTools();
	let said;
	try {
		const result = await client.callTool({ name: "tool", arguments: {} });
		said = (result.isError ? "the server refuses: " : "") + JSON.stringify(result.structuredContent);
	} catch (error) {
		said = error.message.replace("Structured content does not match the tool's output schema: ", "refused, ");
	}
	console.log(`${what}: ${said}`);
}
await call("a field more", z.object({ v: z.string() }), { v: "x", note: "y" });
await call("a default", z.object({ v: z.string().default("x") }), {});
await call("19.99 of 0.01", z.object({ v: z.number().multipleOf(0.01) }), { v: 19.99 });
const code = z.object({ v: z.string().regex(/^ab-\d+$/i) });
await call("AB-12 by /^ab-\\d+$/i", code, { v: "AB-12" });
await call("the last without tools/list before", code, { v: "AB-12" }, false);
END
said=$(node call.mjs) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
