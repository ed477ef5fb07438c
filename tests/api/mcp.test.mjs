/* The Model Context Protocol: our tools for official clients, in the revision without a handshake and in those with one. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { createMCPClient } from "@ai-sdk/mcp";
import { MCPServerStreamableHttp } from "@openai/agents";
import { newUser, shared } from "../js/instance.mjs";
import { relayTo } from "../js/relay.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";

const MODERN = "2026-07-28", LEGACY = "2025-11-25", PATH = "/api/mcp", WHO = { name: "tests", version: "1" };
const READING = ["search_documents", "read_file", "fetch_url", "search_leads"], ALL = ["search_documents", "write_file", "read_file", "fetch_url", "search_leads"];
let millrace, api, relay, user, url;
const keyOf = async (scopes) => assertStatus(await user.api.post("/api/settings/api-keys", { name: "mcp", scopes }), 201).json.apiKey;

before(async () => {
	millrace = await shared();
	({ api } = millrace);
	relay = await relayTo(millrace);
	url = new URL(PATH, relay.url);
	user = await newUser(api);
	user.key = await keyOf(["read", "write"]);
	await user.api.upload("/api/documents/upload?wait=1", { file: { filename: "mill.txt", type: "text/plain", bytes: "The mill has a blue wheel." } });
	await user.api.post("/api/leads", { name: "Ada", company: "Saas & Co" });
});
after(() => relay?.close());

const headers = (key) => ({ authorization: `Bearer ${key}` });
/* The official clients, with one face: list, call, close. */
async function sdk(Which, Transport, options, key) {
	const client = new Which(WHO, options);
	await client.connect(new Transport(url, { requestInit: { headers: headers(key) } }));
	return { client, list: async () => (await client.listTools()).tools, call: (name, args, more) => client.callTool({ name, arguments: args }, ...more ?? []), close: () => client.close() };
}
const CLIENTS = {
	"client 2, without a handshake": (key) => sdk(Client, StreamableHTTPClientTransport, { versionNegotiation: { mode: { pin: MODERN } } }, key),
	"client 2, as it finds the server": (key) => sdk(Client, StreamableHTTPClientTransport, { versionNegotiation: { mode: "auto" } }, key),
	"client 2, with a handshake": (key) => sdk(Client, StreamableHTTPClientTransport, {}, key),
	"sdk 1": (key) => sdk(OldClient, OldTransport, {}, key),
	"@ai-sdk/mcp": async (key) => {
		const client = await createMCPClient({ transport: { type: "http", url: url.href, headers: headers(key) } });
		const tools = await client.tools();
		return { list: async () => Object.keys(tools).map((name) => ({ name })), close: () => client.close(),
			call: (name, args) => tools[name].execute(args, { toolCallId: "1", messages: [] }) };
	},
	"@openai/agents": async (key) => {
		const server = new MCPServerStreamableHttp({ url: url.href, requestInit: { headers: headers(key) } });
		await server.connect();
		return { list: () => server.listTools(), close: () => server.close(), call: async (name, args) => ({ content: await server.callTool(name, args) }) };
	},
};

for (const [name, connect] of Object.entries(CLIENTS))
	test(`${name}: tools are listed and called`, async () => {
		const client = await connect(user.key);
		assert.deepEqual((await client.list()).map((t) => t.name), ALL);
		assert.match((await client.call("search_documents", { query: "colour of the wheel" })).content[0].text, /blue wheel/);
		assert.match((await client.call("search_leads", { query: "saas" })).content[0].text, /"Ada"/);
		assert.match((await client.call("write_file", { name: "note.md", content: `by ${name}` })).content[0].text, /^Wrote note\.md/);
		assert.equal((await client.call("read_file", { name: "note.md" })).content[0].text, `by ${name}`);
		await client.close();
	});

test("both revisions are spoken by the same client, each as its server asks", async () => {
	for (const [mode, era] of [[{ pin: MODERN }, "modern"], ["auto", "modern"], ["legacy", "legacy"]]) {
		const { client, close } = await sdk(Client, StreamableHTTPClientTransport, { versionNegotiation: { mode } }, user.key);
		assert.deepEqual([client.getProtocolEra(), client.getServerVersion().name], [era, "millrace"]);
		await close();
	}
});

test("what a tool cannot do it says to the model; what no tool is, to the program", async () => {
	for (const connect of [CLIENTS["client 2, without a handshake"], CLIENTS["sdk 1"]]) {
		const { call, close } = await connect(user.key);
		for (const [name, args, words] of [["search_documents", {}, /query/], ["search_documents", { query: 5 }, /query/], ["search_documents", { query: "x", more: 1 }, /no argument more/],
			["read_file", { name: "nothing.txt" }, /no file/], ["fetch_url", { url: "http://127.0.0.1/" }, /private/], ["write_file", { name: "../x", content: "" }, /name/]]) {
			const result = await call(name, args);
			assert.equal(result.isError, true, name);
			assert.match(result.content[0].text, words);
		}
		for (const name of ["nothing", "rate_lead"])
			await assert.rejects(call(name, {}), { code: -32602 });
		await close();
	}
});

test("a key that may only read has no tools that write, and a stranger nothing of the user's", async () => {
	const key = await keyOf(["read"]), { list, call, close } = await CLIENTS["sdk 1"](key);
	assert.deepEqual((await list()).map((t) => t.name), READING);
	await assert.rejects(call("write_file", { name: "x", content: "" }), /lacks the scope write/);
	assert.match((await call("search_documents", { query: "wheel" })).content[0].text, /blue/);
	await close();
	const stranger = await newUser(api), other = await CLIENTS["sdk 1"](stranger.token);
	assert.match((await other.call("search_documents", { query: "wheel" })).content[0].text, /Nothing/);
	assert.equal((await other.call("read_file", { name: "note.md" })).isError, true);
	await other.close();
	await assert.rejects(CLIENTS["sdk 1"]("mr_nobodys"), /401|not valid/);
});

const META = { "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {} };
const message = (method, params, id = 1) => ({ jsonrpc: "2.0", id, method, ...params ? { params } : {} });
const notification = (method, params) => ({ jsonrpc: "2.0", method: `notifications/${method}`, ...params ? { params } : {} });
const modern = (method, more = {}, version = MODERN) => [message(method, { ...more, _meta: META }),
	{ "mcp-protocol-version": version, "mcp-method": method, ...more.name ? { "mcp-name": more.name } : {} }];
const post = (json, more = {}, from = user.api) => from.post(PATH, json, { headers: more });

test("results of the modern revision say what they are, those of others nothing of it", async () => {
	const info = assertStatus(await post(...modern("server/discover")), 200).json.result;
	assert.deepEqual([info.supportedVersions, info.capabilities, info.resultType, info.cacheScope], [[MODERN], { tools: {} }, "complete", "public"]);
	assert.equal(info._meta["io.modelcontextprotocol/serverInfo"].name, "millrace");
	const list = assertStatus(await post(...modern("tools/list")), 200).json.result;
	assert.deepEqual([list.resultType, list.cacheScope, list.ttlMs > 0, list.nextCursor], ["complete", "private", true, undefined]);
	assert.ok(list.tools.every((t) => t.inputSchema.type === "object" && t.description && t.annotations.readOnlyHint === (t.name !== "write_file")));
	const call = assertStatus(await post(...modern("tools/call", { name: "search_leads", arguments: { query: "saas" } })), 200).json.result;
	assert.deepEqual([call.resultType, call.isError, call.content.length], ["complete", false, 1]);
	assert.deepEqual(Object.keys(assertStatus(await post(message("tools/list", {}, "a\"b")), 200).json.result), ["tools"]);
	assert.equal((await post(message("ping", undefined, "a\"b"))).json.id, "a\"b");
	for (const [asked, given] of [[LEGACY, LEGACY], ["2025-06-18", "2025-06-18"], ["2024-11-05", LEGACY], [MODERN, LEGACY], [undefined, LEGACY]]) {
		const reply = await post(message("initialize", { protocolVersion: asked, capabilities: {}, clientInfo: WHO }));
		assert.equal(assertStatus(reply, 200).json.result.protocolVersion, given);
		assert.match(reply.headers["mcp-session-id"], /^[0-9a-f-]{36}$/);
	}
});

test("what is wrong with a message, by code and status", async () => {
	const [list, said] = modern("tools/list"), named = modern("tools/call", { name: "search_leads", arguments: {} });
	for (const [status, code, json, more] of [
		[400, -32600, []], [400, -32600, [message("ping")]], [400, -32600, { method: "ping", id: 1 }], [400, -32600, message("ping", undefined, null)],
		[400, -32600, message("ping", undefined, 1.5)], [400, -32600, message("ping", undefined, {})], [400, -32600, message("ping", undefined, "x".repeat(300))],
		[400, -32600, message(5)], [400, -32600, { jsonrpc: "2.0", id: 1 }], [400, -32600, message("ping", [])],
		[200, -32601, message("resources/list")], [200, -32601, message("server/discover")], [404, -32601, ...modern("ping")], [404, -32601, ...modern("initialize")],
		[404, -32601, ...modern("subscriptions/listen")],
		[200, -32602, message("tools/call", {})], [200, -32602, message("tools/call", { name: "search_leads", arguments: [] })], [200, -32602, message("tools/list", { cursor: "x" })],
		[400, -32602, message("tools/list", {}), said], [400, -32602, message("tools/list", { _meta: { ...META, "io.modelcontextprotocol/clientCapabilities": 1 } }), said],
		[400, -32020, list], [400, -32020, list, { ...said, "mcp-protocol-version": LEGACY }], [400, -32020, list, { ...said, "mcp-method": "tools/call" }],
		[400, -32020, named[0], { ...named[1], "mcp-name": "read_file" }], [400, -32020, named[0], { ...named[1], "mcp-name": "=?base64?!?=" }],
		[400, -32022, message("tools/list"), { "mcp-protocol-version": "2030-01-01" }],
		[400, -32022, message("tools/list", { _meta: { ...META, "io.modelcontextprotocol/protocolVersion": "2030-01-01" } }), { ...said, "mcp-protocol-version": "2030-01-01" }],
	]) {
		const reply = await post(json, more), what = JSON.stringify([json, more, reply.text]).slice(0, 500);
		assert.deepEqual([reply.status, reply.json?.error?.code], [status, code], what);
		assert.equal(reply.json.id, typeof json.id === "number" && Number.isInteger(json.id) ? 1 : null, what);
		if (code === -32022)
			assert.deepEqual(reply.json.error.data.supported.slice(0, 2), [MODERN, LEGACY]);
	}
	const encoded = `=?base64?${Buffer.from("search_leads").toString("base64")}?=`;
	assertStatus(await post(named[0], { ...named[1], "mcp-name": encoded }), 200);
	const broken = await user.api.request("POST", PATH, { body: "{", headers: { "content-type": "application/json" } });
	assert.deepEqual([broken.status, broken.json.error.code, broken.json.id], [400, -32700, null]);
	assertError(await user.api.request("POST", PATH, { body: "{}", headers: { "content-type": "text/plain" } }), "UNSUPPORTED_MEDIA_TYPE");
	assertError(await post(message("tools/call", { name: "write_file", arguments: { content: "x".repeat(1 << 20) } })), "TOO_LARGE");
});

test("notifications and responses are taken; there is no stream to GET, and no session to DELETE", async () => {
	for (const json of [notification("initialized"), notification("nothing", {}), { jsonrpc: "2.0", id: 7, result: {} },
		notification("cancelled", {}), notification("cancelled", { requestId: {} })]) {
		const reply = await post(json);
		assert.deepEqual([reply.status, reply.text], [202, ""]);
	}
	for (const method of ["GET", "DELETE"]) {
		const reply = await user.api.request(method, PATH);
		assertError(reply, "METHOD_NOT_ALLOWED");
		assert.match(reply.headers.allow, /POST/);
	}
	assertError(await post(message("ping"), {}, api.fresh()), "UNAUTHORIZED");
});

test("a page of another origin does not get in, with whatever credential", async () => {
	for (const origin of ["https://evil.example", "null", "http://127.0.0.1"])
		assertError(await post(message("ping"), { origin }), "FORBIDDEN");
	assertStatus(await post(message("ping"), { origin: new URL(millrace.url).origin }), 200);
});

/* A call that waits for the runner, and that its client gives up: its run is cancelled. */
async function cancelled(connect, options) {
	const { call, close } = await connect(user.key), go = await millrace.holdRunner(), abort = new AbortController();
	const runs = () => millrace.psql(`SELECT id FROM run WHERE owner_id = '${user.uid}' AND kind = 'tool' AND ended_at IS NULL`);
	try {
		const lost = assert.rejects(call("search_leads", { query: "x" }, options(abort.signal)));
		const id = (await until(runs, "the call's run")).trim();
		abort.abort();
		await until(async () => (await millrace.psql(`SELECT status FROM run WHERE id = '${id}'`)).trim() === "cancelled", "the run's end");
		await lost;
	} finally {
		go();
	}
	await close();
}

test("a call is cancelled: by a connection that closes, or by a notification of its session", async () => {
	await cancelled(CLIENTS["client 2, without a handshake"], (signal) => [{ signal }]);
	await cancelled(CLIENTS["client 2, with a handshake"], (signal) => [{ signal }]);
	await cancelled(CLIENTS["sdk 1"], (signal) => [undefined, { signal }]);
});

test("another session's notification cancels nothing", async () => {
	const go = await millrace.holdRunner(), session = { "mcp-session-id": "11111111-1111-4111-8111-111111111111" };
	const call = post(message("tools/call", { name: "search_leads", arguments: { query: "saas" } }, 7), session);
	try {
		await until(() => millrace.psql(`SELECT id FROM run WHERE owner_id = '${user.uid}' AND kind = 'tool' AND ended_at IS NULL`), "the call's run");
		for (const other of [{}, { "mcp-session-id": "22222222-2222-4222-8222-222222222222" }])
			assert.equal((await post(notification("cancelled", { requestId: 7 }), other)).status, 202);
	} finally {
		go();
	}
	assert.match(assertStatus(await call, 200).json.result.content[0].text, /"Ada"/);
});
