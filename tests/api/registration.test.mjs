/*
 * Who may make an account: by invitation, on an instance with mail, GitHub's stand-in and Supabase; and not at all, on another. Everywhere
 * else in the tests registration is open.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { join } from "node:path";
import { PASSWORD, ROOT, newAddress } from "../js/instance.mjs";
import { login, newName } from "../js/accounts.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { errorPage, hub, signIn, startAll, startPath } from "../js/oauth.mjs";
import { KeyHost } from "../js/issuers.mjs";
import { erased } from "../js/traces.mjs";
import * as smtp from "../standin/smtp.mjs";

const INVITE = "https://app.example.com/join?a=1&invitation={token}#now";
const SUPABASE = "https://project.supabase.example", SECRET = "supabase-secret-of-at-least-32-bytes-xxxxxxxx";
const WAIT = 120000;
const KEYS = ["id", "email", "state", "created_by", "created_at", "expires_at", "used_by", "used_at"];
const keys = new KeyHost();
let all, relay, millrace, api, github, admin;

before(async () => {
	relay = await smtp.start();
	await keys.start();
	all = await startAll("invited", { MILLRACE_REGISTRATION: "invited", MILLRACE_INVITE_URL: INVITE, ...supabase(),
		SMTP_URL: relay.url, SMTP_USER: smtp.USER, SMTP_PASSWORD: smtp.PASSWORD, SMTP_FROM: "mill@example.com", SSL_CERT_FILE: relay.cert });
	({ millrace, github } = all);
	({ api } = millrace);
	admin = await invited();
	await millrace.ctl("user", "role", admin.email, "admin");
});
after(async () => {
	await all?.stop();
	await keys.stop();
	await relay?.close();
});

const supabase = () => ({ SUPABASE_URL: SUPABASE, SUPABASE_JWT_SECRET: SECRET, SUPABASE_JWKS_URL: `http://127.0.0.1:${keys.port}/none` });
const value = async (sql) => (await millrace.psql(sql)).trim();
const tokenOf = (link) => /invitation=([\w-]{43})#now$/.exec(link)[1];
const fromShell = async (...args) => tokenOf((await millrace.ctl("user", "invite", ...args)).stdout.trim());
const register = (invitation, more = {}, on = api) => on.fresh().post("/api/auth/register",
    { email: newAddress(), password: PASSWORD, display_name: "Ada", ...invitation !== undefined && { invitation }, ...more });
const named = (invitation, more = {}, on = api) => on.fresh().post("/api/v1/user/register",
    { username: newName(), password: PASSWORD, ...invitation !== undefined && { invitation }, ...more });
const invite = (json = {}, by = admin.api) => by.post("/api/v1/admin/invitations", json);
const accounts = () => value("SELECT count(*) FROM app_user");

async function invited() {
	const { json } = assertStatus(await register(await fromShell()), 201);
	return { ...json, api: api.fresh().as(json.token) };
}

/* A reply that refuses, in these words, and made no account. */
async function refusedIn(words, send) {
	const before = await accounts(), reply = await send();
	assertError(reply, "FORBIDDEN");
	assert.match(reply.json.error, words);
	assert.equal(await accounts(), before);
}

test("without an invitation nobody registers, and is told what is missing", async () => {
	for (const send of [() => register(), () => register(null), () => named()])
		await refusedIn(/needs an invitation/, send);
	for (const send of [() => register("guess"), () => named("x".repeat(43)), () => register("' OR true --")])
		await refusedIn(/used, has expired or was withdrawn; ask for a new one/, send);
	assertError(await register(""), "BAD_REQUEST", ["invitation"]);
	/* An address that has an account is no more to be seen than any other. */
	await refusedIn(/needs an invitation/, () => register(undefined, { email: admin.email }));
});

test("an administrator's link makes one account, by either way to register", async () => {
	const made = assertStatus(await invite({ days: 3 }), 201).json;
	assertKeys(made, [...KEYS, "token", "link", "mailed"]);
	assert.match(made.id, UUID7);
	assert.match(made.expires_at, TIME);
	assert.equal(made.link, INVITE.replace("{token}", made.token));
	assert.deepEqual([made.state, made.email, made.mailed, made.created_by], ["open", null, false, admin.uid]);
	assert.equal(Math.round((Date.parse(made.expires_at) - Date.parse(made.created_at)) / 86400000), 3);
	const user = assertStatus(await register(made.token), 201).json;
	for (const send of [() => register(made.token), () => named(made.token)])
		await refusedIn(/was used/, send);
	const listed = assertStatus(await admin.api.get("/api/v1/admin/invitations"), 200).json.find((i) => i.id === made.id);
	assertKeys(listed, KEYS);
	assert.deepEqual([listed.state, listed.used_by], ["used", user.uid]);
	assert.match(listed.used_at, TIME);
	const second = assertStatus(await invite(), 201).json;
	const account = assertStatus(await named(second.token), 201).json;
	await login(api, { username: account.username, password: PASSWORD });
	assert.equal(JSON.parse(await value(`SELECT data FROM audit_log WHERE subject = '${account.id}' AND type = 'registered'`)).invitation, second.id);
	assert.equal(await value(`SELECT actor FROM audit_log WHERE type = 'invited' AND data ->> 'invitation' = '${second.id}'`), admin.uid);
	const exported = assertStatus(await api.fresh().as(user.token).get("/api/v1/user/export"), 200).json.invitations;
	assert.deepEqual(exported.map((i) => i.id), [made.id]);
});

test("a token is nowhere but in the reply", async () => {
	const { token } = assertStatus(await invite(), 201).json;
	assert.ok(!(await admin.api.get("/api/v1/admin/invitations")).text.includes(token));
	assert.equal(await value(`SELECT count(*) FROM invitation i WHERE i::text LIKE '%${token}%'`), "0");
	assert.equal(await value(`SELECT count(*) FROM invitation WHERE token_hashes @> ARRAY[sha256('${token}')]`), "1");
	assertStatus(await api.fresh().get(`${startPath("github")}?invitation=${token}`), 302);
	assert.equal(await millrace.grepLogs(token), "");
});

test("of many at once with one link one wins", async () => {
	const { token } = assertStatus(await invite(), 201).json;
	const statuses = (await Promise.all([1, 2, 3, 4].flatMap(() => [register(token), named(token)]))).map((r) => r.status);
	assert.deepEqual(statuses.sort(), [201, ...Array(7).fill(403)]);
});

test("a registration that fails leaves the link good; repeated with its key it is the same", async () => {
	const { token } = assertStatus(await invite(), 201).json;
	assertError(await register(token, { email: admin.email }), "CONFLICT");
	assertError(await register(token, { password: "short" }), "BAD_REQUEST", ["password"]);
	const email = newAddress(), options = { headers: { "idempotency-key": email } };
	const send = () => api.fresh().post("/api/auth/register", { email, password: PASSWORD, display_name: "x", invitation: token }, options);
	const first = assertStatus(await send(), 201).json;
	assert.equal(assertStatus(await send(), 201).json.uid, first.uid);
});

test("one that has expired, or was withdrawn", async () => {
	const old = assertStatus(await invite(), 201).json;
	await millrace.psql(`UPDATE invitation SET expires_at = now() - interval '1 second' WHERE id = '${old.id}'`);
	await refusedIn(/has expired/, () => register(old.token));
	assert.equal((await admin.api.get("/api/v1/admin/invitations")).json.find((i) => i.id === old.id).state, "expired");
	const taken = assertStatus(await invite(), 201).json;
	assertStatus(await admin.api.delete(`/api/v1/admin/invitations/${taken.id}`), 204);
	assertError(await admin.api.delete(`/api/v1/admin/invitations/${taken.id}`), "NOT_FOUND");
	await refusedIn(/was withdrawn/, () => named(taken.token));
	assert.equal(await value(`SELECT actor FROM audit_log WHERE type = 'invitation_withdrawn' AND data ->> 'invitation' = '${taken.id}'`), admin.uid);
	await millrace.psql(`UPDATE invitation SET expires_at = now() - interval '31 days' WHERE id = '${old.id}'; SELECT invitation_sweep()`);
	assert.equal(await value(`SELECT count(*) FROM invitation WHERE id = '${old.id}'`), "0");
});

test("invitations are an administrator's, who makes accounts without one", async () => {
	const user = await invited();
	for (const reply of [await invite({}, user.api), await user.api.get("/api/v1/admin/invitations"), await user.api.delete(`/api/v1/admin/invitations/${randomUUID()}`)])
		assertError(reply, "FORBIDDEN");
	assertError(await invite({}, api.fresh()), "UNAUTHORIZED");
	assertError(await invite({ email: "nobody", days: 0 }), "BAD_REQUEST", ["email", "days"]);
	assertError(await invite({ email: user.email.toUpperCase() }), "CONFLICT");
	assertError(await user.api.post("/api/v1/user/dao", { username: newName(), password: PASSWORD }), "FORBIDDEN");
	assertStatus(await admin.api.post("/api/v1/user/dao", { username: newName(), password: PASSWORD }), 201);
});

test("the list comes in pages", async () => {
	const made = [];
	for (let i = 0; i < 3; i++)
		made.unshift(assertStatus(await invite(), 201).json.id);
	const page = assertStatus(await admin.api.get("/api/v1/admin/invitations?limit=2"), 200);
	assert.deepEqual(page.json.map((i) => i.id), made.slice(0, 2));
	const [, next] = /<([^>]*)>; rel="next"/.exec(page.headers.link);
	assert.equal(assertStatus(await admin.api.get(next), 200).json[0].id, made[2]);
});

test("to an address a link is mailed; it and the one shown are good for one account together", async () => {
	const email = newAddress(), made = assertStatus(await invite({ email, days: 1 }), 201).json;
	assert.deepEqual([made.email, made.mailed], [email, true]);
	const mail = await until(() => relay.to(email)[0], "the mail", WAIT);
	assert.deepEqual(mail.faults, []);
	assert.equal(mail.subject, "Your invitation");
	assert.match(mail.text, /ends in a day:/);
	const token = tokenOf(/^https:.*$/m.exec(mail.text.replaceAll("\r", ""))[0]);
	assert.notEqual(token, made.token);
	assert.ok(mail.html.includes(INVITE.replace("{token}", token).replace("&", "&#38;")), mail.html);
	const user = assertStatus(await register(token, { email }), 201).json;
	await refusedIn(/was used/, () => register(made.token));
	assertStatus(await api.fresh().as(user.token).delete(`/api/v1/user/dao/${user.uid}`), 204);
	await erased(millrace, user.uid);        /* its end: tests below count accounts */
	assert.equal(await value(`SELECT count(*) FROM invitation WHERE email = '${email}'`), "0", "the invitation's end with its user");
});

test("one that is withdrawn while its mail waits is not mailed", async () => {
	const email = newAddress();
	relay.answer = (step, what) => step === "rcpt" && what === email ? 450 : null;
	const made = assertStatus(await invite({ email }), 201).json;
	await until(async () => await value(`SELECT count(*) FROM run r JOIN job j ON j.run_id = r.id WHERE r.input ->> 'invitation' = '${made.id}'
		AND j.attempts > 0 AND j.state = 'queued'`) === "1",
	    "a first attempt", WAIT);
	assertStatus(await admin.api.delete(`/api/v1/admin/invitations/${made.id}`), 204);
	relay.answer = () => null;
	await until(async () => await value(`SELECT status FROM run WHERE input ->> 'invitation' = '${made.id}'`) === "completed", "the mail's end", WAIT);
	assert.deepEqual(relay.to(email), []);
});

test("the shell invites, too", async () => {
	const { stdout, stderr } = await millrace.ctl("user", "invite", "--days", "2");
	assert.match(stdout, /^https:\/\/app\.example\.com\/join\?a=1&invitation=[\w-]{43}#now\n$/);
	const [, id] = /Invitation (\S+), good for one account until/.exec(stderr);
	assert.match((await millrace.ctl("user", "invitations")).stdout, new RegExp(`^${id} +- +open `, "m"));
	const user = assertStatus(await register(tokenOf(stdout.trim())), 201).json;
	const listed = JSON.parse((await millrace.ctl("user", "invitations", "--json")).stdout).find((i) => i.id === id);
	assert.deepEqual([listed.state, listed.used_by, listed.created_by], ["used", user.uid, null]);
	const email = newAddress();
	assert.match((await millrace.ctl("user", "invite", email)).stderr, /is mailed to/);
	await until(() => relay.to(email)[0], "the mail", WAIT);
	await assert.rejects(millrace.ctl("user", "invite", admin.email), /exists already/);
});

/* Ends at the error page with this code, and makes no account. */
async function turnedAway(code, query = "", { browser, provider = "github" } = {}) {
	const before = await accounts();
	assert.equal(await (browser ?? all.browser()).walk(startPath(provider) + query), errorPage(code, provider));
	assert.equal(await accounts(), before);
}

test("signing in by GitHub: who is new needs the link, who has an account does not", async () => {
	github.user = hub();
	await turnedAway("invitation_needed");
	await turnedAway("invitation_invalid", "?invitation=guess");
	const { token, id } = assertStatus(await invite(), 201).json;
	const me = await signIn(all.browser(), "github", { query: `?invitation=${token}` });
	assert.equal(await value(`SELECT user_id FROM invitation WHERE id = '${id}'`), me.id);
	assert.equal((await signIn(all.browser(), "github")).id, me.id);
	/* A link that came along for nothing is not used up. */
	const other = assertStatus(await invite(), 201).json;
	assert.equal((await signIn(all.browser(), "github", { query: `?invitation=${other.token}` })).id, me.id);
	github.user = hub();
	await turnedAway("invitation_invalid", `?invitation=${token}`);
	assert.equal(await value(`SELECT count(*) FROM external_identity WHERE subject = '${github.user.id}'`), "0");
	assertStatus(await register(other.token), 201);
	/* The same address, verified by GitHub: it is their account. */
	const known = await invited();
	github.user = hub({ emails: [{ email: known.email, primary: true, verified: true }] });
	assert.equal((await signIn(all.browser(), "github")).id, known.uid);
});

/* What Supabase gives somebody who is new here. */
function supabaseToken() {
	const now = Math.floor(Date.now() / 1000), b64 = (o) => Buffer.from(JSON.stringify(o)).toString("base64url");
	const text = `${b64({ alg: "HS256", typ: "JWT" })}.${b64({ iss: `${SUPABASE}/auth/v1`, sub: randomUUID(), aud: "authenticated",
		role: "authenticated", iat: now, exp: now + 3600, email: "", user_metadata: {}, app_metadata: { provider: "email" } })}`;
	return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

test("whom Supabase lets in has an account", async () => {
	assertStatus(await api.fresh().as(supabaseToken()).get("/api/user"), 200);
});

test("closed: nobody registers, and everybody who is there goes on", async (t) => {
	const shut = await startAll("closed", { MILLRACE_REGISTRATION: "closed", ...supabase() });
	t.after(() => shut.stop());
	const on = shut.millrace.api;
	const words = /Registration is closed/;
	for (const send of [() => register(undefined, {}, on), () => register("x", {}, on), () => named("x", {}, on)]) {
		const reply = await send();
		assertError(reply, "FORBIDDEN");
		assert.match(reply.json.error, words);
	}
	const { stdout, stderr } = await shut.millrace.ctl("user", "invite");
	assert.match(stderr, /MILLRACE_REGISTRATION is closed/);
	assert.match(stderr, /token alone/);
	assertError(await register(stdout.trim(), {}, on), "FORBIDDEN");
	for (const query of ["", `?invitation=${stdout.trim()}`]) {
		shut.github.user = hub();
		assert.equal(await shut.browser().walk(startPath("github") + query), errorPage("registration_closed", "github"));
	}
	assertStatus(await on.fresh().as(supabaseToken()).get("/api/user"), 200);
	/* The demo user of ./dev was made in the shell. */
	const { email, password } = shut.millrace.demo;
	await shut.millrace.ctl("user", "role", email, "admin");
	const chief = on.fresh().as(assertStatus(await on.fresh().post("/api/auth/login", { email, password }), 200).json.token);
	const username = newName();
	assertStatus(await chief.post("/api/v1/user/dao", { username, password: PASSWORD }), 201);
	const user = await login(on, { username, password: PASSWORD });
	assertError(await user.send("POST", "/api/v1/user/dao", { json: { username: newName(), password: PASSWORD } }), "FORBIDDEN");
	const reply = await chief.post("/api/v1/admin/invitations", {});
	assertError(reply, "CONFLICT");
	assert.match(reply.json.error, words);
	shut.github.user = hub({ emails: [{ email, primary: true, verified: true }] });
	assert.equal((await signIn(shut.browser(), "github")).email, email);
});

test("a word that is none, and a page without a place for the token, stop the start", () => {
	const runner = join(process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build"), "millrace-runner");
	for (const [name, given, says] of [["MILLRACE_REGISTRATION", "invite", /takes open, invited or closed/],
		["MILLRACE_INVITE_URL", "https://app.example.com/join", /\{token\}/]]) {
		const { status, stderr } = spawnSync(runner, [], { env: { PATH: process.env.PATH, [name]: given } });
		assert.equal(status, 1, String(stderr));
		assert.match(String(stderr), says);
	}
});
