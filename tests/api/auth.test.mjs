/* /api/auth: register, login, logout, me. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { shared, newAddress } from "../js/instance.mjs";
import { UUID7, assertError, assertKeys, assertStatus } from "../js/expect.mjs";

const PASSWORD = "correct horse 7";
let api, millrace;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const register = (more = {}) => api.fresh().post("/api/auth/register",
    { email: newAddress(), password: PASSWORD, display_name: "Ada", ...more });
const login = (email, password, from = api.fresh()) => from.post("/api/auth/login", { email, password });
const me = (token, options) => api.as(token).get("/api/auth/me", options);

test("register gives a user and a token that works", async () => {
	const email = newAddress();
	const { json } = assertStatus(await register({ email }), 201);
	assertKeys(json, ["uid", "email", "displayName", "token"]);
	assert.match(json.uid, UUID7);
	assert.equal(json.email, email);
	assert.equal(json.displayName, "Ada");
	const again = assertStatus(await me(json.token), 200).json;
	assert.deepEqual([again.uid, again.email, again.displayName], [json.uid, email, "Ada"]);
	assertKeys(again, ["uid", "email", "displayName", "token"]);
});

test("register takes both spellings, and names in any script", async () => {
	const reply = await api.fresh().post("/api/auth/register",
	    { email: newAddress(), password: PASSWORD, displayName: "Zoë 漢字 😀" });
	assert.equal(assertStatus(reply, 201).json.displayName, "Zoë 漢字 😀");
});

test("a taken address gives 409, in capitals too", async () => {
	const email = newAddress();
	assertStatus(await register({ email }), 201);
	assertError(await register({ email }), "CONFLICT");
	assertError(await register({ email: email.toUpperCase() }), "CONFLICT");
});

test("of two at once with the same address one wins", async () => {
	const email = newAddress();
	const replies = await Promise.all([1, 2, 3].map(() => register({ email })));
	assert.deepEqual(replies.map((r) => r.status).sort(), [201, 409, 409]);
});

test("register names every bad field at once", async () => {
	assertError(await register({ email: "nobody", password: "short", display_name: 5 }), "BAD_REQUEST",
	    ["email", "password", "display_name"]);
	assertError(await api.fresh().post("/api/auth/register", {}), "BAD_REQUEST", ["email", "password", "display_name"]);
	assertError(await register({ email: null }), "BAD_REQUEST", ["email"]);
	assertError(await register({ email: `a${"b".repeat(400)}@example.org` }), "BAD_REQUEST", ["email"]);
});

test("a password has 8 to 1024 bytes", async () => {
	assertError(await register({ password: "1234567" }), "BAD_REQUEST", ["password"]);
	assertStatus(await register({ password: "éééé" }), 201);
	assertStatus(await register({ password: "x".repeat(1024) }), 201);
	assertError(await register({ password: "x".repeat(1025) }), "BAD_REQUEST", ["password"]);
});

test("login gives the same user", async () => {
	const email = newAddress();
	const { uid } = assertStatus(await register({ email }), 201).json;
	const { json } = assertStatus(await login(email, PASSWORD), 200);
	assertKeys(json, ["uid", "email", "displayName", "token"]);
	assert.equal(json.uid, uid);
	assertStatus(await me(json.token), 200);
});

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

test("wrong address and wrong password look and take the same", async () => {
	/* Several accounts, each below the number of wrong passwords that makes it wait; and one at a time, in turns. */
	const known = [];
	for (let i = 0; i < 8; i++) {
		known.push(newAddress());
		assertStatus(await register({ email: known[i] }), 201);
	}
	const times = { address: [], password: [] };
	const bodies = new Set();
	for (let i = 0; i < 32; i++)
		for (const kind of ["address", "password"]) {
			const from = api.fresh();
			const email = kind === "password" ? known[i % known.length] : newAddress();
			await from.get("/healthz");             /* the connection is there */
			const at = performance.now();
			const reply = await login(email, "wrong password", from);
			times[kind].push(performance.now() - at);
			assertError(reply, "UNAUTHORIZED");
			bodies.add(JSON.stringify({ ...reply.json, request_id: null }));
		}
	assert.equal(bodies.size, 1, [...bodies].join());
	const [a, p] = [median(times.address), median(times.password)];
	assert.ok(a > p / 1.5 && p > a / 1.5, `${a} ms and ${p} ms`);
});

test("many wrong passwords lock the account for a while, from any address, and only it", async () => {
	const [victim, other] = [newAddress(), newAddress()];
	assertStatus(await register({ email: victim }), 201);
	assertStatus(await register({ email: other }), 201);
	let reply, tries = 0;
	do
		reply = await login(victim, "wrong password");
	while (reply.status === 401 && ++tries < 30);
	assertError(reply, "RATE_LIMITED");
	assert.ok(tries >= 3, `locked after ${tries} tries`);
	assert.ok(Number(reply.headers["retry-after"]) > 0);
	assertError(await login(victim, PASSWORD), "RATE_LIMITED");
	assertStatus(await login(other, PASSWORD), 200);
});

test("login asks for both fields", async () => {
	assertError(await api.fresh().post("/api/auth/login", {}), "BAD_REQUEST", ["email", "password"]);
	assertError(await login(["a@example.org"], { $ne: "" }), "BAD_REQUEST", ["email", "password"]);
});

test("logout revokes its own token and no other", async () => {
	const email = newAddress();
	const first = assertStatus(await register({ email }), 201).json.token;
	const second = assertStatus(await login(email, PASSWORD), 200).json.token;
	assert.deepEqual(assertStatus(await api.as(first).post("/api/auth/logout"), 200).json, { message: "Logout successful" });
	assertError(await me(first), "UNAUTHORIZED");
	assertError(await api.as(first).post("/api/auth/logout"), "UNAUTHORIZED");
	assertStatus(await me(second), 200);
});

test("no token, and tokens that are none", async () => {
	const { token } = assertStatus(await register(), 201).json;
	const [head, body, signature] = token.split(".");
	const encode = (v) => Buffer.from(JSON.stringify(v)).toString("base64url");
	const claims = JSON.parse(Buffer.from(body, "base64url"));
	const hostile = [
		"x", "a.b.c", "..", `${head}.${body}.`, `${head}.${body}`, token + "A", token.slice(0, -3) + "AAA",
		`${encode({ alg: "none", typ: "JWT" })}.${body}.`,
		`${encode({ alg: "none" })}.${body}.${signature}`,
		`${encode({ alg: "HS512", typ: "JWT" })}.${body}.${signature}`,
		`${encode({ alg: "RS256", typ: "JWT" })}.${body}.${signature}`,
		`${head}.${encode({ ...claims, exp: claims.exp + 1000000 })}.${signature}`,
		"mr_" + randomBytes(32).toString("hex"), "x".repeat(6000),
	];
	const reply = await api.get("/api/auth/me");
	assertError(reply, "UNAUTHORIZED");
	assert.match(reply.headers["www-authenticate"] ?? "", /^Bearer/);
	for (const bad of hostile)
		assertError(await me(bad), "UNAUTHORIZED");
	for (const header of ["Bearer", "Bearer ", `Basic ${token}`, token])
		assertError(await api.get("/api/auth/me", { headers: { authorization: header } }), "UNAUTHORIZED");
	assertStatus(await api.get("/api/auth/me", { headers: { authorization: `bearer ${token}` } }), 200);
});

test("Authorization counts before ?token=, which no log keeps", async () => {
	const { token } = assertStatus(await register(), 201).json;
	const path = `/api/auth/me?token=${token}`;
	assertStatus(await api.get(path), 200);
	assertError(await api.as("wrong").get(path), "UNAUTHORIZED");
	assert.equal(await millrace.grepLogs(token.split(".")[2]), "");
});
