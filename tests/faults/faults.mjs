/*
 * Whole instances for the fault tests, and what is done to their processes.
 *
 * Each test file has an instance of its own, with nginx and TLS in front and the
 * strict stand-in as its provider. Roles are ./dev's names: a pool, streamd,
 * runner.
 */
import assert from "node:assert/strict";
import nodeTest from "node:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { newUser, start } from "../js/instance.mjs";
import { start as startStandin } from "../standin/openai.mjs";
import { assertError, until } from "../js/expect.mjs";

const SETTINGS = { MILLRACE_PROVIDER: "openai", OPENAI_API_KEY: "sk-faults", OPENAI_MODEL: "gpt-4o-mini",
	MILLRACE_LEASE_SECONDS: "6", MILLRACE_USER_JOBS: "1000", MILLRACE_USER_STREAMS: "0", MILLRACE_RATE_READ: "0", MILLRACE_RATE_WRITE: "0",
	MILLRACE_RATE_LOGIN: "0", MILLRACE_ARGON2_OPS: "1", MILLRACE_ARGON2_KIB: "8",
	MILLRACE_DEV_LOGIN_RATE: "10000r/s", MILLRACE_DEV_PUBLIC_RATE: "10000r/s" };

/* What hangs has failed: several times as long as one may wait for anything in it. */
export const test = (name, fn) => nodeTest(name, { timeout: 600000 }, fn);

/* { millrace, standin, users, stop() }: an instance with `people` users. */
export async function world(name, env = {}, people = 5) {
	const standin = await startStandin({ key: SETTINGS.OPENAI_API_KEY });
	const millrace = await start(name, { ...SETTINGS, OPENAI_BASE_URL: standin.url, ...env });
	const users = await Promise.all(Array.from({ length: people }, () => newUser(millrace.api)));
	return { millrace, standin, users, async stop() {
		if (existsSync(join(millrace.runDir, "runner2.pid")))
			await dismiss(keeperOf(millrace, "runner2"));
		await millrace.stop();
		await standin.close();
	} };
}

/* A role's processes are ended, as by the kernel. Returns their pids. */
export async function kill(millrace, role, signal = "SIGKILL") {
	const pids = await until(() => { const p = millrace.pids(role); return p.length > 0 && p; }, `${role} runs`);
	for (const pid of pids)
		process.kill(pid, signal);
	return pids;
}

export const isAlive = (pid) => {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
};

/* A PDF whose one page draws a form that draws another ten times, and so on: no reader comes to its end. */
export function endlessPdf() {
	const draw = "/X Do ".repeat(10);
	const forms = Array.from({ length: 9 }, (_, i) => `${i + 11} 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Length ${draw.length}`
	    + `/Resources<</XObject<</X ${i + 12} 0 R>>>>>>stream\n${draw}\nendstream endobj\n`);
	return Buffer.from("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj "
	    + "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 10 0 R/Resources<</XObject<</X 11 0 R>>>>>>endobj "
	    + `10 0 obj<</Length 5>>stream\n/X Do\nendstream endobj\n${forms.join("")}`
	    + "20 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Length 0>>stream\n\nendstream endobj\ntrailer<</Root 1 0 R/Size 21>>\n%%EOF\n");
}

/* Until the role has processes again, none of them in `before`. */
export const revived = (millrace, role, before) => until(() => {
	const now = millrace.pids(role);
	return now.length > 0 && !now.some((pid) => before.includes(pid));
}, `a new ${role}`);

/* Kills the runner, and has its keeper begin another at once, where it would wait for longer after each early end. */
export async function killRunner(millrace) {
	const keeper = keeperOf(millrace, "runner"), before = await kill(millrace, "runner");
	process.kill(keeper.pid, "SIGHUP");
	await revived(millrace, "runner", before);
}

/* How a role's keeper was started. */
function keeperOf(millrace, role) {
	const pidFile = join(millrace.runDir, `${role}.pid`);
	const pid = Number(readFileSync(pidFile, "utf8"));
	const split = (file) => readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").filter(Boolean);
	const env = Object.fromEntries(split("environ").map((line) => line.split(/=(.*)/s).slice(0, 2)));
	return { pid, pidFile, args: split("cmdline"), env };
}

async function launch(millrace, role, { pidFile, args: [command, ...args], env }) {
	const log = openSync(join(millrace.dir, "log", `${role}.log`), "a");
	const child = spawn(command, args, { env, cwd: "/", detached: true, stdio: ["ignore", log, log] });
	closeSync(log);
	await once(child, "spawn");
	child.unref();
	await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8") === `${child.pid}\n`
	    && millrace.pids(role).length > 0, `${role} runs`);
}

async function dismiss({ pid }) {
	process.kill(pid, "SIGTERM");
	await until(() => !isAlive(pid), "the keeper has ended");
}

/* Stops a role for good, keeper and all; `missed: false`: it counts as there, however long that takes. Gives the function that starts it again. */
export async function halt(millrace, role, { missed = true } = {}) {
	const keeper = keeperOf(millrace, role);
	const seen = (at) => missed || millrace.psql(`UPDATE role_seen SET seen_at = ${at} WHERE role = '${role}'`);
	await dismiss(keeper);
	await seen("now() + interval '1 hour'");
	return async () => {
		await launch(millrace, role, keeper);
		await seen("now()");
	};
}

/* Starts a second runner. Gives the function that ends it. */
export async function secondRunner(millrace) {
	const role = "runner2", first = keeperOf(millrace, "runner");
	const pidFile = join(millrace.runDir, `${role}.pid`);
	await launch(millrace, role, { pidFile, args: first.args.map((arg) => arg === first.pidFile ? pidFile : arg),
		env: { ...first.env, MILLRACE_INSTANCE: "2" } });
	return () => dismiss(keeperOf(millrace, role));
}

/* What pg_ctl stop -m immediate does, and the server is started again; `gone` is called between. */
export async function crash(millrace, gone = () => {}) {
	const dir = join(millrace.dir, "pg"), pidFile = join(dir, "postmaster.pid");
	const pid = Number(readFileSync(pidFile, "utf8").split("\n")[0]);
	const [command, ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean);
	const { uid, gid } = statSync(`/proc/${pid}`);
	process.kill(pid, "SIGQUIT");
	await until(() => !existsSync(pidFile), "PostgreSQL is gone");
	gone();
	const log = openSync(join(millrace.dir, "log/postgresql.log"), "a");
	spawn(command, args, { uid, gid, cwd: "/", detached: true, stdio: ["ignore", log, log] }).unref();
	closeSync(log);
	await until(() => value(millrace, "SELECT 1").catch(() => undefined), "PostgreSQL is there again");
	await until(async () => (await millrace.api.get("/readyz")).status === 200, "readiness again");
}

/* 503 in the one shape, with Retry-After. */
export function assertOverloaded(reply) {
	assertError(reply, "OVERLOADED");
	assert.match(reply.headers["retry-after"] ?? "", /^[1-9]\d*$/, "no Retry-After");
}

/* Resident memory of a process in KiB. */
export const rss = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);

/* Every row of a one-column answer. */
export const column = async (millrace, sql) => (await millrace.psql(sql)).split("\n").filter(Boolean);
export const value = async (millrace, sql) => (await column(millrace, sql))[0];

/* Does this in a transaction that is left open. Gives the function that undoes it. */
export async function hold(millrace, sql) {
	await millrace.psql("SELECT 1");
	const client = await millrace.connections.connect();
	await client.query(`BEGIN; ${sql}`);
	return async () => {
		await client.query("ROLLBACK");
		client.release();
	};
}

export { sleep, until };
