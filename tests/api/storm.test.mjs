/* A storm of logins: Argon2id takes its memory a process and no more, whoever waits is served or told when to come back, and other pools go on. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { PASSWORD, SANITIZED, newUser, privateInstance } from "../js/instance.mjs";
import { assertStatus } from "../js/expect.mjs";

const ARGON2_KIB = 32768;       /* half of the default, and one pass: a test should not take all day */
const MARGIN_KIB = 24 * 1024;   /* for each process: what it has anyway, and what it holds of its connections */
const LOGINS = 200;
let millrace, api, users;

before(async () => {
	millrace = await privateInstance("storm", { MILLRACE_ARGON2_KIB: String(ARGON2_KIB), MILLRACE_ARGON2_OPS: "1", MILLRACE_RATE_READ: "0" });
	({ api } = millrace);
	users = [];
	for (let i = 0; i < 10; i++)
		users.push(await newUser(api));
});
after(() => millrace?.stop());

/* Proportional set size of the login pool's processes, in KiB. */
const pss = () => millrace.pids("login").map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))[1]));
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/* GET /api/user, one after the other, until `over()`: milliseconds of each. */
async function reads(over) {
	const times = [];
	while (!over()) {
		const at = performance.now();
		assertStatus(await users[0].api.get("/api/user"), 200);
		times.push(performance.now() - at);
	}
	return times;
}

/* One login; how often it was told to come back before. */
async function signIn(i) {
	const from = api.fresh();
	for (let turned = 0; ; turned++) {
		const reply = await from.post("/api/auth/login", { email: users[i % users.length].email, password: PASSWORD });
		if (reply.status === 200)
			return turned;
		assert.equal(reply.status, 503, reply.text);
		assert.equal(reply.json.code, "OVERLOADED");
		assert.ok(Number(reply.headers["retry-after"]) > 0, "no word when to come back");
		await sleep(500 + Math.random() * 1000);
	}
}

test("200 logins at once: bounded memory, each comes through, and another pool hardly feels it", async (t) => {
	const until = performance.now() + 2000;
	const calm = await reads(() => performance.now() > until);
	const processes = millrace.pids("login"), before = pss();
	let over = false, peak = 0;
	const watch = (async () => {
		for (; !over; await sleep(20))
			peak = Math.max(peak, pss().reduce((a, b) => a + b));
	})();
	const meanwhile = reads(() => over);
	const began = performance.now();
	const turned = await Promise.all(Array.from({ length: LOGINS }, (_, i) => signIn(i)));
	const took = performance.now() - began;
	over = true;
	const storm = await meanwhile;
	await watch;
	const rate = (times) => 1000 / (times.reduce((a, b) => a + b) / times.length);
	t.diagnostic(`${LOGINS} logins in ${(took / 1000).toFixed(1)} s, ${turned.filter((n) => n > 0).length} of them were told to come back; the login pool `
	    + `took ${(peak / 1024).toFixed(0)} MiB at most (${processes.length} processes, ${(before.reduce((a, b) => a + b) / 1024).toFixed(0)} MiB before)`);
	t.diagnostic(`GET /api/user: median ${median(calm).toFixed(2)} ms before, ${median(storm).toFixed(2)} ms meanwhile; `
	    + `${rate(calm).toFixed(0)}/s and ${rate(storm).toFixed(0)}/s: ${(rate(storm) / rate(calm)).toFixed(2)}`);
	assert.ok(peak > ARGON2_KIB, `${peak} KiB: this saw no hash being made`);
	assert.ok(SANITIZED || peak <= processes.length * (ARGON2_KIB + MARGIN_KIB), `${peak} KiB of ${processes.length} processes`);
	assert.deepEqual(millrace.pids("login"), processes, "a process died");
	assert.ok(storm.length > 20, `only ${storm.length} reads meanwhile`);
	assert.ok(SANITIZED || pss().reduce((a, b) => a + b) < before.reduce((a, b) => a + b) + processes.length * MARGIN_KIB, "the memory is given back");
});

test("a password of a megabyte costs nothing and is refused", async () => {
	const was = pss().reduce((a, b) => a + b);
	for (const [path, name] of [["/api/auth/login", "email"], ["/api/v1/auth/login", "username"], ["/api/auth/register", "email"]]) {
		const body = { [name]: users[0].email, password: "x".repeat(1 << 20), display_name: "x" };
		const reply = await api.fresh().post(path, body);
		assert.equal(reply.status, 413, `${path}: ${reply.status}`);
		const fits = await api.fresh().post(path, { ...body, password: "x".repeat((1 << 20) - 200) });
		assert.deepEqual([fits.status, fits.json.fields.map((f) => f.field).filter((f) => f === "password")], [400, ["password"]], path);
	}
	const least = { long: Infinity, right: Infinity }, costs = () => least.long < 3 * least.right;
	for (let i = 0; i < 9 || (i < 100 && !costs()); i++)
		for (const [kind, password] of [["long", "x".repeat(1024)], ["right", PASSWORD]]) {
			const at = performance.now();
			await api.fresh().post("/api/auth/login", { email: `nobody${i}@example.org`, password });
			least[kind] = Math.min(least[kind], performance.now() - at);
		}
	assert.ok(costs(), "the longest that is taken costs as much as any");
	assert.ok(SANITIZED || pss().reduce((a, b) => a + b) < was + millrace.pids("login").length * MARGIN_KIB);
});
