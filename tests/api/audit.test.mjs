/* The audit chain: what goes there, that nobody can change it unseen, and that the tool names the row. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { createHash, createPrivateKey, randomBytes, sign as signBy } from "node:crypto";
import { spawnSync } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { newAddress, newUser, PASSWORD, privateInstance } from "../js/instance.mjs";
import { newAdmin, newName, signedIn } from "../js/accounts.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";

/* Signed often enough for a test, and not in the midst of those that tamper with the chain itself. */
const EVERY_ROWS = 400;
let millrace, api;
before(async () => {
	millrace = await privateInstance("audit", { MILLRACE_AUDIT_SECONDS: "86400", MILLRACE_AUDIT_ROWS: String(EVERY_ROWS) });
	({ api } = millrace);
});

const log = async (where) => (await millrace.psql(
    `SELECT json_build_object('seq', seq, 'actor', actor, 'subject', subject, 'type', type, 'data', data) FROM audit_log WHERE ${where} ORDER BY seq`))
    .trim().split("\n").filter(Boolean).map((l) => JSON.parse(l));
const types = async (uid) => (await log(`subject = '${uid}'`)).map((r) => r.type);
/* What it says; a log that is broken is 1, a command line that is wrong 2. */
const verify = (...args) => millrace.ctl("audit", "verify", ...args).then(({ stdout }) => stdout,
    (e) => { assert.equal(e.code, /mistyped/.test(e.stderr) ? 2 : 1, String(e)); return e.stderr; });

test("every way in, and every failure, by token and by cookie", async () => {
	const user = await newUser(api);
	assertError(await api.fresh().post("/api/auth/login", { email: user.email, password: "wrong password" }), "UNAUTHORIZED");
	const { token } = assertStatus(await api.fresh().post("/api/auth/login", { email: user.email, password: PASSWORD }), 200).json;
	assertStatus(await api.as(token).post("/api/auth/logout"), 200);
	assert.deepEqual(await types(user.uid), ["registered", "login", "login_failed", "login", "logout"]);
	const named = await signedIn(api);
	assertError(await api.fresh().post("/api/v1/auth/login", { username: named.username, password: "wrong password" }), "UNAUTHORIZED");
	assertStatus(await named.session.send("POST", "/api/v1/auth/logout"), 200);
	assert.deepEqual(await types(named.id), ["registered", "login", "login_failed", "logout"]);
});

test("a failure for an address that has no account is there too; addresses only as hashes", async () => {
	const email = `nobody-${Date.now()}@example.org`;
	assertError(await api.fresh().post("/api/auth/login", { email, password: "wrong password" }), "UNAUTHORIZED");
	const hash = createHash("sha256").update(email).digest("hex");
	const rows = await log(`data ->> 'name' = '${hash}'`);
	assert.deepEqual(rows.map((r) => [r.type, r.subject, r.actor]), [["login_failed", null, null]]);
	assert.equal((await log("data::text LIKE '%@%'")).length, 0);
});

test("keys, roles by the API and by millracectl, export, erasure: who did it to whom", async () => {
	const [user, admin] = [await newUser(api), await newAdmin(millrace)];
	assertStatus(await user.api.post("/api/settings/regenerate-api-key"), 200);
	assertStatus(await user.api.post("/api/settings/regenerate-api-key"), 200);
	assertStatus(await admin.api.put(`/api/v1/user/dao/${user.uid}`, { role: "service" }), 200);
	assertStatus(await admin.api.put(`/api/v1/user/dao/${user.uid}`, { role: "service", name: "No change of role" }), 200);
	assertStatus(await user.api.get("/api/v1/user/export"), 200);
	assertStatus(await admin.api.delete(`/api/v1/user/dao/${user.uid}`), 204);
	const rows = await log(`subject = '${user.uid}'`);
	assert.deepEqual(rows.map((r) => r.type).sort(), ["registered", "login", "key_made", "key_made", "key_revoked", "role_changed", "exported", "erased"].sort());
	const of = (type) => rows.find((r) => r.type === type);
	assert.deepEqual([of("role_changed").actor, of("role_changed").data], [admin.uid, { from: "user", to: "service" }]);
	assert.deepEqual([of("key_made").actor, of("exported").actor, of("erased").actor], [user.uid, user.uid, admin.uid]);
	const [role] = await log(`subject = '${admin.uid}' AND type = 'role_changed'`);
	assert.deepEqual([role.actor, role.data], [null, { by: "millrace_owner", from: "user", to: "admin" }]);
	assertStatus(await admin.api.post("/api/v1/user/dao", { username: "made.by.admin", password: PASSWORD }), 201);
	const [made] = await log(`type = 'registered' AND actor = '${admin.uid}' AND subject <> actor`);
	assert.ok(made);
});

test("what one comes in by, and as: addresses and names, a password that went, an account that was disabled", async () => {
	const user = await newUser(api), email = newAddress(), put = (json) => user.api.put(`/api/v1/user/dao/${user.uid}`, json);
	for (const json of [{ email, password: PASSWORD }, { username: newName() }, { name: "Neither", email }])
		assertStatus(await put(json), 200);
	await millrace.psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${user.uid}'`);
	await millrace.psql(`UPDATE app_user SET disabled_at = NULL WHERE id = '${user.uid}'`);
	/* The address was shown to be somebody's, who may be another than set the password. */
	await millrace.psql(`SELECT caller_external('clerk', '${newName()}', '${email}', true, 'Ada', sha256('x'), false)`);
	const rows = await log(`subject = '${user.uid}' AND type NOT IN ('registered', 'login', 'logout')`);
	assert.deepEqual(rows.map((r) => [r.type, r.actor === user.uid, r.data]), [
		["address_changed", true, { email: true, username: false }], ["address_changed", true, { email: false, username: true }],
		["disabled", false, { by: "postgres" }], ["enabled", false, { by: "postgres" }],
		["password_removed", true, { by: "postgres" }], ["identity_linked", true, { by: "postgres", provider: "clerk" }]]);
	assert.equal((await types(user.uid)).filter((t) => t === "logout").length, 1);
});

test("very many sessions, and some keys, that end at once are one event of each; all of them have ended", async () => {
	const N = 20000, user = await newUser(api), token = randomBytes(32).toString("base64url");
	const keys = await Promise.all(["a", "b"].map(async (name) => assertStatus(await user.api.post("/api/settings/api-keys", { name, scopes: ["read"] }), 201).json));
	const [run] = (await millrace.psql(`INSERT INTO run (owner_id, kind, status, input) VALUES ('${user.uid}', 'chat', 'running', '{}') RETURNING id`)).split("\n");
	/* Without the triggers, which would write as many events. */
	await millrace.psql(`SET session_replication_role = replica;
		INSERT INTO session (user_id, expires_at) SELECT '${user.uid}', now() + interval '1 day' FROM generate_series(2, ${N});
		INSERT INTO password_reset (token_hash, user_id, email, expires_at) VALUES (sha256('${token}'), '${user.uid}', '${user.email}', now() + interval '1 hour')`);
	const stream = await user.api.resume(run);
	assertStatus(await api.fresh().post("/api/auth/reset-password/confirm", { token, password: "another horse 8" }), 200);
	await stream.all();
	assertError(await user.api.get("/api/user"), "UNAUTHORIZED");
	assert.equal((await millrace.psql(`SELECT count(*) FROM session WHERE user_id = '${user.uid}' AND revoked_at IS NULL`)).trim(), "0");
	const rows = await log(`subject = '${user.uid}' AND type IN ('logout', 'key_revoked', 'password_changed')`);
	assert.deepEqual(rows.map((r) => [r.type, r.data]).sort(), [["key_revoked", { keys: keys.map((k) => k.id).sort() }],
		["logout", { sessions: N }], ["password_changed", {}]]);
	assert.match(await verify(), /holds/);
	assertStatus(await api.fresh().post("/api/auth/login", { email: user.email, password: "another horse 8" }), 200);
});

test("what fails leaves nothing", async () => {
	const user = await newUser(api);
	const [{ seq }] = await log("seq = (SELECT max(seq) FROM audit_log)");
	assertError(await user.api.put(`/api/v1/user/dao/${user.uid}`, { role: "admin" }), "FORBIDDEN");
	assertError(await user.api.get("/api/v1/user/manager"), "FORBIDDEN");
	assertError(await api.fresh().post("/api/auth/register", { email: user.email, password: PASSWORD, display_name: "x" }), "CONFLICT");
	assert.deepEqual(await log(`seq > ${seq}`), []);
});

test("many at once make one unbroken line", async () => {
	await Promise.all(Array.from({ length: 40 }, async () => {
		const user = await newUser(api);
		await Promise.all([1, 2, 3].map(() => user.api.post("/api/settings/regenerate-api-key")));
		await user.api.post("/api/auth/logout");
	}));
	assert.match(await verify(), /^The audit log holds: \d+ rows\.$/m);
	assert.equal((await millrace.psql("SELECT count(*) = max(seq) AND min(seq) = 1 FROM audit_log")).trim(), "t");
});

test("no role changes or removes a row", async () => {
	for (const role of ["millrace_api", "millrace_runner", "millrace_stream", "millrace_owner", "postgres"])
		for (const sql of ["UPDATE audit_log SET type = 'x' WHERE seq = 1", "DELETE FROM audit_log WHERE seq = 1", "TRUNCATE audit_log",
			...(role === "postgres" || role === "millrace_owner" ? [] : ["INSERT INTO audit_log SELECT * FROM audit_log", "UPDATE audit_head SET seq = 0"])])
			await assert.rejects(millrace.psql(`SET ROLE ${role}; ${sql}`), /permission denied|takes no/, `${role}: ${sql}`);
});

/* As somebody with a superuser's rights would. */
const tamper = (sql) => millrace.psql(`SET session_replication_role = replica; ${sql}`);

test("a changed, removed, moved or cut-off row is named", async () => {
	assert.match(await verify(), /holds/);
	const last = Number(await millrace.psql("SELECT max(seq) FROM audit_log"));
	await millrace.psql("CREATE TABLE kept AS SELECT * FROM audit_log");
	const restore = () => tamper("DELETE FROM audit_log; INSERT INTO audit_log SELECT * FROM kept");
	const rehash = (seq) => `UPDATE audit_log l SET hash = audit_hash(l) WHERE seq = ${seq}`;
	for (const [what, sql, row] of [
		["a changed type", "UPDATE audit_log SET type = 'logout' WHERE seq = 5", 5],
		["changed data", "UPDATE audit_log SET data = data || '{\"x\": 1}' WHERE seq = 7", 7],
		["a changed time", "UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 3", 3],
		["another actor", "UPDATE audit_log SET actor = gen_random_uuid() WHERE seq = 4", 4],
		["a change with its hash made anew", `UPDATE audit_log SET type = 'logout' WHERE seq = 5; ${rehash(5)}`, 6],
		["a removed row", "DELETE FROM audit_log WHERE seq = 6", 7],
		["the first row removed", "DELETE FROM audit_log WHERE seq = 1", 2],
		["two rows exchanged", "UPDATE audit_log SET seq = -1 WHERE seq = 8; UPDATE audit_log SET seq = 8 WHERE seq = 9; UPDATE audit_log SET seq = 9 WHERE seq = -1", 8],
		["the end cut off", `DELETE FROM audit_log WHERE seq > ${last - 3}`, last],
		["everything cut off", "DELETE FROM audit_log", last],
	]) {
		await tamper(sql);
		assert.match(await verify(), new RegExp(`broken at row ${row}:`), what);
		await restore();
	}
	assert.match(await verify(), /holds/);
	await millrace.psql("DROP TABLE kept");
	await newUser(api);
	assert.match(await verify(), /holds/);
});

/* --- checkpoints --- */

const value = async (sql) => (await millrace.psql(sql)).trim();
const checkpoints = async () => Number(await value("SELECT count(*) FROM audit_checkpoint"));
const signs = () => value("SELECT stats ->> 'millrace_audit_signs' FROM process WHERE role = 'runner' AND seen_at > now() - interval '15 seconds' ORDER BY seen_at DESC LIMIT 1");
/* Does the metric say so, when the runner has looked again, and stored it? */
async function shows(state) {
	await millrace.periodic("audit");
	await millrace.periodic("process");
	return await signs() === state;
}
const errors = async () => (await millrace.grepLogs("the audit log")).split("\n").filter((l) => l.includes('"level":"error"'));

/* Enough rows for another checkpoint: that of the last row, as it is printed. */
async function another() {
	const before = await checkpoints();
	await millrace.psql(`SELECT audit(NULL, NULL, 'padding', '{}') FROM generate_series(1, ${EVERY_ROWS})`);
	await until(async () => await checkpoints() > before, "another checkpoint");
	return value("SELECT n || ':' || seq || ':' || encode(hash, 'hex') FROM audit_checkpoint ORDER BY n DESC LIMIT 1");
}

/* Every hash made anew from row `from` on, as audit() makes them, the chain's end too: what verify alone took for whole. */
const REWRITE = (from) => `DO $$ DECLARE r audit_log; BEGIN
	FOR r IN SELECT * FROM audit_log WHERE seq >= ${from} ORDER BY seq LOOP
		r.prev := coalesce((SELECT hash FROM audit_log WHERE seq = r.seq - 1), decode(repeat('00', 32), 'hex'));
		r.subject_prev := coalesce((SELECT hash FROM audit_log WHERE subject = r.subject AND seq < r.seq ORDER BY seq DESC LIMIT 1), decode(repeat('00', 32), 'hex'));
		UPDATE audit_log SET prev = r.prev, subject_prev = r.subject_prev, hash = audit_hash(r) WHERE seq = r.seq;
	END LOOP;
	UPDATE audit_head h SET (seq, hash) = (SELECT l.seq, l.hash FROM audit_log l ORDER BY l.seq DESC LIMIT 1);
END $$`;

/* Tables as they are now; the function puts them back. */
async function keep() {
	await millrace.psql("CREATE TABLE kept_log AS TABLE audit_log; CREATE TABLE kept_head AS TABLE audit_head; CREATE TABLE kept_checkpoint AS TABLE audit_checkpoint; CREATE TABLE kept_key AS TABLE audit_key");
	return {
		restore: () => tamper(`DELETE FROM audit_log; INSERT INTO audit_log TABLE kept_log; DELETE FROM audit_head; INSERT INTO audit_head TABLE kept_head;
			DELETE FROM audit_checkpoint; DELETE FROM audit_key; INSERT INTO audit_key TABLE kept_key; INSERT INTO audit_checkpoint TABLE kept_checkpoint`),
		forget: () => millrace.psql("DROP TABLE kept_log, kept_head, kept_checkpoint, kept_key"),
	};
}

test("the runner signs the chain; the key is printed, and the workers have nothing of it", async () => {
	const last = await another();
	const said = await verify();
	assert.match(said, /It is signed up to row \d+, by [1-9]\d* checkpoints?/);
	assert.ok(said.includes(`Checkpoint ${last}\n`), said);
	await until(() => millrace.grepLogs(last), "it is in the runner's log");
	const key = (await millrace.ctl("audit", "key")).stdout.trim();
	assert.match(await verify("--public-key", key, "--checkpoint", last), /holds/);
	assert.match(await verify("--public-key", randomBytes(32).toString("base64")), /broken at checkpoint 1 .*: it is signed by another key/);
	assert.match(await verify("--public-key", key, "--checkpoint", ` ${last.toUpperCase()} `), /holds/);
	/* A slip of the hand is not a broken log. */
	const [n, row, hash] = last.split(":"), other = (c) => c === "0" ? "1" : "0";
	for (const typo of [last.replace(/.$/, other), `${n}:${row}:${hash[1]}${hash[0] === hash[1] ? other(hash[0]) : hash[0]}${hash.slice(2)}`, `${+n + 1}:${row}:${hash}`, `${n}:${+row + 1}:${hash}`]) {
		const said = await verify("--checkpoint", typo);
		assert.match(said, /--checkpoint is mistyped/);
		assert.ok(said.includes(last) && !said.includes("broken"), said);
	}
	assert.match(await verify("--checkpoint", `${n}:${row}:${randomBytes(32).toString("hex")}`), /which you kept, is not there/);
	await until(async () => await signs() === "1", "the runner's word");
	const secret = readFileSync(join(millrace.dir, "audit.key"), "utf8").trim();
	assert.equal(await millrace.grepLogs(secret), "");
	for (const role of ["millrace_api", "millrace_stream"])
		for (const sql of ["TABLE audit_checkpoint", "SELECT * FROM audit_state()", "SELECT audit_checkpoint_add(99, 1, '', 0, '', '')", "SELECT audit_key_add('', false)"])
			await assert.rejects(millrace.psql(`SET ROLE ${role}; ${sql}`), /permission denied/, `${role}: ${sql}`);
	for (const sql of ["UPDATE audit_checkpoint SET at = now()", "DELETE FROM audit_checkpoint", "TRUNCATE audit_checkpoint"])
		await assert.rejects(millrace.psql(sql), /takes no/);
});

test("a chain that was written anew as a whole is found out, and so is every other way to lie about a checkpoint", async () => {
	await another();
	const kept = await keep();
	const n = await checkpoints();
	const [runner] = millrace.pids("runner");
	/* The runner would notice, too; here the tool has to. */
	process.kill(runner, "SIGSTOP");
	try {
		const second = Number(await value("SELECT seq FROM audit_checkpoint WHERE n = 2"));
		for (const [what, sql, at] of [
			["the whole chain anew", `UPDATE audit_log SET type = 'logout' WHERE seq = 3; ${REWRITE(3)}`, /at checkpoint 1 .*is not what was signed/],
			["the chain behind the first checkpoint anew", `UPDATE audit_log SET type = 'x' WHERE seq = ${second}; ${REWRITE(second)}`, /at checkpoint 2 /],
			["the end cut off, and the head with it", `DELETE FROM audit_log WHERE seq >= ${second}; ${REWRITE(second)}`, /at checkpoint 2 .*was cut off/],
			["checkpoints that tell of the new chain", `UPDATE audit_log SET type = 'logout' WHERE seq = 3; ${REWRITE(3)};
				UPDATE audit_checkpoint c SET hash = (SELECT hash FROM audit_log WHERE seq = c.seq)`, /at checkpoint 1 .*signature/],
			["another time", "UPDATE audit_checkpoint SET at = at - interval '1 day' WHERE n = 2", /at checkpoint 2 .*signature/],
			["the first checkpoint gone", "DELETE FROM audit_checkpoint WHERE n = 1", /at checkpoint 2 .*before it is missing/],
			["one counted otherwise", "DELETE FROM audit_checkpoint WHERE n = 1; UPDATE audit_checkpoint SET n = n - 1", /at checkpoint 1 .*signature/],
			["a changed row before a checkpoint", "UPDATE audit_log SET type = 'logout' WHERE seq = 3", /at row 3:/],
		]) {
			await tamper(sql);
			assert.match(await verify(), at, what);
			await kept.restore();
		}
		assert.match(await verify(), /holds/);
		/* Against whoever also brings a key of their own, or takes the last checkpoints away, what was kept elsewhere helps. */
		const key = (await millrace.ctl("audit", "key")).stdout.trim();
		const last = await value(`SELECT n || ':' || seq || ':' || encode(hash, 'hex') FROM audit_checkpoint WHERE n = ${n}`);
		await tamper(`UPDATE audit_log SET type = 'logout' WHERE seq = 3; ${REWRITE(3)}`);
		await forge();
		assert.match(await verify(), /holds/, "the forger's own key");
		assert.match(await verify("--public-key", key), /checkpoint 1 .*another key/);
		await kept.restore();
		await tamper(`DELETE FROM audit_checkpoint WHERE n = ${n}; DELETE FROM audit_log WHERE seq >= ${last.split(":")[1]}; ${REWRITE(1)}`);
		assert.match(await verify(), /holds/, "the last ones with their rows");
		assert.match(await verify("--checkpoint", last), /which you kept, is not there/);
		await kept.restore();
		assert.match(await verify("--public-key", key, "--checkpoint", last), /holds/);
	} finally {
		process.kill(runner, "SIGCONT");
		await kept.forget();
	}
});

/* All checkpoints by a key of the forger's, in the place of the right one. */
async function forge() {
	const seed = randomBytes(32), der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
	const secret = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
	const publicKey = Buffer.from(secret.export({ format: "jwk" }).x, "base64url").toString("hex");
	await tamper(`UPDATE audit_checkpoint SET key_id = (SELECT id FROM audit_key WHERE retired_at IS NULL); DELETE FROM audit_key WHERE retired_at IS NOT NULL;
		UPDATE audit_key SET public_key = '\\x${publicKey}'; UPDATE audit_checkpoint c SET hash = (SELECT hash FROM audit_log WHERE seq = c.seq)`);
	const rows = await value("SELECT n, seq, encode(hash, 'hex'), (extract(epoch FROM at) * 1000000)::bigint FROM audit_checkpoint");
	for (const [n, seq, hash, at] of rows.split("\n").map((l) => l.split("|"))) {
		const signature = signBy(null, Buffer.from(`millrace audit checkpoint\n${n}\n${seq}\n${hash}\n${at}\n`), secret);
		await tamper(`UPDATE audit_checkpoint SET signature = '\\x${signature.toString("hex")}' WHERE n = ${n}`);
	}
}

test("a runner signs nothing that contradicts what it has seen signed", async () => {
	await another();
	const kept = await keep();
	const n = await checkpoints();
	for (const [what, sql, words] of [
		["a chain written anew", `UPDATE audit_log SET type = 'logout' WHERE seq = 3; ${REWRITE(3)}`, /is not what was signed/],
		["the last checkpoint gone with its rows", `DELETE FROM audit_checkpoint WHERE n = ${n};
			DELETE FROM audit_log WHERE seq > (SELECT max(seq) FROM audit_checkpoint); ${REWRITE(1)}`, /are gone/],
		["a row changed behind the last checkpoint", "UPDATE audit_log SET type = 'x' WHERE seq = (SELECT max(seq) FROM audit_log)", /broken behind its last checkpoint/],
	]) {
		const before = (await errors()).length;
		await millrace.psql("SELECT audit(NULL, NULL, 'padding', '{}')");
		await tamper(sql);
		await millrace.psql(`SELECT audit(NULL, NULL, 'padding', '{}') FROM generate_series(1, ${EVERY_ROWS})`);
		await until(async () => (await errors()).slice(before).some((l) => words.test(l)), what);
		await until(() => shows("0"), `${what}: the metric`);
		assert.ok(await checkpoints() <= n, what);
		await kept.restore();
		await until(() => shows("1"), `${what}: whole again`);
	}
	await kept.forget();
	await another();
	assert.match(await verify(), /holds/);
});

test("another key: what was signed stays good, and nothing is signed until the runner has it", async () => {
	const old = await another();
	const next = join(millrace.dir, "audit.key.new");
	await millrace.ctl("audit", "rotate", "--key-file", next);
	await until(async () => (await errors()).some((l) => l.includes("is not the private half")), "the runner's word");
	const n = await checkpoints();
	await millrace.psql(`SELECT audit(NULL, NULL, 'padding', '{}') FROM generate_series(1, ${EVERY_ROWS})`);
	await millrace.psql("SELECT pg_sleep(2)");
	assert.equal(await checkpoints(), n);
	renameSync(next, join(millrace.dir, "audit.key"));
	await millrace.replace("runner");
	await until(async () => await checkpoints() > n, "a checkpoint by the new key");
	const keys = (await millrace.ctl("audit", "key")).stdout.trim().split("\n");
	assert.equal(keys.length, 2);
	assert.match(await verify("--checkpoint", old, "--public-key", keys.join()), /holds/);
	assert.match(await verify("--public-key", keys[0]), /checkpoint 1 .*another key/);
});

/* --- what other servers log of requests --- */

async function newService() {
	const { stdout } = await millrace.ctl("key", "create", `${newName()}@example.org`, "--service");
	return api.fresh().as(/mr_[\w-]+/.exec(stdout)[0]);
}

const entry = (more = {}) => ({ request_id: newName(), audit_data: { events: [{ type: "call", cost: 0.0234 }], trail: { é: "😀", ok: true, none: null } },
    timestamp: "2024-12-20T14:22:20Z", ...more });

test("a service logs requests, and finds them by user, request, type and time; each has its row in the chain", async () => {
	const service = await newService(), other = await newService(), admin = await newAdmin(millrace), user = await newUser(api);
	const [a, b, c] = [entry({ user_id: "user_001", type: "payment" }), entry({ audit_data: { user_id: "user_002", type: "call" }, timestamp: "2024-12-20T14:22:20.123456" }),
		entry({ timestamp: undefined })];
	for (const e of [a, b, c])
		assert.deepEqual(assertStatus(await service.post("/api/v1/audit/logs", e), 200).json, { success: true });
	const found = async (query, as = service) => assertStatus(await as.get(`/api/v1/audit/logs?${query}`), 200).json.map((e) => e.request_id);
	assert.deepEqual(await found(""), [c, b, a].map((e) => e.request_id));
	for (const [query, ...them] of [["user_id=user_001", a], ["user_id=user_002", b], [`request_id=${c.request_id}`, c], ["type=payment", a], ["type=call", b],
		["type=request", c], ["user_id=nobody"], ["from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z"], ["from=2020-01-01T00:00:00Z", c, b, a],
		["user_id=user_001&type=payment&to=2100-01-01T00:00:00Z", a], ["user_id=user_001&type=call"]])
		assert.deepEqual(await found(query), them.map((e) => e.request_id), query);
	const [{ seq, hash, previous_hash, content_hash, user_id, audit_data, timestamp }] = (await service.get(`/api/v1/audit/logs?request_id=${a.request_id}`)).json;
	assert.deepEqual([user_id, audit_data, timestamp], ["user_001", a.audit_data, "2024-12-20T14:22:20.000Z"]);
	const [row] = await log(`seq = ${seq}`);
	assert.deepEqual([row.type, row.data.sha256], ["request_logged", content_hash]);
	assert.equal(await value(`SELECT encode(hash, 'hex') || encode(prev, 'hex') FROM audit_log WHERE seq = ${seq}`), hash + previous_hash);
	/* Pages. */
	const first = assertStatus(await service.get("/api/v1/audit/logs?limit=2"), 200);
	assert.deepEqual((await service.get(/^<([^>]+)>/.exec(first.headers.link)[1])).json.map((e) => e.request_id), [a.request_id]);
	/* Whose they are. */
	assert.deepEqual(await found("", other), []);
	assert.deepEqual(await found(`request_id=${a.request_id}`, other), []);
	assert.deepEqual(await found(`request_id=${a.request_id}`, admin.api), [a.request_id]);
	assertStatus(await admin.api.post("/api/v1/audit/logs", entry({ user_id: user.uid, request_id: "of the user" })), 200);
	assert.deepEqual(await found("", user.api), ["of the user"]);
	assert.deepEqual((await user.api.get("/api/v1/user/export")).json.audit_entries.map((e) => e.request_id), ["of the user"]);
	assertError(await user.api.post("/api/v1/audit/logs", entry()), "FORBIDDEN");
	assertError(await user.api.get(`/api/v1/audit/logs?user_id=${admin.uid}`), "FORBIDDEN");
	assertError(await user.api.get("/api/v1/audit/verify"), "FORBIDDEN");
	for (const bad of [{ request_id: "" }, { audit_data: "text" }, { audit_data: undefined }, { timestamp: "soon" }, { audit_data: { x: "\u0000" } }, { user_id: 7 }])
		assertError(await service.post("/api/v1/audit/logs", entry(bad)), "BAD_REQUEST");
});

/* The tables, as the verifier reads them; it shares no code with what wrote them. */
const DUMP = `SELECT json_build_object('row', json_build_object('seq', seq, 'at_us', (extract(epoch FROM at) * 1000000)::bigint, 'actor', actor, 'subject', subject,
	'type', type, 'data', data, 'prev', encode(prev, 'hex'), 'subject_prev', encode(subject_prev, 'hex'), 'hash', encode(hash, 'hex'))) FROM audit_log ORDER BY seq;
	SELECT json_build_object('head', json_build_object('seq', seq, 'hash', encode(hash, 'hex'))) FROM audit_head;
	SELECT json_build_object('gone', subject) FROM audit_log WHERE type = 'erased';
	SELECT json_build_object('entry', json_build_object('id', id, 'owner_id', owner_id, 'writer_id', writer_id, 'request_id', request_id, 'type', type, 'data', data,
		'client_us', (extract(epoch FROM client_at) * 1000000)::bigint, 'created_us', (extract(epoch FROM created_at) * 1000000)::bigint)) FROM audit_entry;
	SELECT json_build_object('checkpoint', json_build_object('n', n, 'seq', seq, 'hash', encode(hash, 'hex'), 'at_us', (extract(epoch FROM at) * 1000000)::bigint,
		'public_key', encode(public_key, 'hex'), 'signature', encode(signature, 'hex'))) FROM audit_checkpoint c JOIN audit_key k ON k.id = c.key_id ORDER BY n`;

async function standAlone(...args) {
	const done = spawnSync(new URL("../audit/verify.py", import.meta.url).pathname, args, { input: await millrace.psql(DUMP), encoding: "utf8" });
	assert.equal(done.stderr, "");
	return done.stdout.trim();
}

test("another language, the API and millracectl find the same: a changed byte, a removed row, a cut tail, a swapped pair, an entry that was touched", async () => {
	const service = await newService(), admin = await newAdmin(millrace);
	const gone = entry({ user_id: "goes" });
	for (const e of [entry(), entry({ audit_data: { n: 1e-7, big: 12345678901234567890, "": "", aa: [], b: {}, "é\u{1f600}": "\u2028\u007f\t\"\\/", Z: 1, "\u{10000}": "\uffff" } }), gone])
		assertStatus(await service.post("/api/v1/audit/logs", e), 200);
	/* As they are written: 1e2 is 100 here, 1.50 stays. */
	assertStatus(await service.request("POST", "/api/v1/audit/logs", { headers: { "content-type": "application/json" },
		body: `{"request_id": "numbers", "audit_data": {"big": 12345678901234567890, "é": [1e2, 1.50, -0, 0.0, 1E-7, 1e25], "Z": 1, "aa": 1, "b": 2, "B": 3}}` }), 200);
	await another();
	const kept = await keep();
	await millrace.psql("CREATE TABLE kept_entry AS TABLE audit_entry");
	const whole = async () => {
		const { valid, rows, problem, checkpoint } = assertStatus(await admin.api.get("/api/v1/audit/verify"), 200).json;
		assert.deepEqual([valid, problem], [true, null]);
		assert.equal(await standAlone(), `holds ${rows}`);
		assert.match(await verify("--checkpoint", checkpoint), /holds/);
	};
	await whole();
	const [{ seq: logged }] = await log(`type = 'request_logged' AND data ->> 'entry' = (SELECT id::text FROM audit_entry WHERE request_id = '${gone.request_id}')`);
	const last = Number(await value("SELECT max(seq) FROM audit_log"));
	const [{ seq: numbers }] = await log(`type = 'request_logged' AND data ->> 'entry' = (SELECT id::text FROM audit_entry WHERE request_id = 'numbers')`);
	const touch = `WHERE request_id = '${gone.request_id}'`;
	for (const [what, sql, row] of [
		["a changed byte", "UPDATE audit_log SET data = data || '{\"sessions\": 2}' WHERE seq = 7", 7],
		["a removed row", "DELETE FROM audit_log WHERE seq = 6", 7],
		["a cut tail", `DELETE FROM audit_log WHERE seq > ${last - 2}`, last],
		["a swapped pair", "UPDATE audit_log SET seq = -1 WHERE seq = 8; UPDATE audit_log SET seq = 8 WHERE seq = 9; UPDATE audit_log SET seq = 9 WHERE seq = -1", 8],
		["an entry's changed byte", `UPDATE audit_entry SET data = '{"a": 1}' ${touch}`, logged],
		["an entry's other user", `UPDATE audit_entry SET owner_id = writer_id ${touch}`, logged],
		["a removed entry", `DELETE FROM audit_entry ${touch}`, logged],
		["an entry that nobody has logged", `INSERT INTO audit_entry SELECT (jsonb_populate_record(e, '{"id": "01900000-0000-7000-8000-000000000000", "created_at": "2100-01-01"}')).* FROM audit_entry e ${touch}`, last],
		["a number that is the same", `UPDATE audit_entry SET data = replace(data::text, '1.50', '1.5')::jsonb WHERE request_id = 'numbers'`, numbers],
		["a number that is nearly the same", `UPDATE audit_entry SET data = replace(data::text, '12345678901234567890', '12345678901234567891')::jsonb WHERE request_id = 'numbers'`, numbers],
		["the same word, otherwise composed", `UPDATE audit_entry SET data = replace(data::text, 'é', E'e\\u0301')::jsonb WHERE request_id = 'numbers'`, numbers],
		["the same name, in other letters", `UPDATE audit_entry SET data = data - 'Z' || '{"z": 1}' WHERE request_id = 'numbers'`, numbers],
		["rows of one time, exchanged", `UPDATE audit_log SET at = (SELECT at FROM audit_log WHERE seq = 8) WHERE seq = 9`, 9],
		["a row twice", "UPDATE audit_log a SET (at, actor, subject, type, data, prev, subject_prev, hash) = (SELECT at, actor, subject, type, data, prev, subject_prev, hash FROM audit_log WHERE seq = 8) WHERE seq = 9", 9],
		["a chain written anew", `UPDATE audit_log SET type = 'logout' WHERE seq = 3; ${REWRITE(3)}`, await value("SELECT seq FROM audit_checkpoint WHERE n = 1")],
	]) {
		await tamper(sql);
		try {
			assert.match(await standAlone(), new RegExp(`^broken ${row} `), what);
			assert.match(await verify(), new RegExp(`broken at (?:checkpoint 1 \\()?row ${row}\\b`), what);
			const said = assertStatus(await admin.api.get("/api/v1/audit/verify"), 200).json;
			assert.deepEqual([said.valid, said.broken_row], [false, Number(row)], what);
		} finally {
			await kept.restore();
			await tamper("DELETE FROM audit_entry; INSERT INTO audit_entry TABLE kept_entry");
		}
	}
	/* A forger who signs anew is found by what was kept elsewhere: the key, or a checkpoint. */
	const keys = (await millrace.ctl("audit", "key")).stdout.trim().split("\n").flatMap((k) => ["--key", k]);
	const checkpoint = await value("SELECT n || ':' || seq || ':' || encode(hash, 'hex') FROM audit_checkpoint ORDER BY n DESC LIMIT 1");
	assert.match(await standAlone(...keys, "--checkpoint", checkpoint), /^holds /);
	process.kill(millrace.pids("runner")[0], "SIGSTOP");
	try {
		await tamper(`UPDATE audit_log SET type = 'logout' WHERE seq = 3; ${REWRITE(3)}`);
		await tamper("UPDATE audit_checkpoint c SET hash = (SELECT hash FROM audit_log WHERE seq = c.seq)");
		assert.match(await standAlone(), /^broken \d+ it is not what was signed/);
		await forge();
		assert.match(await standAlone(), /^holds /);
		assert.match(await standAlone(...keys), /^broken \d+ it is signed by another key/);
		assert.match(await standAlone("--checkpoint", checkpoint), new RegExp(`^broken ${checkpoint.split(":")[1]} a checkpoint that was kept is not there`));
		await kept.restore();
		await tamper("DELETE FROM audit_checkpoint WHERE n = (SELECT max(n) FROM audit_checkpoint)");
		assert.match(await standAlone(...keys), /^holds /);
		assert.match(await standAlone(...keys, "--checkpoint", checkpoint), /a checkpoint that was kept is not there/);
	} finally {
		await kept.restore();
		process.kill(millrace.pids("runner")[0], "SIGCONT");
	}
	await kept.forget();
	await millrace.psql("DROP TABLE kept_entry");
	/* An erasure takes the entry, and the chain holds. */
	const owner = await value(`SELECT owner_id FROM audit_entry ${touch}`);
	assertStatus(await admin.api.delete(`/api/v1/user/dao/${owner}`), 204);
	await until(async () => await value(`SELECT count(*) FROM audit_entry ${touch}`) === "0", "the erasure");
	await whole();
});

test("the chain is signed after a while, too, and not while it does not grow", async (t) => {
	const other = await privateInstance("audit-time", { MILLRACE_AUDIT_SECONDS: "2" });
	t.after(() => other.stop());
	await newUser(other.api);
	const state = async () => (await other.psql("SELECT count(*), coalesce(max(seq), 0), (SELECT max(seq) FROM audit_log) FROM audit_checkpoint")).trim().split("|").map(Number);
	await until(async () => { const [n, seq, end] = await state(); return n > 0 && seq === end; }, "the signature");
	const before = await state();
	await other.psql("SELECT pg_sleep(4)");
	assert.deepEqual(await state(), before);
});
