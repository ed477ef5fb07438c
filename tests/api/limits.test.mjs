/* What happens at the limits: of a caller's rate, of the queue, of patience, of an upload. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { PASSWORD, newAddress, newUser, privateInstance } from "../js/instance.mjs";
import { DEVICE, newName, register, setCookies, signedIn } from "../js/accounts.mjs";
import { assertOneEnd } from "../js/events.mjs";
import { Engine } from "../js/sockets.mjs";
import { UUID7, assertError, assertStatus, until } from "../js/expect.mjs";

const TRIES = 8;           /* wrong passwords from one address */
let millrace, api;
before(async () => {
	millrace = await privateInstance("limits", { MILLRACE_RATE_READ: "40", MILLRACE_RATE_WRITE: "30", MILLRACE_QUEUE_MAX: "6",
		MILLRACE_REPLY_SECONDS: "1", MILLRACE_UPLOAD_MAX: "100000", MILLRACE_SESSION_SECONDS: "600",
		MILLRACE_LOGIN_ADDRESS_TRIES: String(TRIES), MILLRACE_RATE_LOGIN: "0", MILLRACE_REQUEST_LOG: "1" });
	({ api } = millrace);
});
after(() => millrace?.stop());

const upload = (user, size = 10, path = "/api/documents/upload") => user.api.upload(path,
    { name: "n", file: { filename: "n.txt", bytes: Buffer.alloc(size, "mill ") } });

/* How many of somebody's documents; not asked by the API, which would soon refuse to say. */
const documents = async (user, where) => (await millrace.psql(`SELECT count(*) FROM document WHERE owner_id = '${user.uid}' AND ${where}`)).trim();

/* The runner holds still meanwhile, so that everything waits. */
async function withoutRunner(fn) {
	const letGo = await millrace.holdRunner();
	try {
		return await fn();
	} finally {
		await letGo();
	}
}

test("a caller's reads and writes are counted apart, and from others'", async () => {
	const user = await newUser(api), other = await newUser(api);
	let last = Infinity, reply;
	for (let i = 0; i < 40; i++) {
		reply = assertStatus(await user.api.get("/api/user"), 200);
		assert.equal(reply.headers["x-ratelimit-limit"], "40");
		assert.ok(Number(reply.headers["x-ratelimit-remaining"]) < last || last === 0 || Number(reply.headers["x-ratelimit-remaining"]) === 39);
		last = Number(reply.headers["x-ratelimit-remaining"]);
	}
	reply = await user.api.get("/api/user");
	if (last === 0) {       /* else a minute began meanwhile */
		assertError(reply, "RATE_LIMITED");
		assert.equal(reply.headers["x-ratelimit-remaining"], "0");
		const wait = Number(reply.headers["retry-after"]);
		assert.ok(wait >= 1 && wait <= 60, `${wait} s`);
		assert.ok(Number(reply.headers["x-ratelimit-reset"]) <= Date.now() / 1000 + 61);
	}
	assertStatus(await other.api.get("/api/user"), 200);
	assertStatus(await user.api.patch("/api/user", { name: "still" }), 200);
});

test("the request id finds a request in the worker's log, and in nginx's; what was searched for is in neither", async () => {
	const user = await newUser(api);
	for (const [path, status] of [["/api/leads?q=s3arched", 200], ["/api/nothing/there?q=s3arched", 404], ["/api/leads?lim%69t=7&q=s3arched", 200]]) {
		const id = newName(), reply = await user.api.get(path, { headers: { "x-request-id": id } });
		assert.equal(reply.headers["x-request-id"], id);
		assertStatus(reply, status);
		const lines = await until(async () => {
			const found = (await millrace.grepLogs(id)).trim().split("\n").filter(Boolean).map((l) => JSON.parse(l.slice(l.indexOf("{"))));
			return found.length >= 2 && found;
		}, "both lines");
		assert.deepEqual(lines.filter((l) => l.msg === "request").map((l) => [l.level, l.method, l.path, l.status]),
		    [["info", "GET", path.split("?")[0], String(status)]]);
		assert.deepEqual(lines.filter((l) => "pool" in l).map((l) => [l.path, l.query]), [[path.split("?")[0], "[hidden]"]]);
	}
	assert.equal(await millrace.grepLogs("s3arched"), "");
	const id = newName();
	await user.api.get("/api/leads?limit=7", { headers: { "x-request-id": id } });
	assert.match(await until(async () => (await millrace.grepLogs(id)).split("\n").find((l) => l.includes('"query"')), "nginx's line"), /"query":"limit=7"/);
});

test("all of a user's keys and sessions count as one; a key that was revoked counts for its address", async () => {
	const user = await newUser(api), left = (reply) => Number(assertStatus(reply, 200).headers["x-ratelimit-remaining"]);
	const newKey = async (name) => assertStatus(await user.api.post("/api/settings/api-keys", { name, scopes: ["read"] }), 201).json;
	const keys = [await newKey("one"), await newKey("two")], by = keys.map((k) => api.fresh().as(k.apiKey));
	for (const one of by)
		assertStatus(await one.get("/api/user"), 200);          /* nobody's until now */
	await until(async () => {               /* all in one minute */
		const seen = [];
		for (const one of [...by, user.api, ...by])
			seen.push(left(await one.get("/api/user")));
		return seen.every((n, i) => i === 0 || n === seen[i - 1] - 1);
	}, "five requests in a row of one count");
	assertStatus(await user.api.delete(`/api/settings/api-keys/${keys[0].id}`), 204);
	const mine = left(await user.api.get("/api/user"));
	for (let i = 0; i < 3; i++)
		assertError(await by[0].get("/api/user"), "UNAUTHORIZED");
	const after = left(await user.api.get("/api/user"));
	assert.ok(after >= mine - 2 || after === 39, `${mine} and then ${after}`);      /* the first of the three alone was known */
});

test("made-up API keys count for their address, a key that was good for itself; the database logs none of it", async () => {
	const user = await newUser(api), other = await newUser(api), from = api.fresh();
	const keyOf = async (u) => assertStatus(await u.api.post("/api/settings/regenerate-api-key"), 200).json.apiKey;
	const good = await keyOf(user), late = await keyOf(other);
	const ask = (key, api = from) => api.as(key).get("/api/user");
	assertStatus(await ask(good), 200);
	let last;
	for (let i = 0; i < 90 && last?.status !== 429; i++) {         /* more than 40 where a minute begins meanwhile */
		last = await ask(`mr_${randomBytes(32).toString("base64url")}`);
		if (last.status !== 429)
			assertError(last, "UNAUTHORIZED");
	}
	assertError(last, "RATE_LIMITED");
	assertStatus(await ask(good), 200);
	assertStatus(await ask(late, api.fresh()), 200);
	assertStatus(await ask(late), 200);
	assertError(await ask(`mr_${randomBytes(32).toString("base64url")}`, api.fresh()), "UNAUTHORIZED");

	/* refusals that say why, and a repeated Idempotency-Key */
	const headers = { "idempotency-key": randomUUID() };
	for (let i = 0; i < 2; i++)
		assertStatus(await user.api.post("/api/leads", { name: "once" }, { headers }), 201);
	assertError(await user.api.post("/api/leads", { name: "other" }, { headers }), "CONFLICT");
	assertError(await user.api.post("/api/chat", { message: "x", conversationId: randomUUID() }), "NOT_FOUND");
	await assert.rejects(millrace.psql("SET ROLE millrace_api; SELECT 1 / 0"), /division by zero/);
	await until(() => millrace.grepLogs("division by zero"), "an error of its own is logged");
	for (const text of ["API key is not valid", "MR000", "Idempotency-Key was used", "no such conversation", "repeated"])
		assert.equal(await millrace.grepLogs(text), "");
});

test("Socket.IO: handshakes count for their caller, made-up keys with any request; a session's own requests do not", async () => {
	const path = "/api/socket.io/?EIO=4&transport=polling", made = () => `mr_${randomBytes(32).toString("base64url")}`;
	for (const ask of [(from) => from.get(path), (from) => from.as(made()).get(path), (from) => from.as(made()).post(`${path}&sid=x`, "40")]) {
		const from = api.fresh().as(null);
		let last;
		for (let i = 0; i < 90 && last?.status !== 429; i++)
			last = await ask(from);
		assertError(last, "RATE_LIMITED");
	}
	const session = await new Engine((await newUser(api)).api).open();
	assertStatus(await session.post("40"), 200);
	for (let i = 0; i < 90; i++)
		assertStatus(await session.post("42[\"x\"]"), 200);
});

test("an EventSource beyond the rate is refused within its stream, a POST by its status", async () => {
	const user = await newUser(api), run = randomUUID(), path = `/api/runs/${run}/stream`;
	await millrace.psql(`INSERT INTO run (id, owner_id, kind, status, input, ended_at, last_seq)
	    VALUES ('${run}', '${user.uid}', 'chat', 'completed', '{}', now(), 0)`);
	/* Many at once: a slow machine takes its time for as many as a minute may have. */
	const many = (send) => Promise.all(Array.from({ length: 50 }, send));
	const reply = await until(async () => (await many(() => user.api.get(path))).find((one) => one.status !== 204), "the limit");
	assertStatus(reply, 200);
	assert.match(reply.headers["content-type"], /^text\/event-stream/);
	assert.match(reply.text, /^: RATE_LIMITED "[^\n]+"\nretry: \d+000\n$/);
	assert.ok(Number(/retry: (\d+)/.exec(reply.text)[1]) >= 5000);
	const chat = await until(async () => (await many(() => user.api.post("/api/chat", {}))).find((one) => one.status !== 400), "the limit of writes");
	assertError(chat, "RATE_LIMITED");
	assert.equal(chat.headers["x-should-retry"], undefined);
});

test("a queue that one user has filled is 429 to them and open to others; what was accepted is done", async () => {
	const user = await newUser(api), other = await newUser(api);
	const accepted = await withoutRunner(async () => {
		const ids = [];
		for (let i = 0; i < 12; i++) {
			const reply = await upload(user);
			if (reply.status === 202) {
				ids.push(reply.json.id);
				continue;
			}
			assertError(reply, "RATE_LIMITED");
			assert.equal(reply.headers["retry-after"], "1");        /* not the minute that a rate's is */
			const chat = await user.api.post("/api/chat", { message: "x" });
			assertError(chat, "RATE_LIMITED");
			assert.match(chat.headers["content-type"], /json/);
			assertStatus(await upload(other), 202);
			assertError(await upload(other), "RATE_LIMITED");       /* a quarter of six, while somebody else waits */
			return ids;
		}
		throw new Error("the queue was never full");
	});
	assert.equal(accepted.length, 6);
	await until(async () => await documents(user, "status <> 'ready'") === "0", "the queue is done");
	assert.equal(await documents(user, "true"), "6");
	assert.deepEqual((await user.api.get("/api/conversations")).json, [], "a refused chat left a conversation");
});

test("whatever makes work is refused while too much of one's own waits", async () => {
	const user = await newUser(api), mcp = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "search_documents", arguments: { query: "x" } } };
	assertStatus(await user.api.post("/api/agents", { type: "mill", name: "Mill", prompt: "Grind." }), 201);
	const model = "local", messages = [{ role: "user", content: "x" }], makes = [["/api/chat", { message: "x" }], ["/api/documents/url", { url: "https://mill.example/" }],
		["/api/mcp-servers", { name: "mill", url: "https://mill.example/" }], ["/api/agents/invoke", { agent_type: "mill", input: { message: "x" } }],
		["/v1/chat/completions", { model, messages }], ["/v1/messages", { model, messages, max_tokens: 9 }], ["/v1/responses", { model, input: "x" }], ["/api/mcp", mcp]];
	/* None of it is due. */
	await millrace.psql(`WITH r AS (INSERT INTO run (owner_id, kind, input) SELECT '${user.uid}', 'search', '{"query": "x", "limit": 1}' FROM generate_series(1, 6) RETURNING id)
		INSERT INTO job (run_id, owner_id, kind, run_at) SELECT id, '${user.uid}', 'search', now() + interval '1 day' FROM r`);
	for (const [path, body] of makes) {
		const { status, text } = await user.api.post(path, body, path === "/api/mcp" ? { headers: { accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25" } } : {});
		assert.ok(status === 429 || (path === "/api/mcp" && /too much of your work/i.test(text)), `${path}: ${status} ${text}`);
	}
	assertError(await user.api.get("/api/documents/search?q=x"), "RATE_LIMITED");
	assert.equal(await millrace.psql(`SELECT count(*) FROM run WHERE owner_id = '${user.uid}'`), "6\n");
	await millrace.psql(`DELETE FROM job WHERE owner_id = '${user.uid}'; DELETE FROM run WHERE owner_id = '${user.uid}'`);
});

test("a chat that still waits is cancelled at once, with its one terminal event", async () => {
	const user = await newUser(api);
	await withoutRunner(async () => {
		const stream = await user.api.chat("never asked");
		const run = stream.headers["x-run-id"];
		assert.equal((await user.api.get(`/api/runs/${run}`)).json.status, "queued");
		assert.equal(assertStatus(await user.api.post(`/api/runs/${run}/cancel`), 200).json.status, "cancelled");
		const events = await stream.all();
		assertOneEnd(events);
		assert.equal(events.length, 1);
		assert.equal((await user.api.get(`/api/runs/${run}`)).json.status, "cancelled");
	});
});

test("a reply that takes too long is 504 with the run's id, and the run goes on", async () => {
	const user = await newUser(api);
	const reply = await withoutRunner(() => upload(user, 10, "/api/documents/upload?wait=1"));
	assert.equal(reply.status, 504, reply.text);
	assert.equal(reply.json.code, "UPSTREAM_TIMEOUT");
	const run = reply.json.run_id;
	assert.match(run, UUID7);
	assert.equal(reply.headers["x-run-id"], run);
	await until(async () => (await millrace.psql(`SELECT status FROM run WHERE id = '${run}'`)).trim() === "completed", "the run is done");
	assert.equal((await user.api.get("/api/documents")).json[0].status, "ready");
});

test("an agent or a workflow that takes longer is running by then, and its outcome is there later", async () => {
	const user = await newUser(api), done = (path) => until(async () => (await user.api.get(path)).json.status === "completed", `the end of ${path}`);
	const workflow_id = assertStatus(await user.api.post("/api/workflows", { name: "w", definition: { steps: [{ id: "a", type: "transform" }] } }), 201).json.id;
	const [agent, flow] = await withoutRunner(() => Promise.all([user.api.post("/api/agents/invoke", { agent_type: "lead_agent", input: { query: "x" } }),
		user.api.post("/api/agents/workflows/execute", { workflow_id })]));
	assert.deepEqual([assertStatus(agent, 200).json.status, assertStatus(flow, 200).json.status], ["running", "running"]);
	assert.deepEqual([agent.json.result, flow.json.outputs], [null, null]);
	await done(`/api/agents/requests/${agent.json.request_id}`);
	await done(`/api/workflow-runs/${flow.json.workflow_run_id}`);
});

test("the worker's own limit of an upload holds to the byte", async () => {
	const user = await newUser(api);
	assertStatus(await upload(user, 100000), 202);
	for (const bytes of [100001, 3000000]) {
		const reply = await upload(user, bytes);
		assertError(reply, "TOO_LARGE");
		assert.equal(reply.json.error, "The file is larger than 100000 bytes, the most that is taken.");
	}
	assert.equal((await user.api.get("/api/documents")).json.length, 1);
});

test("a session ends when it says", async () => {
	const user = await newUser(api);
	const { iat, exp } = JSON.parse(Buffer.from(user.token.split(".")[1], "base64url"));
	assert.equal(exp - iat, 600);
	assertStatus(await user.api.get("/api/user"), 200);
	await millrace.psql(`update session set expires_at = now() - interval '1 s' where user_id = '${user.uid}'`);
	assertError(await user.api.get("/api/user"), "UNAUTHORIZED");
});

test("a user who is disabled or gone is nobody at once", async () => {
	for (const sql of ["update app_user set disabled_at = now()", "delete from app_user"]) {
		const user = await newUser(api);
		assertStatus(await user.api.get("/api/user"), 200);
		await millrace.psql(`${sql} where id = '${user.uid}'`);
		assertError(await user.api.get("/api/user"), "UNAUTHORIZED");
		assertError(await api.fresh().post("/api/auth/login", { email: user.email, password: "correct horse 7" }), "UNAUTHORIZED");
	}
});

/* --- wrong passwords --- */

const login = (from, email, password) => from.post("/api/auth/login", { email, password });
const failures = async (from) => Number(await millrace.psql(`SELECT coalesce(max(failures), 0) FROM login_failure WHERE subject = 'address ${from.address}'`));
const aged = (from, seconds) => millrace.psql(`UPDATE login_failure SET last_at = last_at - interval '${seconds} s' WHERE subject = 'address ${from.address}'`);

test("wrong passwords for ever other accounts slow their address down, and no other", async () => {
	const [user, named] = [await newUser(api), await register(api)];
	const from = api.fresh();
	for (let i = 0; i < TRIES; i++) {
		const reply = i % 2 ? await login(from, newAddress(), "wrong password")
		    : await from.post("/api/v1/auth/login", { username: newName(), password: "wrong password" });
		assertError(reply, "UNAUTHORIZED");
	}
	for (const reply of [await login(from, user.email, PASSWORD), await login(from, newAddress(), "wrong password"),
		await from.post("/api/v1/auth/login", { username: named.username, password: PASSWORD })]) {
		assertError(reply, "RATE_LIMITED");
		assert.match(reply.json.error, /from this address/);
		assert.ok(Number(reply.headers["retry-after"]) > 0);
		assert.equal(reply.headers["set-cookie"], undefined);
	}
	assertStatus(await login(api.fresh(), user.email, PASSWORD), 200);
	assertStatus(await from.get("/healthz"), 200);
	const counted = await failures(from);
	assert.ok(counted > TRIES - 1 && counted <= TRIES, `${counted}: those that were turned away do not count`);
	await aged(from, 900 / TRIES);
	assertStatus(await login(from, user.email, PASSWORD), 200);
	assert.equal(await failures(from), counted, "a password of one's own forgives the address nothing");
});

test("an address' wrong passwords run off, and the sweep forgets them", async () => {
	const from = api.fresh();
	for (let i = 0; i < TRIES - 1; i++)
		assertError(await login(from, newAddress(), "wrong password"), "UNAUTHORIZED");
	await aged(from, 450);          /* half of a quarter of an hour: half of what it may */
	assertError(await login(from, newAddress(), "wrong password"), "UNAUTHORIZED");
	const left = await failures(from);
	assert.ok(left > TRIES / 2 - 2 && left < TRIES / 2 + 1, `${left} left`);
	await aged(from, 100000);
	assertError(await login(from, newAddress(), "wrong password"), "UNAUTHORIZED");
	assert.equal(await failures(from), 1);
	await aged(from, 3700);
	await millrace.psql("SELECT pg_advisory_xact_lock(hashtext('millrace.sweep_old')); SELECT sweep_old(24, 24, 30, 90, 90, 1000)");     /* not beside the runner's */
	assert.equal(await failures(from), 0);
});

test("an IPv6 address counts with its /64, and one without an address not at all", async () => {
	const failed = async (client) => (await millrace.psql(`SELECT account, address FROM login_failed('${newAddress()}', ${client}, NULL, 2)`)).trim();
	for (const expected of ["0|0", "0|0"])
		assert.equal(await failed("'2001:db8:1:2::/64'"), expected);
	assert.match(await failed("'2001:db8:1:2::/64'"), /^0\|4\d\d$/);
	assert.equal(await failed("'2001:db8:1:3::/64'"), "0|0");
	for (let i = 0; i < 4; i++)
		assert.equal(await failed("NULL"), "0|0");
	assert.equal((await millrace.psql("SELECT address FROM login_waits('x', '2001:db8:1:2::/64', NULL, 0)")).trim(), "0");
});

test("of many wrong passwords at once no more are tried than one after the other", async () => {
	const user = await newUser(api), from = api.fresh();
	/* as if eleven had been tried and the wait after them was over: the next one's is two minutes, whatever this machine does meanwhile */
	await millrace.psql(`INSERT INTO login_failure SELECT login_subject_from('network', '${user.email}', '${from.address}'), 11, now() - interval '14 minutes'`);
	const wrong = Array.from({ length: 40 }, () => login(from, user.email, "wrong password"));
	await Promise.race(wrong);
	assertError(await login(from, user.email, PASSWORD), "RATE_LIMITED");
	const statuses = (await Promise.all(wrong)).map((r) => r.status);
	const heard = statuses.filter((s) => s !== 429).length;
	/* one, and what other processes had in hand meanwhile */
	assert.ok(heard >= 1 && heard <= 1 + millrace.pids("login").length, `${heard} of ${statuses.join()}`);
});

/* As if so many wrong passwords for the account had come from many networks. */
const tried = (name, n) => millrace.psql(`INSERT INTO login_failure SELECT login_subject('${name}'), ${n} ON CONFLICT (subject) DO UPDATE SET failures = ${n}, last_at = now()`);
const byName = (from, user, password, device) => from.post("/api/v1/auth/login", { username: user.username, password },
    { headers: device ? { cookie: `${DEVICE}=${device}` } : {} });

test("a hundred wrong passwords an hour from everywhere lock an account for whoever is not known to it", async () => {
	const user = await signedIn(api), other = await signedIn(api);
	await tried(user.username, 98);
	assertError(await byName(api.fresh(), user, "wrong password"), "UNAUTHORIZED");
	assertError(await byName(api.fresh(), user, "wrong password"), "UNAUTHORIZED");
	const refused = await byName(api.fresh(), user, PASSWORD);
	assertError(refused, "RATE_LIMITED");
	assert.match(refused.json.error, /for this account/);
	assert.ok(Number(refused.headers["retry-after"]) <= 36, refused.headers["retry-after"]);
	assert.equal(refused.headers["set-cookie"], undefined);
	await tried(user.username, 110);
	/* Its own browser comes in; another account's does not, nor does a forged or a broken one. */
	const { device } = user.session;
	for (const bad of [other.session.device, `${device.slice(0, 22)}${other.session.device.slice(22)}`, `${other.session.device.slice(0, 22)}${device.slice(22)}`,
		`${device}A`, device.slice(1), device.toUpperCase(), "", "....", `x.${"y".repeat(44)}`])
		assertError(await byName(api.fresh(), user, PASSWORD, bad), "RATE_LIMITED");
	assertStatus(await byName(api.fresh(), user, PASSWORD, device), 200);
	assertStatus(await api.fresh().post("/api/auth/login", { email: user.email, password: PASSWORD }, { headers: { cookie: `${DEVICE}=${device}` } }), 200);
	assertError(await byName(api.fresh(), user, PASSWORD), "RATE_LIMITED", undefined, "a known browser's sign-in opens it for nobody else");
	await millrace.psql(`UPDATE login_failure SET failures = 100, last_at = now() - interval '37 s' WHERE subject = login_subject('${user.username}')`);
	assertStatus(await byName(api.fresh(), user, PASSWORD), 200);
});

test("a known browser's wrong passwords count for it alone, and are in the audit log", async () => {
	const user = await signedIn(api), { device } = user.session, from = api.fresh();
	for (let i = 0; i < 5; i++)
		assertError(await byName(from, user, "wrong password", device), "UNAUTHORIZED");
	const counted = `subject = login_subject_from('device', '${user.username}', '${device.slice(0, 22)}')`;
	assert.equal((await millrace.psql(`SELECT failures FROM login_failure WHERE ${counted}`)).trim(), "5");
	await millrace.psql(`UPDATE login_failure SET failures = 14, last_at = now() WHERE ${counted}`);
	for (const password of ["wrong password", PASSWORD])
		assertError(await byName(api.fresh(), user, password, device), "RATE_LIMITED");
	assertStatus(await byName(from, user, PASSWORD), 200);
	assert.equal(await failures(from), 0, "not for its network");
	assert.equal((await millrace.psql(`SELECT count(*) FROM audit_log WHERE subject = '${user.id}' AND type = 'login_failed'`)).trim(), "6");
});

test("a browser knows the last four accounts, and is known by each; the oldest gives way", async () => {
	const users = [];
	let cookie;
	for (let i = 0; i < 5; i++) {
		const user = await register(api);
		const reply = assertStatus(await byName(api.fresh(), user, PASSWORD, cookie), 200);
		cookie = setCookies(reply)[DEVICE].value;
		users.push(user);
	}
	assert.match(cookie, /^[\w-]{44}(\.[\w-]{44}){3}$/);
	for (const user of users)
		await tried(user.username, 110);
	assertError(await byName(api.fresh(), users[0], PASSWORD, cookie), "RATE_LIMITED");
	for (const user of users.slice(1))
		assertStatus(await byName(api.fresh(), user, PASSWORD, cookie), 200);
	/* Signing in again takes no second place. */
	const again = setCookies(await byName(api.fresh(), users[2], PASSWORD, cookie))[DEVICE].value.split(".");
	assert.deepEqual([again.length, again.slice(1)], [4, cookie.split(".").filter((e) => again.includes(e))]);
});

test("nothing that was counted for an account outlives it, or a new password", async () => {
	const user = await signedIn(api);
	const counted = () => millrace.psql(`SELECT count(*) FROM login_failure WHERE split_part(subject, ' ', 2) = split_part(login_subject('${user.username}'), ' ', 2)`);
	assertError(await byName(api.fresh(), user, "wrong password", user.session.device), "UNAUTHORIZED");
	assertError(await byName(api.fresh(), user, "wrong password"), "UNAUTHORIZED");
	assert.equal((await counted()).trim(), "3");
	assertStatus(await user.session.send("DELETE", `/api/v1/user/dao/${user.id}`), 204);
	assert.equal((await counted()).trim(), "0");
});
