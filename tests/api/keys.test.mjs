/* API keys: shown once, kept as a hash, with scopes and an end. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { newUser, shared } from "../js/instance.mjs";
import { newAdmin } from "../js/accounts.mjs";
import { assertError, assertKeys, assertStatus } from "../js/expect.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const regenerate = async (user) => assertStatus(await user.api.post("/api/settings/regenerate-api-key"), 200).json.apiKey;

/* A key of any kind, straight into the table. */
async function keyOf(uid, { scopes = ["read", "write"], expires = "NULL", revoked = "NULL" } = {}) {
	const key = `mr_${randomBytes(32).toString("base64url")}`;
	const hash = createHash("sha256").update(key).digest("hex");
	await millrace.psql(`INSERT INTO api_key (user_id, hash, shown, name, scopes, expires_at, revoked_at)
		VALUES ('${uid}', '\\x${hash}', 'mr_', 'test', '{${scopes.join()}}', ${expires}, ${revoked})`);
	return key;
}

test("a key acts for its user, without CSRF", async () => {
	const user = await newUser(api);
	const reply = assertStatus(await user.api.post("/api/settings/regenerate-api-key"), 200);
	assertKeys(reply.json, ["apiKey"]);
	const key = reply.json.apiKey;
	assert.match(key, /^mr_[A-Za-z0-9_-]{43}$/);
	assert.equal(assertStatus(await api.as(key).get("/api/user"), 200).json.id, user.uid);
	assert.equal(assertStatus(await api.as(key).patch("/api/user", { name: "By key" }), 200).json.name, "By key");
	const chat = await api.as(key).chat("hello");
	assert.equal((await chat.all()).at(-1).event, "done");
	assert.equal(assertStatus(await api.get(`/api/user?token=${key}`), 200).json.id, user.uid);
});

test("it is shown once, and kept and logged nowhere", async () => {
	const user = await newUser(api);
	const key = await regenerate(user);
	await api.as(key).get("/api/user");
	const { json, text } = await user.api.get("/api/settings");
	assert.ok(!text.includes(key));
	assert.ok(json.apiKey.startsWith(key.slice(0, 8)) && json.apiKey.length < 12, json.apiKey);
	assert.equal((await millrace.psql(`SELECT count(*) FROM api_key k WHERE k::text LIKE '%${key.slice(9)}%'`)).trim(), "0");
	assert.equal((await millrace.psql(`SELECT count(*) FROM api_key WHERE hash = sha256('${key}')`)).trim(), "1");
	assert.equal(await millrace.grepLogs(key.slice(9)), "");
});

test("a new one stops the old one at once, and nobody else's", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	const [first, theirs] = [await regenerate(user), await regenerate(other)];
	const second = await regenerate(user);
	assert.notEqual(first, second);
	assertError(await api.as(first).get("/api/user"), "UNAUTHORIZED");
	assertStatus(await api.as(second).get("/api/user"), 200);
	assertStatus(await api.as(theirs).get("/api/user"), 200);
	assertStatus(await user.api.get("/api/user"), 200);
	const replies = await Promise.all([1, 2, 3, 4].map(() => user.api.post("/api/settings/regenerate-api-key")));
	const keys = replies.filter((r) => r.status === 200).map((r) => r.json.apiKey);
	const alive = (await Promise.all(keys.map((key) => api.as(key).get("/api/user")))).filter((r) => r.status === 200);
	assert.equal(alive.length, 1);
});

test("scopes: read, write, and none of them", async () => {
	const { uid } = await newUser(api);
	const [reader, writer, other] = [await keyOf(uid, { scopes: ["read"] }), await keyOf(uid, { scopes: ["write"] }), await keyOf(uid, { scopes: ["analytics:read"] })];
	const read = (key) => api.as(key).get("/api/user");
	const write = (key) => api.as(key).patch("/api/user", { name: "x" });
	assertStatus(await read(reader), 200);
	assertError(await write(reader), "FORBIDDEN");
	assertStatus(await write(writer), 200);
	assertError(await read(writer), "FORBIDDEN");
	assertError(await read(other), "FORBIDDEN");
	assertError(await write(other), "FORBIDDEN");
});

test("one that is over, revoked, or whose user is gone or shut out", async () => {
	const user = await newUser(api);
	assertStatus(await api.as(await keyOf(user.uid, { expires: "now() + interval '1 hour'" })).get("/api/user"), 200);
	assertError(await api.as(await keyOf(user.uid, { expires: "now() - interval '1 second'" })).get("/api/user"), "UNAUTHORIZED");
	assertError(await api.as(await keyOf(user.uid, { revoked: "now()" })).get("/api/user"), "UNAUTHORIZED");
	const key = await keyOf(user.uid);
	await millrace.psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${user.uid}'`);
	assertError(await api.as(key).get("/api/user"), "UNAUTHORIZED");
	await millrace.psql(`UPDATE app_user SET disabled_at = NULL WHERE id = '${user.uid}'`);
	assertStatus(await api.as(key).delete(`/api/v1/user/dao/${user.uid}`), 204);
	assertError(await api.as(key).get("/api/user"), "UNAUTHORIZED");
});

test("its last use is kept", async () => {
	const user = await newUser(api);
	const key = await regenerate(user);
	const used = async () => (await millrace.psql(`SELECT last_used_at IS NOT NULL FROM api_key WHERE hash = sha256('${key}')`)).trim();
	assert.equal(await used(), "f");
	await api.as(key).get("/api/user");
	assert.equal(await used(), "t");
});

test("an administrator's key is an administrator's; anybody else's is not", async () => {
	const [admin, user] = [await newAdmin(millrace), await newUser(api)];
	assertStatus(await api.as(await regenerate(admin)).get("/api/v1/user/manager?limit=1"), 200);
	assertError(await api.as(await regenerate(user)).get("/api/v1/user/manager?limit=1"), "FORBIDDEN");
});

test("keys that are none", async () => {
	const key = await regenerate(await newUser(api));
	for (const bad of ["mr_", `${key}A`, key.slice(0, -1), key.toUpperCase(), `mr_${"A".repeat(43)}`, `mr_${"A".repeat(4000)}`, `MR_${key.slice(3)}`, "mr_' OR true --"])
		assertError(await api.as(bad).get("/api/user"), "UNAUTHORIZED", undefined, bad.slice(0, 50));
});
