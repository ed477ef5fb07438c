/* The audit chain: what goes there, that nobody can change it unseen, and that the tool names the row. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { newUser, PASSWORD, privateInstance } from "../js/instance.mjs";
import { newAdmin, signedIn } from "../js/accounts.mjs";
import { assertError, assertStatus } from "../js/expect.mjs";

let millrace, api;
before(async () => { millrace = await privateInstance("audit"); ({ api } = millrace); });

const log = async (where) => (await millrace.psql(
    `SELECT json_build_object('seq', seq, 'actor', actor, 'subject', subject, 'type', type, 'data', data) FROM audit_log WHERE ${where} ORDER BY seq`))
    .trim().split("\n").filter(Boolean).map((l) => JSON.parse(l));
const types = async (uid) => (await log(`subject = '${uid}'`)).map((r) => r.type);
const verify = () => millrace.ctl("audit", "verify").then(({ stdout }) => stdout, (e) => { assert.equal(e.code, 1, String(e)); return e.stderr; });

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
