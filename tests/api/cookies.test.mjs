/* Signing in by cookies: a name and a password for a session, and the CSRF token's double submit. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import https from "node:https";
import axios from "axios";
import { createCookieAgent } from "http-cookie-agent/http";
import { CookieJar } from "tough-cookie";
import { newAddress, newUser, PASSWORD, shared } from "../js/instance.mjs";
import { DEVICE, SESSION, SESSION_OLD, Session, login, newName, register, setCookies, signedIn } from "../js/accounts.mjs";
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
	assertKeys(cookies, [SESSION, "csrf_access_token", DEVICE]);
	for (const flag of ["path=/", "secure", "samesite=strict"])
		for (const name of Object.keys(cookies))
			assert.ok(cookies[name].flags.includes(flag), `${name}: ${flag}`);
	assert.ok(cookies[SESSION].flags.includes("httponly") && cookies[DEVICE].flags.includes("httponly"));
	assert.ok(!cookies.csrf_access_token.flags.includes("httponly"));
	const ages = [SESSION, "csrf_access_token"].map((name) => cookies[name].flags.find((f) => f.startsWith("max-age=")));
	assert.ok(Number(ages[0].slice(8)) > 0 && ages[0] === ages[1], ages.join());
	assert.ok(!Object.values(cookies).some((c) => c.flags.some((f) => f.startsWith("domain"))));
	assert.ok(!reply.text.includes(access) && !reply.text.includes(csrf));
	assert.equal(await millrace.grepLogs(access.split(".")[2]), "");
});

test("reading needs the cookie alone, changing the double submit", async () => {
	const [{ session }, other] = [await signedIn(api), await signedIn(api)];
	const alone = { cookie: `${SESSION}=${session.access}` };
	assertStatus(await api.get(ME, { headers: alone }), 200);
	assertStatus(await change(session, {}), 200);
	assert.equal(await nameOf(session), "Changed");
	const refused = [
		["no header", { "x-csrf-token": "" }],
		["a wrong header", { "x-csrf-token": "A".repeat(session.csrf.length) }],
		["a header cut short", { "x-csrf-token": session.csrf.slice(0, -1) }],
		["a header with more", { "x-csrf-token": `${session.csrf}A` }],
		["no cookie to repeat", { cookie: `${SESSION}=${session.access}` }],
		["another session's header", { "x-csrf-token": other.session.csrf }],
		["another session's, planted as a cookie too", { "x-csrf-token": other.session.csrf,
			cookie: `${SESSION}=${session.access}; csrf_access_token=${other.session.csrf}` }],
		["a pair of one's own making", { "x-csrf-token": "x", cookie: `${SESSION}=${session.access}; csrf_access_token=x` }],
		["an empty pair", { "x-csrf-token": "", cookie: `${SESSION}=${session.access}; csrf_access_token=` }],
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

test("cookie tossing: another host's cookie of the old name changes nothing, be it stale, foreign or a thief's", async () => {
	const [user, thief] = [await signedIn(api), (await signedIn(api)).session];
	const { session } = user;
	const stale = await login(api, user);
	assertStatus(await stale.send("POST", "/api/v1/auth/logout"), 200);
	for (const planted of [stale.access, thief.access, "eyJhbGciOiJub25lIn0.e30.", "x", ""])
		for (const cookie of [`${SESSION_OLD}=${planted}; ${session.cookie}`, `${session.cookie}; ${SESSION_OLD}=${planted}`,
			`${SESSION_OLD}=${planted}; ${SESSION_OLD}=${planted}; ${session.cookie}`]) {
			assert.equal(assertStatus(await api.get(ME, { headers: { cookie } }), 200).json.id, user.id);
			assertStatus(await change(session, { cookie }), 200);
		}
	/* No browser sends two of the new name. */
	for (const cookie of [`${SESSION}=${thief.access}; ${session.cookie}`, `${session.cookie}; ${SESSION}=${thief.access}`])
		assertError(await api.get(ME, { headers: { cookie } }), "UNAUTHORIZED", undefined, cookie.slice(0, 20));
});

test("cookie tossing: of several csrf_access_token the session's counts, and no other", async () => {
	const [user, thief] = [await signedIn(api), (await signedIn(api)).session];
	const { session } = user;
	const before = await login(api, user);
	const twins = [thief.csrf, before.csrf, "planted", ""];
	const places = twins.flatMap((twin) => [`${session.cookie}; csrf_access_token=${twin}`, `csrf_access_token=${twin}; ${session.cookie}`]);
	places.push(`${twins.map((twin) => `csrf_access_token=${twin}`).join("; ")}; ${session.cookie}`, `${"csrf_access_token=x; ".repeat(100)}${session.cookie}`);
	for (const cookie of places) {
		assertStatus(await change(session, { cookie, "x-csrf-token": session.csrf }), 200);
		for (const csrf of [thief.csrf, before.csrf, "planted", "x", ""])
			assertError(await change(session, { cookie, "x-csrf-token": csrf }, "Tossed"), "FORBIDDEN");
	}
	assert.equal(await nameOf(session), "Changed");
});

test("a page of ours that reads another host's csrf_access_token, which came first, is not locked out; others' pages are", async () => {
	const { session } = await signedIn(api);
	const headers = { cookie: `csrf_access_token=stale; ${session.cookie}`, "x-csrf-token": "stale" };
	for (const origin of [millrace.url, millrace.origin])
		assertStatus(await change(session, { ...headers, origin }), 200);
	for (const origin of ["https://evil.example", "null", `${millrace.url}.evil.example`, ""])
		assertError(await change(session, { ...headers, origin }, "Forged"), "FORBIDDEN", undefined, origin);
	/* What the page sends must have come as a cookie, and the session's own must have, too. */
	const ours = { origin: millrace.url };
	for (const more of [{ "x-csrf-token": "other" }, { "x-csrf-token": "" }, { cookie: `csrf_access_token=stale; ${SESSION}=${session.access}` }])
		assertError(await change(session, { ...headers, ...ours, ...more }, "Forged"), "FORBIDDEN", undefined, JSON.stringify(more));
	assert.equal(await nameOf(session), "Changed");
});

test("the old name is still read, alone, and a sign-in or a logout takes it away", async () => {
	const user = await signedIn(api), { session } = user;
	const cookie = `${SESSION_OLD}=${session.access}; csrf_access_token=${session.csrf}`;
	assert.equal(assertStatus(await api.get(ME, { headers: { cookie } }), 200).json.id, user.id);
	assertStatus(await change(session, { cookie }), 200);
	assertError(await change(session, { cookie, "x-csrf-token": "x" }), "FORBIDDEN");
	const again = await api.fresh().post("/api/v1/auth/login", { username: user.username, password: PASSWORD }, { headers: { cookie } });
	assert.deepEqual([setCookies(again)[SESSION_OLD].value, setCookies(again)[SESSION_OLD].flags.includes("max-age=0")], ["", true]);
	const out = assertStatus(await session.send("POST", "/api/v1/auth/logout", { headers: { cookie } }), 200);
	assert.equal(setCookies(out)[SESSION_OLD].value, "");
	assertError(await api.get(ME, { headers: { cookie } }), "UNAUTHORIZED");
	assert.equal(setCookies(session.reply)[SESSION_OLD], undefined, "where it did not come it is not named");
});

test("a refusal says what is wrong with the cookies", async () => {
	const [{ session }, other] = [await signedIn(api), (await signedIn(api)).session];
	const why = async (headers, method = "GET") => (await api.request(method, "/api/user", { json: method === "GET" ? undefined : {}, headers })).json;
	const twice = await why({ cookie: `${SESSION_OLD}=${session.access}; ${SESSION_OLD}=${other.access}` });
	assert.match(twice.error, /Several cookies access_token.*another host/);
	assert.match((await why({ cookie: `${SESSION_OLD}=eyJhbGciOiJIUzI1NiJ9.e30.AA` })).error, /cookie access_token.*another host/);
	assert.match((await why({ cookie: `${SESSION}=eyJhbGciOiJIUzI1NiJ9.e30.AA` })).error, /cookie __Host-access_token.*sign in again/);
	const changes = (headers) => why({ cookie: session.cookie, ...headers }, "PATCH");
	assert.match((await changes({})).error, /X-CSRF-Token is missing/);
	assert.match((await changes({ "x-csrf-token": "x" })).error, /X-CSRF-Token is not the value/);
	assert.match((await changes({ "x-csrf-token": session.csrf, cookie: `${SESSION}=${session.access}` })).error, /cookie csrf_access_token is missing/);
	assert.match((await changes({ "x-csrf-token": other.csrf, cookie: `${SESSION}=${session.access}; csrf_access_token=${other.csrf}` })).error,
	    /cookie csrf_access_token is not of this session/);
	assert.match((await changes({ "x-csrf-token": "x", cookie: `${session.cookie}; csrf_access_token=x` })).error, /several cookies csrf_access_token/);
});

test("?token= is not locked out by another host's cookie of the old name", async () => {
	const user = await newUser(api), { session } = await signedIn(api);
	for (const planted of ["eyJhbGciOiJIUzI1NiJ9.e30.AA", "x", `x; ${SESSION_OLD}=y`])
		assert.equal(assertStatus(await api.get(`/api/user?token=${user.token}`, { headers: { cookie: `${SESSION_OLD}=${planted}` } }), 200).json.id, user.uid);
	/* A good cookie goes before it. */
	assert.notEqual(assertStatus(await api.get(`/api/user?token=${user.token}`, { headers: { cookie: session.cookie } }), 200).json.id, user.uid);
	const reply = await api.get("/api/leads/00000000-0000-7000-8000-000000000000?token=" + user.token, { headers: { cookie: `${SESSION_OLD}=x` } });
	assertError(reply, "NOT_FOUND");
	assert.doesNotMatch(reply.json.error, /cookie/);
});

test("a Cookie header that is too large says so, by a code of its own", async () => {
	const { session } = await signedIn(api);
	for (const cookie of [`${session.cookie}; other=${"x".repeat(9000)}`, `${session.cookie}; ${"a=b; ".repeat(10000)}`]) {
		const reply = await api.get(ME, { headers: { cookie } });
		assert.deepEqual([reply.status, reply.json.code, reply.json.detail], [431, "HEADERS_TOO_LARGE", reply.json.error]);
		assert.match(reply.json.error, /cookies/);
		assert.ok(reply.json.request_id);
	}
	assertStatus(await api.get(ME, { headers: { cookie: `${session.cookie}; other=${"x".repeat(6000)}` } }), 200);
});

test("a cookie among others, and cookies that are none", async () => {
	const { session } = await signedIn(api);
	for (const cookie of [`a=b; ${session.cookie};c=d`, `${session.cookie};`, ` ;; ${session.cookie.replace("; ", ";")}`, `x${SESSION}=1; ${SESSION}x=2; ${session.cookie}`])
		assertStatus(await api.get(ME, { headers: { cookie } }), 200);
	for (const name of [SESSION, SESSION_OLD])
		for (const cookie of [name, `${name}=`, `${name}=x`, `${name}="${session.access}"`, `${name}=${"x".repeat(5000)}`])
			assertError(await api.get(ME, { headers: { cookie } }), "UNAUTHORIZED", undefined, cookie.slice(0, 30));
	for (const cookie of [`__host-access_token=${session.access}`, `Access_Token=${session.access}`, `csrf_access_token=${session.access}`, `${DEVICE}=${session.access}`])
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
	assertError(await api.get(ME, { headers: { cookie: `${SESSION}=${key}` } }), "UNAUTHORIZED", undefined, "a key is no cookie");
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
	assertKeys(cookies, [SESSION, "csrf_access_token"]);
	for (const name of [SESSION, "csrf_access_token"]) {
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
	    [[SESSION, true, true, "strict"], [DEVICE, true, true, "strict"], ["csrf_access_token", false, true, "strict"]]);
	assert.equal((await client.get("/admin/user")).data.id, user.id);
	const changed = await client.put(`/user/dao/${user.id}`, { name: "By axios" });
	assert.deepEqual([changed.status, changed.data.name], [200, "By axios"]);
	const exported = await client.get("/user/export");
	assert.equal(exported.data.user.name, "By axios");
	client.defaults.xsrfCookieName = "another";
	assert.equal((await client.put(`/user/dao/${user.id}`, { name: "No" })).status, 403);
	client.defaults.xsrfCookieName = "csrf_access_token";
	assert.equal((await client.post("/auth/logout")).status, 200);
	assert.deepEqual((await jar.getCookies(millrace.url)).map((c) => c.key), [DEVICE], "only what a later sign-in is known by");
	assert.equal((await client.get("/admin/user")).status, 401);
});
