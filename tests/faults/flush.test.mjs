/*
 * Workers' writers share flushes: what is answered is on disk, what is shown never changes, and a crash between commits and flush leaves
 * nothing that somebody was told. The test build keeps batches there while a file says so.
 */
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import WebSocket from "ws";
import { column, crash, kill, revived, sleep, until, value } from "./faults.mjs";
import { ROOT, newUser } from "../js/instance.mjs";
import { startAll, startPath } from "../js/oauth.mjs";

const ROUNDS = 20, USERS = 8, OPTIONS = { timeout: 600000 };
let all, millrace, users, turn = 0;

before(async () => {
	all = await startAll("flush", { MILLRACE_DEV_BIN: process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build/test"), MILLRACE_DEV_PROCESSES: "1",
		MILLRACE_RATE_WRITE: "0", MILLRACE_RATE_LOGIN: "0" });
	({ millrace } = all);
	/* what a crash may undo is written a fifth of a second later, where nothing else says so; what has been written outlives the server's
	   processes without fsync, too, and only they are ended here */
	await millrace.psql("ALTER SYSTEM SET wal_writer_delay = '10s'");
	await millrace.psql("ALTER SYSTEM SET fsync = off");
	await millrace.psql("SELECT pg_reload_conf()");
	users = await Promise.all(Array.from({ length: USERS }, () => newUser(millrace.api)));
}, OPTIONS);
after(() => all?.stop());

const holdFile = () => join(millrace.runDir, "hold");
const hold = () => writeFileSync(holdFile(), "");
const letGo = () => rmSync(holdFile(), { force: true });

/* A request that changes something under a name of its own, the SQL that counts it, and what became of the request. By each user in turn:
   what is held takes its caller's share of the worker. */
class Write {
	constructor(kind) {
		this.user = users[turn++ % USERS];
		this.name = `w${randomUUID()}`;
		Object.assign(this, kind(this));
	}

	begin() {
		this.status = undefined;
		this.over = this.send().then(({ status }) => { this.status = status; }, (e) => { this.status = e.reply?.status ?? 0; });
		return this;
	}

	get answered() { return this.status >= 200 && this.status < 400; }
}

/* How often each is there now, in one look. */
async function counts(writes) {
	const row = await value(millrace, `SELECT concat_ws(' ', ${writes.map((w) => `(${w.sql})`).join(", ") || "NULL"})`);
	return (row ?? "").split(" ").filter(Boolean).map(Number);
}

const keyed = (w) => ({ headers: { "idempotency-key": w.name } });
const lead = (w) => ({ repeats: true, sql: `SELECT count(*) FROM lead WHERE name = '${w.name}'`,
	send: () => w.user.api.post("/api/leads", { name: w.name }, keyed(w)) });
const setting = (w) => ({ sql: `SELECT count(*) FROM user_settings WHERE user_id = '${w.user.uid}' AND settings ? '${w.name}'`,
	send: () => w.user.api.put("/api/settings", { [w.name]: true }) });
const reading = (w) => ({ sql: `SELECT count(*) FROM notification WHERE title = '${w.name}' AND read`, async send() {
	const id = await value(millrace, `SELECT id FROM notification WHERE title = '${w.name}'`);
	return w.user.api.post(`/api/notifications/${id}/read`);
} });
const signIn = (w) => ({ sql: `SELECT count(*) FROM oauth_flow WHERE return_to LIKE '%${w.name}%'`,
	send: () => millrace.api.fresh().get(`${startPath("github")}?return_to=/${w.name}`) });
const chat = (w) => ({ repeats: true, sql: `SELECT count(*) FROM message WHERE role = 'user' AND content = '${w.name}'`, async send() {
	const stream = await w.user.api.chat(w.name, {}, keyed(w));
	stream.response?.destroy();
	return { status: 200 };
} });
const upload = (w) => ({ repeats: true, sql: `SELECT count(*) FROM document WHERE name = '${w.name}'`,
	send: () => w.user.api.upload("/api/documents/upload", { name: w.name, file: { filename: "a.txt", type: "text/plain", bytes: Buffer.from(w.name) } }, keyed(w)) });
const call = (w) => ({ repeats: true, sql: `SELECT count(*) FROM run WHERE kind = 'call' AND strpos(input ->> 'payload', '${w.name}') > 0`,
	send: () => w.user.api.post("/v1/chat/completions", { model: "local", messages: [{ role: "user", content: w.name }] }, keyed(w)) });
const AT_ONCE = [lead, setting, reading, signIn, chat];   /* what one transaction does; an upload takes several */

/* Begins `n` of a kind; what is read has to be there first. */
async function some(kind, n) {
	const writes = Array.from({ length: n }, () => new Write(kind));
	if (kind === reading)
		await millrace.psql(writes.map((w) => `INSERT INTO notification (owner_id, title, message) VALUES ('${w.user.uid}', '${w.name}', 'm');`).join(" "));
	return writes.map((w) => w.begin());
}

const isOpen = (w) => w.status === undefined;
async function anyHeld(writes) {
	const open = writes.filter(isOpen), there = await counts(open);
	return open.some((w, i) => isOpen(w) && there[i] > 0);
}

/* Writes of this kind, two at once until one has committed and is not answered: one that comes alone flushes by itself. */
async function held(kind) {
	const writes = [];
	for (;;) {
		const more = await some(kind, 2);
		writes.push(...more);
		await until(async () => !more.some(isOpen) || await anyHeld(more), "they are answered, or one is held");
		await sleep(50);        /* an answer may be on its way */
		if (await anyHeld(more))
			return writes;
	}
}

/* Events of a user as a socket shows them, which is by their type. Whatever number is shown twice has to be the same both times. */
class Shown {
	events = new Map();
	sockets = [];

	constructor(user) { this.user = user; }

	async connect(since) {
		await until(async () => {
			const ws = new WebSocket(`${millrace.url.replace("https", "wss")}/api/ws/analytics?token=${this.user.token}&since=${since}`, { rejectUnauthorized: false });
			ws.on("error", () => {}).on("message", (bytes) => this.add(String(bytes)));
			this.sockets.push(ws);
			return new Promise((resolve) => { ws.on("open", () => resolve(true)).on("close", () => resolve(false)); });
		}, "a socket");
		return this;
	}

	add(text) {
		const { seq } = JSON.parse(text);
		if (this.events.has(seq))
			assert.equal(text, this.events.get(seq), `number ${seq} has become another`);
		this.events.set(seq, text);
	}

	last() { return Math.max(0, ...this.events.keys()); }
	end() { this.sockets.splice(0).forEach((ws) => ws.terminate()); }

	async head() {
		return Number(await value(millrace, `SELECT coalesce(max(seq), 0) FROM stream_event WHERE topic = 'user:${this.user.uid}' AND type ~ '^(lead|message)_'`));
	}

	/* Until it has shown all that there is now. */
	async upToDate(ms) {
		const to = await this.head();
		await until(() => this.last() >= to, "a user's events are shown", ms);
	}

	async notInLog() {
		const shown = [...this.events];
		const log = await column(millrace, `SELECT seq FROM stream_event WHERE topic = 'user:${this.user.uid}'`);
		return shown.filter(([seq]) => !log.includes(String(seq))).map(([, text]) => text);
	}
}

/* Until it is answered, by the same key. */
async function insist(w) {
	await until(async () => { await w.begin().over; return w.answered || ![0, 502, 503, 504].includes(w.status); }, `${w.name} is answered`);
	assert.ok(w.answered, `${w.status}`);
	assert.deepEqual(await counts([w]), [1], "a repeat by key came out once");
}

test("the server crashes between commits and flush", OPTIONS, async () => {
	let acknowledged = 0, committed = 0, undone = 0;
	const live = users.map((user) => new Shown(user)), each = (what) => Promise.all(live.map(what));
	for (let round = 0; round < ROUNDS; round++) {
		await each((l) => l.connect(l.last()));
		await each((l) => l.upToDate());
		const release = await millrace.holdRunner();
		hold();
		const writes = await some(upload, 2);
		for (const kind of AT_ONCE)
			writes.push(...await held(kind));
		/* nothing that flushes comes after these */
		const late = (await Promise.all([round % 2 ? setting : reading, signIn, chat, lead].map((kind) => some(kind, 1)))).flat();
		writes.push(...late);
		await until(async () => { const n = await counts(late); return late.every((x, i) => !isOpen(x) || n[i] > 0); }, "these are held, or answered");
		/* somebody who comes now sees numbers that no flush has come for */
		if (round % 4 === 3) {
			await each((l) => l.connect(0));
			await each((l) => l.upToDate());
		}
		const answered = writes.filter((w) => w.answered);
		const were = await counts(writes);
		/* batches stay where they are until the server is gone */
		await crash(millrace, letGo);
		await release();
		await Promise.all(writes.map((w) => w.over));
		const are = await counts(writes);
		for (const w of answered)
			assert.equal(are[writes.indexOf(w)], 1, `${w.sql}: answered, and gone`);
		acknowledged += answered.length;
		committed += were.filter((n) => n > 0).length;
		undone += were.filter((n, i) => n > 0 && are[i] === 0).length;
		await Promise.all(writes.filter((w) => w.repeats && !w.answered).map(insist));
		live.forEach((l) => l.end());
		await each((l) => l.connect(0));
		await each((l) => l.upToDate());
		assert.deepEqual((await each((l) => l.notInLog())).flat(), [], `round ${round}: what was shown is in the log`);
		live.forEach((l) => l.end());
	}
	console.log(`# ${acknowledged} acknowledged, ${committed} committed, ${undone} undone`);
	assert.ok(acknowledged > 0 && undone > 0, "nothing was undone, so nothing was tested");
});

test("a worker is killed there: repeats come out once, streams go on", OPTIONS, async () => {
	const shown = users.map((user) => new Shown(user));
	await Promise.all(shown.map(async (s) => s.connect(await s.head())));
	hold();
	const leads = await held(lead), chats = await held(chat);
	const gone = [...leads, ...chats].filter(isOpen);
	const pids = { insight: await kill(millrace, "insight"), chat: await kill(millrace, "chat") };
	await Promise.all(gone.map((w) => w.over));
	for (const w of gone)
		assert.ok([502, 503].includes(w.status), `${w.status}`);
	letGo();
	for (const [role, were] of Object.entries(pids))
		await revived(millrace, role, were);
	/* what was never notified: the lead's event */
	const lost = shown.filter((s) => leads.some((w) => w.user === s.user));
	await Promise.all(lost.map((s) => s.upToDate(2000)));
	await until(async () => await value(millrace, "SELECT count(*) FROM job WHERE state = 'queued'") === "0", "jobs are found", 1000);
	await Promise.all(gone.map(insist));
	await until(async () => await value(millrace, "SELECT count(*) FROM run WHERE ended_at IS NULL") === "0", "the runs end");
	shown.forEach((s) => s.end());
});

test("calls whose runner was never told that it has them are made, once", OPTIONS, async () => {
	const ofCalls = (what, more = "") => value(millrace, `SELECT ${what} FROM run r JOIN job j ON j.run_id = r.id WHERE r.kind = 'call' ${more}`);
	hold();
	const calls = await some(call, 4);
	await until(async () => (await counts(calls)).every((n) => n === 1), "they are stored");
	assert.equal(await ofCalls("bool_and(j.state = 'running' AND j.attempts = 1)"), "t", "each is a runner's from its beginning");
	const were = await kill(millrace, "gateway");
	letGo();
	await revived(millrace, "gateway", were);
	await until(async () => await ofCalls("count(*)", "AND r.ended_at IS NULL") === "0", "they are found");
	await Promise.all(calls.map((w) => w.over));
	await Promise.all(calls.filter((w) => !w.answered).map(insist));
	assert.equal(await value(millrace, "SELECT count(*) FROM run WHERE kind = 'call'"), "4");
	assert.ok(Number(await value(millrace, "SELECT count(*) FROM usage_event u JOIN run r ON r.id = u.run_id WHERE r.kind = 'call' AND u.call / 1000 = 2")) >= 3,
		"by looking for them");
	assert.equal(await value(millrace, `SELECT max(n) FROM (SELECT count(*) AS n FROM stream_event WHERE type = 'done'
		AND topic IN (SELECT 'run:' || id FROM run WHERE kind = 'call') GROUP BY topic) d`), "1");
});

test("what fails in a batch takes only itself; what reads waits for none", OPTIONS, async () => {
	hold();
	const leads = await held(lead);
	/* one batch on: what is refused stands between others, which a flush is still to come for */
	const between = await some(lead, 2);
	const refused = await leads[0].user.api.post("/api/leads", { name: "another" }, keyed(leads[0]));
	assert.equal(refused.status, 409);
	between.push(...await some(lead, 2));
	await until(async () => (await counts(between)).every((n) => n === 1), "those around it have committed");
	assert.ok(between.every(isOpen), "they wait for their flush");
	leads.push(...between);
	assert.equal((await users[0].api.get("/api/leads")).status, 200);
	const one = leads.find(isOpen);
	assert.ok(one, "one is held still");
	const reply = await one.user.api.post("/api/leads", { name: one.name }, keyed(one));
	assert.deepEqual([reply.status, reply.headers["idempotent-replayed"]], [201, "true"], "its repeat flushes by itself");
	letGo();
	await Promise.all(leads.map((w) => w.over));
	assert.ok(leads.every((w) => w.status === 201));
	assert.ok((await counts(leads)).every((n) => n === 1));
});

/* As where the server's queue of notifications is full: a listener that does not read holds it. */
test("while the server refuses notifications all is written; then everybody sees it", OPTIONS, async () => {
	const [user] = users, shown = new Shown(user), before = await shown.head();
	await shown.connect(before);
	const heard = new Set(), listener = await millrace.connections.connect();
	listener.on("notification", ({ channel, payload }) => heard.add(`${channel} ${payload}`));
	await listener.query("LISTEN millrace_doubt; LISTEN millrace_job; LISTEN millrace_periodic");
	const sends = await millrace.psql("SELECT pg_get_functiondef('notify_collected'::regproc)");
	await millrace.psql(`CREATE OR REPLACE FUNCTION notify_collected("from" text) RETURNS bigint LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'too many notifications in the NOTIFY queue' USING ERRCODE = '54000'; END $$`);
	const [asked] = await some(chat, 1);
	for (let i = 0; i < 5; i++)
		assert.equal((await user.api.post("/api/leads", { name: `refused ${i}` })).status, 201);
	assert.ok(await shown.head() >= before + 5);
	assert.equal(shown.events.size, 0, "nobody was told");
	await millrace.psql(sends);
	/* nothing more is written */
	await shown.upToDate();
	shown.end();
	await until(() => ["millrace_doubt ", "millrace_job doubt", "millrace_periodic analytics", "millrace_periodic workflows"].every((n) => heard.has(n)),
		"everybody who waits is told to look again");
	listener.release(true);
	await asked.over;
	await until(async () => await value(millrace, "SELECT count(*) FROM run WHERE ended_at IS NULL") === "0", "the run ends");
});
