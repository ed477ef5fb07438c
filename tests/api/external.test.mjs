/*
 * Callers whom somebody else has signed in: Clerk's session tokens and Supabase's access tokens, checked by keys that a stand-in for
 * their hosts gives out (it can rotate them, be slow, and be away); and API_JWT_SECRET's rotation. jose signs; Clerk's and Supabase's own
 * libraries say whether they would take the same tokens.
 */
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { createHmac, createPublicKey, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import * as jose from "jose";
import { createClient } from "@supabase/supabase-js";
import { PASSWORD, ROOT, newAddress, newUser, privateInstance } from "../js/instance.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { SESSION, setCookies } from "../js/accounts.mjs";
import { KeyHost, everywhere, pair, sign, signText } from "../js/issuers.mjs";
import { Socket } from "../js/socket.mjs";

process.env.CLERK_TELEMETRY_DISABLED = "1";
const { verifyToken } = await import("@clerk/backend");

const CLERK = "https://clerk.example.com";
const SUPABASE = "https://project.supabase.example";
const SUPABASE_ISS = `${SUPABASE}/auth/v1`;
const AZP = ["https://app.example.com", "http://localhost:5173"];
const HS_SECRET = "supabase-secret-of-at-least-32-bytes-xxxxxxxx";
const [NEW_SECRET, OLD_SECRET] = ["new-secret-of-the-service-itself-0123456789", "old-secret-of-the-service-itself-0123456789"];
const PAUSE = 3;
const vectors = JSON.parse(readFileSync(`${ROOT}/tests/vectors/jwt-vectors.json`, "utf8"));

const now = () => Math.floor(Date.now() / 1000);
const subject = () => `user_${randomUUID().replaceAll("-", "")}`;

const clerkClaims = (more = {}) => ({ iss: CLERK, sub: subject(), sid: "sess_1", azp: AZP[0], iat: now(), nbf: now() - 10,
	exp: now() + 3600, ...more });
const supabaseClaims = (more = {}) => ({ iss: SUPABASE_ISS, sub: randomUUID(), aud: "authenticated", role: "authenticated",
	iat: now(), exp: now() + 3600, email: "", user_metadata: {}, app_metadata: { provider: "email" }, ...more });
const b64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const forge = (header, claims, secret) => {
	const text = `${b64(header)}.${b64(claims)}`;
	return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
};

const host = new KeyHost();
const hs = { alg: "HS256", privateKey: Buffer.from(HS_SECRET) };
let instance, rsa, ec;

const who = (token) => instance.api.get("/api/user", { token });
async function user(token) {
	return assertStatus(await who(token), 200).json;
}
const refused = async (token, what) => assertError(await who(token), "UNAUTHORIZED", undefined, what);
const count = async (sql) => Number((await instance.psql(sql)).trim());

before(async () => {
	await host.start();
	rsa = await pair("RS256", "clerk-1");
	ec = await pair("ES256", "supabase-1");
	host.sets = { "/clerk": [rsa.jwk], "/supabase": [ec.jwk] };
	instance = await privateInstance("external", {
		API_JWT_SECRET: NEW_SECRET, API_JWT_SECRET_OLD: OLD_SECRET,
		MILLRACE_CLERK_ISSUER: CLERK, MILLRACE_CLERK_JWKS_URL: `http://127.0.0.1:${host.port}/clerk`, MILLRACE_CLERK_AZP: AZP.join(" "),
		SUPABASE_URL: `${SUPABASE}/`, SUPABASE_JWKS_URL: `http://127.0.0.1:${host.port}/supabase`, SUPABASE_JWT_SECRET: HS_SECRET,
		MILLRACE_JWKS_SECONDS: "86400", MILLRACE_JWKS_PAUSE_SECONDS: String(PAUSE), MILLRACE_RATE_READ: "0" });
	await instance.psql(`INSERT INTO token_denied VALUES (sha256('ended'), '${randomUUID()}', now() - interval '1 second'),
		(sha256('lasts'), '${randomUUID()}', now() + interval '1 hour')`);
	/* Each process has read them when it takes a token; a new connection may meet any. */
	const [c, s] = [await sign(rsa, clerkClaims()), await sign(ec, supabaseClaims())];
	await until(async () => (await who(c)).status === 200 && (await who(s)).status === 200, "the keys");
	await settled(c, s);
});

after(async () => {
	await instance?.stop();
	await host.stop();
});

/* Until every process of the pool takes the tokens (or, with another status, refuses them). */
async function settled(...tokens) {
	const status = typeof tokens.at(-1) === "number" ? tokens.pop() : 200;
	await steady(instance.api, status, tokens);
}

const steady = (api, status, tokens) => everywhere(status, (i) => api.get("/api/user", { token: tokens[i % tokens.length] }));

test("a Clerk session token makes its user at first sight, and is that user ever after", async () => {
	const email = newAddress();
	const claims = clerkClaims({ email, email_verified: true, name: "Ada Lovelace" });
	const first = await user(await sign(rsa, claims));
	assert.equal(first.name, "Ada Lovelace");
	assert.equal(first.email, email);
	assert.equal((await user(await sign(rsa, { ...claims, iat: claims.iat - 1 }))).id, first.id);
	assert.notEqual((await user(await sign(rsa, clerkClaims()))).id, first.id);
});

test("Supabase tokens: ES256 by its key, HS256 by its secret, one user for one subject", async () => {
	const claims = supabaseClaims({ user_metadata: { full_name: "Grace Hopper" } });
	const first = await user(await sign(ec, claims));
	assert.equal(first.name, "Grace Hopper");
	assert.equal((await user(await sign(hs, claims))).id, first.id);
	assert.equal((await user(await sign(hs, claims, { kid: "legacy" }))).id, first.id);
	assert.equal((await user(await sign(ec, { ...claims, aud: ["other", "authenticated"] }))).id, first.id);
});

test("?token= takes one, a cookie does not", async () => {
	const token = await sign(rsa, clerkClaims());
	assertStatus(await instance.api.get(`/api/user?token=${token}`), 200);
	assertError(await instance.api.get("/api/user", { headers: { cookie: `${SESSION}=${token}` } }), "UNAUTHORIZED");
});

test("what the user makes is theirs, and a stream is", async () => {
	const [one, other] = [await sign(rsa, clerkClaims()), await sign(ec, supabaseClaims())];
	const stream = await instance.api.as(one).chat("hello");
	const id = stream.headers["x-conversation-id"];
	for await (const event of stream)
		if (event.event === "done" || event.event === "error")
			break;
	assertStatus(await instance.api.get(`/api/conversations/${id}`, { token: one }), 200);
	assertError(await instance.api.get(`/api/conversations/${id}`, { token: other }), "NOT_FOUND");
});

test("a token expires within a minute: what it has asked for comes all the same, its WebSocket ends", async () => {
	const claims = clerkClaims(), { id } = await user(await sign(rsa, claims)), run = randomUUID();
	await instance.psql(`INSERT INTO run (id, owner_id, kind, status, input) VALUES ('${run}', '${id}', 'chat', 'running', '{}')`);
	const short = await sign(rsa, { ...claims, exp: now() + 2 });
	const stream = await instance.api.as(short).resume(run), socket = await new Socket(instance, "/api/ws/notifications", { token: short }).open();
	assert.equal((await socket.end()).code, 1008);
	await instance.psql(`SELECT publish('run:${run}', 'token', '{"content": "late"}')`);
	assert.deepEqual((await stream.take(1)).map((e) => e.data.content), ["late"]);
	stream.close();
	/* clocks differ: just now is still good, also for who waits for a reply */
	const passed = instance.api.as(await sign(rsa, { ...claims, exp: now() - 1 }));
	assert.deepEqual(assertStatus(await passed.get("/api/documents/search?q=mill"), 200).json, []);
	const said = await passed.chat("hello");
	assert.equal((await said.all()).at(-1).event, "done");
});

test("twenty first sights at once make one user", async () => {
	const email = newAddress();
	const token = await sign(rsa, clerkClaims({ email, email_verified: true }));
	const users = await Promise.all(Array.from({ length: 20 }, () => user(token)));
	assert.equal(new Set(users.map((u) => u.id)).size, 1);
	assert.equal(await count(`SELECT count(*) FROM app_user WHERE email = '${email}'`), 1);
});

test("two providers' first sights of one verified address at once make one user", async () => {
	const email = newAddress();
	const tokens = [await sign(rsa, clerkClaims({ email, email_verified: true })),
		await sign(ec, supabaseClaims({ email: email.toUpperCase(), app_metadata: { email_verified: true } }))];
	const users = await Promise.all(Array.from({ length: 20 }, (_, i) => user(tokens[i % 2])));
	assert.equal(new Set(users.map((u) => u.id)).size, 1);
	assert.equal(await count(`SELECT count(*) FROM external_identity WHERE user_id = '${users[0].id}'`), 2);
});

test("a verified address finds its account in any form", async () => {
	const id = randomUUID();
	const { json } = await instance.api.fresh().post("/api/auth/register", { email: `${id}@münchen.example`, password: PASSWORD, display_name: "Ada" });
	for (const email of [`${id}@XN--mnchen-3ya.example`, `${id.toUpperCase()}@münchen.example`.normalize("NFD")])
		assert.equal((await user(await sign(rsa, clerkClaims({ email, email_verified: true })))).id, json.uid, email);
});

test("an address that nobody verified links to nobody and is not taken", async () => {
	const own = await newUser(instance.api);
	const unproven = [
		await sign(rsa, clerkClaims({ email: own.email })),
		await sign(rsa, clerkClaims({ email: own.email, email_verified: "true" })),
		await sign(rsa, clerkClaims({ email: own.email, email_verified: false })),
		await sign(ec, supabaseClaims({ email: own.email })),
		/* the user's own to write */
		await sign(ec, supabaseClaims({ email: own.email, user_metadata: { email_verified: true } })),
	];
	for (const token of unproven) {
		const u = await user(token);
		assert.notEqual(u.id, own.uid);
		assert.equal(u.email, null);
	}
	assertStatus(await own.api.get("/api/user"), 200);
});

test("a verified address links; what was set up before without proof ends", async () => {
	const own = await newUser(instance.api);
	const token = await sign(rsa, clerkClaims({ email: own.email, email_verified: true }));
	assert.equal((await user(token)).id, own.uid);
	assertError(await own.api.get("/api/user"), "UNAUTHORIZED");
	assertError(await instance.api.fresh().post("/api/auth/login", { email: own.email, password: PASSWORD }), "UNAUTHORIZED");
});

test("whoever gave their account an address that was not shown to be theirs does not stay in it with its owner", async () => {
	const stranger = clerkClaims(), email = newAddress();
	const account = await user(await sign(rsa, stranger));
	assertStatus(await instance.api.put(`/api/v1/user/dao/${account.id}`, { email }, { token: await sign(rsa, stranger) }), 200);
	const owner = await sign(ec, supabaseClaims({ email, app_metadata: { email_verified: true } }));
	assert.equal((await user(owner)).id, account.id);
	assert.notEqual((await user(await sign(rsa, stranger))).id, account.id);
	assert.equal(await count(`SELECT count(*) FROM audit_log WHERE subject = '${account.id}' AND type = 'identity_unlinked'`), 1);
});

test("where the address was proven before, all of it stays", async () => {
	const own = await newUser(instance.api);
	/* as if it had been before anything else was */
	await instance.psql(`SET session_replication_role = replica; UPDATE app_user SET email_verified_at = now() WHERE id = '${own.uid}'`);
	const token = await sign(rsa, clerkClaims({ email: own.email, email_verified: true }));
	assert.equal((await user(token)).id, own.uid);
	assertStatus(await own.api.get("/api/user"), 200);
	assertStatus(await instance.api.fresh().post("/api/auth/login", { email: own.email, password: PASSWORD }), 200);
});

test("a disabled user is refused", async () => {
	const claims = clerkClaims();
	const { id } = await user(await sign(rsa, claims));
	await instance.psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${id}'`);
	await refused(await sign(rsa, claims), "known token");
	await refused(await sign(rsa, { ...claims, iat: now() - 2 }), "fresh token");
});

test("signing out denies that token until it ends, however its signature is written", async () => {
	const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
	const claims = supabaseClaims();
	const token = await sign(ec, claims);
	const sum = Buffer.from(token.split(".")[2], "base64url").toString("hex");
	const s = (N - BigInt(`0x${sum.slice(64)}`)).toString(16).padStart(64, "0");
	const twin = `${token.slice(0, token.lastIndexOf("."))}.${Buffer.from(sum.slice(0, 64) + s, "hex").toString("base64url")}`;
	const { id } = await user(token);
	assert.equal((await user(twin)).id, id, "the twin's signature is as good");
	assert.deepEqual(assertStatus(await instance.api.post("/api/auth/logout", undefined, { token }), 200).json, { message: "Logout successful" });
	await refused(token);
	await refused(twin);
	await refused(token);
	assertError(await instance.api.post("/api/auth/logout", undefined, { token }), "UNAUTHORIZED");
	assert.equal(await count(`SELECT count(*) FROM audit_log WHERE subject = '${id}' AND actor = subject AND type = 'logout'`), 1);
	const next = await sign(ec, { ...claims, session_id: randomUUID() });
	assert.equal((await user(next)).id, id, "the next session's token");
	assertStatus(await instance.api.post("/api/v1/auth/logout", undefined, { token: next }), 200);
	await refused(next);
});

test("a stream ends with the token that it was opened by, and with no other", async () => {
	const claims = clerkClaims();
	const [token, other] = [await sign(rsa, claims), await sign(rsa, { ...claims, iat: claims.iat - 1 })];
	/* each process of this pool has to have read the keys, too */
	async function open(by) {
		let s;
		await until(async () => {
			s = await new Socket(instance, "/api/ws/notifications", { token: by }).open();
			return s.settled().then(() => true, () => false);
		}, "a stream");
		return s;
	}
	const [ends, stays] = [await open(token), await open(other)];
	assertStatus(await instance.api.post("/api/auth/logout", undefined, { token }), 200);
	assert.deepEqual(await ends.end(), { code: 1008, reason: "The session has ended." });
	await stays.settled();
	const again = await open(other);
	assert.equal(again.closed ?? stays.closed, undefined);
	again.close();
	stays.close();
});

/* Each as [what, token, does the provider's own library take it?]; we take none of them. */
async function attacks() {
	const publicPem = createPublicKey(await jose.exportSPKI(rsa.publicKey)).export({ type: "spki", format: "pem" });
	const header = { alg: "RS256", typ: "JWT", kid: rsa.kid };
	const claims = clerkClaims();
	const good = await sign(rsa, claims);
	const [head, body, sum] = good.split(".");
	const stranger = await pair("RS256", rsa.kid);
	const confused = async (key, more, iss) => sign(key, { ...supabaseClaims(), ...clerkClaims(), ...more, iss });
	return [
		["alg none", `${b64({ ...header, alg: "none" })}.${body}.`],
		["alg None with the signature", `${b64({ ...header, alg: "None" })}.${body}.${sum}`],
		["alg in small letters", `${b64({ ...header, alg: "rs256" })}.${body}.${sum}`],
		["HS256 by the public key as PEM", forge({ ...header, alg: "HS256" }, claims, publicPem)],
		["HS256 by the public key's modulus", forge({ ...header, alg: "HS256" }, claims, rsa.jwk.n)],
		["HS256 by Supabase's public key", forge({ alg: "HS256", kid: ec.kid }, supabaseClaims(), await jose.exportSPKI(ec.publicKey))],
		["HS256 by Supabase's secret, with the kid of its key", await sign(hs, supabaseClaims(), { kid: ec.kid })],
		["HS256 by no secret", forge({ alg: "HS256" }, supabaseClaims(), "")],
		["kid as SQL", await sign(rsa, claims, { kid: "x' OR kid = 'clerk-1" })],
		["kid as a path", await sign(rsa, claims, { kid: "../../../../dev/null" })],
		["kid of another", await sign(rsa, claims, { kid: "clerk-2" })],
		["kid that is no text", `${b64({ ...header, kid: [rsa.kid] })}.${body}.${sum}`],
		["no kid", await sign({ ...rsa, kid: undefined }, claims)],
		["a stranger's key of the same kid", await sign(stranger, claims)],
		["a stranger's key in the header", await sign(stranger, claims, { jwk: stranger.jwk })],
		["a key's address in the header", await sign(stranger, claims, { jku: `http://127.0.0.1:${host.port}/stranger` })],
		["something critical", `${b64({ ...header, crit: ["exp"] })}.${body}.${sum}`],
		["another issuer", await sign(rsa, { ...claims, iss: "https://clerk.example.org" })],
		["an issuer with a slash more", await sign(rsa, { ...claims, iss: `${CLERK}/` })],
		["no issuer", await sign(rsa, { ...claims, iss: undefined })],
		["another origin", await sign(rsa, { ...claims, azp: "https://evil.example.com" })],
		["part of an origin", await sign(rsa, { ...claims, azp: "https://app.example.co" })],
		["no origin", await sign(rsa, { ...claims, azp: undefined })],
		["an empty origin", await sign(rsa, { ...claims, azp: "" })],
		["a list of origins", await sign(rsa, { ...claims, azp: AZP })],
		["a session that is not complete", await sign(rsa, { ...claims, sts: "pending" })],
		["expired", await sign(rsa, { ...claims, exp: now() - 31 })],
		["no exp", await sign(rsa, { ...claims, exp: undefined })],
		["exp as null", await signText(rsa, JSON.stringify({ ...claims, exp: null }))],
		["nbf as null", await signText(rsa, JSON.stringify({ ...claims, nbf: null }))],
		["a session whose state is a list", await sign(rsa, { ...claims, sts: ["pending"] })],
		["exp as text", `${head}.${b64({ ...claims, exp: String(claims.exp) })}.${sum}`],
		["not yet valid", await sign(rsa, { ...claims, nbf: now() + 3600 })],
		["issued tomorrow", await sign(rsa, { ...claims, iat: now() + 86400 })],
		["no subject", await sign(rsa, { ...claims, sub: undefined })],
		["an empty subject", await sign(rsa, { ...claims, sub: "" })],
		["a subject of 300 letters", await sign(rsa, { ...claims, sub: "x".repeat(300) })],
		["no signature", `${head}.${body}.`],
		["no signature and no dot", `${head}.${body}`],
		["four parts", `${good}.${sum}`],
		["another payload", `${head}.${b64({ ...claims, sub: "user_admin" })}.${sum}`],
		["another signature", `${head}.${body}.${(await sign(rsa, clerkClaims())).split(".")[2]}`],
		["an ES256 signature of zeros", `${b64({ alg: "ES256", kid: ec.kid })}.${b64(supabaseClaims())}.${b64("\0".repeat(64))}`],
		["7 KB", await sign(rsa, { ...claims, pad: "x".repeat(5000) }).then((t) => `${t}x`)],
		["Supabase: another audience", await sign(ec, supabaseClaims({ aud: "anon" }))],
		["Supabase: no audience", await sign(ec, supabaseClaims({ aud: undefined }))],
		["Supabase: an audience alike", await sign(ec, supabaseClaims({ aud: ["Authenticated", "authenticated2"] }))],
		["Supabase: another project", await sign(ec, supabaseClaims({ iss: "https://other.supabase.example/auth/v1" }))],
		["Supabase: its secret, another project", await sign(hs, supabaseClaims({ iss: "https://other.supabase.example/auth/v1" }))],
		["Supabase: the key of the API (anon)", await sign(hs, { iss: "supabase", role: "anon", iat: now(), exp: now() + 3600 })],
		["Supabase: expired", await sign(ec, supabaseClaims({ exp: now() - 31 }))],
		["Clerk's token by Supabase's key", await confused(ec, {}, CLERK)],
		["Clerk's token by Supabase's secret", await confused(hs, {}, CLERK)],
		["Supabase's token by Clerk's key", await confused(rsa, {}, SUPABASE_ISS)],
		["our token by Supabase's secret", await confused(hs, { sub: randomUUID(), sid: randomUUID() }, "millrace")],
		["our token by Clerk's key", await confused(rsa, { sub: randomUUID(), sid: randomUUID() }, "millrace")],
		["Supabase's token by our secret", await confused({ alg: "HS256", privateKey: Buffer.from(NEW_SECRET) }, {}, SUPABASE_ISS)],
	];
}

test("times may be any number: self-hosters mint floats and exponents", async () => {
	for (const form of [(n) => `${n}.0`, (n) => `${n}.75`, (n) => `${n / 1e9}e9`, (n) => `${n / 1e9}E+9`])
		for (const [key, claims] of [[rsa, clerkClaims({ auth_time: now() })], [ec, supabaseClaims()], [hs, supabaseClaims()]]) {
			const text = JSON.stringify(claims).replace(/"(exp|iat|nbf|auth_time)":(\d+)/g, (_, name, n) => `"${name}":${form(n)}`);
			const token = await signText(key, text);
			await user(token);
			assertStatus(await instance.api.as(token).post("/api/auth/logout"), 200);
			await refused(token, `signed out: ${text}`);
			await refused(await signText(key, text.replace(/"exp":[^,}]+/, `"exp":${form(now() - 60)}`)), "ended");
		}
	const endless = await signText(rsa, JSON.stringify(clerkClaims()).replace(/"exp":\d+/, '"exp":1e300'));
	await user(endless);
	assertStatus(await instance.api.as(endless).post("/api/auth/logout"), 200);
	await refused(endless, "signed out");
});

test("none of the known tricks gets in", async () => {
	const users = await count("SELECT count(*) FROM app_user");
	for (const [what, token] of await attacks()) {
		await refused(token, what);
		await refused(token, `${what}, again`);
	}
	assert.equal(host.hits["/stranger"], undefined);
	assert.equal(await count("SELECT count(*) FROM app_user"), users, "and none makes a user");
});

test("a token too large for nginx or for us is refused", async () => {
	for (const size of [9000, 100000]) {
		const { status } = await who(await sign(rsa, clerkClaims({ pad: "x".repeat(size) })));
		assert.ok([400, 401, 414, 431, 494].includes(status), `${size}: ${status}`);
	}
	assertStatus(await who(await sign(rsa, clerkClaims({ pad: "x".repeat(3000) }))), 200);
});

test("30 s of leeway", async () => {
	await user(await sign(rsa, clerkClaims({ nbf: now() + 20, iat: now() + 20 })));
	await user(await sign(rsa, clerkClaims({ exp: now() - 1 })));
});

test("Clerk's own library takes the tokens that we take, and refuses those that we refuse", async () => {
	const options = { jwtKey: await jose.exportSPKI(rsa.publicKey), authorizedParties: AZP, clockSkewInMs: 30000 };
	const taken = async (token) => verifyToken(token, options).then((c) => c.iss === CLERK, () => false);
	const good = [clerkClaims(), clerkClaims({ azp: AZP[1] }), clerkClaims({ nbf: now() + 20 }),
		clerkClaims({ email: newAddress(), email_verified: true, name: "Žofie" })];
	const tokens = await Promise.all(good.map((claims) => sign(rsa, claims)));
	for (const form of [(n) => `${n}.0`, (n) => `${n}.25`, (n) => `${n / 1e9}e9`])
		tokens.push(await signText(rsa, JSON.stringify(clerkClaims()).replace(/"(exp|iat|nbf)":(\d+)/g, (_, name, n) => `"${name}":${form(n)}`)));
	for (const token of tokens) {
		assert.ok(await taken(token), Buffer.from(token.split(".")[1], "base64url").toString());
		await user(token);
	}
	/* It leaves these to others: jwtKey stands for any kid, and a subject may be anything. */
	const ours = /^(kid|no kid|no subject|an empty subject|a subject of|a session|something critical|no exp|exp as null|nbf as null)/;
	for (const [what, token] of await attacks())
		if (!ours.test(what))
			assert.equal(await taken(token), false, what);
});

test("Supabase's own library takes the ES256 tokens that we take, and refuses a tampered one", async () => {
	const client = createClient(SUPABASE, "anon", { auth: { persistSession: false, autoRefreshToken: false },
		realtime: { transport: class {} } });
	const claims = supabaseClaims();
	const token = await sign(ec, claims);
	const options = { jwks: { keys: [ec.jwk] } };
	const { data, error } = await client.auth.getClaims(token, options);
	assert.equal(error, null);
	assert.equal(data.claims.sub, claims.sub);
	await user(token);
	const [head, , sum] = token.split(".");
	const bad = `${head}.${b64({ ...claims, sub: randomUUID() })}.${sum}`;
	assert.notEqual((await client.auth.getClaims(bad, options)).error, null);
	await refused(bad);
});

test("an unknown kid asks for one refresh, however many come", async () => {
	const next = await pair("RS256", "clerk-next");
	const token = await sign(next, clerkClaims());
	host.sets["/clerk"] = [rsa.jwk, next.jwk];
	const began = Date.now(), hits = host.hits["/clerk"];
	await refused(token, "before anyone has fetched");
	await settled(token);
	const stranger = await sign(await pair("RS256", "nobody"), clerkClaims());
	for (let i = 0; i < 10; i++)
		await Promise.all(Array.from({ length: 20 }, () => refused(stranger)));
	const fetched = host.hits["/clerk"] - hits;
	assert.ok(fetched >= 1 && fetched <= 2 + (Date.now() - began) / (PAUSE * 1000), `${fetched} fetches`);
	await user(await sign(rsa, clerkClaims()));
});

test("an outage of the keys' host changes nothing for known keys", async () => {
	const next = await pair("ES256", "supabase-next");
	const [token, known, secret] = [await sign(next, supabaseClaims()), await sign(ec, supabaseClaims()), await sign(hs, supabaseClaims())];
	host.sets["/supabase"] = [ec.jwk, next.jwk];
	for (const mode of ["error", "garbage", "slow"]) {
		host.mode = mode;
		const hits = host.hits["/supabase"];
		await until(async () => {
			await refused(token, mode);
			return host.hits["/supabase"] > hits;
		}, `a fetch while it is ${mode}`);
		await settled(known, secret);
		await user(await sign(ec, supabaseClaims()));
	}
	await host.stop();
	await refused(token, "away");
	await settled(known);
	host.mode = "well";
	await host.start(host.port);
	await until(async () => (await who(token)).status === 200, "the fetch after the outage");
	await settled(known, token);
});

test("a key that is withdrawn counts no more, for remembered tokens neither", async () => {
	const gone = await pair("RS256", "clerk-gone");
	host.sets["/clerk"] = [rsa.jwk, gone.jwk];
	const token = await sign(gone, clerkClaims());
	await until(async () => (await who(token)).status === 200, "the new key");
	await settled(token);
	host.sets["/clerk"] = [rsa.jwk];
	const unknown = await sign(await pair("RS256", "nobody-else"), clerkClaims());
	await until(async () => {
		await refused(unknown);
		return (await who(token)).status === 401;
	}, "the withdrawal");
	await settled(token, 401);
	await user(await sign(rsa, clerkClaims()));
});

test("a pool that starts while the database is away turns nobody out", async () => {
	const token = await sign(rsa, clerkClaims());
	await user(token);
	const database = Number(readFileSync(`${instance.dir}/pg/postmaster.pid`, "utf8").split("\n")[0]);
	const statuses = new Set();
	const seen = (status) => until(async () => {
		const reply = await instance.api.fresh().get("/api/user", { token, headers: { connection: "close" } });
		statuses.add(reply.status);
		return reply.status === status;
	}, `status ${status}`);
	process.kill(database, "SIGSTOP");
	try {
		await instance.dev("restart", "account");
		await seen(503);
	} finally {
		process.kill(database, "SIGCONT");
	}
	await seen(200);
	assert.ok(!statuses.has(401), [...statuses].join());
});

test("what was denied is forgotten once it has ended", async () => {
	await until(async () => await count("SELECT count(*) FROM token_denied WHERE hash = sha256('ended')") === 0, "the sweep", 180000);
	assert.equal(await count("SELECT count(*) FROM token_denied WHERE hash = sha256('lasts')"), 1);
});

test("the keys in the database hold nothing but public halves", async () => {
	const rows = (await instance.psql("SELECT jwk FROM jwks")).trim().split("\n").map((l) => JSON.parse(l));
	assert.ok(rows.length >= 2);
	for (const jwk of rows)
		assert.ok(!("d" in jwk) && !("k" in jwk));
});

test("API_JWT_SECRET_OLD checks what it signed, and signs nothing", async () => {
	const own = await newUser(instance.api);
	const claims = jose.decodeJwt(own.token);
	const by = (secret) => new jose.SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(Buffer.from(secret));
	await jose.jwtVerify(own.token, Buffer.from(NEW_SECRET));
	assert.equal((await user(await by(OLD_SECRET))).id, own.uid);
	await refused(await by("another-secret-of-the-service-0123456789012"), "a third secret");
});

const macOf = (secret, purpose, text) => createHmac("sha256", createHmac("sha256", secret).update(purpose).digest()).update(text).digest();

test("CSRF tokens from before the rotation are still good", async () => {
	const name = `n${randomUUID().slice(0, 8)}`;
	assertStatus(await instance.api.post("/api/v1/user/register", { username: name, password: PASSWORD }), 201);
	const login = assertStatus(await instance.api.fresh().post("/api/v1/auth/login", { username: name, password: PASSWORD }), 200);
	const access = setCookies(login)[SESSION].value;
	const { sid } = jose.decodeJwt(access);
	const change = (csrf) => instance.api.patch("/api/user", { timezone: "UTC" },
		{ headers: { cookie: `${SESSION}=${access}; csrf_access_token=${csrf}`, "x-csrf-token": csrf } });
	for (const secret of [NEW_SECRET, OLD_SECRET])
		assertStatus(await change(macOf(secret, "csrf", sid).toString("base64url")), 200);
	assertError(await change(macOf("another-secret-of-the-service-0123456789012", "csrf", sid).toString("base64url")), "FORBIDDEN");
	assertError(await change(""), "FORBIDDEN");
});

test("an Idempotency-Key from before the rotation gets its reply again", async () => {
	const key = randomUUID();
	const body = { email: newAddress(), password: PASSWORD, display_name: "Once" };
	const post = (json) => instance.api.fresh().post("/api/auth/register", json, { headers: { "idempotency-key": key } });
	const first = assertStatus(await post(body), 201).json;
	const old = macOf(OLD_SECRET, "idempotency", `POST\n/api/auth/register\n${JSON.stringify(body)}`).toString("hex");
	await instance.psql(`UPDATE idempotency SET body_mac = '\\x${old}' WHERE key = '${key}'`);
	assertError(await post({ ...body, display_name: "Twice" }), "CONFLICT");
	const again = assertStatus(await post(body), 201);
	assert.equal(again.json.uid, first.uid);
	assert.equal(again.headers["idempotent-replayed"], "true");
});

test("the vectors, with keys fetched again and again, and Supabase by its secret alone", async (t) => {
	host.sets["/vectors"] = vectors.jwks.keys;
	const other = await privateInstance("vectors", {
		MILLRACE_CLERK_ISSUER: vectors.iss, MILLRACE_CLERK_JWKS_URL: `http://127.0.0.1:${host.port}/vectors`,
		MILLRACE_CLERK_AZP: vectors.azp, SUPABASE_JWT_SECRET: vectors.hs256.secret, MILLRACE_JWKS_SECONDS: "1", MILLRACE_RATE_READ: "0" });
	t.after(() => other.stop());
	const take = async (token) => (await other.api.get("/api/user", { token })).status;
	const good = vectors.vectors.find((v) => v.expected).token;
	await steady(other.api, 200, [good]);
	for (const { name, token, expected } of vectors.vectors) {
		const status = await take(token);
		assert.ok(status === 200 || status === 401, `${name}: ${status}`);
		if (expected !== null)
			assert.equal(status, expected ? 200 : 401, name);
	}
	assert.equal(await take(vectors.hs256.token), 200, "Supabase's secret");
	assertStatus(await (await newUser(other.api)).api.get("/api/user"), 200);
	const hits = host.hits["/vectors"];
	await until(() => host.hits["/vectors"] >= hits + 2, "two more fetches that nobody asked for");
	host.sets["/vectors"] = vectors.jwks.keys.slice(1);
	await until(async () => await take(good) === 401, "the withdrawal");
});
