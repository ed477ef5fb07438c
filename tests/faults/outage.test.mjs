/*
 * The database is away for long, or hangs, while clients by three protocols are connected: nobody is cut off, whoever asks is told soon to
 * come back, no process grows, and everything catches up.
 */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { io } from "socket.io-client";
import WebSocket from "ws";
import { assertOverloaded, rss, sleep, test, until, value, world } from "./faults.mjs";
import { listeners } from "./listeners.mjs";
import { newUser } from "../js/instance.mjs";
import { assertStatus } from "../js/expect.mjs";

const LISTENERS = 60, EVENTS = 200, AWAY = 15000, GROWTH_KIB = 32 * 1024;
let w, user, run, all, polls;

before(async () => {
	w = await world("outage", { MILLRACE_STREAM_PING_SECONDS: "1", MILLRACE_WS_PING_SECONDS: "2", MILLRACE_WS_PING_TIMEOUT_SECONDS: "10",
		MILLRACE_SOCKETIO_PING_MS: "2000", MILLRACE_SOCKETIO_PING_TIMEOUT_MS: "10000", MILLRACE_STATEMENT_MS: "1000" }, 1);
	[user] = w.users;
	run = randomUUID();
	await w.millrace.psql(`INSERT INTO run (id, owner_id, kind, status, input) VALUES ('${run}', '${user.uid}', 'chat', 'running', '{}')`);
	all = await listeners(w.millrace, user, run, LISTENERS);
	/* one that shows its token with every poll */
	polls = io(w.millrace.url, { path: "/api/socket.io", transports: ["polling"], rejectUnauthorized: false, forceNew: true,
		extraHeaders: { authorization: `Bearer ${user.token}` } });
	await until(() => polls.connected, "it is connected");
});
after(async () => {
	polls?.disconnect();
	all?.forEach((l) => l.end());
	await w?.stop();
});

const socketFile = () => join(w.millrace.runDir, "pg/.s.PGSQL.5432");
const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);

/* Nothing answers where it was, and who was connected is cut off. Gives what brings it back. */
async function away() {
	const file = socketFile();
	const client = new pg.Client({ host: join(w.millrace.runDir, "pg"), database: "millrace", user: "postgres" });
	await client.connect();
	renameSync(file, `${file}.away`);
	await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
	await client.end();
	return () => renameSync(`${file}.away`, file);
}

/* It takes connections and statements, and says nothing. */
async function hangs() {
	const postmaster = Number(readFileSync(`${socketFile()}.lock`, "utf8").split("\n")[0]);
	const pids = [postmaster, ...childrenOf(postmaster)];
	pids.forEach((pid) => process.kill(pid, "SIGSTOP"));
	return () => pids.forEach((pid) => process.kill(pid, "SIGCONT"));
}

/* A WebSocket that is opened, and how it ends. */
function socket(token) {
	const ws = new WebSocket(`${w.millrace.url.replace("https", "wss")}/api/ws/notifications`,
	    { rejectUnauthorized: false, headers: { authorization: `Bearer ${token}` } });
	ws.on("error", () => {});
	return { ended: new Promise((resolve) => { ws.on("close", (code) => resolve(code)); }),
		opened: new Promise((resolve) => { ws.on("open", () => resolve(101)).on("unexpected-response", (_, reply) => resolve(reply.statusCode)); }) };
}

const connections = () => all.reduce((n, l) => n + l.connections, 0);
const publish = (topic, type, n) => w.millrace.psql(`SELECT publish('${topic}', '${type}',
    json_build_object('n', coalesce((SELECT seq FROM topic WHERE name = '${topic}'), 0) + n)) FROM generate_series(1, ${n}) n`);
const processes = () => ["streamd", "account"].flatMap((role) => w.millrace.pids(role));

/* Asks again and again: the statuses that were seen. */
async function asking(state) {
	const seen = new Set();
	while (!state.over) {
		const reply = await user.api.fresh().get("/api/user");
		seen.add(reply.status);
		if (reply.status !== 200)
			assertOverloaded(reply);
		await sleep(20);
	}
	return seen;
}

async function over(fault, ms) {
	const before = connections(), pids = processes(), were = pids.map(rss);
	const brief = await newUser(w.millrace.api), gone = await newUser(w.millrace.api);
	const key = (await brief.api.post("/api/settings/regenerate-api-key")).json.apiKey;
	await w.millrace.psql(`UPDATE api_key SET expires_at = now() + interval '${ms / 2} milliseconds' WHERE user_id = '${brief.uid}'`);
	const ends = socket(key), loses = socket(gone.token);
	assert.deepEqual([await ends.opened, await loses.opened], [101, 101]);
	let lost = 0;
	const losing = () => lost++;
	polls.on("disconnect", losing);
	const back = await fault();
	let late;
	const state = { over: false }, probes = Promise.all(Array.from({ length: 20 }, () => asking(state)));
	try {
		late = socket(user.token);
		assert.equal(await Promise.race([ends.ended, sleep(ms, "late")]), 1008, "a token's end is not the database's to tell");
		await sleep(ms / 2);
		assert.equal(await late.opened, 503, "a new connection is told to come back");
	} finally {
		await back();
	}
	await until(async () => (await w.millrace.api.get("/readyz")).status === 200, "readiness again");
	state.over = true;
	for (const seen of await probes)
		assert.ok(seen.has(503), "nobody was refused while the database was away");
	await w.millrace.psql(`UPDATE session SET revoked_at = now() WHERE user_id = '${gone.uid}'`);
	assert.equal(await loses.ended, 1008);
	await publish(`user:${user.uid}`, "notification_created", EVENTS);
	await publish(`run:${run}`, "token", EVENTS);
	const head = Number(await value(w.millrace, `SELECT seq FROM topic WHERE name = 'run:${run}'`));
	await until(() => all.every((l) => l.last() >= head), "all have caught up").catch(() => {});
	all.forEach((l, i) => l.assertWhole(head, `${l.constructor.name} ${i}`));
	polls.off("disconnect", losing);
	assert.deepEqual([connections(), lost], [before, 0], "somebody was cut off");
	assert.deepEqual(processes(), pids, "a process died of it");
	pids.forEach((pid, i) => assert.ok(rss(pid) - were[i] < GROWTH_KIB, `${rss(pid) - were[i]} KiB more`));
	assertStatus(await user.api.get("/api/user"), 200);
}

test("PostgreSQL is away", () => over(away, AWAY));
test("PostgreSQL hangs", () => over(hangs, 2 * AWAY));
