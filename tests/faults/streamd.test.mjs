/* streamd with readers that stall and when it ends; and a database that is not at the programs' version. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { assertOverloaded, column, halt, kill, revived, test, until, world } from "./faults.mjs";
import { stall } from "./stalled.mjs";
import { assertAllWhole, running } from "./chats.mjs";
import { assertStatus } from "../js/expect.mjs";
import { POOLS } from "../js/instance.mjs";

const STALL = 10;
let w;

before(async () => { w = await world("streamd", { MILLRACE_STREAM_STALL_SECONDS: String(STALL) }, 2); });
after(() => w?.stop());

test("readers that take nothing are cheap, are closed after MILLRACE_STREAM_STALL_SECONDS, and resume", async () => {
	await (await stall(w, 20, STALL)).done;
});

test("SIGTERM: streams end cleanly, who waits for a reply gets 503, and all go on", async () => {
	const [user] = w.users;
	const { chats, ended } = await running(w.users, 10);
	const streams = await Promise.all(chats.map((c) => user === c.user && c.run).filter(Boolean).map((run) => user.api.resume(run)));
	const clean = streams.map(async (s) => {
		await s.all();                          /* throws where the reply is cut off */
		assert.ok(s.response.complete);
	});
	const resume = await halt(w.millrace, "runner", { missed: false });
	const waiters = Array.from({ length: 5 }, () => user.api.get("/api/documents/search?q=text"));
	const upload = user.api.upload("/api/documents/upload?wait=1", { name: "d", file: { filename: "d.txt", bytes: "text" } });
	await until(async () => /^millrace_stream_connections\{.*kind="reply".*\} 6$/m.test((await w.millrace.api.get("/metrics")).text), "they wait at streamd");
	const pids = await kill(w.millrace, "streamd", "SIGTERM");
	for (const reply of [...await Promise.all(waiters), await upload])
		assertOverloaded(reply);
	await Promise.all(clean);
	await revived(w.millrace, "streamd", pids);
	await resume();
	await ended;
	await until(async () => (await column(w.millrace, "select id from run where ended_at is null")).length === 0, "all is done");
	await assertAllWhole(w.millrace, chats);
});

const ROLES = [...POOLS, "streamd", "runner"];
async function restartAll() {
	const before = new Map(await Promise.all(ROLES.map(async (role) => [role, await kill(w.millrace, role, "SIGKILL")])));
	await Promise.all(ROLES.map((role) => revived(w.millrace, role, before.get(role))));
}

test("a database that was not migrated is not served, and every process says so", async () => {
	const [row] = await column(w.millrace, "select version, name, sha256 from migration order by version desc limit 1");
	const [version, name, sha256] = row.split("|");
	await w.millrace.psql(`delete from migration where version = ${version}`);
	await restartAll();
	await until(async () => (await w.millrace.api.get("/readyz").catch(() => null))?.status === 503, "no readiness");
	for (const path of ["/api/user", "/api/conversations", "/api/documents"]) {
		const reply = await w.users[0].api.get(path);
		assertOverloaded(reply);
		assert.match(reply.json.error, /millracectl migrate/);
	}
	assertOverloaded(await w.users[0].api.post("/api/chat", { message: "hello" }));
	assertStatus(await w.millrace.api.get("/healthz"), 200);
	for (const role of ROLES)
		await until(async () => (await w.millrace.grepLogs("millracectl migrate")).includes(`/${role}.log:`), `${role} says so`);
	await w.millrace.psql(`insert into migration (version, name, sha256) values (${version}, '${name}', '${sha256}')`);
	await w.millrace.ready();
	const { chats, ended } = await running(w.users, 2, { words: 10 });
	await ended;
	await assertAllWhole(w.millrace, chats);
});

test("a database that a later release has migrated goes on being served", async () => {
	await w.millrace.psql("insert into migration (version, name, sha256) values (9999, '9999_later', 'x')");
	await restartAll();
	await w.millrace.ready();
	const { chats, ended } = await running(w.users, 2, { words: 10 });
	await ended;
	await assertAllWhole(w.millrace, chats);
	await w.millrace.psql("delete from migration where version = 9999");
});
