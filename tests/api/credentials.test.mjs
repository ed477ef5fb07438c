/*
 * Every route of identity and account with every kind of credential: taken by those that it is for, and refused with the right status by
 * all others. One table of routes, one of credentials; each pair is tried with a caller of its own, since some calls end one.
 */
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { PASSWORD, newAddress, privateInstance } from "../js/instance.mjs";
import { SESSION, SESSION_OLD, login, newName, register } from "../js/accounts.mjs";
import { assertStatus } from "../js/expect.mjs";
import { KeyHost, everywhere, pair, sign } from "../js/issuers.mjs";

const [CLERK, SUPABASE] = ["https://clerk.example.com", "https://project.supabase.example/auth/v1"];
const host = new KeyHost();
let millrace, api, rsa, ec, admin;

const now = () => Math.floor(Date.now() / 1000);
const clerkToken = () => sign(rsa, { iss: CLERK, sub: `user_${randomUUID()}`, azp: "https://app.example.com", iat: now(), exp: now() + 3600 });
const supabaseToken = () => sign(ec, { iss: SUPABASE, sub: randomUUID(), aud: "authenticated", iat: now(), exp: now() + 3600 });

before(async () => {
	await host.start();
	[rsa, ec] = [await pair("RS256", "c"), await pair("ES256", "s")];
	host.sets = { "/clerk": [rsa.jwk], "/supabase": [ec.jwk] };
	millrace = await privateInstance("credentials", { MILLRACE_CLERK_ISSUER: CLERK, MILLRACE_CLERK_JWKS_URL: `http://127.0.0.1:${host.port}/clerk`,
		MILLRACE_SUPABASE_ISSUER: SUPABASE, SUPABASE_JWKS_URL: `http://127.0.0.1:${host.port}/supabase`, MILLRACE_JWKS_PAUSE_SECONDS: "1",
		MILLRACE_ARGON2_KIB: "8192", MILLRACE_ARGON2_OPS: "1" });
	({ api } = millrace);
	admin = await newAdministrator();
	/* Each process of each pool has read the keys when it takes such tokens. */
	for (const path of ["/api/auth/me", "/api/v1/user/dao", "/api/user"])
		await everywhere(200, async (i) => {
			const token = await (i % 2 ? clerkToken() : supabaseToken());
			return path.endsWith("dao") ? api.post(path, {}, { token }) : api.get(path, { token });
		});
});

after(async () => {
	await millrace?.stop();
	await host.stop();
});

async function newAdministrator() {
	const user = await register(api);
	await millrace.psql(`UPDATE app_user SET role = 'admin' WHERE id = '${user.id}'`);
	return { ...user, session: await login(api, user) };
}

async function newKey(uid, ...scopes) {
	const key = `mr_${randomBytes(32).toString("base64url")}`;
	await millrace.psql(`INSERT INTO api_key (user_id, hash, shown, name, scopes) VALUES ('${uid}', '\\x${createHash("sha256").update(key).digest("hex")}',
		'mr_', 'test', '{${scopes.join()}}')`);
	return key;
}

const bearer = (token) => ({ authorization: `Bearer ${token}` });

/* What a call carries: headers, a token for the query, and who that is. */
const asUser = async (make, role) => {
	const user = await register(api);
	if (role)
		await millrace.psql(`UPDATE app_user SET role = '${role}' WHERE id = '${user.id}'`);
	return { id: user.id, ...await make(user) };
};
const asExternal = async (token) => ({ id: assertStatus(await api.get("/api/auth/me", { token }), 200).json.uid, headers: bearer(token) });
const asKey = (role, ...scopes) => asUser(async (user) => ({ headers: bearer(await newKey(user.id, ...scopes)) }), role);

/*
 * A credential: how to come by one, and what its holder may: "read" (GET), "write" (all else), "account" (the rows
 * that say so), "admin"; or what it is refused with.
 * `session`: it has one that logout can end.
 */
const CREDENTIALS = {
	"a session's token": { make: () => asUser(async (user) => ({ headers: bearer((await login(api, user)).access) })), may: ["read", "write", "account"], session: true },
	"a session's token in the query": { make: () => asUser(async (user) => ({ query: (await login(api, user)).access })), may: ["read"], otherwise: 401 },
	"the cookies and the header": { make: () => asUser(async (user) => { const s = await login(api, user);
		return { headers: { cookie: s.cookie, "x-csrf-token": s.csrf } }; }), may: ["read", "write", "account"], session: true },
	"the cookies without the header": { make: () => asUser(async (user) => ({ headers: { cookie: (await login(api, user)).cookie } })), may: ["read"], otherwise: 403 },
	"the cookies with another header": { make: () => asUser(async (user) => ({ headers: { cookie: (await login(api, user)).cookie, "x-csrf-token": "x" } })),
		may: ["read"], otherwise: 403 },
	"an administrator's token": { make: () => asUser(async (user) => ({ headers: bearer((await login(api, user)).access) }), "admin"), may: ["read", "write", "account", "admin"], session: true },
	"an administrator's cookies": { make: () => asUser(async (user) => ({ headers: { cookie: (await login(api, user)).cookie } }), "admin"), may: ["read", "admin"], otherwise: 403 },
	"a key to read and write": { make: () => asKey(null, "read", "write"), may: ["read", "write"], otherwise: 403 },
	"a key to read": { make: () => asKey(null, "read"), may: ["read"], otherwise: 403 },
	"a key to write": { make: () => asKey(null, "write"), may: ["write"], otherwise: 403 },
	"a key for something else": { make: () => asKey(null, "analytics:read"), may: [], otherwise: 403 },
	"a key for the account": { make: () => asKey(null, "read", "write", "account"), may: ["read", "write", "account"], otherwise: 403 },
	"a service key": { make: () => asKey("service", "read", "write"), may: ["read", "write"], otherwise: 403 },
	"an administrator's key": { make: () => asKey("admin", "read", "write"), may: ["read", "write", "admin"], otherwise: 403 },
	"an administrator's key for accounts": { make: () => asKey("admin", "read", "write", "account"), may: ["read", "write", "account", "admin"] },
	"a key in the cookie": { make: () => asUser(async (user) => ({ headers: { cookie: `${SESSION}=${await newKey(user.id, "read", "write")}` } })), may: [], otherwise: 401 },
	"a Clerk token": { make: async () => asExternal(await clerkToken()), may: ["read", "write", "account"], session: true },
	"a Supabase token": { make: async () => asExternal(await supabaseToken()), may: ["read", "write", "account"], session: true },
	"a Clerk token in the cookie": { make: async () => ({ id: randomUUID(), headers: { cookie: `${SESSION}=${await clerkToken()}` } }), may: [], otherwise: 401 },
	"a session that has ended": { make: () => asUser(async (user) => { const s = await login(api, user);
		assertStatus(await s.send("POST", "/api/v1/auth/logout"), 200); return { headers: bearer(s.access) }; }), may: [], otherwise: 401 },
	nothing: { make: async () => ({ id: randomUUID(), headers: {} }), may: [], otherwise: 401 },
	"garbage as a token": { make: async () => ({ id: randomUUID(), headers: bearer("x.y.z") }), may: [], otherwise: 401 },
	"garbage as a key": { make: async () => ({ id: randomUUID(), headers: bearer(`mr_${"A".repeat(43)}`) }), may: [], otherwise: 401 },
	"garbage as a cookie": { make: async () => ({ id: randomUUID(), headers: { cookie: `${SESSION}=x; csrf_access_token=x`, "x-csrf-token": "x" } }), may: [], otherwise: 401 },
	"garbage as an old cookie": { make: async () => ({ id: randomUUID(), headers: { cookie: `${SESSION_OLD}=x; csrf_access_token=x`, "x-csrf-token": "x" } }), may: [], otherwise: 401 },
	"the old cookie and the header": { make: () => asUser(async (user) => { const s = await login(api, user);
		return { headers: { cookie: `${SESSION_OLD}=${s.access}; csrf_access_token=${s.csrf}`, "x-csrf-token": s.csrf } }; }), may: ["read", "write", "account"], session: true },
	"the old cookie alone": { make: () => asUser(async (user) => ({ headers: { cookie: `${SESSION_OLD}=${(await login(api, user)).access}` } })), may: ["read"], otherwise: 403 },
	"another scheme": { make: async () => ({ id: randomUUID(), headers: { authorization: "Basic YTpi" } }), may: [], otherwise: 401 },
};

/* What a call needs to be there, for the caller `id`; that it succeeds is then up to the credential alone. */
const exists = async (id) => (await millrace.psql(`SELECT count(*) FROM app_user WHERE id = '${id}'`)).trim() === "1";
const one = async (sql) => (await millrace.psql(sql)).split("\n")[0];
const notification = async (id) => (await exists(id) ? one(`INSERT INTO notification (owner_id, title, message) VALUES ('${id}', 't', 'm') RETURNING id`) : randomUUID());
const secret = async (id) => (await exists(id) ? one(`INSERT INTO secret (owner_id, key, sealed, key_id, masked) SELECT '${id}', 'k', 'x', v.id, 'm' FROM vault_key v
	WHERE v.retired_at IS NULL RETURNING id`) : randomUUID());
const keyId = async (id) => (await exists(id) ? one(`INSERT INTO api_key (user_id, hash, shown, name, scopes)
	VALUES ('${id}', sha256('${randomUUID()}'), 'mr_', 'test', '{read}') RETURNING id`) : randomUUID());
const invitation = () => one(`SELECT (invitation_create(NULL, 7, sha256('${randomUUID()}'), false)).id`);
async function resetToken() {
	const { id, email } = await register(api);
	const token = randomBytes(32).toString("base64url");
	await millrace.psql(`INSERT INTO password_reset (token_hash, user_id, email, expires_at) VALUES (sha256('${token}'), '${id}', '${email}', now() + interval '1 hour')`);
	return token;
}

/* Who may call, the route, its success, and its body or its path for the caller. */
const ROWS = [
	["public", "POST /api/auth/register", 201, { body: () => ({ email: newAddress(), password: PASSWORD, display_name: "x" }) }],
	["public", "POST /api/auth/login", 200, { body: async () => ({ email: (await register(api)).email, password: PASSWORD }) }],
	["session", "POST /api/auth/logout", 200],
	["public", "POST /api/auth/reset-password", 200, { body: () => ({ email: newAddress() }) }],
	["public", "POST /api/auth/reset-password/confirm", 200, { body: async () => ({ token: await resetToken(), password: PASSWORD }) }],
	["user", "GET /api/auth/me", 200],
	["public", "POST /api/v1/auth/login", 200, { body: async () => ({ username: (await register(api)).username, password: PASSWORD }) }],
	["session", "POST /api/v1/auth/logout", 200],
	["public", "POST /api/v1/user/register", 201, { body: () => ({ username: newName(), password: PASSWORD }) }],

	["user", "GET /api/user", 200],
	["user", "PATCH /api/user", 200, { body: () => ({ name: "x" }) }],
	["user", "POST /api/settings", 200, { body: () => ({ name: "x" }) }],
	["user", "GET /api/settings", 200],
	["user", "PUT /api/settings", 200, { body: () => ({ theme: "dark" }) }],
	["user", "POST /api/settings/regenerate-api-key", 200, { scope: "account" }],
	["user", "GET /api/settings/api-keys", 200],
	["user", "POST /api/settings/api-keys", 201, { scope: "account", body: () => ({ name: "x" }) }],
	["user", "DELETE /api/settings/api-keys/{id}", 204, { scope: "account", path: async (id) => `/api/settings/api-keys/${await keyId(id)}` }],
	["admin", "GET /api/v1/admin/invitations", 200],
	["admin", "POST /api/v1/admin/vault", 200, { scope: "account", body: () => ({ key: "X_API_KEY", value: "x" }) }],
	["admin", "POST /api/v1/admin/invitations", 201, { scope: "account", body: () => ({}) }],
	["admin", "DELETE /api/v1/admin/invitations/{id}", 204, { scope: "account", path: async () => `/api/v1/admin/invitations/${await invitation()}` }],
	["user", "GET /api/vault", 200],
	["user", "POST /api/vault", 200, { body: () => ({ key: "k", value: "v" }) }],
	["user", "DELETE /api/vault", 200, { path: async (id) => `/api/vault?id=${await secret(id)}` }],
	["user", "GET /api/v1/admin/user", 200],
	["user", "POST /api/v1/user/dao", 200, { scope: "account", body: () => ({ name: "x" }), admin: { body: () => ({ username: newName() }), status: 201 } }],
	["user", "GET /api/v1/user/dao/{id}", 200, { path: (id) => `/api/v1/user/dao/${id}` }],
	["user", "PUT /api/v1/user/dao/{id}", 200, { scope: "account", path: (id) => `/api/v1/user/dao/${id}`, body: () => ({ name: "x" }) }],
	["user", "DELETE /api/v1/user/dao/{id}", 204, { scope: "account", path: (id) => `/api/v1/user/dao/${id}` }],
	["user", "GET /api/v1/user/export", 200],
	["admin", "GET /api/v1/user/manager", 200],
	["user", "GET /api/notifications", 200],
	["user", "GET /api/notifications/{id}", 200, { path: async (id) => `/api/notifications/${await notification(id)}` }],
	["user", "POST /api/notifications/{id}/read", 200, { path: async (id) => `/api/notifications/${await notification(id)}/read` }],
	["user", "POST /api/notifications/read-all", 200],
	["user", "DELETE /api/notifications/{id}", 204, { path: async (id) => `/api/notifications/${await notification(id)}` }],
];

/* The status that such a caller gets. */
function expected(who, needed, success, { may, session, otherwise = 403 }) {
	if (who === "public")
		return success;
	if (!may.includes(needed))
		return otherwise;
	if (who === "admin" && !may.includes("admin"))
		return 403;
	return who === "session" && !session ? 400 : success;
}

async function attempt([who, route, success, more = {}], [name, credential]) {
	const [method, template] = route.split(" ");
	const caller = await credential.make();
	const { body, status } = credential.may.includes("admin") && credential.may.includes("write") && more.admin || { body: more.body, status: success };
	const path = await more.path?.(caller.id) ?? template;
	const asked = caller.query ? `${path}${path.includes("?") ? "&" : "?"}token=${caller.query}` : path;
	const reply = await api.fresh().as(null).request(method, asked, { json: await body?.(), headers: caller.headers });
	const should = expected(who, more.scope ?? (method === "GET" ? "read" : "write"), status, credential);
	assert.equal(reply.status, should, `${route} by ${name}: ${reply.status} ${reply.text.slice(0, 200)}`);
	const code = { 400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN" }[should];
	if (code)
		assert.equal(reply.json.code, code, `${route} by ${name}`);
}

test("the table holds every route of identity and account that is documented", () => {
	const documented = Object.entries(millrace.document.paths).flatMap(([path, item]) => Object.entries(item)
	    .filter(([, operation]) => ["auth", "login", "account"].includes(operation.tags?.[0]) && !/^\/api\/v1\/auth(2|\/disconnect)\//.test(path))
	    .map(([verb]) => `${verb.toUpperCase()} ${path}`));
	assert.deepEqual(ROWS.map(([, route]) => route).sort(), documented.sort());
	for (const [who, route] of ROWS) {
		const [verb, path] = route.split(" ");
		assert.equal(millrace.document.paths[path][verb.toLowerCase()].security.length > 0, who !== "public", route);
	}
});

for (const row of ROWS)
	test(`${row[1]}: ${row[0]}`, async () => {
		await Promise.all(Object.entries(CREDENTIALS).map((credential) => attempt(row, credential)));
	});

test("only an administrator may name another user; everybody else hears that there is none", async () => {
	const other = await register(api);
	for (const [name, { make, may, otherwise = 403 }] of Object.entries(CREDENTIALS)) {
		const caller = await make();
		const asked = `/api/v1/user/dao/${other.id}${caller.query ? `?token=${caller.query}` : ""}`;
		const reply = await api.fresh().as(null).request("GET", asked, { headers: caller.headers });
		assert.equal(reply.status, may.includes("admin") ? 200 : may.includes("read") ? 404 : otherwise, name);
	}
	assert.equal((await admin.session.send("GET", `/api/v1/user/dao/${other.id}`)).json.id, other.id);
});
