/*
 * The runner's short writes share flushes: what a client was told of a chat is on disk, and what was not told comes out once all the same. The
 * test build keeps the runner's batches between their commits and their flush while a file says so.
 */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crash, kill, revived, test, until, value, world } from "./faults.mjs";
import { Chat, assertAllWhole, running } from "./chats.mjs";
import { ROOT } from "../js/instance.mjs";

const ROUNDS = 20, CHATS = 8, WORDS = { words: 8, delay: 20, held: true };
let w, millrace;

before(async () => {
	w = await world("commit", { MILLRACE_DEV_BIN: process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build/test"), MILLRACE_DEV_PROCESSES: "1",
		MILLRACE_LEASE_SECONDS: "30" });
	({ millrace } = w);
	/* what a crash may undo is on disk a fifth of a second later, where nothing else says so */
	await millrace.psql("ALTER SYSTEM SET wal_writer_delay = '10s'");
	await millrace.psql("SELECT pg_reload_conf()");
}, { timeout: 600000 });
after(() => w?.stop());

const holdFile = () => join(millrace.runDir, "hold-runner");
const letGo = () => rmSync(holdFile(), { force: true });
const among = (chats) => `run_id IN (${chats.map((c) => `'${c.run}'`)})`;
/* What the runner has committed of them beside events: calls, and ends. */
const stored = async (chats) => Number(await value(millrace, `SELECT (SELECT count(*) FROM usage_event WHERE ${among(chats)})
	+ (SELECT count(*) FROM job WHERE state = 'done' AND ${among(chats)})`));

/* Chats that have said all, whose ends are held: the first call that is stored comes alone, and what follows stays. */
async function held() {
	const { chats, ended } = await running(w.users, CHATS, WORDS);
	writeFileSync(holdFile(), "");
	chats.forEach((c) => c.go());
	await until(async () => await stored(chats) >= CHATS, "every chat's call is stored");
	return { chats, ended, told: chats.filter((c) => !c.streaming).length };
}

test("the server crashes between the runner's commits and their flush", async () => {
	let committed = 0, undone = 0, told = 0;
	for (let round = 0; round < ROUNDS; round++) {
		const h = await held();
		await kill(millrace, "runner", "SIGSTOP");
		const n = await stored(h.chats);
		await crash(millrace);
		committed += n;
		undone += n - await stored(h.chats);
		told += h.told;
		assert.ok(h.told < CHATS, "all were told, so nothing was held");
		letGo();
		await kill(millrace, "runner", "SIGCONT");
		await h.ended;
		await assertAllWhole(millrace, h.chats);
	}
	console.log(`# ${committed} committed, ${undone} undone, ${told} told before`);
	/* another process may flush just before a crash */
	assert.ok(undone > 0, "nothing was undone, so nothing was tested");
});

test("the server crashes between a chat's commit and its flush, when the runner has begun with it", async () => {
	const hold = join(millrace.runDir, "hold");
	for (let round = 0; round < ROUNDS; round++) {
		const chat = new Chat(w.users[0], WORDS);
		writeFileSync(hold, "");
		const ended = chat.complete();
		/* the runner was woken before the flush, and what it has claimed is on disk */
		const run = await until(() => value(millrace, "SELECT run_id FROM job WHERE state = 'running'"), "it is claimed");
		assert.equal(chat.run, undefined, "it was answered before the flush");
		await crash(millrace);
		assert.equal(await value(millrace, `SELECT content FROM message WHERE run_id = '${run}' AND role = 'user'`), chat.message);
		rmSync(hold, { force: true });
		chat.go();
		await ended;
		assert.equal(chat.run, run, "its repeat by key is another run");
		await assertAllWhole(millrace, [chat]);
	}
});

test("the runner is killed there: what nobody was told of is shown, and each chat ends once", async () => {
	const { chats, ended, told } = await held();
	assert.ok(told < CHATS, "all were told, so nothing was held");
	const were = await kill(millrace, "runner");
	letGo();
	await revived(millrace, "runner", were);
	await ended;
	await assertAllWhole(millrace, chats);
});
