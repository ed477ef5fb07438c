/* Whose streams are: they end with what their caller came by, and one user has only so many, of all kinds together. */
import test, { after, afterEach, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newUser, privateInstance } from "../js/instance.mjs";
import { login, register } from "../js/accounts.mjs";
import { assertError, assertRefusedWithin, assertStatus, until } from "../js/expect.mjs";
import { client, closeAll, connected, next } from "../js/sockets.mjs";
import { Socket } from "../js/socket.mjs";

const MOST = 4, CHANNEL = "/api/ws/notifications";
let millrace, api, letGo;
before(async () => {
	millrace = await privateInstance("streams", { MILLRACE_USER_STREAMS: String(MOST) });
	({ api } = millrace);
	/* what is asked for stays to be done */
	letGo = await millrace.holdRunner();
});
afterEach(closeAll);
after(async () => {
	await letGo?.();
	await millrace?.stop();
});

/* A run of somebody's that goes on. */
async function runOf(uid) {
	const run = randomUUID();
	await millrace.psql(`INSERT INTO run (id, owner_id, kind, status, input) VALUES ('${run}', '${uid}', 'chat', 'running', '{}')`);
	return run;
}

const keyOf = async (user) => assertStatus(await user.api.post("/api/settings/regenerate-api-key"), 200).json.apiKey;

/* What is refused by a status: its reply. */
const refused = (opening) => opening.then(() => assert.fail("it was let in"), (e) => e.reply ?? Promise.reject(e));

/* The stream ends, as a whole. */
async function ends(stream) {
	await stream.all();
	assert.ok(stream.response.complete);
}

test("an event stream ends with the session, whatever began it, and others go on", async () => {
	const user = await newUser(api), other = await newUser(api), run = await runOf(user.uid);
	const again = assertStatus(await api.fresh().post("/api/auth/login", { email: user.email, password: "correct horse 7" }), 200).json.token;
	const mine = [await user.api.resume(run), await user.api.chat("hello"), await api.sse("GET", `/api/runs/${run}/stream?token=${user.token}`)];
	const stay = [await api.as(again).resume(run), await other.api.resume(await runOf(other.uid))];
	await millrace.psql(`SELECT publish('run:${run}', 'token', '{"content": "1"}')`);
	const seen = (await mine[0].take(1))[0];
	assertStatus(await user.api.post("/api/auth/logout"), 200);
	await Promise.all(mine.map(ends));
	assertError(await refused(user.api.resume(run, seen.id)), "UNAUTHORIZED");
	await millrace.psql(`SELECT publish('run:${run}', 'token', '{"content": "2"}')`);
	assert.deepEqual((await stay[0].take(2)).map((e) => e.data.content), ["1", "2"]);
	const went = await api.as(again).resume(run, seen.id);
	assert.deepEqual((await went.take(1)).map((e) => e.data.content), ["2"]);
	assert.equal(stay[1].response.complete, false);
	[...stay, went].forEach((s) => s.close());
});

test("and with a session in cookies, an API key, the account", async () => {
	const account = await register(api), session = await login(api, account), run = await runOf(account.id);
	const byCookie = await session.api.resume(run, undefined, { headers: { cookie: session.cookie } });
	assertStatus(await session.send("POST", "/api/v1/auth/logout"), 200);
	await ends(byCookie);

	const user = await newUser(api), first = await keyOf(user), theirs = await runOf(user.uid);
	const byKey = await api.as(first).resume(theirs), asked = await api.as(first).chat("hello"), bySession = await user.api.resume(theirs);
	const second = await keyOf(user);
	await Promise.all([byKey, asked].map(ends));
	assertError(await refused(api.as(first).resume(theirs)), "UNAUTHORIZED");
	await ends(await until(async () => {            /* unless it has ended before that */
		await millrace.psql(`UPDATE api_key SET expires_at = now() + interval '2 seconds' WHERE user_id = '${user.uid}' AND revoked_at IS NULL`);
		return api.as(second).resume(theirs).catch(() => null);
	}, "a stream of the key"));
	assert.equal(bySession.response.complete, false);
	await millrace.psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${user.uid}'`);
	await ends(bySession);
});

test("who waits for a reply is told, too", async () => {
	const user = await newUser(api);
	const reply = user.api.get("/api/documents/search?q=mill");
	await until(async () => (await millrace.psql(`SELECT count(*) FROM run WHERE owner_id = '${user.uid}'`)).trim() === "1", "it waits");
	assertStatus(await user.api.post("/api/auth/logout"), 200);
	assertError(await reply, "UNAUTHORIZED");
});

test("the same Idempotency-Key brings the same stream, by an API key, too", async () => {
	const user = await newUser(api), key = await keyOf(user);
	const options = { headers: { "idempotency-key": randomUUID() } };
	const streams = [await api.as(key).chat("once", {}, options), await api.as(key).chat("once", {}, options)];
	assert.equal(streams[1].headers["x-run-id"], streams[0].headers["x-run-id"]);
	await keyOf(user);
	await Promise.all(streams.map(ends));
});

test("a user has only so many streams, whatever they are and by whatever they came; what ends makes room", async () => {
	const user = await newUser(api), run = await runOf(user.uid), key = await keyOf(user), byKey = api.as(key);
	const stream = () => user.api.resume(run);
	async function full() {
		for (const opens of [stream, () => byKey.resume(run)]) {
			const late = await opens();
			await assertRefusedWithin(late, "RATE_LIMITED");
			assert.equal(late.headers["x-run-id"], run);
		}
		assertError(await user.api.get("/api/documents/search?q=mill"), "RATE_LIMITED");
		const { code, reason } = await (await new Socket(millrace, CHANNEL, { token: key }).open()).end();
		assert.deepEqual([code, /too many/.test(reason)], [1013, true]);
		for (const transports of [["polling"], ["websocket"]]) {
			const late = client(millrace, { auth: { token: user.token }, transports });
			const [error] = await next(late, "connect_error");
			assert.deepEqual([error.message, error.data], ["Too many streams", { code: "RATE_LIMITED" }]);
			late.close();
		}
	}
	/* An end is not heard of at once. */
	const soon = (open) => until(async () => {
		const opened = await open();
		return !await opened.isRefusal() && opened;
	}, "room for it");
	const opened = [await stream(), await byKey.resume(run)];
	const channel = await new Socket(millrace, CHANNEL, { token: key }).open();
	await channel.settled();
	const socket = await connected(millrace, user, { transports: ["polling"] });
	const other = await newUser(api);
	(await other.api.resume(await runOf(other.uid))).close();
	const chat = await refused(user.api.chat("what has begun goes on"));
	assertError(chat, "RATE_LIMITED");
	assert.match(chat.headers["retry-after"], /^[1-9]\d*$/);
	assertStatus(await user.api.get(`/api/runs/${chat.headers["x-run-id"]}`), 200);
	await full();
	opened.shift().close();
	opened.push(await soon(stream));
	await full();
	await millrace.dev("restart", "streamd");
	await until(async () => {
		const late = await stream(), counted = await late.isRefusal();
		late.close();
		return counted;
	}, "it counts them");
	await full();
	channel.close();
	opened.push(await soon(stream));
	await full();
	socket.close();
	opened.push(await soon(stream));
	await full();
	await millrace.psql(`SELECT publish('run:${run}', 'done', '{}')`);
	await Promise.all(opened.map(ends));
	const again = await soon(async () => user.api.resume(await runOf(user.uid)));
	again.close();
});
