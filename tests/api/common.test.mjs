/* The rules that hold for every path. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { newAdmin } from "../js/accounts.mjs";
import { newAddress, newUser, shared, PAYMENT_NETWORK } from "../js/instance.mjs";
import { TIME, assertError, assertStatus, until } from "../js/expect.mjs";

let millrace, api, user;
before(async () => { millrace = await shared(); ({ api } = millrace); user = await newUser(api); });

const upload = (text, options, from = user.api) => from.upload("/api/documents/upload",
    { name: "note", file: { filename: "note.txt", type: "text/plain", bytes: Buffer.from(text) } }, options);

test("healthz, readyz and metrics", async () => {
	assertStatus(await api.get("/healthz"), 200);
	assertStatus(await api.get("/readyz"), 200);
	const metrics = assertStatus(await api.get("/metrics"), 200);
	assert.match(metrics.headers["content-type"], /^text\/plain/);
	for (const line of metrics.text.trim().split("\n"))
		assert.match(line, /^(# (HELP|TYPE) [a-zA-Z_:]\w* .+|[a-zA-Z_:]\w*(\{[^}]*\})? -?[\d.e+-]+|[a-zA-Z_:]\w*(\{[^}]*\})? [+-]?(Inf|NaN))$/);
});

test("each metric says what it counts and of which type it is, once, above all of its samples", async () => {
	const { text } = assertStatus(await api.get("/metrics"), 200);
	const types = {}, seen = new Set();
	let family = null;
	for (const line of text.trim().split("\n")) {
		const [, what, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
		if (what === "HELP") {
			assert.ok(!seen.has(name), `${name} comes twice`);
			seen.add(family = name);
		} else if (what === "TYPE") {
			assert.equal(name, family, line);
			types[name] = rest;
		} else {
			const sample = /^[a-zA-Z_:]\w*/.exec(line)[0];
			const base = types[family] === "histogram" ? sample.replace(/_(bucket|sum|count)$/, "") : sample;
			assert.equal(base, family, line);
			assert.equal(types[family] === "counter", sample.endsWith("_total"), `${family} is a ${types[family]}`);
		}
	}
	for (const name of ["millrace_request_seconds", "millrace_stream_lag_seconds", "millrace_flush_seconds"])
		assert.equal(types[name], "histogram", name);
	const buckets = {};
	for (const [, name, labels, le, n] of text.matchAll(/^(\w+)_bucket\{(.*),le="(.+)"\} (\d+)$/gm))
		(buckets[name + labels] ??= []).push([le === "+Inf" ? Infinity : Number(le), Number(n)]);
	assert.ok(Object.keys(buckets).length > 3);
	for (const [name, rows] of Object.entries(buckets)) {
		assert.equal(rows.at(-1)[0], Infinity, name);
		for (let i = 1; i < rows.length; i++)
			assert.ok(rows[i][0] > rows[i - 1][0] && rows[i][1] >= rows[i - 1][1], `${name}: ${JSON.stringify(rows)}`);
	}
});

test("a process that tells nothing, or something else, does not end the metrics", async () => {
	const told = ["{}", "[]", "1", '{"a":1}', '{"families":{"x":null},"x":1}', '{"families":{"x":[]},"x":1}', '{"families":[],"x":1}',
		'{"families":{"x":{"type":"gauge","help":"Is odd."}},"x":"text","x{a=\\"b\\"}":7}'];
	const host = await until(async () => (await millrace.psql("SELECT host FROM process WHERE role = 'system' LIMIT 1")).trim(), "a process");
	for (const [i, stats] of told.entries()) {
		await millrace.psql(`SELECT process_heartbeat('${host}', 'odd', ${i + 1}, 'v"\n\\', now(), '${stats}')`);
		const { text } = assertStatus(await api.get("/metrics"), 200);
		assert.ok(text.includes(`millrace_process_up{role="odd",pid="${i + 1}",version="v\\"\\n\\\\"} 1\n`), text.slice(-500));
		assert.ok(!text.includes(" text\n"));
		if (i === told.length - 1)
			assert.ok(text.includes(`# TYPE x gauge\nx{role="odd",pid="${i + 1}",a="b"} 7\n`));
	}
	/* Else it would be missed half a minute later. */
	await millrace.psql("DELETE FROM process WHERE role = 'odd'; DELETE FROM role_seen WHERE role = 'odd'");
});

test("a trailing slash makes no difference", async () => {
	const plain = assertStatus(await user.api.get("/api/user"), 200);
	const slash = assertStatus(await user.api.get("/api/user/"), 200);
	assert.deepEqual(slash.json, plain.json);
	assertStatus(await api.get("/healthz/"), 200);
	assertStatus(await user.api.get("/api/documents/"), 200);
	assertStatus(await user.api.get("/api/conversations/?limit=1"), 200);
});

test("unknown paths give 404, with and without a token", async () => {
	for (const path of ["/api/nope", "/api/user/extra", "/nope", "/index.html", "/api", "/api/", "/v1/nope", "/api/runs",
	    "/api/conversations/not-a-uuid", "/api/documents/x", "/%00", "/api/chat/nope", "/_stream/run/x", "/_millrace/error"]) {
		const wanted = path === "/%00" ? "BAD_REQUEST" : "NOT_FOUND";
		assertError(await user.api.get(path), wanted, null, path);
	}
	assertError(await api.get("/api/nope"), "NOT_FOUND");
});

test("/ is a page that says what this is, to GET and HEAD alone", async () => {
	const page = assertStatus(await api.get("/"), 200);
	assert.match(page.headers["content-type"], /^text\/html/);
	assert.match(page.text, /<h1>Millrace<\/h1>/);
	assert.match(page.headers["content-security-policy"], /^default-src 'none'/);
	for (const [, path] of page.text.matchAll(/href="(\/[^"]*)"/g))
		assertStatus(await api.get(path), 200);
	assert.equal(assertStatus(await api.request("HEAD", "/"), 200).bytes.length, 0);
	assertError(await api.request("POST", "/"), "METHOD_NOT_ALLOWED");
});

test("a known path with another method gives 405 and Allow", async () => {
	const cases = { "/api/user": ["GET", "PATCH"], "/api/auth/login": ["POST"], "/api/chat": ["POST"],
		[`/api/conversations/${randomUUID()}`]: ["GET", "PATCH", "DELETE"], "/healthz": ["GET"],
		"/api/documents/upload": ["POST"] };
	for (const [path, methods] of Object.entries(cases)) {
		const reply = await user.api.request("PROPFIND", path);
		assertError(reply, "METHOD_NOT_ALLOWED");
		const allow = (reply.headers.allow ?? "").split(/,\s*/);
		for (const method of methods)
			assert.ok(allow.includes(method), `${path} allows ${allow}`);
		assert.equal(allow.includes("HEAD"), methods.includes("GET"), `${path} allows ${allow}`);
		assert.ok(allow.includes("OPTIONS"));
	}
	assertError(await user.api.request("DELETE", "/api/user"), "METHOD_NOT_ALLOWED");
});

test("HEAD gives GET's headers and no body", async () => {
	const get = assertStatus(await user.api.get("/api/user"), 200);
	const head = assertStatus(await user.api.request("HEAD", "/api/user"), 200);
	assert.equal(head.bytes.length, 0);
	assert.equal(head.headers["content-type"], get.headers["content-type"]);
	if (get.headers["content-length"])
		assert.equal(head.headers["content-length"], get.headers["content-length"]);
	assert.equal((await api.request("HEAD", "/api/user")).status, 401);
	assert.equal((await api.request("HEAD", "/api/nope")).status, 404);
	assert.equal((await user.api.request("HEAD", "/api/chat")).status, 405);
});

test("OPTIONS answers preflights, without a token, for configured origins only", async () => {
	const preflight = (origin) => api.request("OPTIONS", "/api/user", { headers: { origin,
		"access-control-request-method": "PATCH", "access-control-request-headers": "authorization,content-type" } });
	const good = assertStatus(await preflight(millrace.origin), 204);
	assert.equal(good.headers["access-control-allow-origin"], millrace.origin);
	assert.equal(good.headers["access-control-allow-credentials"], "true");
	assert.match(good.headers["access-control-allow-methods"], /PATCH/);
	assert.match(good.headers["access-control-allow-headers"], /authorization/i);
	assert.match(good.headers["access-control-allow-headers"], /content-type/i);
	assert.match(good.headers["access-control-allow-headers"], /idempotency-key/i);
	assert.ok(Number(good.headers["access-control-max-age"]) > 0);
	assert.match(good.headers.vary ?? "", /origin/i);
	assert.match(good.headers.allow, /GET.*PATCH|PATCH.*GET/);
	for (const origin of ["https://evil.example", millrace.origin + ".evil.example", "null", "https://"]) {
		const bad = await preflight(origin);
		assert.equal(bad.headers["access-control-allow-origin"], undefined, origin);
		assert.equal(bad.headers["access-control-allow-credentials"], undefined, origin);
	}
	assertError(await api.request("OPTIONS", "/api/nope", { headers: { origin: millrace.origin } }), "NOT_FOUND");
	/* The request itself is refused, which the page reads: of a preflight it would learn nothing. */
	for (const path of ["/api/nope", "/api/documents/undefined", "/api/usage"]) {
		const asked = assertStatus(await api.request("OPTIONS", path, { headers: { origin: millrace.origin,
			"access-control-request-method": "DELETE", "access-control-request-headers": "x-stainless-lang,x-trace" } }), 204);
		assert.match(asked.headers["access-control-allow-methods"], /\bDELETE\b/, path);
		assert.match(asked.headers["access-control-allow-headers"], /x-stainless-lang,x-trace/, path);
		assert.equal((await api.request("OPTIONS", path, { headers: { origin: "https://evil.example",
			"access-control-request-method": "DELETE" } })).headers["access-control-allow-origin"], undefined);
	}
});

test("replies and errors carry CORS headers, once", async () => {
	const headers = { origin: millrace.origin };
	for (const reply of [await user.api.get("/api/user", { headers }), await api.get("/api/user", { headers }),
	    await api.get("/api/nope", { headers })]) {
		assert.equal(reply.headers["access-control-allow-origin"], millrace.origin);
		assert.match(reply.headers["access-control-expose-headers"], /X-Request-Id/);
	}
	assert.equal((await user.api.get("/api/user")).headers["access-control-allow-origin"], undefined);
});

test("what a reply says in its headers, a page of another origin may read", async () => {
	const headers = { origin: millrace.origin }, once = { ...headers, "idempotency-key": randomUUID() };
	const plumbing = /^(access-control-.*|cache-control|connection|content-(length|type|security-policy)|date|keep-alive|referrer-policy|server|transfer-encoding|vary|x-content-type-options)$/;
	const replies = [await user.api.get("/api/v1/user/export", { headers }), await user.api.delete("/api/usage", { headers }),
		await user.api.post("/api/leads", { name: "One" }, { headers: once }), await user.api.post("/api/leads", { name: "One" }, { headers: once }),
		await user.api.get("/api/leads?limit=1", { headers })];
	const said = new Set(replies.flatMap((reply) => Object.keys(reply.headers)).filter((name) => !plumbing.test(name)));
	for (const name of ["content-disposition", "allow", "idempotent-replayed", "x-request-id"])
		assert.ok(said.has(name), `${name} is in none of ${[...said].join(", ")}`);
	const exposed = replies[0].headers["access-control-expose-headers"].toLowerCase().split(", ");
	assert.deepEqual([...said].filter((name) => !exposed.includes(name)), []);
});

test("a sane request id is kept, any other replaced", async () => {
	for (const id of ["a", "Abc-1_2.3", "x".repeat(64), randomUUID()]) {
		assert.equal((await user.api.get("/api/user", { headers: { "x-request-id": id } })).headers["x-request-id"], id);
		const error = await api.get("/api/user", { headers: { "x-request-id": id } });
		assertError(error, "UNAUTHORIZED");
		assert.equal(error.json.request_id, id);
	}
	const seen = new Set();
	for (const id of ["", "a b", "x".repeat(65), "<script>", "a\tb", 'q"', "é"]) {
		const reply = await user.api.get("/api/user", { headers: { "x-request-id": Buffer.from(id).toString("latin1") } });
		assert.match(reply.headers["x-request-id"], /^[A-Za-z0-9._-]{16,64}$/);
		seen.add(reply.headers["x-request-id"]);
	}
	assert.equal(seen.size, 7, "made ids repeat");
});

test("security headers, and nothing that tells versions", async () => {
	const { headers } = await user.api.get("/api/user");
	assert.equal(headers["x-content-type-options"], "nosniff");
	assert.match(headers["cache-control"], /no-store/);
	assert.doesNotMatch(headers.server ?? "", /\d/);
	assert.match(headers["content-type"], /^application\/json/);
});

test("what comes in has to be JSON and at most 1 MiB", async () => {
	const send = (type, body) => user.api.request("PATCH", "/api/user",
	    { body, headers: type ? { "content-type": type } : {} });
	const text = await send("text/plain", '{"name":"x"}');
	assertError(text, "UNSUPPORTED_MEDIA_TYPE");
	assert.match(text.json.error, /application\/json/);
	assertError(await send("application/x-www-form-urlencoded", "name=x"), "UNSUPPORTED_MEDIA_TYPE");
	const coded = await user.api.request("PATCH", "/api/user", { body: gzipSync('{"name":"x"}'), headers: { "content-type": "application/json", "content-encoding": "gzip" } });
	assertError(coded, "UNSUPPORTED_MEDIA_TYPE");
	assert.match(coded.json.error, /Content-Encoding/);
	assertError(await user.api.request("POST", "/api/documents/upload", { body: "x", headers: { "content-type": "multipart/form-data; boundary=x", "content-encoding": "br" } }), "UNSUPPORTED_MEDIA_TYPE");
	assertStatus(await user.api.request("PATCH", "/api/user", { body: '{"name":"x"}', headers: { "content-type": "application/json", "content-encoding": "identity" } }), 200);
	assertStatus(await send("application/json; charset=utf-8", '{"name":"x"}'), 200);
	assertStatus(await send("APPLICATION/JSON", '{"name":"x"}'), 200);
	assertError(await send("application/json", `{"name":"${"x".repeat(1 << 20)}"}`), "TOO_LARGE");
	assertStatus(await send("application/json", `{"name":"x","more":"${"x".repeat((1 << 20) - 30)}"}`), 200);
});

test("limits that apply are told", async () => {
	const reply = await api.fresh().post("/api/auth/login", { email: newAddress(), password: "wrong password" });
	assertError(reply, "UNAUTHORIZED");
	const [limit, remaining, reset] = ["limit", "remaining", "reset"].map((n) => Number(reply.headers[`x-ratelimit-${n}`]));
	assert.ok(limit > 0 && remaining >= 0 && remaining < limit && reset >= 0, JSON.stringify(reply.headers));
});

test("too many logins from one address are refused, with Retry-After", async () => {
	const from = api.fresh();
	const replies = await Promise.all(Array.from({ length: 60 }, () => from.post("/api/auth/login", {})));
	const refused = replies.filter((r) => r.status !== 400);
	assert.ok(refused.length > 0, "none was refused");
	for (const reply of refused) {
		assertError(reply, "RATE_LIMITED");
		assert.ok(Number(reply.headers["retry-after"]) > 0);
	}
	assertError(await api.fresh().post("/api/auth/login", {}), "BAD_REQUEST");
});

test("Idempotency-Key: the first reply again, and 409 for another body", async () => {
	const key = { headers: { "idempotency-key": randomUUID() } };
	/* the same bytes need the same boundary */
	const body = Buffer.from('--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nonce\r\n--b\r\nContent-Disposition: '
	    + 'form-data; name="file"; filename="a.txt"\r\n\r\nonly once\r\n--b--\r\n');
	const send = (bytes, from = user.api) => from.request("POST", "/api/documents/upload",
	    { body: bytes, headers: { ...key.headers, "content-type": "multipart/form-data; boundary=b" } });
	const first = assertStatus(await send(body), 202);
	const again = assertStatus(await send(body), 202);
	assert.deepEqual(again.json, first.json);
	assertError(await send(Buffer.from(body.toString().replace("only once", "only twice"))), "CONFLICT");
	const list = (await user.api.get("/api/documents")).json.filter((d) => d.name === "once");
	assert.equal(list.length, 1);
	assertError(await send(Buffer.from(body.toString().replace("\r\n\r\nonce", "\r\n\r\nanother name"))), "CONFLICT");
	const other = await newUser(api);
	assert.notEqual(assertStatus(await send(body, other.api), 202).json.id, first.json.id);
});

test("Idempotency-Key: a deferred reply again, and one key for one path", async () => {
	const { api: own } = await newUser(api);
	const [a, b] = [await upload("one", {}, own), await upload("two", {}, own)].map((r) => r.json.id);
	const key = { headers: { "idempotency-key": "reindex" } };
	const first = assertStatus(await own.post(`/api/documents/${a}/reindex`, undefined, key), 200);
	const again = assertStatus(await own.post(`/api/documents/${a}/reindex`, undefined, key), 200);
	assert.equal(again.text, first.text);
	assert.equal(again.headers["x-run-id"], first.headers["x-run-id"]);
	assertError(await own.post(`/api/documents/${b}/reindex`, undefined, key), "CONFLICT");
	assertStatus(await own.post("/api/documents/x/reindex", undefined, key), 404);
});

test("Idempotency-Key: a trailing slash is no other request", async () => {
	const user = await newUser(api), headers = { "idempotency-key": randomUUID() };
	const first = assertStatus(await user.api.post("/api/leads", { name: "once" }, { headers }), 201);
	const again = assertStatus(await user.api.post("/api/leads/", { name: "once" }, { headers }), 201);
	assert.equal(again.json.id, first.json.id);
	assert.equal(again.headers["idempotent-replayed"], "true");
});

test("Idempotency-Key: of many at once one counts", async () => {
	const { token, api: own } = await newUser(api);
	const headers = { "idempotency-key": randomUUID(), "content-type": "multipart/form-data; boundary=b" };
	const body = '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nrace\r\n--b\r\nContent-Disposition: '
	    + 'form-data; name="file"; filename="a.txt"\r\n\r\nrace\r\n--b--\r\n';
	const replies = await Promise.all(Array.from({ length: 8 }, () => own.request("POST", "/api/documents/upload", { body, headers })));
	const won = replies.filter((r) => r.status === 202);
	assert.ok(won.length >= 1);
	for (const reply of replies.filter((r) => r.status !== 202))
		assertError(reply, "CONFLICT");
	assert.equal(new Set(won.map((r) => r.json.id)).size, 1);
	assert.equal((await own.get("/api/documents")).json.length, 1);
	assert.ok(token);
});

test("Idempotency-Key: registering again gives the same user; a bad key is refused", async () => {
	const json = { email: newAddress(), password: "correct horse 7", display_name: "Once" };
	const headers = { "idempotency-key": randomUUID() };
	const first = assertStatus(await api.fresh().post("/api/auth/register", json, { headers }), 201);
	const again = assertStatus(await api.fresh().post("/api/auth/register", json, { headers }), 201);
	assert.equal(again.json.uid, first.json.uid);
	assertError(await api.fresh().post("/api/auth/register", { ...json, display_name: "Twice" }, { headers }), "CONFLICT");
	assertError(await api.fresh().post("/api/auth/register", json, { headers: { "idempotency-key": "x".repeat(300) } }),
	    "BAD_REQUEST");
});

/* What each route that takes one is asked here; a new one is missed until it has a line. */
test("Idempotency-Key: every route that takes one keeps its reply", async () => {
	const { api: own, uid } = await newUser(api), admin = await newAdmin(millrace);
	const { id } = assertStatus(await upload("kept", {}, own), 202).json;
	const sold = assertStatus(await admin.api.post("/api/pricing/packages", { name: "kept", price_usd: 1 }), 201).json.id;
	const bot = assertStatus(await own.post("/api/chatbots", { name: "kept", settings: { allowedOrigins: ["https://shop.example"] } }), 201).json.id;
	const session = assertStatus(await own.post("/api/chat/sessions", { chatbotId: bot }), 201).json.id, origin = "https://shop.example";
	const { sessionId } = assertStatus(await api.post(`/api/chat/widget/${bot}/session`, {}, { headers: { origin } }), 200).json;
	const lead = assertStatus(await own.post("/api/leads", { name: "kept too" }), 201).json.id;
	const flow = assertStatus(await own.post("/api/workflows", { name: "kept too", definition: { steps: [{ id: "a", type: "transform" }] } }), 201).json.id;
	const { id: process_id } = assertStatus(await own.post("/api/v1/admin/processes", { name: "kept too" }), 201).json;
	const ids = { "/api/leads/{id}/analyze": lead, "/api/documents/{id}/reindex": id, "/api/chatbots/{id}/documents": bot, "/api/chat/sessions/{id}/messages": session };
	const name = (prefix) => prefix + randomUUID().replaceAll("-", "").slice(0, 12);
	const password = "correct horse 7", key = (headers) => ({ headers: { "idempotency-key": randomUUID(), ...headers } });
	await millrace.psql(`INSERT INTO oauth_token (user_id, provider, subject, sealed, key_id)
		SELECT '${uid}', 'google', '${uid}', '\\x00', id FROM vault_key WHERE retired_at IS NULL`);
	/* One that was made: the shared instance has no chain. */
	await millrace.psql(`WITH a AS (INSERT INTO chain_account (network, chain_id, address, sealed, key_id, retired_at)
			SELECT '${name("n")}', 1, '0x${"0".repeat(40)}', 'x', id, now() FROM vault_key WHERE retired_at IS NULL RETURNING id),
		t AS (INSERT INTO chain_transfer (network, recipient, amount_usd, state, account_id, nonce, hash, block_number, block_hash, gas_used, gas_price, mined_at)
			SELECT '${PAYMENT_NETWORK}', 'x', 1, 'confirmed', a.id, 0, '0x${"0".repeat(64)}', 1, 'x', 21000, 1, now() FROM a RETURNING id)
		INSERT INTO payment (id, owner_id, request_id, provider, metadata) SELECT id, '${uid}', 'kept', 'kept', '{}' FROM t`);
	const asked = {
		"/api/auth/register": [api.fresh(), { json: { email: newAddress(), password, display_name: "Once" } }],
		"/api/v1/user/register": [api.fresh(), { json: { username: name("k"), password } }],
		"/api/v1/user/dao": [own, { json: { username: name("d") } }],
		"/api/vault": [own, { json: { key: "kept", value: "value-that-is-kept" } }],
		"/api/v1/admin/vault": [admin.api, { json: { key: "KEPT_API_KEY", value: "value-that-is-kept" } }],
		"/api/chat": [own, { json: { message: "How often is this asked?" } }],
		"/v1/chat/completions": [own, { json: { model: "local", messages: [{ role: "user", content: "How often is this asked?" }] } }],
		"/api/v1/providers/{provider}/call": [own, { json: { endpoint: "/chat/completions", payload: { model: "local", messages: [{ role: "user", content: "How often is this asked?" }] } } }],
		"/v1/responses": [own, { json: { model: "local", input: "How often is this asked?" } }],
		"/v1/embeddings": [own, { json: { model: "local", input: "How often is this asked?" } }],
		"/v1/messages": [own, { json: { model: "local", max_tokens: 9, messages: [{ role: "user", content: "How often is this asked?" }] } }],
		"/api/documents/upload": [own, { body: '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nkept\r\n--b--\r\n' },
			{ "content-type": "multipart/form-data; boundary=b" }],
		"/api/documents/url": [own, { json: { url: "http://127.0.0.1:9/kept" } }],
		"/api/documents/{id}/reindex": [own, {}],
		"/api/leads": [own, { json: { name: "kept" } }],
		"/api/leads/{id}/analyze": [own, {}],
		"/api/agents/invoke": [own, { json: { agent_type: "lead_agent", input: { query: "kept" } } }],
		"/api/agents": [own, { json: { type: "kept", name: "kept" } }],
		"/api/workflows": [own, { json: { name: "kept", definition: { steps: [{ id: "a", type: "wait", seconds: 1 }] } } }],
		"/api/agents/workflows/execute": [own, { json: { workflow_id: flow } }],
		"/api/mcp-servers": [own, { json: { name: "kept", url: "https://kept.example" } }],
		"/api/v1/admin/processes": [own, { json: { name: "kept" } }],
		"/api/agent/task": [own, { json: { process_id } }],
		"/api/v1/agent/task": [own, { json: { process_id } }],
		"/api/datasources": [own, { json: { platform: "api", resource_identifier: "kept" } }],
		"/api/v1/cloud-files": [own, { json: { provider: "google_drive", id: "kept" } }],
		"/api/v1/datasources": [own, { json: [{ platform: "api", resource_identifier: "kept" }] }],
		"/api/v1/admin/credits/grant": [admin.api, { json: { user_id: uid, amountUsd: 1, reason: "kept" } }],
		"/api/pricing/packages": [admin.api, { json: { name: "kept", price_usd: 1 } }],
		"/api/pricing/campaigns": [admin.api, { json: { package_id: sold, name: "kept", price_usd: 1, starts_at: "2030-01-01", ends_at: "2031-01-01" } }],
		"/api/v1/users/{user_id}/projects/{project_id}/spending": [own, { json: { amount: 1, request_id: "kept" } }],
		"/api/v1/payments/execute": [admin.api, { json: { user_id: uid, amount: 1, currency: "USDC", network: PAYMENT_NETWORK,
			metadata: { request_id: "kept", provider: "kept" } } }],
		"/api/v1/audit/logs": [admin.api, { json: { request_id: "kept", audit_data: { kept: true } } }],
		"/api/chatbots": [own, { json: { name: "kept" } }],
		"/api/integrations/{type}": [own, { json: { name: "kept", chatbotId: bot } }],
		"/api/chatbots/{id}/documents": [own, { json: { documentIds: [id] } }],
		"/api/chat/sessions": [own, { json: { chatbotId: bot } }],
		"/api/chat/sessions/{id}/messages": [own, { json: { content: "How often is this asked?" } }],
		"/api/chat/widget/{chatbot_id}/message": [api, { json: { sessionId, message: "How often is this asked?" } }, { origin }],
	};
	const taking = Object.entries(millrace.document.paths).flatMap(([path, methods]) => Object.entries(methods)
	    .filter(([, route]) => route.parameters?.some((p) => p.name === "Idempotency-Key")).map(([method]) => `${method} ${path}`));
	/* In stripe.test.mjs, which has a Stripe. */
	const elsewhere = ["/api/payments/create-checkout-session", "/api/credits/purchase"];
	assert.deepEqual(taking.sort(), [...Object.keys(asked), ...elsewhere].map((path) => `post ${path}`).sort());
	for (const [path, [who, options, headers]] of Object.entries(asked)) {
		const keyed = { ...options, ...key(headers) };
		const ask = () => who.request("POST", path.replace("{id}", ids[path]).replace("{chatbot_id}", bot).replace("{user_id}", uid).replace("{project_id}", "app").replace("{type}", "website").replace("{provider}", "local"), keyed);
		const first = await ask(), again = await ask();
		/* `local` has no embeddings, and says so twice. */
		assert.ok((first.status < 300 || path === "/v1/embeddings") && again.status === first.status, `${path}: ${first.status}, then ${again.status}`);
		/* What streamd replies with has only the run to tell it by. */
		if (first.headers["x-run-id"])
			assert.equal(again.headers["x-run-id"], first.headers["x-run-id"], path);
		else
			assert.equal(again.headers["idempotent-replayed"], "true", path);
	}
});

test("lists: newest first, in pages that Link names, each row once", async () => {
	const { api: own } = await newUser(api);
	const ids = [];
	for (let i = 0; i < 7; i++)
		ids.unshift(assertStatus(await upload(`page ${i}`, {}, own), 202).json.id);
	assert.deepEqual((await own.get("/api/documents")).json.map((d) => d.id), ids);
	const seen = [];
	let path = "/api/documents?limit=3", pages = 0;
	while (path) {
		const reply = assertStatus(await own.get(path), 200);
		assert.ok(reply.json.length <= 3);
		seen.push(...reply.json.map((d) => d.id));
		const next = /^<([^>]+)>;\s*rel="?next"?$/.exec(reply.headers.link ?? "");
		path = next && next[1].replace(/^https:\/\/[^/]+/, "");
		assert.ok(++pages < 10);
	}
	assert.deepEqual(seen, ids);
	assert.equal(pages, 3);
	assert.equal((await own.get("/api/documents?limit=7")).headers.link, undefined);
	for (const row of (await own.get("/api/documents?limit=1")).json)
		assert.match(row.createdAt, TIME);
	for (const bad of ["limit=0", "limit=201", "limit=x", "limit=-1", "limit=1e1", "limit=99999999999999999999"])
		assertError(await own.get(`/api/documents?${bad}`), "BAD_REQUEST", ["limit"]);
	assertError(await own.get("/api/documents?before=nonsense"), "BAD_REQUEST", ["before"]);
	assertStatus(await own.get("/api/documents?limit=200"), 200);
});

/* Follows Link from a path on: the pages' lengths in bytes, and all rows. */
async function pages(own, path, rows) {
	const lengths = [], seen = [];
	while (path) {
		const reply = assertStatus(await own.get(path), 200), page = rows(reply.json);
		assert.ok(page.length > 0, `${path} is an empty page`);
		lengths.push(reply.bytes.length);
		seen.push(page);
		path = /^<([^>]+)>; rel="next"$/.exec(reply.headers.link ?? "")?.[1];
	}
	return { lengths, seen };
}

const LONG_PAGE = 700000;        /* more than a page's room and one row of those below */

test("a page ends early where its rows are long, and Link says so", async () => {
	const { api: own, uid } = await newUser(api);
	const insert = {
		leads: `INSERT INTO lead (owner_id, name, notes, metadata) SELECT '${uid}', 'n', repeat('ü', 10000), jsonb_build_object('m', repeat('m', 16000))
			FROM generate_series(1, 60)`,
		documents: `WITH b AS (INSERT INTO blob (owner_id, sha256, size) SELECT '${uid}', sha256('x'), 1 FROM generate_series(1, 60) RETURNING id)
			INSERT INTO document (owner_id, name, description, file_name, size, blob_id)
			SELECT '${uid}', 'd', repeat('日', 8000), 'd.txt', 1, id FROM b`,
		notifications: `INSERT INTO notification (owner_id, title, message) SELECT '${uid}', 't', repeat('m', 20000) FROM generate_series(1, 60)`,
	};
	for (const [list, sql] of Object.entries(insert)) {
		await millrace.psql(sql);
		const { lengths, seen } = await pages(own, `/api/${list}?limit=200`, (json) => json);
		assert.ok(lengths.length > 3 && Math.max(...lengths) < LONG_PAGE, `${list}: ${lengths}`);
		const ids = seen.flat().map((row) => row.id);
		assert.deepEqual(ids, (await millrace.psql(`SELECT id FROM ${list.slice(0, -1)} WHERE owner_id = '${uid}' ORDER BY id DESC`)).trim().split("\n"));
	}
});

test("a conversation too, oldest message first in each page; one that is longer than a page goes alone", async () => {
	const { api: own, uid } = await newUser(api);
	const [id] = (await millrace.psql(`INSERT INTO conversation (owner_id, title) VALUES ('${uid}', 'a "title" {}') RETURNING id`)).split("\n");
	const sources = [{ n: 1, documentId: randomUUID(), documentName: "d", mark: "page 1", page: 1, text: "wheel", score: 0.1, chunk: 7 }];
	for (const length of [10, 100000, 100000, 2000000, 100000, 100000, 100000, 100000, 20])
		await millrace.psql(`INSERT INTO message (conversation_id, owner_id, role, content, sources)
			VALUES ('${id}', '${uid}', 'user', repeat('m', ${length}), '${JSON.stringify(sources)}')`);
	const path = `/api/conversations/${id}`;
	const { lengths, seen } = await pages(own, path, (json) => json.messages);
	assert.ok(lengths.every((n) => n < LONG_PAGE || (n > 2000000 && n < 2100000)), `${lengths}`);
	assert.deepEqual(seen.flatMap((page) => page.map((m) => m.content.length).reverse()), [20, 100000, 100000, 100000, 100000, 2000000, 100000, 100000, 10]);
	assert.equal(seen.find((page) => page.some((m) => m.content.length === 2000000)).length, 1);
	const whole = assertStatus(await own.get(`${path}?limit=2`), 200);
	assert.equal(whole.json.title, 'a "title" {}');
	assert.deepEqual(whole.json.messages.map((m) => [m.content.length, m.sources]), [[100000, sources], [20, sources]]);
	const [empty] = (await millrace.psql(`INSERT INTO conversation (owner_id, title) VALUES ('${uid}', 'e') RETURNING id`)).split("\n");
	const none = assertStatus(await own.get(`/api/conversations/${empty}`), 200);
	assert.deepEqual(none.json.messages, []);
	assert.equal(none.headers.link, undefined);
});
