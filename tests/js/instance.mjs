/*
 * Whole instances of Millrace for tests, made by ./dev in directories of their own.
 *
 * shared() gives the one that most test files use: that of MILLRACE_TEST_URL and
 * MILLRACE_TEST_DIR (run.mjs sets them), else a private one. privateInstance()
 * starts one with settings of its own. All that were started here are stopped
 * when the process ends.
 */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import pg from "pg";
import { Api } from "./client.mjs";
import { schemas } from "./schema.mjs";
import { until } from "./expect.mjs";

const run = promisify(execFile);
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DEV = join(ROOT, "dev");
const BIN = process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build");
/* A build with sanitizers, which keep what is freed for a while: its memory tells nothing. */
export const SANITIZED = basename(BIN) === "san";
if (!existsSync(join(BIN, "millrace-fcgi")))
	execFileSync("make", ["-s", "-C", ROOT, "all"], { stdio: "inherit" });
export const POOLS = execFileSync(join(BIN, "millrace-fcgi"), ["--pools"], { encoding: "utf8" }).trim().split("\n").map((l) => l.split(" ")[0]);
const ORIGIN = "https://app.example.com";

async function isFree(port) {
	const server = net.createServer().listen(port, "127.0.0.1");
	try {
		await once(server, "listening");
		server.close();
		return true;
	} catch {
		return false;
	}
}

const claimed = [];
process.on("exit", () => claimed.forEach((path) => rmSync(path, { force: true })));

/* Test files run side by side, and a port is listened on only some seconds after it was chosen: so each is claimed by a file that names
   the process. False where another one that still lives has it. */
function claim(port) {
	const path = join(tmpdir(), `millrace-port-${port}`);
	try {
		writeFileSync(path, String(process.pid), { flag: "wx" });
	} catch {
		try {
			process.kill(Number(readFileSync(path, "utf8")), 0);
			return false;
		} catch {
			writeFileSync(path, String(process.pid));
		}
	}
	claimed.push(path);
	return true;
}

export async function freePort() {
	const first = Number(process.env.MILLRACE_TEST_PORTS ?? 8700);
	for (let tries = 0; tries < 500; tries++) {
		const port = first + randomInt(100);
		if (claim(port) && await isFree(port))
			return port;
	}
	throw new Error(`no free port from ${first} on`);
}

/* The environment of ./dev: ours without test settings, which the programs refuse. */
function environment(dir, port, more = {}) {
	const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MILLRACE_(?!DEV_BIN)|NODE_)/.test(name)));
	/* cheaper passwords, since every test makes its users; limits out of the way of one busy user */
	const cheap = { MILLRACE_ARGON2_OPS: "2", MILLRACE_ARGON2_KIB: "16384", MILLRACE_RATE_WRITE: "6000" };
	return { ...env, ...cheap, MILLRACE_DEV_DIR: dir, MILLRACE_DEV_PORT: String(port), ...more };
}

export class Instance {
	constructor(url, dir, env) {
		Object.assign(this, { url, dir, env, origin: ORIGIN, api: new Api(url) });
		this.port = Number(new URL(url).port);
	}

	dev(...args) { return run(DEV, args, { env: this.env, cwd: ROOT, maxBuffer: 64 << 20 }); }

	/* Rows as psql -A -t prints them: as text, columns parted by "|". Starting psql, or a connection, costs twenty times as much as a question
	   does, and much here asks until it sees something. The server's log has none of it, however slow it is: tests look for their own
	   words there. */
	async psql(sql) {
		this.connections ??= new pg.Pool({ host: join(this.runDir, "pg"), database: "millrace", user: "postgres", max: 6,
			options: "-c log_min_duration_statement=-1 -c jit=off", idleTimeoutMillis: 1000, allowExitOnIdle: true, types: { getTypeParser: () => (value) => value } })
		    .on("error", () => {}).on("connect", (client) => client.on("error", () => {}));     /* tests restart the server */
		const client = await this.connections.connect();
		let good = false;
		try {
			const results = [await client.query({ text: sql, rowMode: "array" })].flat();
			good = await client.query("DISCARD ALL").then(() => true, () => false);
			return results.flatMap(({ rows }) => rows).map((row) => `${row.map((v) => v ?? "").join("|")}\n`).join("");
		} finally {
			client.release(!good);
		}
	}

	ctl(...args) {
		const env = { ...this.env, MILLRACE_DB: `host=${this.runDir}/pg dbname=millrace`, MILLRACE_RUNTIME_DIR: this.runDir, MILLRACE_LIBEXEC_DIR: BIN };
		for (const name of Object.keys(env))
			if (name.startsWith("MILLRACE_DEV_"))
				delete env[name];
		return run(join(BIN, "millracectl"), args, { env });
	}

	/* Where sockets and pid files are; ./dev moves them out of a deep directory. */
	get runDir() {
		const own = join(this.dir, "run");
		if (existsSync(join(own, "nginx.pid")))
			return own;
		const conf = readFileSync(join(this.dir, "nginx/conf/nginx.conf"), "utf8");
		return dirname(/^\s*pid (\S+);/m.exec(conf)[1]);
	}

	/* The pids of a role's processes: a pool's name, streamd, runner or nginx. */
	pids(role) {
		const parent = readFileSync(join(this.runDir, `${role}.pid`), "utf8").trim();
		return readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
	}

	/* Other processes take a role's place, with the settings and files of now, and the ones before have gone; `kill`: as by the kernel. */
	async replace(role, { kill = false } = {}) {
		const before = await until(() => { const p = this.pids(role); return p.length > 0 && p; }, `a ${role}`);
		if (kill)
			before.forEach((pid) => process.kill(pid, "SIGKILL"));
		else
			await this.dev("restart", role);
		await until(() => { const p = this.pids(role); return p.length > 0 && !p.some((pid) => before.includes(pid)); }, `a new ${role}`);
	}

	/* Every worker's pid, to see that none died. */
	workers() { return Object.fromEntries([...POOLS, "streamd", "runner"].map((role) => [role, this.pids(role)])); }

	/* The runner holds still, so that what is asked of it waits; it counts as there, however long that takes. It holds no transaction, whose
	   locks others would wait for. Returns what lets it go on. */
	async holdRunner() {
		const seen = (at) => this.psql(`UPDATE role_seen SET seen_at = ${at} WHERE role = 'runner'`);
		const pids = this.pids("runner"), signal = (name) => pids.forEach((pid) => process.kill(pid, name));
		await until(async () => {
			signal("SIGSTOP");
			const within = await this.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'millrace_runner' AND xact_start IS NOT NULL");
			if (within.trim() === "0")
				return true;
			signal("SIGCONT");
		}, "the runner is in no transaction");
		await seen("now() + interval '1 hour'");
		return async () => {
			signal("SIGCONT");
			await seen("now()");
		};
	}

	/* The runner does this of its periodic work now, and not only after its interval. */
	periodic(name) { return this.psql(`NOTIFY millrace_periodic, '${name}'`); }

	/* Lines of any log that hold the text. */
	async grepLogs(text) {
		const { stdout } = await run("grep", ["-rF", "--", text, join(this.dir, "log")]).catch((e) => {
			if (e.code === 1)
				return { stdout: "" };
			throw e;
		});
		return stdout;
	}

	get demo() {
		return Object.fromEntries(readFileSync(join(this.dir, "demo"), "utf8").trim().split("\n").map((l) => l.split(/=(.*)/).slice(0, 2)));
	}

	async ready() {
		await until(async () => (await this.api.get("/readyz").catch(() => null))?.status === 200, "readiness");
	}

	/* An administrator's edit: pages of this origin may call. */
	async allowOrigin() {
		appendFileSync(join(this.dir, "nginx/conf/millrace/origins.map"), `"${ORIGIN}" $http_origin;\n`);
		await this.dev("restart", "nginx");
		const headers = { origin: ORIGIN, connection: "close" };
		await until(async () => (await this.api.get("/healthz", { headers })).headers["access-control-allow-origin"] === ORIGIN,
		    "nginx's reload");
		this.api.agent.destroy();       /* the old nginx closes what it held */
	}

	/* Replies are held against the document that the server gives of itself. */
	async checkSchemas() {
		const reply = await this.api.get("/api/openapi.json");
		if (reply.status !== 200)
			throw new Error(`no OpenAPI document: ${reply.status} ${reply.text.slice(0, 200)}`);
		this.document = reply.json;
		this.api.check = schemas(this.document);
	}

	async stop() {
		started.delete(this);
		this.api.agent.destroy();
		await this.dev("stop").catch(() => {});
		const reports = await this.grepLogs("ERROR: AddressSanitizer") + await this.grepLogs("runtime error: ");
		if (reports)
			throw new Error(`sanitizers complain, see ${this.dir}/log:\n${reports}`);
		if (!process.env.MILLRACE_TEST_KEEP)
			rmSync(this.dir, { recursive: true, force: true });
	}
}

const started = new Set();
process.on("exit", () => {
	for (const { env, dir } of started) {
		spawnSync(DEV, ["stop"], { env, cwd: ROOT, stdio: "ignore" });
		if (!process.env.MILLRACE_TEST_KEEP)
			rmSync(dir, { recursive: true, force: true });
	}
});
for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]])
	process.once(signal, () => process.exit(status));

/* A new instance; `env` are more settings for ./dev and the programs, or a function of its address that gives them. */
export async function start(name, env = {}) {
	const dir = mkdtempSync(join(tmpdir(), `millrace-${name}-`));
	chmodSync(dir, 0o711);          /* as root ./dev runs the programs as another user, who has to come in */
	const port = await freePort();
	const url = `https://127.0.0.1:${port}`;
	const instance = new Instance(url, dir, environment(dir, port, typeof env === "function" ? await env(url) : env));
	started.add(instance);
	try {
		await instance.dev("run", "--detach");
	} catch (e) {
		throw new Error(`./dev run failed: ${e.stdout}\n${e.stderr}`);
	}
	await instance.ready();
	await instance.allowOrigin();
	return instance;
}

export async function privateInstance(name, env) {
	const instance = await start(name, env);
	await instance.checkSchemas();
	return instance;
}

/* Payments of the shared instance are known, and have no chain. */
export const PAYMENT_NETWORK = "arc", SHARED = { MILLRACE_PAYMENT_NETWORKS: `${PAYMENT_NETWORK}=5042002/1` };

let common;
export function shared() {
	const { MILLRACE_TEST_URL: url, MILLRACE_TEST_DIR: dir } = process.env;
	common ??= (async () => {
		if (!url)
			return privateInstance("test", SHARED);
		const instance = new Instance(url, dir, environment(dir, new URL(url).port));
		await instance.checkSchemas();
		return instance;
	})();
	return common;
}

/* The directory of sample documents, made once. */
export function fixtures() {
	const dir = process.env.MILLRACE_TEST_FIXTURES ?? mkdtempSync(join(tmpdir(), "millrace-fixtures-"));
	if (!existsSync(dir) || readdirSync(dir).length === 0)
		execFileSync(join(ROOT, "tests/fixtures/make"), [dir], { stdio: ["ignore", "ignore", "inherit"] });
	if (!process.env.MILLRACE_TEST_FIXTURES)
		process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
	return dir;
}

export const newAddress = () => `u${randomBytes(8).toString("hex")}@example.org`;
export const PASSWORD = "correct horse 7";

/* Registers somebody: { uid, email, token, api }, api being theirs. */
export async function newUser(api, more = {}) {
	const reply = await api.fresh().post("/api/auth/register",
	    { email: newAddress(), password: PASSWORD, display_name: "Test", ...more });
	if (reply.status !== 201)
		throw new Error(`register: ${reply.status} ${reply.text}`);
	return { ...reply.json, api: api.fresh().as(reply.json.token) };
}
