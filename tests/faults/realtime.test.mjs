/* Five hundred listeners by three protocols while one process after the other is restarted, handed over and killed. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { kill, revived, sleep, test, until, value, world } from "./faults.mjs";
import { WsListener, listeners, publisher } from "./listeners.mjs";

const LISTENERS = 500;
let w, user, run, all, feed;

before(async () => {
	w = await world("realtime", {}, 2);
	user = w.users[0];
	run = randomUUID();
	await w.millrace.psql(`INSERT INTO run (id, owner_id, kind, status, input) VALUES ('${run}', '${user.uid}', 'chat', 'running', '{}')`);
	all = await listeners(w.millrace, user, run, LISTENERS);
	feed = publisher(w.millrace, user, run);
}, { timeout: 300000 });
after(async () => {
	await feed?.stop();
	all?.forEach((l) => l.end());
	await w?.stop();
});

const heads = async () => ({ run: Number(await value(w.millrace, `SELECT seq FROM topic WHERE name = 'run:${run}'`)),
	user: Number(await value(w.millrace, `SELECT seq FROM topic WHERE name = 'user:${user.uid}'`)) });

/* Lets events flow over the fault, stops them, and looks whether everybody has every one, once and in order. */
async function over(fault) {
	await sleep(500);
	await fault();
	await sleep(2000);
	await feed.stop();
	const head = await heads();
	const headOf = (l) => l.api ? head.run : head.user;
	await until(() => all.every((l) => l.last() >= headOf(l)), "all have caught up").catch(() => {});
	all.forEach((l, i) => l.assertWhole(headOf(l), `${l.constructor.name} ${i}, connected ${l.connections} times`));
	assert.equal(all.filter((l) => l.unrecovered).length, 0, "Socket.IO's recovery");
	feed = publisher(w.millrace, user, run);
}

const connections = () => all.reduce((n, l) => n + l.connections, 0);

test("streamd is handed over: nobody's connection ends", async () => {
	const before = connections(), pids = w.millrace.pids("streamd");
	await over(async () => {
		await w.millrace.dev("restart", "streamd");
		await revived(w.millrace, "streamd", pids);
	});
	assert.equal(connections(), before);
});

test("by millracectl, too", async () => {
	const before = connections();
	await over(async () => { await w.millrace.ctl("streamd", "handover"); });
	assert.equal(connections(), before);
});

test("PostgreSQL is restarted", () => over(() => w.millrace.dev("restart", "postgresql")));
test("a runner is killed", () => over(async () => revived(w.millrace, "runner", await kill(w.millrace, "runner"))));
test("nginx is reloaded", () => over(() => w.millrace.dev("restart", "nginx")));
test("streamd is killed", () => over(async () => revived(w.millrace, "streamd", await kill(w.millrace, "streamd"))));
test("streamd is ended: all are told to come back", () => over(async () =>
	revived(w.millrace, "streamd", await kill(w.millrace, "streamd", "SIGTERM"))));

test("a thousand clients that come at once after a restart", async () => {
	await feed.stop();
	all.forEach((l) => l.end());
	const other = w.users[1];
	await w.millrace.psql(`INSERT INTO notification (owner_id, title, message) SELECT '${other.uid}', 't', 'm' FROM generate_series(1, 20)`);
	await revived(w.millrace, "streamd", await kill(w.millrace, "streamd"));
	all = Array.from({ length: 1000 }, () => new WsListener(w.millrace, other));
	await until(() => all.every((l) => l.last() >= 20), "each has what it missed");
	all.forEach((l, i) => l.assertWhole(20, `client ${i}`));
});
