/* Secrets of the vault that are sent to addresses which users give: data sources of the platform api, and servers of tools. */
import test, { after, before, beforeEach } from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { newUser, privateInstance } from "../js/instance.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { start as startOpenAI } from "../standin/openai.mjs";
import { McpStandin } from "../standin/mcp.mjs";

const HOST = "127.0.0.11", OTHER = "127.0.0.12", TOOLS = "127.0.0.13", SOURCES = "/api/datasources", SERVERS = "/api/mcp-servers";
let millrace, api, user, own, other, mcp, model, token, key;

/* A service that says what it was asked with, and gives rows to who has both secrets. */
async function service(host) {
	const s = { requests: [], routes: {} };
	s.server = http.createServer(async (q, reply) => {
		let sent = "";
		for await (const text of q.setEncoding("utf8"))
			sent += text;
		s.requests.push({ path: q.url, headers: q.headers, sent });
		const to = s.routes[q.url];
		if (to)
			return reply.writeHead(302, { location: to }).end();
		if (q.headers.authorization !== `Bearer ${token}` || q.headers["x-api-key"] !== key)
			return reply.writeHead(401).end("Who are you?");
		reply.writeHead(200, { "content-type": "application/json" }).end('[{"email": "ada@a.example"}, {"email": "nobody@a.example"}]');
	}).listen(0, host);
	await once(s.server, "listening");
	s.url = `http://${host}:${s.server.address().port}`;
	return s;
}
before(async () => {
	[own, other, mcp, model] = await Promise.all([service(HOST), service(OTHER), new McpStandin().start(TOOLS), startOpenAI({ key: "sk-test" })]);
	millrace = await privateInstance("headers", { MILLRACE_FETCH_NETWORKS: `${HOST} ${OTHER} ${TOOLS}`, MILLRACE_PROVIDER: "openai", OPENAI_API_KEY: "sk-test",
		OPENAI_MODEL: "gpt-4o-mini", OPENAI_BASE_URL: model.url });
	({ api } = millrace);
});
after(async () => {
	await millrace?.stop();
	for (const s of [own, other])
		s?.server.close();
	mcp?.close();
	await model?.close();
});
beforeEach(async () => {
	user = await newUser(api);
	[token, key] = [`t-${randomUUID()}`, `k ${randomUUID()}`];
	for (const s of [own, other])
		Object.assign(s, { requests: [], routes: {} });
	for (const [name, value] of [["TOKEN", token], ["KEY", key], ["LINES", "a\nX-Evil: 1"]])
		assertStatus(await user.api.post("/api/vault", { key: name, value }), 200);
});

const create = async (path, json) => assertStatus(await user.api.post(path, json), 201).json;
const source = (more) => ({ platform: "api", resource_identifier: `${own.url}/leads`, secret: "TOKEN", headers: { "X-Api-Key": "KEY" }, ...more });
async function task(given) {
	const { id: process_id } = await create("/api/v1/admin/processes", { name: "Leads" });
	await create(SOURCES, { process_id, ...given });
	const { id } = await create("/api/agent/task", { process_id });
	return until(async () => { const t = assertStatus(await user.api.get(`/api/agent/task/${id}`), 200).json; return t.ended_at && t; }, "the task's end");
}

test("an api's rows are read with its token and headers; no reply, export or log has them", async () => {
	await create("/api/leads", { name: "Ada", email: "ada@a.example" });
	const done = await task(source());
	assert.deepEqual([done.status, done.rows, done.matches, done.pipeline.extract.error], ["completed", 2, 1, null]);
	assert.deepEqual([own.requests.length, own.requests[0].headers.authorization, own.requests[0].headers["x-api-key"]], [1, `Bearer ${token}`, key]);
	const [shown] = assertStatus(await user.api.get(SOURCES), 200).json;
	assert.deepEqual([shown.secret, shown.headers], ["TOKEN", { "X-Api-Key": "KEY" }]);
	const { text } = assertStatus(await user.api.get("/api/v1/user/export"), 200);
	for (const secret of [token, key]) {
		assert.ok(!text.includes(secret) && !JSON.stringify(shown).includes(secret));
		assert.equal(await millrace.grepLogs(secret), "");
	}
	assert.match(await millrace.psql(`SELECT data FROM audit_log WHERE subject = '${user.uid}' AND type = 'secret_used'`), /datasource/);
	const changed = assertStatus(await user.api.put(`${SOURCES}/${shown.id}`, { secret: null, headers: null }), 200).json;
	assert.deepEqual([changed.secret, changed.headers], [null, {}]);
});

test("where an address leads, the secrets go to their own origin alone", async () => {
	own.routes["/leads"] = "/moved";
	assert.equal((await task(source())).rows, 2);
	own.routes["/moved"] = `${other.url}/leads`;
	const done = await task(source({ resource_name: "Api" }));
	assert.match(done.error, /Api: The server does not show this page to us \(status 401\)/);
	assert.equal(other.requests.length, 1);
	assert.deepEqual([other.requests[0].headers.authorization, other.requests[0].headers["x-api-key"]], [undefined, undefined]);
	/* Another port is another origin, and there and back is no way round. */
	own.routes["/moved"] = `${other.url}/back`;
	other.routes["/back"] = `${own.url}/end`;
	assert.equal((await task(source())).rows, 2);
	assert.equal(other.requests.at(-1).headers["x-api-key"], undefined);
});

test("a secret that is gone, or cannot be sent, is named, and nothing is asked", async () => {
	assert.match((await task(source({ headers: { "X-Api-Key": "LINES" } }))).error, /The vault has no secret LINES any more/);
	const { id: process_id } = await create("/api/v1/admin/processes", { name: "Leads" });
	await create(SOURCES, { process_id, ...source() });
	await millrace.psql(`DELETE FROM secret WHERE owner_id = '${user.uid}' AND key = 'KEY'`);
	const { id } = await create("/api/agent/task", { process_id });
	const done = await until(async () => { const t = (await user.api.get(`/api/agent/task/${id}`)).json; return t.ended_at && t; }, "the task's end");
	assert.match(done.error, /The vault has no secret KEY any more/);
	assert.deepEqual(own.requests, []);
});

test("what cannot be sent is refused, and so is a key that may not pass secrets on", async () => {
	const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`X-${i}`, "KEY"]));
	for (const bad of [{ secret: "NONE" }, { headers: { "X-Api-Key": "NONE" } }, { headers: { "X-Api-Key": 5 } }, { headers: { Host: "KEY" } }, { headers: { "content-length": "KEY" } },
		{ headers: { "X y": "KEY" } }, { headers: { "X\r\nY": "KEY" } }, { headers: { authorization: "KEY" } }, { secret: "KEY", headers: { authorization: "KEY" } }, { headers: many }, { headers: ["KEY"] }, { platform: "url" }])
		assertError(await user.api.post(SOURCES, source(bad)), "BAD_REQUEST", undefined, JSON.stringify(bad));
	for (const bad of [{ headers: { "X-Api-Key": "NONE" } }, { headers: { "Mcp-Method": "KEY" } }, { headers: { Accept: "KEY" } }])
		assertError(await user.api.post(SERVERS, { name: "bad", url: `${mcp.url}/modern`, ...bad }), "BAD_REQUEST");
	assert.deepEqual(assertStatus(await user.api.get(SOURCES), 200).json, []);

	const plain = `mr_${randomUUID()}`, hash = createHash("sha256").update(plain).digest("hex");
	await millrace.psql(`INSERT INTO api_key (user_id, hash, shown, name, scopes) VALUES ('${user.uid}', '\\x${hash}', 'mr_', 'test', '{read,write}')`);
	const { id } = await create(SOURCES, source()), writer = api.fresh().as(plain);
	assertError(await writer.post(SOURCES, source()), "FORBIDDEN");
	/* Nor send what is there elsewhere. */
	assertError(await writer.put(`${SOURCES}/${id}`, { resource_identifier: `${other.url}/steal` }), "FORBIDDEN");
	assertStatus(await writer.put(`${SOURCES}/${id}`, { secret: null, headers: {} }), 200);
	assertStatus(await writer.post(SOURCES, { platform: "api", resource_identifier: "an api" }), 201);
});

test("a server of tools is sent its headers with each request; what it says of them is not shown", async () => {
	mcp.calls.length = 0;
	const list = async (name) => until(async () => assertStatus(await user.api.get(SERVERS), 200).json.find((s) => s.name === name && (s.listed_at || s.problem)), "what it has");
	const made = await create(SERVERS, { name: "new", url: `${mcp.url}/modern`, secret: "TOKEN", headers: { "X-Api-Key": "KEY" } });
	assert.deepEqual([made.secret, made.headers], ["TOKEN", { "X-Api-Key": "KEY" }]);
	assert.deepEqual((await list("new")).tools.map((t) => t.name), ["add", "fail", "hold"]);
	const stream = await user.api.chat('[[tool:new__add {"a":40,"b":2}]]'), events = await stream.all();
	assert.equal(events.find((e) => e.event === "activity" && e.data.type === "tool_result").data.output, "the sum is 42");
	assert.ok(mcp.calls.length > 1 && mcp.calls.every((c) => c.headers.authorization === `Bearer ${token}` && c.headers["x-api-key"] === key));
	mcp.odd.tells = (m, res) => (res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id: m.id,
		error: { code: -32603, message: `no: ${key}` } })), undefined);
	await create(SERVERS, { name: "tells", url: `${mcp.url}/odd/tells`, headers: { "X-Api-Key": "KEY" } });
	assert.match((await list("tells")).problem, /^What it says holds the credential/);
	await create(SERVERS, { name: "lines", url: `${mcp.url}/modern`, headers: { "X-Api-Key": "LINES" } });
	assert.match((await list("lines")).problem, /^The vault has no secret LINES any more/);
	for (const secret of [token, key])
		assert.equal(await millrace.grepLogs(secret), "");
});

test("a workflow's step asks at what a person writes for an address, or says that it is none", async () => {
	const { id: workflow_id } = await create("/api/workflows", { name: "Flow", definition: { steps: [
		{ id: "a", type: "http", url: `${own.url}/leads/{{inputs.name}}?q={{inputs.name}}#x`, headers: { Authorization: `Bearer ${token}`, "X-Api-Key": key } }] } });
	const run = async (name) => assertStatus(await user.api.post("/api/agents/workflows/execute", { workflow_id, inputs: { name } }), 200).json;
	const { status, error } = await run("Zoé Silva");
	assert.deepEqual([status, error, own.requests.map((r) => r.path)], ["completed", null, ["/leads/Zo%c3%a9%20Silva?q=Zo%c3%a9+Silva"]]);
	assert.equal((await run("a\nHost: x")).error, "The step a failed: its url is no address that begins with http:// or https://.");
	assert.equal(own.requests.length, 1);
});

test("a workflow's request sends any JSON, also all of what a step gave", async () => {
	const headers = { Authorization: `Bearer ${token}`, "X-Api-Key": key }, post = (id, body) => ({ id, type: "http", method: "POST", url: `${own.url}/${id}`, headers, body });
	const { id: workflow_id } = await create("/api/workflows", { name: "Send", definition: { steps: [{ id: "list", type: "transform", input: [1, { two: 2 }] },
		post("all", "{{steps.list.output}}"), post("text", "hi {{steps.list.output.0}}"), post("none", "{{inputs.none}}")] } });
	assert.equal(assertStatus(await user.api.post("/api/agents/workflows/execute", { workflow_id }), 200).json.error, null);
	assert.deepEqual(own.requests.map(({ headers: h, sent }) => [h["content-type"], sent && JSON.parse(sent)]),
	    [["application/json", [1, { two: 2 }]], ["application/json", "hi 1"], [undefined, ""]]);
});
