/* /api/auth: register, login, logout, me. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { shared, newAddress } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
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

/* --- the same from every keyboard (RFC 8265, UTS 46) --- */

const named = (username, more = {}) => api.fresh().post("/api/v1/user/register", { username, password: PASSWORD, ...more });
const byName = (username, password = PASSWORD) => api.fresh().post("/api/v1/auth/login", { username, password });

test("a password is the same composed, decomposed, and with any space", async () => {
	const forms = ["motörhead été", "motörhead été".normalize("NFD"), "motörhead\u00a0été", "motörhead\u3000été".normalize("NFD")];
	for (const password of forms) {
		const email = newAddress(), name = newName();
		assertStatus(await register({ email, password }), 201);
		assertStatus(await named(name, { password }), 201);
		for (const given of forms) {
			assertStatus(await login(email, given), 200);
			assertStatus(await byName(name, given), 200);
		}
		for (const wrong of ["Motörhead été", "motorhead ete", "motörhead  été", " motörhead été", "ｍｏｔörhead été"])
			assertError(await login(email, wrong), "UNAUTHORIZED");
	}
});

test("what a password holds beside: emoji and what Unicode will have, no control characters; bytes of the composed form", async () => {
	for (const password of ["👩‍🚀👩‍🚀", "\u{3fffd}\u{3fffd}", "אבגדה", "x".repeat(1020) + "é".normalize("NFD")]) {
		const email = newAddress();
		assertStatus(await register({ email, password }), 201);
		assertStatus(await login(email, password), 200);
	}
	for (const password of ["12345678\t", "1234\n5678", "12345678\u0085", "éééx".normalize("NFD"), "x".repeat(1023) + "é"])
		assertError(await register({ password }), "BAD_REQUEST", ["password"]);
});

/* Argon2id (m=64 KiB, t=1) of "été 2026" in NFD with a no-break space, as it was hashed when bytes were. */
const OLD_TEXT = "été\u00a02026".normalize("NFD");
const OLD_HASH = "$argon2id$v=19$m=64,t=1,p=1$K7hj1VUHiEusv6hjc2Ag4w$/zZ8cfkgigvsbgvksBN1nKEN/orhGigYctF2RvnSHrA";

test("a hash of other bytes goes on working, and is made anew at the first sign-in", async () => {
	const email = newAddress();
	const { uid } = assertStatus(await register({ email }), 201).json;
	const hash = () => millrace.psql(`SELECT hash FROM password WHERE user_id = '${uid}'`);
	await millrace.psql(`UPDATE password SET hash = '${OLD_HASH}' WHERE user_id = '${uid}'`);
	assertError(await login(email, "été 2026"), "UNAUTHORIZED");
	assert.equal((await hash()).trim(), OLD_HASH);
	assertStatus(await login(email, OLD_TEXT), 200);
	assert.notEqual((await hash()).trim(), OLD_HASH);
	for (const given of ["été 2026", OLD_TEXT])
		assertStatus(await login(email, given), 200);
	assert.equal((await millrace.psql(`SELECT count(*) FROM audit_log WHERE subject = '${uid}' AND type = 'password_changed'`)).trim(), "0");
});

test("an address is one, however it is written: case, blanks, composition, IDNA", async () => {
	const id = newName(), forms = [`${id}.grün@münchen.example`, `  ${id}.grün@münchen.example\n`, `${id.toUpperCase()}.GRÜN@MÜNCHEN.EXAMPLE`,
		`${id}.grün@münchen.example`.normalize("NFD"), `${id}.grün@xn--mnchen-3ya.example`, `${id}.grün@XN--MNCHEN-3YA.Example`,
		`\u3000${id}.grün＠ｍünchen。example\u200b`];
	const { uid, email } = assertStatus(await register({ email: forms[1] }), 201).json;
	assert.equal(email, forms[0]);
	for (const form of forms) {
		assert.equal(assertStatus(await login(form, PASSWORD), 200).json.uid, uid, form);
		assert.equal(assertStatus(await byName(form), 200).json.id, uid, form);
		assertError(await register({ email: form }), "CONFLICT", undefined, form);
		assertError(await named(newName(), { email: form }), "CONFLICT", undefined, form);
	}
	/* Not the same: another mailbox, another domain. */
	for (const other of [`${id}.grun@münchen.example`, `${id}.grün@munchen.example`])
		assertStatus(await register({ email: other }), 201);
	const strasse = newName();
	assertStatus(await register({ email: `${strasse}@straße.example` }), 201);
	assertStatus(await register({ email: `${strasse}@strasse.example` }), 201);
	for (const bad of ["a b@example.org", "a\u00a0b@example.org", "a\u200bb@example.org", "a@exa mple.org", "a@xn--.example", "a@\u202eb.example", " ", "\u3000@\u3000", "a@b@c"])
		assertError(await register({ email: bad }), "BAD_REQUEST", ["email"], bad);
});

test("wrong passwords count for the one form of a name", async () => {
	const email = newAddress(), stranger = api.fresh();
	assertStatus(await register({ email }), 201);
	const forms = [email, email.toUpperCase(), ` ${email}`, `${email}\u00a0`, email.replace("@", "＠"), `\u200b${email}`];
	for (const form of forms.slice(0, 4))
		assertError(await login(form, "wrong password", stranger), "UNAUTHORIZED");
	for (const form of forms.slice(4))
		assertError(await byName(form, "wrong password"), "UNAUTHORIZED");
	const counted = (subject) => millrace.psql(`SELECT ceil(failures) FROM login_failure WHERE subject = ${subject}`);
	assert.equal((await counted(`login_subject_from('network', '${email}', '${stranger.address}')`)).trim(), "4");
	assert.equal((await counted(`login_subject('${email}')`)).trim(), "6");
});

test("a name to sign in by is one in full-width letters and with blanks around it", async () => {
	const name = newName(), wide = [...name].map((c) => String.fromCodePoint(c.codePointAt(0) + 0xfee0)).join("");
	assert.equal(assertStatus(await named(` ${wide}\u3000`), 201).json.username, name);
	for (const form of [name, wide, ` ${name} `, name.toUpperCase(), `\ufeff${name}`])
		assertStatus(await byName(form), 200);
	assertError(await named(wide), "CONFLICT");
	for (const bad of ["zoë-1", "a b c", "аda", "ada\u200bada"])
		assertError(await named(bad), "BAD_REQUEST", ["username"], bad);
});

test("a person's name is found however it is typed", async () => {
	const admin = await newAdmin(millrace), mark = newName();
	const { uid } = assertStatus(await register({ display_name: `Zoë ${mark}`.normalize("NFD") }), 201).json;
	const found = await admin.api.get(`/api/v1/user/manager?q=${encodeURIComponent(`Zoë ${mark}`)}`);
	assert.deepEqual(assertStatus(found, 200).json.map((u) => [u.id, u.name]), [[uid, `Zoë ${mark}`.normalize("NFD")]], "and stays as it was given");
	const decomposed = await admin.api.get(`/api/v1/user/manager?q=${encodeURIComponent(`Zoë ${mark}`.normalize("NFD"))}`);
	assert.equal(decomposed.json.length, 1);
});

test("login gives the same user", async () => {
	const email = newAddress();
	const { uid } = assertStatus(await register({ email }), 201).json;
	const { json } = assertStatus(await login(email, PASSWORD), 200);
	assertKeys(json, ["uid", "email", "displayName", "token"]);
	assert.equal(json.uid, uid);
	assertStatus(await me(json.token), 200);
});

test("wrong address and wrong password look and take the same", async () => {
	/* Several accounts, each below the number of wrong passwords that makes it wait; and one at a time, in turns. */
	const known = [];
	for (let i = 0; i < 8; i++) {
		known.push(newAddress());
		assertStatus(await register({ email: known[i] }), 201);
	}
	/* The shortest of each counts, which is least of the machine's other work, and on a busy one takes some more rounds. */
	const least = { address: Infinity, password: Infinity }, bodies = new Set();
	const alike = () => least.address < 1.5 * least.password && least.password < 1.5 * least.address;
	for (let i = 0; i < 32 || (i < 400 && !alike()); i++)
		for (const kind of ["address", "password"]) {
			const from = api.fresh();
			const email = kind === "password" ? known[i % known.length] : newAddress();
			await from.get("/healthz");             /* the connection is there */
			const at = performance.now();
			const reply = await login(email, "wrong password", from);
			least[kind] = Math.min(least[kind], performance.now() - at);
			assertError(reply, "UNAUTHORIZED");
			bodies.add(JSON.stringify({ ...reply.json, request_id: null }));
		}
	assert.equal(bodies.size, 1, [...bodies].join());
	assert.ok(alike(), `${least.address} ms and ${least.password} ms`);
});

test("many wrong passwords lock the account for a while for their network, and nobody else", async () => {
	const [victim, other] = [newAddress(), newAddress()];
	assertStatus(await register({ email: victim }), 201);
	assertStatus(await register({ email: other }), 201);
	const stranger = api.fresh();
	let reply, tries = 0;
	do
		reply = await login(victim, "wrong password", stranger);
	while (reply.status === 401 && ++tries < 30);
	assertError(reply, "RATE_LIMITED");
	assert.ok(tries >= 3, `locked after ${tries} tries`);
	assert.ok(Number(reply.headers["retry-after"]) > 0);
	/* The wait of one more, so that this machine may take its time. */
	await millrace.psql(`UPDATE login_failure SET failures = 14, last_at = now() WHERE subject = login_subject_from('network', '${victim}', '${stranger.address}')`);
	assertError(await login(victim, PASSWORD, stranger), "RATE_LIMITED");
	assertStatus(await login(other, PASSWORD, stranger), 200);
	assertStatus(await login(victim, PASSWORD), 200);
});

test("five wrong passwords each from ten networks lock nobody out of another", async () => {
	const email = newAddress();
	assertStatus(await register({ email }), 201);
	for (let i = 0; i < 10; i++) {
		const stranger = api.fresh();
		for (let k = 0; k < 5; k++)
			assertError(await login(email, "wrong password", stranger), "UNAUTHORIZED");
	}
	assertStatus(await login(email, PASSWORD), 200);
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

test("?token= changes nothing: it is for GET alone", async () => {
	const { token } = assertStatus(await register(), 201).json;
	for (const [method, path, json] of [["PATCH", "/api/user", { name: "x" }], ["POST", "/api/chat", { message: "x" }], ["POST", "/api/auth/logout"],
		["DELETE", `/api/conversations/${randomUUID()}`], ["PUT", "/api/settings", {}]]) {
		const reply = await api.fresh().as(null).request(method, `${path}?token=${token}`, { json });
		assertError(reply, "UNAUTHORIZED");
		assert.match(reply.json.error, /GET alone/);
	}
	assertStatus(await api.as(token).patch("/api/user?token=x", { name: "by the header" }), 200);
	assert.equal(assertStatus(await api.fresh().as(null).get(`/api/user?token=${token}`), 200).json.name, "by the header");
});
