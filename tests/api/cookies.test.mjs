/* Signing in by cookies: a name and a password for a session, and the CSRF token's double submit. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import https from "node:https";
import axios from "axios";
import { createCookieAgent } from "http-cookie-agent/http";
import { CookieJar } from "tough-cookie";
import { newAddress, newUser, PASSWORD, shared } from "../js/instance.mjs";
import { Session, login, newName, register, setCookies, signedIn } from "../js/accounts.mjs";
import { UUID7, assertError, assertKeys, assertStatus } from "../js/expect.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const ME = "/api/v1/admin/user";
const change = (session, headers, name = "Changed") => session.send("PATCH", "/api/user", { json: { name }, headers });
const nameOf = async (session) => (await session.send("GET", ME)).json.name;

test("register takes a name, and shows what was made", async () => {
	const given = { username: newName(), password: PASSWORD, email: newAddress(), name: "Zoë 漢字" };
	const reply = assertStatus(await api.fresh().post("/api/v1/user/register", given), 201);
	assertKeys(reply.json, ["id", "username", "email", "name", "role", "timezone", "created_at", "updated_at"]);
	assert.match(reply.json.id, UUID7);
	assert.deepEqual([reply.json.username, reply.json.email, reply.json.name, reply.json.role], [given.username, given.email, given.name, "user"]);
	const bare = assertStatus(await api.fresh().post("/api/v1/user/register", { username: newName(), password: PASSWORD }), 201).json;
	assert.deepEqual([bare.email, bare.name], [null, bare.username]);
	for (const more of [{ username: given.username.toUpperCase() }, { email: given.email.toUpperCase() }])
		assertError(await api.fresh().post("/api/v1/user/register", { username: newName(), password: PASSWORD, ...more }), "CONFLICT");
	assertError(await api.fresh().post("/api/v1/user/register", { username: "a@b", password: "short", email: "x", name: "" }), "BAD_REQUEST",
	    ["username", "password", "email", "name"]);
});

test("one signs in by name or address, in any letter case, and by both logins", async () => {
	const user = await register(api);
	for (const username of [user.username, user.username.toUpperCase(), user.email, user.email.toUpperCase()])
		assert.equal((await login(api, { username, password: PASSWORD })).reply.json.id, user.id);
	for (const email of [user.username, user.email])
		assert.equal(assertStatus(await api.fresh().post("/api/auth/login", { email, password: PASSWORD }), 200).json.uid, user.id);
});

test("wrong name and wrong password get the same words and no cookie", async () => {
	const user = await register(api);
	const replies = [await api.fresh().post("/api/v1/auth/login", { username: user.username, password: "wrong password" }),
		await api.fresh().post("/api/v1/auth/login", { username: newName(), password: PASSWORD })];
	for (const reply of replies) {
		assertError(reply, "UNAUTHORIZED");
		assert.equal(reply.headers["set-cookie"], undefined);
	}
	assert.equal(replies[0].json.error, replies[1].json.error);
});

test("the cookies' flags; the body holds no token", async () => {
	const { reply, access, csrf } = (await signedIn(api)).session;
	const cookies = setCookies(reply);
	assertKeys(cookies, ["access_token", "csrf_access_token"]);
	for (const flag of ["path=/", "secure", "samesite=strict"])
		for (const name of Object.keys(cookies))
			assert.ok(cookies[name].flags.includes(flag), `${name}: ${flag}`);
	assert.ok(cookies.access_token.flags.includes("httponly"));
	assert.ok(!cookies.csrf_access_token.flags.includes("httponly"));
	const ages = Object.values(cookies).map((c) => c.flags.find((f) => f.startsWith("max-age=")));
	assert.ok(Number(ages[0].slice(8)) > 0 && ages[0] === ages[1], ages.join());
	assert.ok(!Object.values(cookies).some((c) => c.flags.some((f) => f.startsWith("domain"))));
	assert.ok(!reply.text.includes(access) && !reply.text.includes(csrf));
	assert.equal(await millrace.grepLogs(access.split(".")[2]), "");
});

test("reading needs the cookie alone, changing the double submit", async () => {
	const [{ session }, other] = [await signedIn(api), await signedIn(api)];
	const alone = { cookie: `access_token=${session.access}` };
	assertStatus(await api.get(ME, { headers: alone }), 200);
	assertStatus(await change(session, {}), 200);
	assert.equal(await nameOf(session), "Changed");
	const refused = [
		["no header", { "x-csrf-token": "" }],
		["a wrong header", { "x-csrf-token": "A".repeat(session.csrf.length) }],
		["a header cut short", { "x-csrf-token": session.csrf.slice(0, -1) }],
		["a header with more", { "x-csrf-token": `${session.csrf}A` }],
		["no cookie to repeat", { cookie: `access_token=${session.access}` }],
		["another session's header", { "x-csrf-token": other.session.csrf }],
		["another session's, planted as a cookie too", { "x-csrf-token": other.session.csrf,
			cookie: `access_token=${session.access}; csrf_access_token=${other.session.csrf}` }],
		["a pair of one's own making", { "x-csrf-token": "x", cookie: `access_token=${session.access}; csrf_access_token=x` }],
		["an empty pair", { "x-csrf-token": "", cookie: `access_token=${session.access}; csrf_access_token=` }],
		["the access token as the header", { "x-csrf-token": session.access }],
	];
	for (const [what, headers] of refused)
		assertError(await change(session, headers, "Forged"), "FORBIDDEN", undefined, what);
	const headers = { cookie: session.cookie };
	assertError(await api.request("PATCH", "/api/user", { json: { name: "Forged" }, headers }), "FORBIDDEN");
	for (const [method, path] of [["PUT", "/api/settings"], ["POST", "/api/settings/regenerate-api-key"], ["POST", "/api/v1/auth/logout"],
		["POST", "/api/notifications/read-all"], ["DELETE", `/api/v1/user/dao/${other.id}`]])
		assertError(await api.request(method, path, { json: method === "PUT" ? {} : undefined, headers }), "FORBIDDEN", undefined, path);
	assert.equal(await nameOf(session), "Changed");
});

test("cookie tossing: of two cookies of a name neither counts", async () => {
	const [{ session }, thief] = [await signedIn(api), (await signedIn(api)).session];
	for (const cookie of [`access_token=${thief.access}; ${session.cookie}`, `${session.cookie}; access_token=${thief.access}`,
		`access_token=${session.access}; access_token=${session.access}`])
		assertError(await api.get(ME, { headers: { cookie } }), "UNAUTHORIZED", undefined, cookie.slice(0, 20));
	for (const cookie of [`${session.cookie}; csrf_access_token=${thief.csrf}`, `csrf_access_token=${thief.csrf}; ${session.cookie}`])
		for (const csrf of [session.csrf, thief.csrf])
			assertError(await change(session, { cookie, "x-csrf-token": csrf }, "Tossed"), "FORBIDDEN");
	assert.equal(await nameOf(session), "Ada");
});

test("a cookie among others, and cookies that are none", async () => {
	const { session } = await signedIn(api);
	for (const cookie of [`a=b; ${session.cookie};c=d`, `${session.cookie};`, ` ;; ${session.cookie.replace("; ", ";")}`, `xaccess_token=1; access_tokenx=2; ${session.cookie}`])
		assertStatus(await api.get(ME, { headers: { cookie } }), 200);
	for (const cookie of ["access_token", "access_token=", "access_token=x", `access_token="${session.access}"`, `Access_Token=${session.access}`,
		`access_token=${"x".repeat(5000)}`, `csrf_access_token=${session.access}`])
		assertError(await api.get(ME, { headers: { cookie } }), "UNAUTHORIZED", undefined, cookie.slice(0, 30));
});

test("Authorization counts before the cookie, and never needs the double submit", async () => {
	const [{ session }, other] = [await signedIn(api), await newUser(api)];
	const headers = { cookie: session.cookie };
	assert.equal(assertStatus(await other.api.get("/api/user", { headers }), 200).json.id, other.uid);
	assert.equal(assertStatus(await other.api.patch("/api/user", { name: "By token" }, { headers }), 200).json.id, other.uid);
	assertError(await api.get(ME, { headers: { ...headers, authorization: "Bearer x" } }), "UNAUTHORIZED");
	assertStatus(await api.as(session.access).patch("/api/user", { name: "By the cookie's token" }), 200);
	const key = assertStatus(await other.api.post("/api/settings/regenerate-api-key"), 200).json.apiKey;
	assertError(await api.get(ME, { headers: { cookie: `access_token=${key}` } }), "UNAUTHORIZED", undefined, "a key is no cookie");
});

test("every login is a session of its own, whatever came with it", async () => {
	const user = await signedIn(api);
	const planted = (await signedIn(api)).session;
	const reply = await api.fresh().post("/api/v1/auth/login", { username: user.username, password: PASSWORD },
	    { headers: { cookie: planted.cookie } });
	const second = new Session(api, reply);
	for (const old of [user.session, planted]) {
		assert.notEqual(second.access, old.access);
		assert.notEqual(second.csrf, old.csrf);
	}
	assert.equal((await second.send("GET", ME)).json.id, user.id);
	assertError(await change(second, { "x-csrf-token": user.session.csrf }), "FORBIDDEN");
});

test("logout clears both cookies and ends the session for real, and no other", async () => {
	const user = await signedIn(api);
	const second = await login(api, user);
	const reply = assertStatus(await user.session.send("POST", "/api/v1/auth/logout"), 200);
	const cookies = setCookies(reply);
	for (const name of ["access_token", "csrf_access_token"]) {
		assert.equal(cookies[name].value, "");
		assert.ok(cookies[name].flags.includes("max-age=0") && cookies[name].flags.includes("path=/"), name);
	}
	assertError(await user.session.send("GET", ME), "UNAUTHORIZED");
	assertError(await api.as(user.session.access).get("/api/auth/me"), "UNAUTHORIZED");
	assertError(await user.session.send("POST", "/api/v1/auth/logout"), "UNAUTHORIZED");
	assertStatus(await second.send("GET", ME), 200);
});

test("a page of another origin may neither read nor send cookies along", async () => {
	const { session } = await signedIn(api);
	const evil = await session.send("GET", ME, { headers: { origin: "https://evil.example" } });
	assert.equal(evil.headers["access-control-allow-origin"], undefined);
	const ours = await session.send("GET", ME, { headers: { origin: millrace.origin } });
	assert.deepEqual([ours.headers["access-control-allow-origin"], ours.headers["access-control-allow-credentials"]], [millrace.origin, "true"]);
	const preflight = await api.request("OPTIONS", "/api/user", { headers: { origin: millrace.origin,
		"access-control-request-method": "PATCH", "access-control-request-headers": "x-csrf-token" } });
	assert.match(preflight.headers["access-control-allow-headers"], /X-CSRF-Token/i);
});

/* As a front end is set up. A browser's script reads the cookie; here an interceptor does that with axios' own names. */
function frontEnd() {
	const jar = new CookieJar();
	const Agent = createCookieAgent(https.Agent);
	const client = axios.create({ baseURL: `${millrace.url}/api/v1`, withCredentials: true, withXSRFToken: true, xsrfCookieName: "csrf_access_token",
		xsrfHeaderName: "X-CSRF-Token", validateStatus: () => true, adapter: "http", proxy: false,
		httpsAgent: new Agent({ cookies: { jar }, rejectUnauthorized: false }) });
	client.interceptors.request.use(async (config) => {
		const found = (await jar.getCookies(millrace.url)).find((c) => c.key === config.xsrfCookieName);
		if (found && !found.httpOnly)
			config.headers.set(config.xsrfHeaderName, found.value);
		return config;
	});
	return { client, jar };
}

test("axios as a front end sets it up: login, change, export, logout", async () => {
	const user = await register(api);
	const { client, jar } = frontEnd();
	assert.equal((await client.post("/auth/login", { username: user.username, password: PASSWORD })).status, 200);
	assert.deepEqual((await jar.getCookies(millrace.url)).map((c) => [c.key, c.httpOnly, c.secure, c.sameSite]).sort(),
	    [["access_token", true, true, "strict"], ["csrf_access_token", false, true, "strict"]]);
	assert.equal((await client.get("/admin/user")).data.id, user.id);
	const changed = await client.put(`/user/dao/${user.id}`, { name: "By axios" });
	assert.deepEqual([changed.status, changed.data.name], [200, "By axios"]);
	const exported = await client.get("/user/export");
	assert.equal(exported.data.user.name, "By axios");
	client.defaults.xsrfCookieName = "another";
	assert.equal((await client.put(`/user/dao/${user.id}`, { name: "No" })).status, 403);
	client.defaults.xsrfCookieName = "csrf_access_token";
	assert.equal((await client.post("/auth/logout")).status, 200);
	assert.deepEqual(await jar.getCookies(millrace.url), []);
	assert.equal((await client.get("/admin/user")).status, 401);
});
