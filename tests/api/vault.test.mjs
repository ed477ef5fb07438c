/* /api/vault: sealed by workers, opened by the runner alone; rotation; and API keys' scopes. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { POOLS, ROOT, newUser, privateInstance } from "../js/instance.mjs";
import { openSecrets } from "../js/vault.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";

const PGBIN = process.env.MILLRACE_DEV_PGBIN ?? "/usr/lib/postgresql/15/bin";
const BIN = process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build");
const WAIT = 300000;
let millrace, api, user, keys, keyFile, oldKeyFile;

before(async () => {
	keys = mkdtempSync(join(tmpdir(), "millrace-keys-"));
	oldKeyFile = join(keys, "old");
	/* Where ./dev is root's, the runner is not, and reads this. */
	chmodSync(keys, 0o755);
	writeFileSync(oldKeyFile, "", { mode: 0o644 });
	millrace = await privateInstance("vault", { MILLRACE_VAULT_KEY_OLD_FILE: oldKeyFile, MILLRACE_RATE_WRITE: "0", MILLRACE_RATE_READ: "0" });
	({ api } = millrace);
	keyFile = join(millrace.dir, "vault.key");
	user = await newUser(api);
});
after(async () => {
	await millrace?.stop();
	rmSync(keys, { recursive: true, force: true });
});

const value = async (sql) => (await millrace.psql(sql)).trim();
const put = (who, key, secret, options) => who.api.post("/api/vault", { key, value: secret }, options);
const list = async (who) => assertStatus(await who.api.get("/api/vault"), 200).json;
const opened = (who, key) => openSecrets(millrace, [[who.uid, key]], keyFile, oldKeyFile)[0];

/* What the runner says from now on. */
function runnerLog() {
	const file = join(millrace.dir, "log/runner.log");
	const at = statSync(file).size;
	return () => readFileSync(file, "utf8").slice(at);
}

/* Its state of the vault, as the runners of now tell it. */
const fits = () => until(async () => (await value(`SELECT bool_and((stats ->> 'millrace_vault_fits') = '1') FROM process
    WHERE role = 'runner' AND pid IN (${[...millrace.pids("runner"), 0].join()})`)) === "t", "a runner whose key fits", WAIT);

test("a secret's metadata is all that comes back", async () => {
	const secret = `sk-${randomBytes(20).toString("hex")}`;
	const reply = assertStatus(await put(user, "OPENAI_API_KEY", secret), 200);
	assertKeys(reply.json, ["id", "key", "masked", "everybody", "createdAt", "lastUsedAt"]);
	assert.match(reply.json.id, UUID7);
	assert.equal(reply.json.key, "OPENAI_API_KEY");
	assert.equal(reply.json.masked, `••••••••${secret.slice(-4)}`);
	assert.match(reply.json.createdAt, TIME);
	assert.equal(reply.json.lastUsedAt, null);
	const all = await user.api.get("/api/vault");
	assert.deepEqual(assertStatus(all, 200).json, [reply.json]);
	assert.ok(!all.text.includes(secret) && !reply.text.includes(secret));
	assert.equal(opened(user, "OPENAI_API_KEY"), secret);
	const used = (await list(user))[0];
	assert.match(used.lastUsedAt, TIME);
	assert.deepEqual({ ...used, lastUsedAt: null }, reply.json);
});

test("a short value is masked whole", async () => {
	const who = await newUser(api);
	for (const short of ["x", "123456789012345", "äöüäöüäöüäöüäöü"])
		assert.equal(assertStatus(await put(who, "short", short), 200).json.masked, "••••••••");
	assert.equal(assertStatus(await put(who, "long", "äöüäöüäöüäöüä漢字😀"), 200).json.masked, "••••••••ä漢字😀");
});

test("a taken name gets another value and keeps its place", async () => {
	const who = await newUser(api);
	const first = assertStatus(await put(who, "token", "the-first-value-of-it"), 200).json;
	const second = assertStatus(await put(who, "token", "the-second-value-of-2"), 200).json;
	assert.deepEqual(second, { ...first, masked: "••••••••of-2" });
	assert.equal((await list(who)).length, 1);
	assert.equal(opened(who, "token"), "the-second-value-of-2");
});

test("DELETE takes one's own alone", async () => {
	const who = await newUser(api), other = await newUser(api);
	const { id } = assertStatus(await put(who, "a", "value"), 200).json;
	assertError(await other.api.delete(`/api/vault?id=${id}`), "NOT_FOUND");
	assert.deepEqual(await list(other), []);
	assert.equal((await list(who)).length, 1);
	assert.deepEqual(assertStatus(await who.api.delete(`/api/vault?id=${id}`), 200).json, { success: true });
	assertError(await who.api.delete(`/api/vault?id=${id}`), "NOT_FOUND");
	assertError(await who.api.delete("/api/vault"), "BAD_REQUEST", ["id"]);
	assertError(await who.api.delete("/api/vault?id=x"), "BAD_REQUEST", ["id"]);
	assert.equal(opened(who, "a"), "! not found");
});

test("what does not fit is named, and nothing is stored", async () => {
	const who = await newUser(api);
	assertError(await put(who, undefined, undefined), "BAD_REQUEST", ["key", "value"]);
	assertError(await put(who, "", ""), "BAD_REQUEST", ["key", "value"]);
	assertError(await put(who, 5, ["x"]), "BAD_REQUEST", ["key", "value"]);
	assertError(await put(who, "x".repeat(101), "x"), "BAD_REQUEST", ["key"]);
	for (const key of [" a", "a ", "a\nb", "a\u007f", "\t"])
		assertError(await put(who, key, "x"), "BAD_REQUEST", ["key"], JSON.stringify(key));
	assertError(await put(who, "x", "x".repeat(8193)), "BAD_REQUEST", ["value"]);
	assertError(await put(who, "x", "ä".repeat(4097)), "BAD_REQUEST", ["value"]);
	assert.deepEqual(await list(who), []);
	for (const path of ["/api/vault", "/api/vault/"])
		assertError(await api.get(path), "UNAUTHORIZED");
	assertError(await api.post("/api/vault", { key: "x", value: "x" }), "UNAUTHORIZED");
	assertError(await api.delete("/api/vault?id=0190b3e8-8a54-7c3e-9d55-0242ac120002"), "UNAUTHORIZED");
});

test("any text of up to 8 KiB comes out as it went in", async () => {
	const who = await newUser(api);
	const all = { longest: "x".repeat(8192), wide: "漢".repeat(2730), quotes: `"'\\; DROP TABLE secret; --`, "a name, with: things'; --": "😀 ok" };
	for (const [key, secret] of Object.entries(all))
		assertStatus(await put(who, key, secret), 200);
	assert.deepEqual((await list(who)).map((s) => s.key).sort(), Object.keys(all).sort());
	const names = Object.keys(all);
	assert.deepEqual(openSecrets(millrace, names.map((n) => [who.uid, n]), keyFile), names.map((n) => all[n]));
});

test("a user's secrets are bounded, also when many come at once", async () => {
	const who = await newUser(api);
	const replies = await Promise.all(Array.from({ length: 210 }, (_, i) => put(who, `k${i}`, `value ${i}`)));
	assert.equal(replies.filter((r) => r.status === 200).length, 200);
	for (const reply of replies.filter((r) => r.status !== 200))
		assertError(reply, "CONFLICT");
	const [one] = await list(who);
	assertStatus(await put(who, one.key, "still replaced"), 200);
	assertStatus(await who.api.delete(`/api/vault?id=${one.id}`), 200);
	assertStatus(await put(who, "another", "fits again"), 200);
	assertError(await put(who, "one more", "does not"), "CONFLICT");
});

test("an Idempotency-Key gives the first answer again", async () => {
	const who = await newUser(api);
	const headers = { "idempotency-key": "once" };
	const first = assertStatus(await put(who, "a", "value-one-of-the-two", { headers }), 200);
	const again = assertStatus(await put(who, "a", "value-one-of-the-two", { headers }), 200);
	assert.deepEqual(again.json, first.json);
	assert.equal(again.headers["idempotent-replayed"], "true");
	assertError(await put(who, "a", "another-value", { headers }), "CONFLICT");
});

test("a row that was moved to another user or name does not open", async () => {
	const who = await newUser(api), thief = await newUser(api);
	assertStatus(await put(who, "mine", "a value of mine"), 200);
	assertStatus(await put(thief, "theirs", "another"), 200);
	await millrace.psql(`UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE owner_id = '${who.uid}')
	    WHERE owner_id = '${thief.uid}'`);
	assert.equal(opened(thief, "theirs"), "! not opened");
	await millrace.psql(`UPDATE secret SET key = 'renamed' WHERE owner_id = '${who.uid}'`);
	assert.equal(opened(who, "renamed"), "! not opened");
	await millrace.psql(`DELETE FROM secret WHERE owner_id IN ('${who.uid}', '${thief.uid}')`);
});

test("workers hold nothing to open a secret with", async () => {
	const privateKey = readFileSync(keyFile, "utf8").trim();
	assert.equal(statSync(keyFile).mode & 0o777, 0o600);
	/* Their environment, and that of their keepers; the files that they have open. */
	for (const role of [...POOLS, "streamd"]) {
		const keeper = Number(readFileSync(join(millrace.runDir, `${role}.pid`), "utf8"));
		for (const pid of [keeper, ...millrace.pids(role)]) {
			const shown = readFileSync(`/proc/${pid}/environ`, "latin1") + readFileSync(`/proc/${pid}/cmdline`, "latin1");
			assert.ok(!/VAULT|AUDIT_KEY/.test(shown) && !shown.includes(privateKey), `${role} ${pid}`);
		}
	}
	/* Not even what is told to a worker stays with it, and the program has no way to open a box. */
	const uses = execFileSync("nm", ["-D", "--undefined-only", join(BIN, "millrace-fcgi")], { encoding: "utf8" });
	assert.match(uses, /\bcrypto_box_seal\b/);
	assert.doesNotMatch(uses, /crypto_box_seal_open|crypto_box_open|crypto_scalarmult|crypto_sign/);
	/* Their database role reads neither the boxes nor the canary, calls nothing that gives them, and sees no owner but its own. */
	const role = async (sql) => value(sql).catch(String);
	assert.equal(await value(`SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM information_schema.columns
	    WHERE table_schema = 'public' AND table_name IN ('secret', 'vault_key') AND NOT has_column_privilege('millrace_api',
	    table_name::regclass::oid, column_name, 'SELECT')`), "canary sealed");
	for (const sql of ["SELECT sealed FROM secret", "SELECT canary FROM vault_key", "UPDATE secret SET owner_id = caller_id()",
		"INSERT INTO vault_key (public_key, canary) VALUES (decode(repeat('00', 32), 'hex'), '')",
		`SELECT vault_use('${user.uid}', 'OPENAI_API_KEY', 'x')`,
		"SELECT vault_reseal('{}', '{}', '{}', NULL)", "SELECT vault_key_add('', '', false)"])
		assert.match(await role(`SET ROLE millrace_api; ${sql}`), /permission denied/, sql);
	assert.equal(await role("SET ROLE millrace_api; SELECT count(id) FROM secret"), "0");
	assert.match(await role("SET ROLE millrace_stream; SELECT count(id) FROM secret"), /permission denied/);
});

test("no value and no private key is in the database, a log, an argument or an event", async () => {
	const who = await newUser(api);
	const secret = `marker-${randomBytes(24).toString("hex")}`;
	const seen = [];
	assertStatus(await put(who, secret.slice(-4), secret), 200);
	for (const reply of [await put(who, "two", secret, { headers: { "idempotency-key": "k" } }), await who.api.get("/api/vault"),
		await put(who, "x\n", secret), await put({ api }, "x", secret), await who.api.get(`/api/vault?value=x`)])
		seen.push(reply.text + JSON.stringify(reply.headers));
	assert.equal(opened(who, "two"), secret);
	await millrace.replace("runner");
	await fits();
	const privateKey = readFileSync(keyFile, "utf8").trim();
	const { stdout: dump } = await promisify(execFile)(join(PGBIN, "pg_dump"), ["-h", join(millrace.runDir, "pg"), "-U", "postgres", "millrace"],
	    { maxBuffer: 256 << 20 });
	assert.ok(dump.includes(who.uid) && dump.includes("COPY public.secret "));
	const ps = execFileSync("ps", ["axww", "-o", "args"], { encoding: "utf8" });
	const rows = await value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%marker-%' AND pid <> pg_backend_pid()");
	assert.equal(rows, "0");
	for (const [what, bytes] of [["a value", Buffer.from(secret)], ["the private key", Buffer.from(privateKey, "base64")]])
		for (const form of ["utf8", "hex", "base64"]) {
			const text = bytes.toString(form).replace(/=+$/, "");
			assert.ok(!dump.includes(text), `${what} as ${form} in the database`);
			assert.ok(!ps.includes(text), `${what} as ${form} in an argument`);
			assert.ok(!seen.join().includes(text), `${what} as ${form} in a reply`);
			if (form !== "utf8" || what === "a value")
				assert.equal(await millrace.grepLogs(text), "", `${what} as ${form} in a log`);
		}
});

test("storing, using and deleting are in the audit log, without the value", async () => {
	const who = await newUser(api);
	const { id } = assertStatus(await put(who, "a", "value-that-is-not-audited"), 200).json;
	assertStatus(await put(who, "a", "value-that-is-not-audited"), 200);
	assert.equal(opened(who, "a"), "value-that-is-not-audited");
	assertStatus(await who.api.delete(`/api/vault?id=${id}`), 200);
	const rows = (await value(`SELECT type || ' ' || (data ->> 'secret') || ' ' || coalesce(data ->> 'purpose', '') FROM audit_log
	    WHERE subject = '${who.uid}' AND type LIKE 'secret%' ORDER BY seq`)).split("\n");
	assert.deepEqual(rows.map((r) => r.trim()), ["secret_stored", "secret_stored", "secret_used", "secret_deleted"].map((type) =>
	    `${type} ${id}${type === "secret_used" ? " test" : ""}`));
});

test("an API key does what its scopes say, and no more", async () => {
	const make = async (...args) => (await millrace.ctl("key", "create", user.email, ...args)).stdout.trim();
	const as = async (...args) => ({ uid: user.uid, api: api.as(await make(...args)) });
	const [reader, writer, both, none] = await Promise.all([as("--scope", "read"), as("--scope", "write"), as(), as("--scope", "account")]);
	assert.equal((await list(reader)).length, (await list(user)).length);
	assertError(await put(reader, "by-key", "value"), "FORBIDDEN");
	assertError(await writer.api.get("/api/vault"), "FORBIDDEN");
	const { id } = assertStatus(await put(writer, "by-key", "put by a key of its user"), 200).json;
	assert.equal(opened(user, "by-key"), "put by a key of its user");
	assert.ok((await list(both)).some((s) => s.id === id));
	assertError(await reader.api.delete(`/api/vault?id=${id}`), "FORBIDDEN");
	assertStatus(await both.api.delete(`/api/vault?id=${id}`), 200);
	for (const method of ["GET", "POST", "DELETE"])
		assertError(await none.api.request(method, `/api/vault?id=${id}`, method === "POST" ? { json: { key: "a", value: "b" } } : {}), "FORBIDDEN");
	assertError(await none.api.get("/api/user"), "FORBIDDEN");
});

test("a revoked or expired API key, and that of a disabled account, is worth nothing", async () => {
	const who = await newUser(api);
	const { stdout, stderr } = await millrace.ctl("key", "create", who.email, "--days", "1");
	const key = api.as(stdout.trim()), [id] = /[0-9a-f-]{36}/.exec(stderr);
	assertStatus(await key.get("/api/vault"), 200);
	await millrace.psql(`UPDATE api_key SET expires_at = now() - interval '1 second' WHERE id = '${id}'`);
	assertError(await key.get("/api/vault"), "UNAUTHORIZED");
	await millrace.psql(`UPDATE api_key SET expires_at = NULL WHERE id = '${id}'`);
	assertStatus(await key.get("/api/vault"), 200);
	await millrace.psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${who.uid}'`);
	assertError(await key.get("/api/vault"), "UNAUTHORIZED");
	await millrace.psql(`UPDATE app_user SET disabled_at = NULL WHERE id = '${who.uid}'`);
	await millrace.ctl("key", "revoke", id);
	assertError(await key.get("/api/vault"), "UNAUTHORIZED");
});

test("a service key is an account of its own, which nobody logs in to", async () => {
	const email = `gateway-${randomBytes(6).toString("hex")}@services.example.org`;
	const { stdout } = await millrace.ctl("key", "create", email, "--service", "--name", "gateway");
	const account = assertStatus(await api.as(stdout.trim()).get("/api/v1/admin/user"), 200).json;
	assert.equal(account.role, "service");
	assert.equal(account.email, email);
	assertError(await api.fresh().post("/api/auth/login", { email, password: "" }), "BAD_REQUEST", ["password"]);
	assertError(await api.fresh().post("/api/auth/login", { email, password: email }), "UNAUTHORIZED");
});

/* Secrets of several users: { "uid name": value }. */
async function fill(users, each) {
	const all = new Map();
	await Promise.all(users.map(async (who) => {
		for (let i = 0; i < each; i++) {
			const secret = `${who.uid} ${i} ${randomBytes(8).toString("hex")}`;
			assertStatus(await put(who, `k${i}`, secret), 200);
			all.set(`${who.uid} k${i}`, secret);
		}
	}));
	return all;
}

async function rotate() {
	const next = join(keys, `next-${randomBytes(4).toString("hex")}`);
	await millrace.ctl("vault", "rotate", "--key-file", next);
	writeFileSync(oldKeyFile, readFileSync(keyFile));
	renameSync(next, keyFile);
}

const oldRows = () => value("SELECT count(*) FROM secret s JOIN vault_key k ON k.id = s.key_id WHERE k.retired_at IS NOT NULL").then(Number);

test("a rotation loses nothing, though the runner is killed in the middle and users go on writing", async () => {
	const users = await Promise.all(Array.from({ length: 5 }, () => newUser(api)));
	const secrets = await fill(users, 120);
	const total = Number(await value("SELECT count(*) FROM secret"));
	/* A row in the middle of the runner's way is held, so that it stands there when it is killed. */
	const held = await value("SELECT id FROM secret ORDER BY id OFFSET 350 LIMIT 1");
	const holder = spawn("psql", ["-X", "-q", "-h", join(millrace.runDir, "pg"), "-U", "postgres", "-d", "millrace"], { stdio: ["pipe", "pipe", "inherit"] });
	holder.stdin.write(`BEGIN; SELECT 'held' FROM secret WHERE id = '${held}' FOR UPDATE;\n`);
	await once(holder.stdout, "data");
	try {
		await rotate();
		await millrace.replace("runner");
		const stuck = () => value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'millrace runner periodic' AND wait_event_type = 'Lock'");
		await until(async () => (await stuck()) === "1", "the runner in the middle", WAIT);
		const left = await oldRows();
		assert.ok(left > 0 && left < total, `${left} of ${total}`);
		await millrace.replace("runner", { kill: true });
	} finally {
		/* From here on users replace what is being re-sealed; the last value that was accepted counts. */
		holder.stdin.end("COMMIT;\n");
		await once(holder, "exit");
	}
	await Promise.all(users.map(async (who, n) => {
		for (let i = 0; i < 120; i += n + 1) {
			const secret = `anew ${who.uid} ${i}`;
			assertStatus(await put(who, `k${i}`, secret), 200);
			secrets.set(`${who.uid} k${i}`, secret);
		}
	}));
	await until(async () => (await oldRows()) === 0, "everything under the new key", WAIT);
	await fits();
	const names = [...secrets.keys()];
	assert.deepEqual(openSecrets(millrace, names.map((n) => n.split(" ")), keyFile), names.map((n) => secrets.get(n)));
	const status = JSON.parse((await millrace.ctl("vault", "status", "--json")).stdout);
	assert.deepEqual(status.keys.map((k) => [k.inForce, k.secrets]), [[true, total], [false, 0]]);
	assert.ok(status.runners.some((r) => r.fits));
});

test("secrets that are stored while keys change are all under the last", async () => {
	const who = await newUser(api);
	let i = 0, over = false;
	const writer = (async () => {
		while (!over) {
			assertStatus(await put(who, `w${i % 20}`, `value ${i}`), 200);
			i++;
		}
	})();
	for (let n = 0; n < 3; n++) {
		await until(() => i > 10 * (n + 1), "some writing", WAIT);
		await rotate();
		await millrace.replace("runner");
		await until(async () => (await oldRows()) === 0, "everything under the new key", WAIT);
	}
	over = true;
	await writer;
	await until(async () => (await oldRows()) === 0, "everything under the new key", WAIT);
	const at = (k) => k + 20 * Math.floor((i - 1 - k) / 20);
	const names = Array.from({ length: 20 }, (_, k) => [who.uid, `w${k}`]);
	assert.deepEqual(openSecrets(millrace, names, keyFile), names.map((_, k) => `value ${at(k)}`));
});

test("a runner whose key does not fit says so, refuses the vault, and does everything else", async () => {
	assertStatus(await put(user, "kept", "a value that stays as it is"), 200);
	const right = readFileSync(keyFile), before = await value("SELECT md5(string_agg(sealed::text, '' ORDER BY id)) FROM secret");
	const said = runnerLog();
	const wrong = { "does not fit the database": randomBytes(32).toString("base64"), "not 32 bytes in base64": "nonsense", "has no key to it": "" };
	try {
		writeFileSync(oldKeyFile, "");
		for (const [words, key] of Object.entries(wrong)) {
			writeFileSync(keyFile, `${key}\n`);
			await millrace.replace("runner");
			await until(() => said().includes(words), words, WAIT);
			if (key)
				assert.ok(!said().includes(key), "a key in the log");
			assert.equal(opened(user, "kept"), "! not opened");
			assertStatus(await put(user, "meanwhile", `stored with ${words}`), 200);
			const stream = await user.api.chat("Does the rest work?");
			assert.equal((await stream.all()).at(-1).event, "done");
		}
		await until(async () => /DOES NOT FIT/.test((await millrace.ctl("vault", "status")).stdout), "the status", WAIT);
		assert.equal(await value("SELECT md5(string_agg(sealed::text, '' ORDER BY id)) FROM secret WHERE key <> 'meanwhile'"), before);
	} finally {
		writeFileSync(keyFile, right);
	}
	await millrace.replace("runner");
	await until(() => said().includes("vault: the key fits"), "the right key", WAIT);
	await fits();
	assert.equal(opened(user, "kept"), "a value that stays as it is");
	assert.equal(opened(user, "meanwhile"), "stored with has no key to it");
});

test("before there is a key the vault is empty and says what to do", async () => {
	await millrace.psql("DELETE FROM secret; DELETE FROM vault_key");
	const reply = await put(user, "a", "b");
	assertError(reply, "OVERLOADED");
	assert.match(reply.json.error, /millracectl vault init/);
	assert.deepEqual(await list(user), []);
	const next = join(keys, "first");
	await millrace.ctl("vault", "init", "--key-file", next);
	assert.deepEqual(readdirSync(keys).includes("first"), true);
	assertStatus(await put(user, "a", "b"), 200);
	assert.equal(openSecrets(millrace, [[user.uid, "a"]], next)[0], "b");
});
