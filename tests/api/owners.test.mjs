/*
 * Every route there is, by the programs' own list: none without a caller, none with somebody else's id, and nothing that a string
 * may hold gets anywhere but where it belongs.
 */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { ROOT, newUser, shared } from "../js/instance.mjs";
import { inputs } from "../js/inputs.mjs";
import { assertError, assertStatus } from "../js/expect.mjs";

let millrace, api, routes, victim, ids, sample, resolve;

/* What somebody has, by the route's path up to its id. */
async function belongings(user) {
	const upload = assertStatus(await user.api.upload("/api/documents/upload?wait=1",
	    { name: "Mill", file: { filename: "mill.txt", type: "text/plain", bytes: "The mill has a wheel." } }), 200).json;
	const chat = await user.api.chat("What has the mill?");
	await chat.all();
	const one = async (sql) => (await millrace.psql(sql)).split("\n")[0];
	const run = chat.headers["x-run-id"], conversation = chat.headers["x-conversation-id"];
	const notification = await one(`INSERT INTO notification (owner_id, title, message) VALUES ('${user.uid}', 't', 'm') RETURNING id`);
	const artifact = await one(`WITH b AS (INSERT INTO blob (owner_id, sha256, size) VALUES ('${user.uid}', sha256('wheel'), 5) RETURNING id),
		c AS (INSERT INTO blob_chunk SELECT id, 0, 'wheel' FROM b)
		INSERT INTO artifact (owner_id, conversation_id, run_id, name, version, mime_type, size, blob_id, call_id)
		SELECT '${user.uid}', '${conversation}', '${run}', E'a\\r\\nX-Injected: yes\\r\\n"; b.txt', 1, 'text/plain', 5, b.id, 'c' FROM b RETURNING id`);
	const lead = assertStatus(await user.api.post("/api/leads", { name: "Ada" }), 201).json;
	const key = assertStatus(await user.api.post("/api/settings/api-keys", { name: "key" }), 201).json;
	const bot = assertStatus(await user.api.post("/api/chatbots", { name: "Miller", documents: [upload.id] }), 201).json;
	const session = assertStatus(await user.api.post("/api/chat/sessions", { chatbotId: bot.id }), 201).json;
	const invitation = await one(`SELECT (invitation_create(NULL, 7, sha256('${user.uid}'), false)).id`);
	const approval = await one(`WITH p AS (INSERT INTO project (owner_id, name) VALUES ('${user.uid}', 'app') RETURNING id, owner_id)
		INSERT INTO approval (owner_id, project_id, request_id, kind, amount_usd, expires_at) SELECT owner_id, id, 'r', 'call', 1, now() + interval '1 hour' FROM p RETURNING id`);
	const sold = await one(`INSERT INTO pricing_package (name, price_usd) VALUES ('Mill', 1) RETURNING id`);
	const campaign = await one(`INSERT INTO pricing_campaign (package_id, name, price_usd, starts_at, ends_at) VALUES ('${sold}', 'Mill', 1, now(), now() + interval '1 hour') RETURNING id`);
	const made = async (path, json) => assertStatus(await user.api.post(path, json), 201).json.id;
	const agents = { "/api/agents": await made("/api/agents", { type: "scout", name: "Scout" }), "/api/v1/admin/processes": await made("/api/v1/admin/processes", { name: "Mill" }),
		"/api/workflows": await made("/api/workflows", { name: "Flow", definition: { steps: [{ id: "a", type: "wait", seconds: 1 }] } }),
		"/api/mcp-servers": await made("/api/mcp-servers", { name: "tools", url: "https://tools.example" }),
		"/api/datasources": await made("/api/datasources", { platform: "api", resource_identifier: "x" }) };
	const flow = assertStatus(await user.api.post("/api/agents/workflows/execute", { workflow_id: agents["/api/workflows"], async: true }), 200).json.workflow_run_id;
	const task = await made("/api/agent/task", { process_id: agents["/api/v1/admin/processes"] });
	const [site, slack] = await Promise.all(["website", "slack"].map((type) => made(`/api/integrations/${type}`, { name: "Site", chatbotId: bot.id })));
	const folder = await one(`INSERT INTO cloud_folder (owner_id, platform, platform_folder, name, every_s) VALUES ('${user.uid}', 'onedrive', 'f', 'Mill', 86400) RETURNING id`);
	const request = assertStatus(await user.api.post("/api/agents/invoke", { agent_type: "lead_agent", input: { query: "Mill" } }), 200).json.request_id;
	return { ...agents, "/api/v1/cloud-files": folder, "/api/agent/task": task, "/api/v1/agent/task": task, "/api/workflow-runs": flow, "/api/agents/requests": request, "/api/integrations": site, "/api/integrations/slack": slack, "/api/chatbots": bot.id, "/api/chat/sessions": session.id, "/api/v1/approvals": approval, "/api/pricing/packages": sold, "/api/pricing/campaigns": campaign, "/api/v1/datasources": agents["/api/datasources"], "/api/leads": lead.id, "/api/settings/api-keys": key.id, "/api/v1/admin/invitations": invitation, "/api/documents": upload.id, "/api/runs": run, "/api/conversations": conversation, "/api/artifacts": artifact,
		"/api/notifications": notification, "/api/v1/user/dao": user.uid };
}

/* None of the ways to say who is calling is asked for, or none is one of them. */
const isPublic = (ways) => ways?.length === 0 || ways?.some((way) => Object.keys(way).length === 0);

before(async () => {
	millrace = await shared();
	({ api } = millrace);
	({ sample, resolve } = inputs(millrace.document));
	const text = execFileSync(join(process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build"), "millrace-fcgi"), ["--routes"], { encoding: "utf8", env: {} });
	routes = text.trim().split("\n").map((line) => {
		const [method, path] = line.split(/\s+/);
		const documented = millrace.document.paths[path.replace(/:[a-z0-9]+\}/g, "}")]?.[method.toLowerCase()];
		return { method, path, documented, isPublic: isPublic(documented?.security) };
	});
	victim = await newUser(api);
	ids = await belongings(victim);
});

const withId = (path, id) => path.replace(/\{provider[^}]*\}/, "github").replace(/\{type[^}]*\}/, "website").replace(/\{decision[^}]*\}/, "approve").replace(/\{[^}]+\}/g, id);

test("the list is whole", () => {
	assert.ok(routes.length >= 40, `only ${routes.length}`);
	for (const { method, path, documented } of routes)
		assert.ok(documented || /^\/(docs|widget)/.test(path), `${method} ${path} is not described`);
});

test("no route but the public ones without a caller", async () => {
	let tried = 0;
	for (const { method, path, documented } of routes.filter((r) => !r.isPublic)) {
		for (const headers of [{}, { authorization: "Bearer x.y.z" }, { cookie: "access_token=x" }])
			assertError(await api.request(method, withId(path, randomUUID()), { headers }), "UNAUTHORIZED", undefined, `${method} ${path}`);
		tried += 3;
		/* Only the database knows keys, and it is asked once the request itself is right; of a socket, inside it. */
		if (documented.responses[101])
			continue;
		const schema = documented.requestBody?.content["application/json"]?.schema;
		const needed = (documented.parameters ?? []).filter((p) => p.in === "query" && p.required).map((p) => `${p.name}=${randomUUID()}`);
		const asked = `${withId(path, randomUUID())}?${needed.join("&")}`;
		const nobody = api.as(`mr_${"A".repeat(43)}`);
		const json = path === "/api/mcp" ? { jsonrpc: "2.0", id: 1, method: "ping" } : schema && sample(schema);
		const reply = documented.requestBody?.content["multipart/form-data"] ? await nobody.upload(asked, { name: "n", file: { filename: "n.txt", bytes: "n" } })
		    : await nobody.request(method, asked, { json });
		assertError(reply, "UNAUTHORIZED", undefined, `${method} ${asked}`);
		tried++;
	}
	assert.ok(tried > 100, `only ${tried}`);
});

test("no route with an id of somebody else's", async () => {
	const thief = await newUser(api);
	const owned = routes.filter((r) => !r.isPublic && r.documented?.parameters.some((p) => p.in === "path" && p.schema.format === "uuid"));
	assert.ok(owned.length >= 15, `only ${owned.length}`);
	for (const { method, path, documented } of owned) {
		const id = ids[path.slice(0, path.indexOf("/{"))];
		assert.ok(id, `${path}: this test has nothing of that kind`);
		const schema = documented.requestBody?.content["application/json"]?.schema;
		const needed = Object.entries(schema ? sample(schema) : {}).filter(([k]) => resolve(schema).required?.includes(k));
		const json = documented.requestBody ? { ...Object.fromEntries(needed), name: "Stolen", title: "Stolen", content: "Stolen", documentIds: [] } : undefined;
		const reply = await thief.api.request(method, withId(path, id), { json });
		assert.ok([403, 404].includes(reply.status), `${method} ${path}: ${reply.status} ${reply.text.slice(0, 200)}`);
		assertError(reply, reply.status === 404 ? "NOT_FOUND" : "FORBIDDEN");
		const unknown = await thief.api.request(method, withId(path, randomUUID()), { json });
		assert.deepEqual([unknown.status, unknown.json.error], [reply.status, reply.json.error], `${method} ${path} tells that there is one`);
	}
	const chat = await thief.api.post("/api/chat", { message: "x", conversationId: ids["/api/conversations"] });
	assertError(chat, "NOT_FOUND");
	/* All of it is still there, as it was. */
	for (const { path } of owned.filter((r) => r.method === "GET" && !r.path.endsWith("/stream"))) {
		const reply = assertStatus(await victim.api.get(withId(path, ids[path.slice(0, path.indexOf("/{"))])), 200);
		assert.ok(!reply.text.includes("Stolen"));
	}
});

test("lists hold nothing of somebody else's", async () => {
	const thief = await newUser(api);
	for (const { method, path } of routes.filter((r) => r.method === "GET" && !r.isPublic && !r.path.includes("{"))) {
		const reply = await thief.api.request(method, path.endsWith("/search") ? `${path}?q=mill` : path);
		for (const id of Object.values(ids))
			assert.ok(!reply.text.includes(id), `${path} shows ${id}`);
	}
});

/* The paths to all strings in it, and to lists of strings. */
function strings(schema, at = []) {
	const s = resolve(schema);
	if (s?.properties)
		return Object.entries(s.properties).flatMap(([k, v]) => strings(v, [...at, k]));
	if ([s?.type].flat().includes("array"))
		return [s.items].filter((i) => resolve(i)?.type === "string").map(() => [...at, 0]);
	return [s?.type].flat().includes("string") ? [at] : [];
}

function put(value, [key, ...rest], text) {
	value[key] = rest.length ? put(value[key], rest, text) : text;
	return value;
}

const HOSTILE = ["'; DROP TABLE app_user; --", "' OR '1'='1", "\\'; SELECT pg_sleep(600); --", "$1$$; DELETE FROM session; $$", "\"; COPY app_user TO '/tmp/x'; --",
	"a\r\nX-Injected: yes\r\n\r\nbody", "a\nSet-Cookie: x-injected=1", "a\rX-Injected: yes", "%0d%0aX-Injected:%20yes", "\u0085\u2028X-Injected: yes",
	"Bcc: x@example.org\r\nX-Injected: yes", "{\"$ne\": null}", "${7*7}{{7*7}}<script>"];

const counts = () => millrace.psql(`SELECT (SELECT count(*) FROM app_user WHERE id = '${victim.uid}'), (SELECT count(*) FROM session WHERE user_id = '${victim.uid}'),
	(SELECT count(*) FROM document WHERE owner_id = '${victim.uid}'), (SELECT role FROM app_user WHERE id = '${victim.uid}'),
	(SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'v', 'p') AND relnamespace = 'public'::regnamespace
		AND relname NOT LIKE 'stream\\_event\\__%')`);

function assertHarmless(reply, what) {
	assert.ok(reply.status < 500, `${what}: ${reply.status} ${reply.text.slice(0, 300)}`);
	const names = Object.entries(reply.headers).flat(2).join("\n").toLowerCase();
	assert.ok(!/^x-injected/m.test(names) && !names.includes("x-injected=1"), `${what}: ${names}`);
	if (reply.status >= 400)
		assert.doesNotMatch(reply.text, /syntax error|postgres|libpq|SQLSTATE/i, what);
}

test("SQL and line breaks in every string of every body", async () => {
	const before = await counts();
	const left = [...routes];
	/* a page that is refused at once, not after its name was looked for */
	const body = (path, schema) => ({ ...sample(schema), ...path === "/api/documents/url" && { url: "http://127.0.0.1:9/" } });
	let sent = 0;
	/* Some at a time: most of what is sent waits for the runner or for a password's hash. */
	await Promise.all(Array.from({ length: 6 }, async () => {
		let user;
		for (let route; (route = left.shift()) !== undefined;) {
			const { method, path, documented } = route, schema = documented?.requestBody?.content["application/json"]?.schema;
			for (const at of schema ? strings(schema) : [])
				for (const [i, text] of HOSTILE.entries()) {
					/* another caller for each string: some of these change who one is */
					if (i === 0)
						user = await newUser(api);
					const reply = await user.api.fresh().request(method, withId(path, user.uid), { json: put(body(path, schema), at, text) });
					assertHarmless(reply, `${method} ${path} ${at.join(".")} ${JSON.stringify(text)}`);
					sent++;
				}
		}
	}));
	assert.ok(sent > 200, `only ${sent}`);
	assert.equal(await counts(), before);
});

test("SQL and line breaks in every parameter and odd header", async () => {
	const before = await counts();
	const user = await newUser(api);
	for (const { method, path, documented } of routes.filter((r) => !r.path.endsWith("/logout")))
		for (const text of HOSTILE) {
			const encoded = encodeURIComponent(text);
			for (const { name } of (documented?.parameters ?? []).filter((p) => p.in === "query"))
				assertHarmless(await user.api.request(method, `${withId(path, randomUUID())}?${name}=${encoded}`), `${method} ${path}?${name}=${encoded}`);
			if (path.includes("{"))
				assertHarmless(await user.api.request(method, withId(path, encoded)), `${method} ${path} ${encoded}`);
		}
	for (const text of HOSTILE.filter((t) => /^[\x20-\x7e]*$/.test(t)))
		for (const name of ["authorization", "cookie", "x-csrf-token", "idempotency-key", "last-event-id", "x-request-id", "accept", "origin"])
			assertHarmless(await user.api.get("/api/user", { headers: { [name]: text } }), `${name}: ${text}`);
	assert.equal(await counts(), before);
});

test("what is stored with line breaks in it adds no header when it comes out in one", async () => {
	const reply = assertStatus(await victim.api.get(`/api/artifacts/${ids["/api/artifacts"]}`), 200);
	assert.equal(reply.text, "wheel");
	assert.equal(reply.headers["x-injected"], undefined);
	assert.doesNotMatch(reply.headers["content-disposition"], /[\r\n]/);
	await millrace.psql(`INSERT INTO notification (owner_id, title, message) SELECT '${victim.uid}', 't', 'm' FROM generate_series(1, 3)`);
	const list = assertStatus(await victim.api.get("/api/notifications?limit=1&x=%0d%0aX-Injected:%20yes&y=%3E;%20rel=%22prev%22"), 200);
	assert.equal(list.headers["x-injected"], undefined);
	assert.match(list.headers.link, /rel="next"$/);
});
