/* API keys: shown once, kept as a hash, with scopes and an end. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { PASSWORD, newAddress, newUser, shared } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
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
	const notified = await keyOf(uid, { scopes: ["notifications:read"] });
	assert.deepEqual(assertStatus(await api.as(notified).get("/api/notifications"), 200).json, []);
	for (const refused of [read(notified), write(notified), api.as(notified).post("/api/notifications/read-all"), api.as(other).get("/api/notifications")])
		assertError(await refused, "FORBIDDEN");
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
	assertStatus(await api.as(await keyOf(user.uid, { scopes: ["account"] })).delete(`/api/v1/user/dao/${user.uid}`), 204);
	assertError(await api.as(key).get("/api/user"), "UNAUTHORIZED");
});

/* What would take the account away from its user, by every credential that is not theirs alone. */
const takeovers = (uid) => [["PUT", `/api/v1/user/dao/${uid}`, { email: newAddress() }], ["PUT", `/api/v1/user/dao/${uid}`, { name: "x" }],
	["DELETE", `/api/v1/user/dao/${uid}`], ["POST", "/api/v1/user/dao", { username: newName() }], ["POST", "/api/settings/regenerate-api-key"],
	["POST", "/api/settings/api-keys", { name: "x" }], ["DELETE", `/api/settings/api-keys/${uid}`], ["POST", "/api/v1/auth/disconnect/github"],
	["POST", "/api/telegram/connect"], ["GET", "/api/telegram/connect/qr.svg"]];

test("a key that reads and writes takes nobody's account away", async () => {
	const [user, admin] = [await newUser(api), await newAdmin(millrace)];
	const before = await millrace.psql(`SELECT u, (SELECT count(*) FROM api_key k WHERE k.user_id = u.id) FROM app_user u WHERE id = '${user.uid}'`);
	for (const by of [await regenerate(user), await keyOf(user.uid, { scopes: ["read", "write", "analytics:read"] })])
		for (const [method, path, json] of takeovers(user.uid)) {
			const reply = await api.as(by).request(method, path, { json });
			assertError(reply, "FORBIDDEN", undefined, `${method} ${path}`);
			assert.match(reply.json.error, /lacks the scope account/);
		}
	for (const [method, path, json] of [["PUT", `/api/v1/user/dao/${user.uid}`, { role: "admin" }], ["DELETE", `/api/v1/user/dao/${user.uid}`],
		["POST", "/api/v1/user/dao", { username: newName(), password: "correct horse 7", role: "admin" }], ["POST", "/api/v1/admin/invitations", {}],
		["DELETE", `/api/v1/admin/invitations/${user.uid}`]])
		assertError(await api.as(await regenerate(admin)).request(method, path, { json }), "FORBIDDEN", undefined, `admin ${method} ${path}`);
	const after = await millrace.psql(`SELECT u, (SELECT count(*) FROM api_key k WHERE k.user_id = u.id) FROM app_user u WHERE id = '${user.uid}'`);
	assert.equal(after.replace(/\d+$/m, (n) => n - 2), before);
});

test("a key with the scope account may, but an address needs the password even then", async () => {
	const user = await newUser(api), key = api.as(await keyOf(user.uid, { scopes: ["account"] })), path = `/api/v1/user/dao/${user.uid}`;
	assert.equal(assertStatus(await key.put(path, { name: "By key" }), 200).json.name, "By key");
	assertError(await key.get(path), "FORBIDDEN");
	assertError(await key.put(path, { email: newAddress() }), "FORBIDDEN");
	const email = newAddress();
	assert.equal(assertStatus(await key.put(path, { email, password: PASSWORD }), 200).json.email, email);
	assertStatus(await key.delete(path), 204);
});

const create = (by, json) => by.post("/api/settings/api-keys", json);
const KEPT = ["id", "name", "shown", "scopes", "createdAt", "expiresAt", "lastUsedAt"];

test("several keys by name, scopes and end, each shown once", async () => {
	const user = await newUser(api), soon = new Date(Date.now() + 3600e3).toISOString();
	const first = assertStatus(await create(user.api, { name: "Größe" }), 201).json;
	assertKeys(first, ["apiKey", ...KEPT]);
	assert.match(first.apiKey, /^mr_[A-Za-z0-9_-]{43}$/);
	assert.ok(first.apiKey.startsWith(first.shown.slice(0, 8)));
	assert.deepEqual([first.name, first.scopes, first.expiresAt, first.lastUsedAt], ["Größe", ["read", "write"], null, null]);
	const second = assertStatus(await create(user.api, { name: "reader", scopes: ["read", "read"], expires_at: soon }), 201).json;
	assert.deepEqual([second.scopes, second.expiresAt], [["read"], soon]);
	assertStatus(await api.as(first.apiKey).patch("/api/user", { name: "x" }), 200);
	assertStatus(await api.as(second.apiKey).get("/api/user"), 200);
	assertError(await api.as(second.apiKey).patch("/api/user", { name: "x" }), "FORBIDDEN");
	const settings = await regenerate(user);
	const list = assertStatus(await user.api.get("/api/settings/api-keys"), 200);
	assert.deepEqual(list.json.map((k) => k.name), ["settings", "reader", "Größe"]);
	list.json.forEach((k) => assertKeys(k, KEPT));
	assert.ok(list.json[1].lastUsedAt);
	for (const key of [first.apiKey, second.apiKey, settings])
		assert.ok(!list.text.includes(key.slice(9)));
	assert.equal(await millrace.grepLogs(first.apiKey.slice(9)), "");
	/* The settings' one is replaced alone; ended ones are gone from the list. */
	await regenerate(user);
	assertStatus(await api.as(first.apiKey).get("/api/user"), 200);
	assertStatus(await user.api.delete(`/api/settings/api-keys/${first.id}`), 204);
	assertError(await api.as(first.apiKey).get("/api/user"), "UNAUTHORIZED");
	assertError(await user.api.delete(`/api/settings/api-keys/${first.id}`), "NOT_FOUND");
	assert.deepEqual((await user.api.get("/api/settings/api-keys?limit=1")).json.map((k) => k.name), ["settings"]);
	const page = await user.api.get("/api/settings/api-keys?limit=1");
	assert.equal((await user.api.get(/<([^>]*)>/.exec(page.headers.link)[1])).json[0].name, "reader");
});

test("another's key is nobody else's to see or to end", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	const { id, apiKey } = assertStatus(await create(user.api, { name: "mine" }), 201).json;
	assertError(await other.api.delete(`/api/settings/api-keys/${id}`), "NOT_FOUND");
	assert.deepEqual((await other.api.get("/api/settings/api-keys")).json, []);
	assertStatus(await api.as(apiKey).get("/api/user"), 200);
});

test("what a new key cannot be", async () => {
	const user = await newUser(api), admin = await newAdmin(millrace);
	assertError(await create(user.api, {}), "BAD_REQUEST", ["name"]);
	assertError(await create(user.api, { name: "", scopes: ["admin"], expiresAt: "soon" }), "BAD_REQUEST", ["name", "scopes", "expiresAt"]);
	assertError(await create(user.api, { name: "x", scopes: Array(11).fill("read") }), "BAD_REQUEST", ["scopes"]);
	assertError(await create(user.api, { name: "x", expiresAt: "2020-01-01T00:00:00Z" }), "BAD_REQUEST");
	/* Figures of all users are an administrator's to give away. */
	assertError(await create(user.api, { name: "x", scopes: ["read", "analytics:read"] }), "FORBIDDEN");
	assertStatus(await create(admin.api, { name: "x", scopes: ["analytics:read"] }), 201);
	await millrace.psql(`INSERT INTO api_key (user_id, hash, shown, name, scopes) SELECT '${user.uid}', sha256(('${user.uid}' || n)::bytea), 'mr_', 'many', '{read}'
		FROM generate_series(1, 100) n`);
	assertError(await create(user.api, { name: "one too many" }), "CONFLICT");
});

test("a key makes no key that may do more, or lasts longer", async () => {
	const user = await newUser(api), at = (hours) => new Date(Date.now() + hours * 3600e3).toISOString();
	const by = async (scopes, expires = "now() + interval '2 hours'") => api.as(await keyOf(user.uid, { scopes, expires }));
	const lasting = await by(["account", "read"], "NULL"), ending = await by(["account", "read", "write"]);
	for (const [key, json] of [[lasting, {}], [lasting, { scopes: ["read", "write"] }], [ending, {}], [ending, { expires_at: at(3) }]])
		assertError(await create(key, { name: "more", ...json }), "FORBIDDEN", undefined, JSON.stringify(json));
	for (const key of [lasting, ending])
		assertError(await key.post("/api/settings/regenerate-api-key"), "FORBIDDEN");
	assertStatus(await create(lasting, { name: "less", scopes: ["account"] }), 201);
	assertStatus(await create(ending, { name: "as long", expires_at: at(1) }), 201);
	assertStatus(await (await by(["account", "read", "write"], "NULL")).post("/api/settings/regenerate-api-key"), 200);
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
