/* Fifty chats run, something dies: every reader gets everything once and in order, and nothing is left open. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { assertOverloaded, column, kill, revived, secondRunner, sleep, test, until, value, world } from "./faults.mjs";
import { assertAllWhole, running } from "./chats.mjs";
import { assertStatus } from "../js/expect.mjs";
import { assertDone, assertOneEnd, contentOf } from "../js/events.mjs";

const CHATS = 50;
let w;

before(async () => { w = await world("chats"); });
after(() => w?.stop());

/* Fifty chats, `fault` when each has begun, and what has to be true at the end. */
async function survive(fault, options) {
	const { chats, ended } = await running(w.users, CHATS, options);
	await sleep(500);
	await fault(chats);
	await ended;
	await assertAllWhole(w.millrace, chats);
	return chats;
}
const cut = (chats) => chats.filter((c) => c.cuts > 0).length;

test("kill -9 of the workers, while more chats begin", async () => {
	let more;
	const chats = await survive(async () => {
		const late = [];
		for (const pool of ["chat", "account", "chat"]) {
			const pids = await kill(w.millrace, pool);
			late.push(running(w.users, 5, { words: 40 }));
			await revived(w.millrace, pool, pids);
		}
		more = await Promise.all(late);
		await Promise.all(more.map((m) => m.ended));
	});
	assert.equal(cut(chats), 0, "a worker's death cut a stream");
	await assertAllWhole(w.millrace, more.flatMap((m) => m.chats));
});

test("kill -9 of streamd, again and again", async () => {
	const chats = await survive(async (all) => {
		for (let i = 0; i < 4; i++) {
			await until(() => all.every((c) => c.streaming), "all have come back");
			const cuts = all.map((c) => c.cuts);
			all.forEach((c) => c.go(8));
			await revived(w.millrace, "streamd", await kill(w.millrace, "streamd"));
			await until(() => all.every((c, n) => c.cuts > cuts[n]), "streamd's death is noticed");
		}
		all.forEach((c) => c.go());
	}, { held: true });
	assert.ok(chats.every((c) => c.cuts >= 4), `${chats.map((c) => c.cuts)}`);
});

test("kill -9 of the runner", async () => {
	const chats = await survive(async () => { await revived(w.millrace, "runner", await kill(w.millrace, "runner")); });
	assert.equal(cut(chats), 0, "the runner's death cut a stream");
	const ids = chats.map((c) => `'${c.run}'`);
	assert.equal(await value(w.millrace, `select count(*) from job where run_id in (${ids}) and attempts = 2`), String(CHATS));
});

test("kill -9 of all three at once", async () => {
	await survive(async () => {
		const roles = ["chat", "streamd", "runner"];
		const pids = await Promise.all(roles.map((role) => kill(w.millrace, role)));
		await Promise.all(roles.map((role, i) => revived(w.millrace, role, pids[i])));
	}, { words: 80 });
});

test("a runner that stands still is replaced by another, and tells nothing when it wakes", async () => {
	let end;
	const [pid] = w.millrace.pids("runner");
	const chats = await survive(async (all) => {
		process.kill(pid, "SIGSTOP");
		end = await secondRunner(w.millrace);
		await until(() => all.every((c) => w.standin.log(c.mark).length === 2), "the second has taken all over");
		process.kill(pid, "SIGCONT");
	}, { words: 80 });
	assert.deepEqual(w.millrace.pids("runner"), [pid], "it did not wake");
	assert.deepEqual(await column(w.millrace, `select distinct attempts, runner ~ '/2$' from job
	    where run_id in (${chats.map((c) => `'${c.run}'`)})`), ["2|t"]);
	await end();
});

test("the runner is restarted: it gives its jobs back, which costs them no attempt", async () => {
	const chats = await survive(async () => {
		const pids = w.millrace.pids("runner");
		await w.millrace.dev("restart", "runner");
		await revived(w.millrace, "runner", pids);
	});
	assert.equal(cut(chats), 0);
	assert.deepEqual(await column(w.millrace, `select distinct attempts from job
	    where run_id in (${chats.map((c) => `'${c.run}'`)})`), ["1"]);
	assert.ok(chats.every((c) => w.standin.log(c.mark).length === 2), "nothing was restarted");
});

/* Asks every 10 ms until told to end; what came that was no 200. */
async function probe(api, state) {
	const other = [];
	while (!state.over) {
		const reply = await api.get("/api/user");
		if (reply.status !== 200)
			other.push(reply);
		await sleep(10);
	}
	return other;
}

test("PostgreSQL is restarted", async () => {
	const state = { over: false };
	const pools = ["account", "chat"].map((pool) => w.millrace.pids(pool));
	const probes = probe(w.users[0].api, state);
	await survive(async () => {
		await w.millrace.dev("restart", "postgresql");
		await until(async () => (await w.millrace.api.get("/readyz")).status === 200, "readiness again");
	});
	state.over = true;
	const refused = await probes;
	assert.ok(refused.length > 0, "nobody was refused while the database was away");
	refused.forEach(assertOverloaded);
	assert.deepEqual(["account", "chat"].map((pool) => w.millrace.pids(pool)), pools, "a worker died of it");
	assertStatus(await w.users[0].api.get("/api/user"), 200);
});

test("PostgreSQL crashes: what was said but not yet on disk is said again, once", async () => {
	await survive(async () => {
		/* one of its processes killed, it ends all others and recovers from what was flushed */
		const pid = await value(w.millrace, "select pid from pg_stat_activity where backend_type = 'walwriter'");
		process.kill(Number(pid), "SIGKILL");
	});
	assert.match(await w.millrace.grepLogs("database system was not properly shut down"), /./, "it did not crash");
});

test("nginx is reloaded", async () => {
	const chats = await survive(async () => {
		for (let i = 0; i < 3; i++) {
			await w.millrace.dev("restart", "nginx");
			await sleep(300);
		}
	});
	assert.equal(cut(chats), 0, "a reload cut a stream");
});

test("streamd is replaced: the next one takes the streams over, and none ends", async () => {
	const chats = await survive(async () => { await w.millrace.dev("restart", "streamd"); });
	assert.equal(cut(chats), 0);
	assert.deepEqual(chats.flatMap((c) => c.refusals), [], "a resumption was refused");
});

test("cancelled, fifty at once: the provider is left, and what was said is kept", async (t) => {
	const { chats, ended } = await running(w.users, CHATS, { words: 500 });
	await sleep(500);
	const at = Date.now();
	await Promise.all(chats.map(async (c) => assertStatus(await c.user.api.post(`/api/runs/${c.run}/cancel`), 200)));
	await ended;
	let longest = 0;
	for (const c of chats) {
		assertOneEnd(c.events);
		const done = assertDone(c.end);
		assert.equal(done.finishReason, "cancelled");
		const said = contentOf(c.events);
		assert.ok(said !== "" && c.text.startsWith(said) && said !== c.text);
		assert.equal(done.content, said);
		const [entry] = w.standin.log(c.mark);
		await until(() => entry.disconnectedAt, "the provider is left");
		longest = Math.max(longest, entry.disconnectedAt - at);
	}
	t.diagnostic(`the last provider was left after ${longest} ms`);
	assert.deepEqual(await column(w.millrace, "select id from run where ended_at is null"), []);
	await until(() => w.standin.open === 0, "no request is open");
});
