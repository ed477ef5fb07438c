/* What happens at the limits: of a caller's rate, of the queue, of patience, of an upload. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { newUser, privateInstance } from "../js/instance.mjs";
import { assertOneEnd } from "../js/events.mjs";
import { UUID7, assertError, assertStatus, until } from "../js/expect.mjs";

let millrace, api;
before(async () => {
	millrace = await privateInstance("limits", { MILLRACE_RATE_READ: "40", MILLRACE_RATE_WRITE: "30", MILLRACE_QUEUE_MAX: "6",
		MILLRACE_REPLY_SECONDS: "1", MILLRACE_UPLOAD_MAX: "100000", MILLRACE_SESSION_SECONDS: "60" });
	({ api } = millrace);
});
after(() => millrace?.stop());

const upload = (user, size = 10, path = "/api/documents/upload") => user.api.upload(path,
    { name: "n", file: { filename: "n.txt", bytes: Buffer.alloc(size, "mill ") } });

/* The runner holds still meanwhile, so that everything waits. */
async function withoutRunner(fn) {
	const [pid] = millrace.pids("runner");
	process.kill(pid, "SIGSTOP");
	try {
		return await fn();
	} finally {
		process.kill(pid, "SIGCONT");
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

test("a full queue answers 503 with Retry-After, and what was accepted is done", async () => {
	const user = await newUser(api);
	const accepted = await withoutRunner(async () => {
		const ids = [];
		for (let i = 0; i < 12; i++) {
			const reply = await upload(user);
			if (reply.status === 202) {
				ids.push(reply.json.id);
				continue;
			}
			assertError(reply, "OVERLOADED");
			assert.ok(Number(reply.headers["retry-after"]) >= 1);
			const chat = await user.api.post("/api/chat", { message: "x" });
			assertError(chat, "OVERLOADED");
			assert.match(chat.headers["content-type"], /json/);
			return ids;
		}
		throw new Error("the queue was never full");
	});
	assert.equal(accepted.length, 6);
	await until(async () => (await user.api.get("/api/documents")).json.every((d) => d.status === "ready"), "the queue is done");
	assert.equal((await user.api.get("/api/documents")).json.length, 6);
	assert.deepEqual((await user.api.get("/api/conversations")).json, [], "a refused chat left a conversation");
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
	await until(async () => (await user.api.get(`/api/runs/${run}`)).json.status === "completed", "the run is done");
	assert.equal((await user.api.get("/api/documents")).json[0].status, "ready");
});

test("the worker's own limit of an upload holds to the byte", async () => {
	const user = await newUser(api);
	assertStatus(await upload(user, 100000), 202);
	assertError(await upload(user, 100001), "TOO_LARGE");
	assertError(await upload(user, 3000000), "TOO_LARGE");
	assert.equal((await user.api.get("/api/documents")).json.length, 1);
});

test("a session ends when it says", async () => {
	const user = await newUser(api);
	const { iat, exp } = JSON.parse(Buffer.from(user.token.split(".")[1], "base64url"));
	assert.equal(exp - iat, 60);
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
