/* The three WebSocket channels (/api/ws/…), by ws and by Debian's Python client, through nginx with TLS. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { randomUUID } from "node:crypto";
import { newAddress, newUser, shared } from "../js/instance.mjs";
import { SESSION, SESSION_OLD, signedIn } from "../js/accounts.mjs";
import { TIME, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { Socket } from "../js/socket.mjs";

const ANALYTICS = "/api/ws/analytics", NOTIFICATIONS = "/api/ws/notifications", WORKFLOWS = "/api/ws/workflows";
let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const open = (path, user, options) => new Socket(millrace, path, { token: user?.token, ...options }).open();
const publish = (topic, type, data) => millrace.psql(`SELECT publish('${topic}', '${type}', '${JSON.stringify(data)}')`);
const notify = (user, title) => millrace.psql(`INSERT INTO notification (owner_id, severity, title, message, action_url, metadata)
	VALUES ('${user.uid}', 'warning', '${title}', 'text', '/path', '{"a": 1}')`);
async function admin() {
	const user = await newUser(api);
	await millrace.ctl("user", "role", user.email, "admin");
	return user;
}

test("the handshake: by ?token=, by Bearer, by cookie, with compression and without", async () => {
	const user = await newUser(api);
	for (const path of [ANALYTICS, NOTIFICATIONS, WORKFLOWS, `${NOTIFICATIONS}/`])
		for (const how of [{ query: { token: user.token } }, { token: user.token }]) {
			const s = await new Socket(millrace, path, how).open();
			assert.match(s.ws.extensions, /permessage-deflate/);
			s.close();
		}
	const plain = await open(NOTIFICATIONS, user, { perMessageDeflate: false });
	assert.equal(plain.ws.extensions, "");
	plain.close();
	const { session } = await signedIn(api);
	const cookie = `${SESSION}=${session.access}`;
	(await new Socket(millrace, NOTIFICATIONS, { headers: { cookie: `${SESSION_OLD}=${session.access}` } }).open()).close();
	for (const origin of [undefined, millrace.url, millrace.origin])
		(await new Socket(millrace, NOTIFICATIONS, { headers: { cookie, ...(origin && { origin }) } }).open()).close();
	/* a page of another site cannot open one by the user's cookie */
	const foreign = new Socket(millrace, NOTIFICATIONS, { headers: { cookie, origin: "https://evil.example" } });
	await assert.rejects(foreign.open(), /403/);
});

test("a bad token: the handshake succeeds, then 1008", async () => {
	const user = await newUser(api);
	for (const how of [{}, { query: { token: "x.y.z" } }, { token: "mr_nothing" }, { token: `${user.token}x` }, { headers: { authorization: "Basic x" } }]) {
		const s = await new Socket(millrace, NOTIFICATIONS, how).open();
		assert.equal((await s.end()).code, 1008);
		assert.deepEqual(s.messages, []);
	}
	await user.api.post("/api/auth/logout");
	assert.equal((await (await open(NOTIFICATIONS, user)).end()).code, 1008);
	/* no WebSocket, no channel */
	assertError(await (await newUser(api)).api.get(NOTIFICATIONS), "UPGRADE_REQUIRED");
	assertError(await (await newUser(api)).api.get("/api/ws/nothing"), "NOT_FOUND");
	assertError(await api.fresh().get(NOTIFICATIONS), "UNAUTHORIZED");
	assert.equal(await millrace.grepLogs("x.y.z"), "");
});

test("the token's end closes, and so does the session's", async () => {
	const user = await newUser(api), other = await newUser(api);
	const s = await open(WORKFLOWS, user), theirs = await open(WORKFLOWS, other);
	await s.settled();
	await millrace.psql(`UPDATE session SET revoked_at = now() WHERE user_id = '${user.uid}'`);
	assert.deepEqual(await s.end(), { code: 1008, reason: "The session has ended." });
	await theirs.settled();
	assert.equal(theirs.closed, undefined);
	await other.api.post("/api/auth/logout");
	assert.equal((await theirs.end()).code, 1008);
});

test("an API key's end closes at its time", async () => {
	const user = await newUser(api);
	const key = (await user.api.post("/api/settings/regenerate-api-key")).json.apiKey;
	let s;
	await until(async () => {               /* unless it has ended before that */
		await millrace.psql(`UPDATE api_key SET expires_at = now() + interval '2 seconds' WHERE user_id = '${user.uid}'`);
		s = await new Socket(millrace, NOTIFICATIONS, { token: key }).open();
		return s.settled().then(() => true, () => false);
	}, "a channel of the key");
	assert.deepEqual(await s.end(), { code: 1008, reason: "The token has expired." });
});

test("ping, heartbeat, and what is malformed", async () => {
	const s = await open(NOTIFICATIONS, await newUser(api));
	s.say({ type: "ping" });
	assert.deepEqual(await s.type("pong"), { type: "pong" });
	const beat = { type: "heartbeat", timestamp: "2023-06-15T12:34:56Z", more: [1, { x: null }] };
	s.say(beat);
	assert.deepEqual(await s.type("heartbeat"), beat);
	s.say("nonsense");
	assert.equal((await s.type("error")).code, "BAD_REQUEST");
	s.say({ type: "subscribe" });
	assert.deepEqual(await s.type("error"), { type: "error", code: "BAD_REQUEST", message: "The message is not valid: topic is required." });
	s.say({ type: "unheard of" });
	await s.type("error");
	assert.equal((await s.end()).code, 1008);
	for (const bad of [Buffer.from("{}"), "[]", "null", '"x"', '{"type": 1}', '{"type": "subscribe", "topic": 1}', "{".repeat(100),
		'{"type": "subscribe", "topic": "x", "params": []}', `{"type":"subscribe","topic":"${"x".repeat(201)}"}`,
		'{"type":"subscribe","topic":"lead_trends","params":{"aggregation":"hourly"}}', '{"type":"subscribe","topic":"user:x","params":{"since":-1}}']) {
		const one = await open(WORKFLOWS, await newUser(api));
		one.say(bad);
		assert.equal((await one.type("error")).code, "BAD_REQUEST", String(bad).slice(0, 60));
		one.close();
	}
});

test("a message above 64 KiB closes with 1009, one of 64 KiB does not", async () => {
	const user = await newUser(api);
	for (const perMessageDeflate of [false, true]) {
		const s = await open(NOTIFICATIONS, user, { perMessageDeflate });
		const beat = (bytes) => `{"type":"heartbeat","x":"${"y".repeat(bytes - 27)}"}`;
		s.say(beat(65536));
		assert.equal((await s.type("heartbeat")).x.length, 65536 - 27);
		s.say(beat(65537));
		assert.equal((await s.end()).code, 1009);
	}
});

test("notifications: the first form, and the second after a subscribe", async () => {
	const user = await newUser(api), other = await newUser(api);
	const s = await open(NOTIFICATIONS, user);
	await notify(other, "not for you");
	await notify(user, "first");
	await publish(`user:${user.uid}`, "lead_created", {});
	const first = await s.type("notification_created");
	assertKeys(first, ["type", "data", "topic", "seq"]);
	for (const name of ["notification_id", "user_id", "notification_type", "severity", "title", "message", "created_at", "read", "metadata"])
		assert.ok(name in first.data, name);
	assert.deepEqual([first.data.user_id, first.data.severity, first.data.title, first.data.read], [user.uid, "warning", "first", false]);
	const topic = `user:${user.uid}`;
	assert.deepEqual(await s.subscribe(topic), { type: "subscribed", topic, seq: first.seq + 1 });
	await notify(user, "second");
	const second = await s.type("event");
	assertKeys(second, ["type", "channel", "topic", "event", "data", "ts", "seq"]);
	assert.match(second.ts, TIME);
	assert.deepEqual([second.channel, second.topic, second.event, second.seq], ["notifications", topic, "notification_created", first.seq + 2]);
	assert.deepEqual([second.data.title, second.data.action_url, second.data.severity], ["second", "/path", "warning"]);
	await s.settled();
	assert.deepEqual(s.messages, [], "nothing comes twice, and nothing of other kinds or users");
	s.say({ type: "unsubscribe", topic });
	assert.deepEqual(await s.type("unsubscribed"), { type: "unsubscribed", topic });
	await notify(user, "third");
	await s.settled();
	assert.deepEqual(s.messages, []);
	s.close();
});

test("since: everything after it, once and in order, on connecting and by subscribe", async () => {
	const user = await newUser(api), topic = `user:${user.uid}`;
	await millrace.psql(`INSERT INTO notification (owner_id, title, message) SELECT '${user.uid}', 't' || g, repeat('long ', CASE g % 10 WHEN 0 THEN 3000 ELSE 1 END) FROM generate_series(1, 300) g`);
	const seqs = async (s, type, n) => {
		await until(() => s.messages.filter((m) => m.type === type).length >= n, `${n} events`);
		return s.messages.filter((m) => m.type === type).map((m) => m.seq);
	};
	const expected = (from) => Array.from({ length: 300 - from }, (_, i) => from + 1 + i);
	for (const since of [0, 7, 299]) {
		const first = await open(NOTIFICATIONS, user, { query: { since } });
		assert.deepEqual(await seqs(first, "notification_created", 300 - since), expected(since));
		first.close();
		const second = await open(NOTIFICATIONS, user);
		await second.subscribe(topic, { since });
		assert.deepEqual(await seqs(second, "event", 300 - since), expected(since));
		second.close();
	}
	assert.equal((await new Socket(millrace, NOTIFICATIONS, { token: user.token, query: { since: "x" } }).open().catch((e) => e)).message,
	    "the handshake was answered with 400");
});

test("analytics: one's own events, or everybody's for an administrator or the scope", async () => {
	const [user, other, boss] = [await newUser(api), await newUser(api), await admin()];
	const own = await open(ANALYTICS, user), all = await open(ANALYTICS, boss);
	const { stdout } = await millrace.ctl("key", "create", newAddress(), "--service", "--scope", "analytics:read");
	await assert.rejects(millrace.ctl("key", "create", user.email, "--scope", "analytics:read"), /keys of others do not have the scope/);
	const scoped = await new Socket(millrace, ANALYTICS, { token: stdout.trim() }).open();
	const told = assertStatus(await user.api.post("/api/settings/api-keys", { name: "told", scopes: ["notifications:read"] }), 201).json.apiKey;
	(await new Socket(millrace, NOTIFICATIONS, { token: told }).open()).close();
	assert.equal((await own.subscribe("analytics")).code, "UNAUTHORIZED");
	const lead = (await other.api.post("/api/leads", { name: "A lead" })).json.id;
	const mine = (await user.api.post("/api/leads", { name: "Mine" })).json.id;
	assert.equal((await own.type("lead_created")).data.lead_id, mine);
	for (const s of [all, scoped])
		for (const id of [lead, mine]) {
			const event = await s.take((m) => m.type === "lead_created" && m.data.lead_id === id);
			assertKeys(event.data, ["lead_id", "user_id", "created_at"]);
			assert.equal(event.topic, "analytics");
		}
	await own.settled();
	assert.deepEqual(own.messages, []);
	/* who is no administrator any more sees no more */
	await admin();          /* the last one stays */
	await millrace.ctl("user", "role", boss.email, "user");
	assert.equal((await all.end()).code, 1008);
	[own, scoped].forEach((s) => s.close());
});

test("analytics: an administrator's keys show figures of all users as long as the administrator is one", async () => {
	const [boss, other] = [await admin(), await newUser(api)];
	const make = async (...scopes) => assertStatus(await boss.api.post("/api/settings/api-keys", { name: "figures", scopes }), 201).json.apiKey;
	const keys = [await make("analytics:read"), await make("read", "analytics:read")];
	const by = (key) => open(ANALYTICS, { token: key });
	const role = (name) => millrace.ctl("user", "role", boss.email, name);
	/* Whose leads a socket hears of. */
	const heard = async (s) => {
		for (const { api } of [other, boss])
			assertStatus(await api.post("/api/leads", { name: "A lead" }), 201);
		await s.take((m) => m.type === "lead_created" && m.data.user_id === boss.uid);
		return s.messages.some((m) => m.type === "lead_created" && m.data.user_id === other.uid);
	};
	const trends = await open(ANALYTICS, boss);
	assert.equal((await trends.subscribe("lead_trends")).type, "subscribed");
	const before = [trends, ...await Promise.all(keys.map(by))];
	for (const s of before.slice(1))
		assert.equal(await heard(s), true);
	await role("user");
	for (const s of before)
		assert.equal((await s.end()).code, 1008);
	await assert.rejects(async () => { throw new Error(String((await (await by(keys[0])).end()).code)); }, /1008|403/);
	const now = await by(keys[1]);
	assert.equal(await heard(now), false);
	assert.equal((await now.subscribe("analytics")).code, "UNAUTHORIZED");
	now.close();
	await role("admin");
	const again = await by(keys[0]);
	assert.equal(await heard(again), true);
	again.close();
});

test("another's topics, by every name", async () => {
	const user = await newUser(api), other = await newUser(api), s = await open(WORKFLOWS, user);
	const id = randomUUID();
	await millrace.psql(`SELECT topic_own('workflow_run:${id}', '${other.uid}')`);
	const run = (await other.api.chat("Hello")).headers["x-run-id"];
	for (const topic of [`user:${other.uid}`, `run:${run}`, `workflow_run:${id}`, `agent:${id}`, `conversation:${id}`, "analytics"])
		assert.equal((await s.subscribe(topic)).code, "UNAUTHORIZED", topic);
	for (const topic of ["nothing", "user", "user:", "topic:x", ":", "USER:x"])
		assert.equal((await s.subscribe(topic)).code, "INVALID_TOPIC", topic);
	await publish(`workflow_run:${id}`, "workflow_status_update", {});
	await s.settled();
	assert.deepEqual(s.messages, []);
	s.close();
});

test("workflows: own runs with their state first; what changes hands is gone at once", async () => {
	const user = await newUser(api), other = await newUser(api), id = randomUUID(), topic = `workflow_run:${id}`;
	await millrace.psql(`SELECT topic_own('${topic}', '${user.uid}')`);
	for (const progress of [0, 0.5])
		await publish(topic, "workflow_status_update", { workflow_run_id: id, status: "running", progress });
	const s = await open(WORKFLOWS, user);
	assert.equal((await s.subscribe(topic)).seq, 1);
	assert.deepEqual((await s.type("event")).data, { workflow_run_id: id, status: "running", progress: 0.5 });
	await publish(`user:${user.uid}`, "workflow_status_update", { workflow_run_id: id, status: "completed" });
	assert.equal((await s.type("workflow_status_update")).data.status, "completed");
	await millrace.psql(`SELECT topic_own('${topic}', '${other.uid}')`);
	assert.deepEqual(await s.type("error"), { type: "error", code: "UNAUTHORIZED", message: "This topic is not for you any more.", topic });
	await publish(topic, "workflow_status_update", { secret: true });
	await s.settled();
	assert.deepEqual(s.messages, []);
	s.close();
});

test("lead_trends: the series, and again when it changes, at most once a second", async () => {
	const user = await newUser(api), other = await newUser(api), s = await open(ANALYTICS, user);
	const today = new Date().toISOString().slice(0, 10), from = new Date(Date.now() - 3 * 86400000).toISOString().slice(0, 10);
	const began = Date.now();
	await s.subscribe("lead_trends", { start_date: from, end_date: today, aggregation: "daily" });
	const { data, channel, ts } = await s.type("event");
	assert.deepEqual([data.length, data[0], data[3], channel], [4, { date: from, value: 0 }, { date: today, value: 0 }, "analytics"]);
	assert.match(ts, TIME);
	for (let i = 0; i < 10; i++)
		await user.api.post("/api/leads", { name: `Lead ${i}` });
	await other.api.post("/api/leads", { name: "Not counted" });
	await until(() => s.messages.some((m) => m.type === "event" && m.data[3].value === 10), "the new series");
	assert.ok(s.messages.filter((m) => m.type === "event").length <= 1 + (Date.now() - began) / 1000);
	/* the whole company's, for who may see it; a bad period is an error, not an end */
	const boss = await open(ANALYTICS, await admin());
	await boss.subscribe("lead_trends", { start_date: today, end_date: today });
	assert.ok((await boss.type("event")).data[0].value >= 11);
	await boss.subscribe("conversation_trends", { start_date: "2026-01-31", end_date: "2026-01-01" });
	assert.equal((await boss.type("error")).code, "BAD_REQUEST");
	await boss.subscribe("conversation_trends");
	assert.equal((await boss.take((m) => m.type === "event" && m.topic === "conversation_trends")).data.length, 31);
	[s, boss].forEach((x) => x.close());
});

test("many series of one user take turns: each comes, and again when it changes", async () => {
	const user = await newUser(api), sockets = await Promise.all(Array.from({ length: 12 }, () => open(ANALYTICS, user)));
	const series = (s, topic) => s.messages.filter((m) => m.type === "event" && m.topic === topic).map((m) => m.data.at(-1).value);
	const all = (topic, last) => until(() => sockets.every((s) => series(s, topic).at(-1) === last), `${topic} everywhere`);
	for (const s of sockets)
		for (const topic of ["lead_trends", "conversation_trends"])
			await s.subscribe(topic);
	await Promise.all([all("lead_trends", 0), all("conversation_trends", 0)]);
	for (let n = 1; n <= 3; n++) {
		assertStatus(await user.api.post("/api/leads", { name: `Lead ${n}` }), 201);
		await all("lead_trends", n);
	}
	sockets.forEach((s) => s.close());
});

test("a hundred subscriptions and no more", async () => {
	const user = await newUser(api), s = await open(WORKFLOWS, user);
	await millrace.psql(`SELECT topic_own('agent:' || uuid_v7(), '${user.uid}') FROM generate_series(1, 105)`);
	const topics = (await millrace.psql(`SELECT topic FROM topic_owner WHERE owner_id = '${user.uid}'`)).trim().split("\n");
	topics.forEach((topic) => s.say({ type: "subscribe", topic }));
	await until(() => s.messages.length === 105, "the answers");
	assert.equal(s.messages.filter((m) => m.type === "subscribed").length, 99);
	assert.ok(s.messages.filter((m) => m.type === "error").every((m) => m.code === "BAD_REQUEST"));
	s.close();
});

test("Debian's Python client", async () => {
	const user = await newUser(api);
	const code = `
import asyncio, json, ssl, sys, websockets
async def main():
    tls = ssl.create_default_context(); tls.check_hostname = False; tls.verify_mode = ssl.CERT_NONE
    async with websockets.connect(sys.argv[1], ssl=tls, open_timeout=120, ping_timeout=120) as s:
        await s.send(json.dumps({"type": "ping"}))
        print(await s.recv())
        await s.ping()
        await s.send(json.dumps({"type": "subscribe", "topic": sys.argv[2], "params": {"since": 0}}))
        print(await s.recv()); print(await s.recv())
asyncio.run(main())`;
	await notify(user, "from C");
	const { stdout } = await promisify(execFile)("/usr/bin/python3",
	    ["-c", code, `${millrace.url.replace("https", "wss")}${NOTIFICATIONS}?token=${user.token}`, `user:${user.uid}`]);
	const [pong, subscribed, event] = stdout.trim().split("\n").map((line) => JSON.parse(line));
	assert.deepEqual([pong.type, subscribed.type, event.data.title], ["pong", "subscribed", "from C"]);
});
