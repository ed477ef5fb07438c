/* What is missing is said: a role without processes, a full disk, the database, a certificate that ends; by /readyz, /metrics, `millracectl
   status` and whoever asks for work that nobody would do. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { assertOverloaded, halt, isAlive, kill, revived, test, until, value, world } from "./faults.mjs";
import { Chat, assertAllWhole } from "./chats.mjs";
import { assertError, assertStatus } from "../js/expect.mjs";

let w, user, document;

before(async () => {
	w = await world("roles", {}, 1);
	[user] = w.users;
	document = assertStatus(await upload("/api/documents/upload?wait=1"), 200).json.id;
});
after(() => w?.stop());

const upload = (path = "/api/documents/upload") => user.api.upload(path, { name: "d", file: { filename: "d.txt", bytes: "the mill stands still" } });
const readiness = () => w.millrace.api.get("/readyz");
const metrics = async () => assertStatus(await w.millrace.api.get("/metrics"), 200).text;
const status = async () => (await w.millrace.ctl("status")).stdout;
/* What needs a runner, and a streamd for its reply. */
const work = () => [user.api.post("/api/chat", { message: "hello" }), user.api.get("/api/documents/search?q=mill"),
	user.api.post(`/api/documents/${document}/reindex`), upload("/api/documents/upload?wait=1")];

/* Waits until every kind of work is refused in these words, and nothing of it was stored. */
async function refused(words) {
	await until(async () => (await user.api.get("/api/documents/search?q=mill")).status === 503, "it is refused");
	const runs = await value(w.millrace, "select count(*) from run");
	for (const reply of await Promise.all(work())) {
		assertOverloaded(reply);
		assert.match(reply.json.error, words);
	}
	assert.equal(await value(w.millrace, "select count(*) from run"), runs);
}

test("all is there", async () => {
	const { json } = assertStatus(await readiness(), 200);
	assert.deepEqual([json.status, json.queued, json.oldestWaitSeconds, json.behind], ["ready", 0, 0, []]);
	const text = await metrics();
	for (const role of ["system", "chat", "login", "streamd", "runner"])
		assert.match(text, new RegExp(`^millrace_role_up\\{role="${role}"\\} 1$`, "m"));
	assert.match(text, /^millrace_disk_full_timestamp_seconds\{role="runner",pid="\d+"\} 0(\.0+)?$/m);
	assert.doesNotMatch(await status(), /!/);
});

test("a process of an earlier version is behind", async () => {
	await w.millrace.psql("SELECT process_heartbeat('h', 'runner', 1, '0.0.9', now(), '{}'), process_heartbeat('h', 'chat', 1, '99.0', now(), '{}')");
	assert.deepEqual(assertStatus(await readiness(), 200).json.behind, ["runner"]);
	await w.millrace.psql("DELETE FROM process WHERE host = 'h'");
});

test("a runner that is restarted is not missed", async () => {
	const chats = [new Chat(user, { words: 5, delay: 1 }), new Chat(user, { words: 5, delay: 1 })];
	const pids = await kill(w.millrace, "runner");
	const first = chats[0].complete();
	await revived(w.millrace, "runner", pids);
	await Promise.all([first, chats[1].complete()]);
	await assertAllWhole(w.millrace, chats);
	assert.deepEqual(chats.flatMap((c) => c.refusals), []);
	assertStatus(await readiness(), 200);
});

test("what ends in good order leaves no row behind", async () => {
	for (const role of ["runner", "streamd", "chat"]) {
		const pids = w.millrace.pids(role);
		await w.millrace.dev("restart", role);
		await revived(w.millrace, role, pids);
		for (const pid of pids)
			await until(() => !isAlive(pid), `${role} ${pid} has ended`);
		assert.equal(await value(w.millrace, `SELECT count(*) FROM process WHERE role = '${role}' AND pid IN (${pids})`), "0", role);
	}
	await w.millrace.ready();
	const resume = await halt(w.millrace, "streamd");
	assert.equal(await value(w.millrace, `SELECT count(*) FROM process WHERE role = 'streamd'`), "0");
	await resume();
	await w.millrace.ready();
});

test("without a runner chats and all that is deferred are refused in words, and what was taken before is done when it is back", async () => {
	const resume = await halt(w.millrace, "runner");
	const waiting = new Chat(user, { words: 5, delay: 1 });
	const stream = await waiting.open();
	assert.deepEqual(waiting.refusals, []);
	/* Half a minute later, which the next test waits for; work is taken for as long after the database's start. */
	await until(async () => await value(w.millrace, "SELECT pg_postmaster_start_time() < now() - interval '30 seconds'") === "t", "the database is there for a while");
	await w.millrace.psql("UPDATE role_seen SET seen_at = seen_at - interval '30 seconds' WHERE role = 'runner'");
	await until(async () => (await readiness()).status === 503, "readiness says so");
	assert.match((await readiness()).json.error, /^Missing: runner \(not seen for \d+ s\)\.$/);
	assert.match(await metrics(), /^millrace_role_up\{role="runner"\} 0$/m);
	assert.match(await status(), /! No runner is there/);
	await refused(/^No runner is there to do this/);
	assertStatus(await user.api.get("/api/conversations"), 200);
	await resume();
	await w.millrace.ready();
	await waiting.follow(stream);
	const again = await new Chat(user, { words: 5, delay: 1 }).complete();
	await assertAllWhole(w.millrace, [waiting, again]);
	assert.doesNotMatch(await status(), /No runner/);
});

test("without streamd nothing is taken whose reply it would send", async () => {
	const resume = await halt(w.millrace, "streamd");
	await until(async () => /streamd/.test((await readiness()).json.error ?? ""), "readiness says so");
	assert.match(await status(), /! No streamd is there/);
	await refused(/^No streamd is there to send the reply/);
	assertStatus(await upload(), 202);
	await resume();
	await w.millrace.ready();
	await assertAllWhole(w.millrace, [await new Chat(user, { words: 5, delay: 1 }).complete()]);
});

test("a pool without processes is named", async () => {
	const resume = await halt(w.millrace, "insight");
	await until(async () => /^Missing: insight \(/.test((await readiness()).json.error ?? ""), "readiness says so");
	assert.match(await status(), /! No process is there of the pools insight\./);
	await resume();
	await w.millrace.ready();
});

test("the database is away, not busy", async () => {
	const file = join(w.millrace.runDir, "pg/.s.PGSQL.5432");
	const client = new pg.Client({ host: join(w.millrace.runDir, "pg"), database: "millrace", user: "postgres" });
	await client.connect();
	renameSync(file, `${file}.away`);
	try {
		await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
		await client.end();
		for (const ask of [readiness, () => user.api.get("/api/user"), () => user.api.post("/api/leads", { name: "Ann" }), () => upload()]) {
			const reply = await ask();
			assertOverloaded(reply);
			assert.match(reply.json.error, /^The database is away; try again shortly\.$/);
		}
	} finally {
		renameSync(`${file}.away`, file);
	}
	await w.millrace.ready();
});

test("a full disk is said as such", async () => {
	const full = (table, what) => w.millrace.psql(`CREATE TRIGGER full_disk BEFORE ${what} ON ${table} EXECUTE FUNCTION full_disk()`);
	const room = (table) => w.millrace.psql(`DROP TRIGGER IF EXISTS full_disk ON ${table}`);
	await w.millrace.psql(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
	    $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`);
	const words = /^The disk of the database is full; an administrator has to make room\.$/;
	try {
		await full("lead", "INSERT");
		await full("blob_chunk", "INSERT");
		await full("conversation", "INSERT");
		for (const reply of [await user.api.post("/api/leads", { name: "Ann" }), await upload(), await user.api.post("/api/chat", { message: "hello" })]) {
			assertOverloaded(reply);
			assert.match(reply.json.error, words);
		}
		await until(async () => /^millrace_disk_full_timestamp_seconds\{role="insight",pid="\d+"\} [1-9]/m.test(await metrics()), "a metric");
		assert.match(await status(), /! insight \d+ on \S+ met a full disk \d+ s ago: make room/);
		assertStatus(await readiness(), 200);
		/* Nor can the processes write that they are there. */
		await full("process", "INSERT");
		await until(async () => words.test((await readiness()).json.error ?? ""), "readiness says so");
	} finally {
		for (const table of ["lead", "blob_chunk", "conversation", "process"])
			await room(table);
		await w.millrace.psql("DROP FUNCTION full_disk()");
	}
	await until(async () => (await readiness()).status === 200, "readiness again");
});

const ends = async () => Number(/^millrace_certificate_end_timestamp_seconds\{role="runner",pid="\d+"\} (\S+)$/m.exec(await metrics())?.[1] ?? 0);

test("a certificate that ends soon is told", async () => {
	const tls = (name) => join(w.millrace.dir, "tls", name);
	assert.equal(await ends(), 0);
	execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10", "-subj", "/CN=localhost",
		"-keyout", tls("key.pem"), "-out", tls("cert.pem")], { stdio: "ignore" });
	appendFileSync(join(w.millrace.dir, "millrace.env"), `MILLRACE_PUBLIC_URL=${w.millrace.url}\n`);
	await w.millrace.dev("restart", "nginx");
	await until(async () => {
		await w.millrace.dev("restart", "runner");
		return Math.abs(await until(ends, "a metric") - Date.now() / 1000 - 10 * 86400) < 3600;
	}, "its end");
	assert.match(await status(), /! The certificate at MILLRACE_PUBLIC_URL ends within 10 days: renew it, and reload nginx\./);
	assert.match(await w.millrace.grepLogs("certificate: ends soon"), /runner\.log/);
});

test("so is one that clients refuse: self-signed", async () => {
	await until(async () => /^millrace_certificate_fault\{role="runner",pid="\d+"\} 1$/m.test(await metrics()), "a fault");
	assert.match(await status(), /! The certificate at MILLRACE_PUBLIC_URL is of nobody whom this host trusts: it is self-signed, or .*fullchain\.pem/);
});
