/* Connections to workers that nobody serves at once. Without descriptors, who is connected is served, nothing turns in circles, and who waits is
   let in later; one that says nothing for a while is served then. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import net from "node:net";
import { once } from "node:events";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { sleep, test, until, world } from "./faults.mjs";
import { assertStatus } from "../js/expect.mjs";

const POOL = "system", FREE = 4, CONNECTIONS = 30;
const run = promisify(execFile);
let w;
before(async () => { w = await world("descriptors", {}, 1); });
after(() => w?.stop());

/* FastCGI (1.0, 3.3 and on), as nginx speaks it over a kept connection: one record. */
const record = (type, content = Buffer.alloc(0)) =>
	Buffer.concat([Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0]), content]);
const pair = (name, value) => Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)]);
const REQUEST = Buffer.concat([record(1, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0])),
	record(4, Buffer.concat([pair("REQUEST_METHOD", "GET"), pair("DOCUMENT_URI", "/healthz")])), record(4), record(5)]);

class Kept {
	bytes = Buffer.alloc(0);

	constructor(path) {
		this.socket = net.connect({ path });
		this.socket.on("data", (bytes) => { this.bytes = Buffer.concat([this.bytes, bytes]); });
		this.socket.on("error", () => {});
	}

	ask() {
		this.bytes = Buffer.alloc(0);
		this.socket.write(REQUEST);
		return this;
	}

	/* The reply is there, up to its end record. */
	get served() { return this.bytes.length >= 16 && this.bytes.at(-15) === 3 && /Status: 200|"ok"/.test(this.bytes.toString("latin1")); }

	async close() {
		this.socket.end();
		await once(this.socket, "close");
	}
}

/* Seconds that a process has computed. */
const processor = (pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13)
    .reduce((sum, ticks) => sum + Number(ticks) / 100, 0);

/* As the process's own user: root without CAP_SYS_RESOURCE may not set another's limits. */
const limit = (pid, files) => {
	const { uid, gid } = statSync(`/proc/${pid}`);
	return run("setpriv", [...(uid === process.getuid() ? [] : ["--reuid", uid, "--regid", gid, "--clear-groups"].map(String)),
		"prlimit", `--pid=${pid}`, `--nofile=${files}:`]);
};

test("a pool of workers without descriptors", async () => {
	const pids = w.millrace.pids(POOL), were = pids.map((pid) => readdirSync(`/proc/${pid}/fd`).length);
	const path = join(w.millrace.runDir, `${POOL}.sock`);
	await Promise.all(pids.map((pid, i) => limit(pid, were[i] + FREE)));
	const all = Array.from({ length: CONNECTIONS }, () => new Kept(path).ask());
	await until(() => w.millrace.grepLogs("no more connections can be accepted"), "the limit is met");
	await until(() => all.some((c) => c.served), "somebody is served");
	await sleep(1000);
	const served = all.filter((c) => c.served);
	assert.ok(served.length < CONNECTIONS, `${served.length} of ${CONNECTIONS} served`);
	const before = pids.map(processor);
	await sleep(2000);
	pids.forEach((pid, i) => assert.ok(processor(pid) - before[i] < 1, `${processor(pid) - before[i]} s of 2`));
	for (const c of served)
		c.ask();
	await until(() => served.every((c) => c.served), "who is connected is served");
	/* as some go, others come, and one after the other all */
	while (all.length > 0) {
		await until(() => all.some((c) => c.served), "the next");
		for (const c of all.filter((one) => one.served)) {
			all.splice(all.indexOf(c), 1);
			await c.close();
		}
	}
	await Promise.all(pids.map((pid) => limit(pid, 1024)));
	assertStatus(await w.millrace.api.get("/healthz"), 200);
	assert.deepEqual(w.millrace.pids(POOL), pids, "a worker died of it");
});

test("connections that say nothing at first keep nobody waiting, and are served when they do", async () => {
	const path = join(w.millrace.runDir, `${POOL}.sock`), pids = w.millrace.pids(POOL);
	const all = Array.from({ length: CONNECTIONS }, () => new Kept(path));
	await Promise.all(all.map(({ socket }) => once(socket, "connect")));
	for (let i = 0; i < 4; i++) {
		assertStatus(await w.millrace.api.get("/healthz"), 200);
		await sleep(250);
	}
	/* some go without a word */
	for (const c of all.splice(0, 5))
		await c.close();
	for (const c of all)
		c.ask();
	await until(() => all.every((c) => c.served), "all are served");
	for (const c of all)
		c.ask();
	await until(() => all.every((c) => c.served), "and once more");
	for (const c of all)
		await c.close();
	assert.deepEqual(w.millrace.pids(POOL), pids, "a worker died of it");
});
