/* A forgotten password: the mail, its link, and what using it does. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import pg from "pg";
import { PASSWORD, ROOT, newAddress, newUser, privateInstance, shared } from "../js/instance.mjs";
import { assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import * as smtp from "../standin/smtp.mjs";

const NEW = "another horse 8";
const PAGE = "https://app.example.com/reset?a=1&token={token}#top";
let api, millrace, relay;
before(async () => {
	relay = await smtp.start();
	millrace = await privateInstance("reset", { SMTP_URL: relay.url, SMTP_USER: smtp.USER, SMTP_PASSWORD: smtp.PASSWORD,
		SMTP_FROM: "Millrace Mill <no-reply@mill.example.com>", MILLRACE_RESET_URL: PAGE, SSL_CERT_FILE: relay.cert });
	({ api } = millrace);
});
after(async () => {
	await millrace?.stop();
	await relay?.close();
});

const WAIT = 120000;        /* for what comes by itself, on a machine that is busy */
const ask = (email, from = api.fresh()) => from.post("/api/auth/reset-password", { email });
const confirm = (token, password = NEW) => api.fresh().post("/api/auth/reset-password/confirm", { token, password });
const login = (email, password) => api.fresh().post("/api/auth/login", { email, password });
const SAME = { message: "Password reset email sent" };
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

async function mailsTo(email, n = 1) {
	await until(() => relay.to(email).length >= n, `${n} mails to ${email}`, WAIT);
	return relay.to(email);
}
const tokenOf = (mail) => {
	const found = /^https:\/\/app\.example\.com\/reset\?a=1&token=([\w-]{43})#top$/m.exec(mail.text.replaceAll("\r", ""));
	assert.ok(found, mail.text);
	return found[1];
};
async function askFor(email) {
	assert.deepEqual(assertStatus(await ask(email), 200).json, SAME);
	return tokenOf((await mailsTo(email))[0]);
}
/* A mail's run of this user, once it has ended. */
const ended = (uid) => until(async () => {
	const [row] = (await millrace.psql(`SELECT r.id, r.status, r.error_code FROM run r WHERE r.owner_id = '${uid}'
		AND r.kind = 'mail' AND r.ended_at IS NOT NULL`)).trim().split("\n");
	const [id, status, code] = row.split("|");
	return id && { id, status, code };
}, "the mail's end", WAIT);

/* Nothing of earlier tests is on its way any more. */
const quiet = () => until(async () => (await millrace.psql(`SELECT (SELECT count(*) FROM reset_request WHERE email IS NOT NULL)
	+ (SELECT count(*) FROM run WHERE kind = 'mail' AND ended_at IS NULL)`)).trim() === "0", "the end of all mails", WAIT);

test("the mail: both forms, one reader, nothing of anybody's in its headers", async () => {
	const email = newAddress();
	await newUser(api, { email, display_name: "<b>Eve</b>\u2028Bcc: x@example.org" });
	const token = await askFor(email);
	const [mail] = relay.to(email);
	assert.deepEqual(mail.faults, []);
	assert.deepEqual(mail.envelope, { from: "no-reply@mill.example.com", to: [email] });
	assert.deepEqual([mail.from.address, mail.from.name], ["no-reply@mill.example.com", "Millrace Mill"]);
	assert.deepEqual(mail.to.map((t) => t.address), [email]);
	assert.match(mail.messageId, /^<[0-9a-f]{32}@mill\.example\.com>$/);
	assert.equal(mail.headers.find((h) => h.key === "auto-submitted").value, "auto-generated");
	assert.match(mail.headers.find((h) => h.key === "content-type").value, /^multipart\/alternative;/);
	assert.ok(!Number.isNaN(Date.parse(mail.date)));
	assert.ok(mail.html.includes(`href="https://app.example.com/reset?a=1&#38;token=${token}#top"`), mail.html);
	assert.ok(!/Eve|Bcc/.test(mail.raw + mail.text + mail.html), "a name that a user chose");
	assert.ok(relay.commands.includes("auth encrypted") && !relay.commands.includes("auth in clear"));
});

test("the link sets the password, once, and ends every session", async () => {
	const user = await newUser(api);
	const second = assertStatus(await login(user.email, PASSWORD), 200).json.token;
	const other = await newUser(api);
	const token = await askFor(user.email);
	assert.deepEqual(assertStatus(await confirm(token), 200).json, { message: "Password reset successful" });
	assertError(await user.api.get("/api/user"), "UNAUTHORIZED");
	assertError(await api.as(second).get("/api/user"), "UNAUTHORIZED");
	assertStatus(await other.api.get("/api/user"), 200);
	assertError(await login(user.email, PASSWORD), "UNAUTHORIZED");
	assertStatus(await login(user.email, NEW), 200);
	assertError(await confirm(token, "a third horse 9"), "BAD_REQUEST");
	assertStatus(await login(user.email, NEW), 200);
});

test("a first password for an account that had none is told as a change", async () => {
	const user = await newUser(api);
	await millrace.psql(`DELETE FROM password WHERE user_id = '${user.uid}'`);
	assertStatus(await confirm(await askFor(user.email)), 200);
	assertStatus(await login(user.email, NEW), 200);
	const told = await millrace.psql(`SELECT data FROM audit_log WHERE subject = '${user.uid}' AND type = 'password_changed'`);
	assert.deepEqual(told.trim().split("\n").map((l) => JSON.parse(l)), [{ first: true }]);
});

test("of many at once with one token one wins", async () => {
	const user = await newUser(api);
	const token = await askFor(user.email);
	const passwords = [1, 2, 3, 4, 5].map((n) => `horse number ${n}`);
	const statuses = (await Promise.all(passwords.map((p) => confirm(token, p)))).map((r) => r.status);
	assert.deepEqual([...statuses].sort(), [200, 400, 400, 400, 400]);
	assertStatus(await login(user.email, passwords[statuses.indexOf(200)]), 200);
});

test("a token that is too old, or none, or of a disabled account", async () => {
	const user = await newUser(api);
	const token = await askFor(user.email);
	for (const bad of ["x", token.slice(0, -1), token + "A", token.toUpperCase(), "' OR 1=1 --", "é"])
		assertError(await confirm(bad), "BAD_REQUEST");
	await millrace.psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${user.uid}'`);
	assertError(await confirm(token), "BAD_REQUEST");
	await millrace.psql(`UPDATE app_user SET disabled_at = NULL WHERE id = '${user.uid}'`);
	const left = (await millrace.psql(`SELECT extract(epoch FROM expires_at - now()) FROM password_reset WHERE user_id = '${user.uid}'`)).trim();
	assert.ok(Number(left) > 0 && Number(left) <= 3600, left);
	await millrace.psql(`UPDATE password_reset SET expires_at = now() WHERE user_id = '${user.uid}'`);
	assertError(await confirm(token), "BAD_REQUEST");
	assertStatus(await login(user.email, PASSWORD), 200);
});

test("what is missing or out of bounds is named", async () => {
	const path = "/api/auth/reset-password";
	for (const bad of [{}, { email: "nobody" }, { email: 5 }, { email: "a@b.c\r\nBcc: x@example.org" }, { email: "a@b.c, x@example.org" }])
		assertError(await api.fresh().post(path, bad), "BAD_REQUEST", ["email"]);
	assertError(await api.fresh().post(`${path}/confirm`, {}), "BAD_REQUEST", ["token", "password"]);
	assertError(await api.fresh().post(`${path}/confirm`, { token: "x".repeat(129), password: "short" }), "BAD_REQUEST", ["token", "password"]);
});

test("an address without an account gets the same words by the same way, and no mail", async () => {
	const user = await newUser(api), nobody = newAddress();
	/* What would tell them apart is not even read: for now it cannot be. */
	const lock = new pg.Client({ host: join(millrace.runDir, "pg"), database: "millrace", user: "postgres" });
	await lock.connect();
	await lock.query("BEGIN; LOCK TABLE app_user, password, password_reset");
	const [known, unknown] = [await ask(user.email), await ask(nobody)];
	await lock.end();
	assert.equal(assertStatus(known, 200).text, assertStatus(unknown, 200).text);
	await mailsTo(user.email);
	await quiet();
	assert.equal(relay.to(nobody).length, 0);
});

test("a domain beyond ASCII: asked for in any form, the relay gets its A-labels, the account the new password", async () => {
	const id = `m${Date.now()}`, wire = `${id}@xn--mnchen-3ya.example`;
	assertStatus(await api.fresh().post("/api/auth/register", { email: `${id}@München.example`, password: PASSWORD, display_name: "Ada" }), 201);
	assertStatus(await ask(` ${id}@MÜNCHEN.example `.normalize("NFD")), 200);
	/* The stand-in shows an envelope's domain with U-labels, whatever came. */
	const [mail] = await mailsTo(`${id}@münchen.example`);
	assert.match(mail.raw, new RegExp(`^To: ${wire}\r$`, "m"));
	assert.deepEqual(mail.faults, []);
	assertStatus(await confirm(tokenOf(mail), "été été été".normalize("NFD")), 200);
	assertStatus(await login(wire, "été été été"), 200);
});

test("five mails an hour for an account, in whatever case it is written", async () => {
	const { email } = await newUser(api);
	const subject = `login_subject(${quoted(email)})`;
	await millrace.psql(`INSERT INTO reset_request (subject, requests) VALUES (${subject}, 5)`);
	assert.deepEqual(assertStatus(await ask(email.toUpperCase()), 200).json, SAME);
	assert.equal((await millrace.psql(`SELECT requests, email IS NULL FROM reset_request WHERE subject = ${subject}`)).trim(), "6|t");
	await millrace.psql(`UPDATE reset_request SET since = now() - interval '61 minutes' WHERE subject = ${subject}`);
	await askFor(email);
});

test("the token is nowhere but in the mail, and the mail's run is not the user's", async () => {
	const user = await newUser(api);
	const token = await askFor(user.email);
	const { id, status } = await ended(user.uid);
	assert.equal(status, "completed");
	const everything = await millrace.psql("SELECT database_to_xml(true, false, '')");
	assert.ok(everything.includes(user.email) && !everything.includes(token), "the database holds the token");
	assert.equal(await millrace.grepLogs(token), "");
	assert.equal(await millrace.grepLogs(smtp.PASSWORD), "");
	assertError(await user.api.get(`/api/runs/${id}`), "NOT_FOUND");
	assertError(await user.api.get(`/api/runs/${id}/stream`), "NOT_FOUND");
	assert.deepEqual(assertStatus(await user.api.get("/api/conversations"), 200).json, []);
	assert.ok(!relay.to(user.email)[0].raw.includes(id), "the run's id went out");
});

test("a relay that is busy is asked again, with the same Message-ID", async () => {
	const user = await newUser(api);
	let refused = 0;
	relay.answer = (step, mail) => (step === "data" && mail.envelope.to[0] === user.email && refused++ === 0 ? 451 : 0);
	assertStatus(await ask(user.email), 200);
	const [first, second] = await mailsTo(user.email, 2);
	relay.answer = () => 0;
	assert.equal(first.messageId, second.messageId);
	assert.notEqual(tokenOf(first), tokenOf(second));
	assert.equal((await ended(user.uid)).status, "completed");
	/* the first may have arrived all the same: its link works, and then neither does any more */
	assertStatus(await confirm(tokenOf(first)), 200);
	assertError(await confirm(tokenOf(second)), "BAD_REQUEST");
});

test("a relay that says no for good is not asked again", async () => {
	const user = await newUser(api);
	relay.answer = (step, address) => (step === "rcpt" && address === user.email ? 550 : 0);
	assertStatus(await ask(user.email), 200);
	const { status, code } = await ended(user.uid);
	relay.answer = () => 0;
	assert.deepEqual([status, code], ["failed", "MAIL_REFUSED"]);
	assert.equal(relay.commands.filter((c) => c === `rcpt ${user.email}`).length, 1);
	assert.equal(relay.to(user.email).length, 0);
});

test("without STARTTLS nothing is said, not even who we are", async () => {
	const user = await newUser(api);
	await quiet();
	const { length } = relay.commands;
	relay.offer(false);
	assertStatus(await ask(user.email), 200);
	await until(async () => (await millrace.psql(`SELECT last_error FROM job WHERE owner_id = '${user.uid}'`)).includes("could not be sent"),
	    "a failed attempt", WAIT);
	assert.equal(relay.commands.length, length);
	relay.offer(true);
	tokenOf((await mailsTo(user.email))[0]);
});

test("nor to a relay that is not who it says", async () => {
	const user = await newUser(api);
	await quiet();
	const { length } = relay.commands;
	relay.disguise(true);
	assertStatus(await ask(user.email), 200);
	await until(async () => (await millrace.psql(`SELECT last_error FROM job WHERE owner_id = '${user.uid}'`)).includes("could not be sent"),
	    "a failed attempt", WAIT);
	assert.equal(relay.commands.length, length);
	relay.disguise(false);
	tokenOf((await mailsTo(user.email))[0]);
});

test("encrypted from the start, and in clear where that is asked for", async () => {
	for (const how of [{ secure: true }, { open: true }]) {
		const own = await smtp.start(how);
		const login = how.open ? { SMTP_TLS: "off" } : { SMTP_USER: smtp.USER, SMTP_PASSWORD: smtp.PASSWORD };
		const other = await privateInstance("reset-tls", { SMTP_URL: own.url, SMTP_FROM: "mill@example.com", MILLRACE_RESET_URL: PAGE,
			SSL_CERT_FILE: own.cert, ...login });
		const user = await newUser(other.api);
		assertStatus(await ask(user.email, other.api.fresh()), 200);
		await until(() => own.to(user.email).length > 0, "the mail", WAIT);
		const [mail] = own.to(user.email);
		assert.deepEqual(mail.faults, []);
		assert.equal(mail.from.address, "mill@example.com");
		assert.deepEqual(own.commands.filter((c) => c.startsWith("auth")), how.open ? [] : ["auth encrypted"]);
		await other.stop();
		await own.close();
	}
});

test("settings that would send mail wrongly stop the runner's start", () => {
	const runner = join(process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build"), "millrace-runner");
	const path = { PATH: process.env.PATH };
	for (const [env, says] of [
		[{ SMTP_URL: "http://127.0.0.1" }, /SMTP_URL/],
		[{ SMTP_TLS: "maybe" }, /SMTP_TLS/],
		[{ SMTP_TLS: "off", SMTP_PASSWORD: "x" }, /in clear/],
		[{ SMTP_FROM: "nobody" }, /SMTP_FROM/],
		[{ SMTP_FROM: "A <a@example.com>\r\nBcc: b@example.com" }, /SMTP_FROM/],
		[{ MILLRACE_RESET_URL: "https://example.com/reset" }, /MILLRACE_RESET_URL/],
		[{ MILLRACE_RESET_URL: "javascript:{token}" }, /MILLRACE_RESET_URL/],
	]) {
		const { status, stderr } = spawnSync(runner, [], { env: { ...path, ...env } });
		assert.equal(status, 1, String(stderr));
		assert.match(String(stderr), says);
	}
});

test("an address that is none in an envelope goes nowhere", async () => {
	const user = await newUser(api);
	const evil = "a@example.org\r\nBcc: victim@example.org";
	await quiet();
	const { length } = relay.mails;
	await millrace.psql(`UPDATE app_user SET email = ${quoted(evil)} WHERE id = '${user.uid}';
		INSERT INTO reset_request (subject, email) VALUES ('evil', ${quoted(evil)})`);
	const { status, code } = await ended(user.uid);
	assert.deepEqual([status, code], ["failed", "NOT_FOUND"]);
	assert.equal(relay.mails.length, length);
});

test("a link that went to an address is of no use for another", async () => {
	const user = await newUser(api);
	const token = await askFor(user.email);
	await millrace.psql(`UPDATE app_user SET email = ${quoted(newAddress())} WHERE id = '${user.uid}'`);
	assertError(await confirm(token), "BAD_REQUEST");
});

test("whoever registered with an address that was not shown to be theirs keeps no key to it", async () => {
	const user = await newUser(api);
	const newKey = async (session) => assertStatus(await api.as(session).post("/api/settings/regenerate-api-key"), 200).json.apiKey;
	const verified = async () => (await millrace.psql(`SELECT email_verified_at IS NOT NULL FROM app_user WHERE id = '${user.uid}'`)).trim();
	const first = await newKey(user.token);
	assertStatus(await api.as(first).get("/api/user"), 200);
	await millrace.psql(`INSERT INTO external_identity (provider, subject, user_id) VALUES ('github', 'a ${user.uid}', '${user.uid}')`);
	const identities = async () => (await millrace.psql(`SELECT count(*) FROM external_identity WHERE user_id = '${user.uid}'`)).trim();
	assert.equal(await verified(), "f");
	assertStatus(await confirm(await askFor(user.email)), 200);
	assertError(await api.as(first).get("/api/user"), "UNAUTHORIZED");
	assert.equal(await verified(), "t");
	assert.equal(await identities(), "0");
	/* now that it has been shown, a key outlives the next reset */
	const second = await newKey(assertStatus(await login(user.email, NEW), 200).json.token);
	assertStatus(await ask(user.email), 200);
	assertStatus(await confirm(tokenOf((await mailsTo(user.email, 2))[1]), PASSWORD), 200);
	assertStatus(await api.as(second).get("/api/user"), 200);
});

test("a login that is under way while the password changes does not come through", async () => {
	const user = await newUser(api);
	const token = await askFor(user.email);
	const hash = (await millrace.psql(`SELECT hash FROM password WHERE user_id = '${user.uid}'`)).trim();
	const open = () => millrace.psql(`SELECT uid FROM session_open_by_password('${user.uid}', ${quoted(hash)}, '1 hour')`);
	assert.equal((await open()).trim(), user.uid);
	assertStatus(await confirm(token), 200);
	assert.equal((await open()).trim(), "");
	const left = `SELECT count(*) FROM session WHERE user_id = '${user.uid}' AND revoked_at IS NULL`;
	assert.equal((await millrace.psql(left)).trim(), "0");
	/* the other way about: the login is first, and its session ends with the rest */
	const other = await newUser(api);
	const link = await askFor(other.email);
	const tries = [];
	for (let i = 0; i < 6; i++)
		tries.push(login(other.email, PASSWORD), ...(i === 2 ? [confirm(link)] : []));
	await Promise.all(tries);
	assert.equal((await millrace.psql(left.replace(user.uid, other.uid))).trim(), "0");
});

test("a lock after wrong passwords ends with the reset", async () => {
	const user = await newUser(api);
	await until(async () => (await login(user.email, "wrong password")).status === 429, "the lock", WAIT);
	assertStatus(await confirm(await askFor(user.email)), 200);
	assertStatus(await login(user.email, NEW), 200);
});

test("a hash of another cost is made anew at the next login", async () => {
	const email = newAddress();
	const env = { ...millrace.env, MILLRACE_DB: `host=${millrace.runDir}/pg dbname=millrace`, MILLRACE_RUNTIME_DIR: millrace.runDir,
		MILLRACE_ARGON2_OPS: "1", MILLRACE_ARGON2_KIB: "8192" };
	for (const name of Object.keys(env).filter((n) => n.startsWith("MILLRACE_DEV_")))
		delete env[name];
	const made = spawnSync(join(process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build"), "millracectl"), ["user", "create", email, "--name", "Old"],
	    { env, input: `${PASSWORD}\n` });
	assert.equal(made.status, 0, String(made.stderr));
	const cost = async () => /m=\d+,t=\d+/.exec(await millrace.psql(`SELECT p.hash FROM password p JOIN app_user u ON u.id = p.user_id
		WHERE u.email = ${quoted(email)}`))[0];
	assert.equal(await cost(), "m=8192,t=1");
	assertError(await login(email, "wrong password"), "UNAUTHORIZED");
	assert.equal(await cost(), "m=8192,t=1");
	assertKeys(assertStatus(await login(email, PASSWORD), 200).json, ["uid", "email", "displayName", "token"]);
	assert.equal(await cost(), "m=16384,t=2");
	assertStatus(await login(email, PASSWORD), 200);
});

test("a server without mail says so in its log, and to nobody else", async () => {
	const other = await shared();
	const user = await newUser(other.api);
	assert.deepEqual(assertStatus(await ask(user.email, other.api.fresh()), 200).json, SAME);
	const row = await until(async () => (await other.psql(`SELECT id, status, error_code FROM run WHERE owner_id = '${user.uid}'
		AND kind = 'mail' AND ended_at IS NOT NULL`)).trim(), "the mail's end", WAIT);
	const [id, status, code] = row.split("|");
	assert.deepEqual([status, code], ["failed", "NOT_CONFIGURED"]);
	const lines = await until(() => other.grepLogs(id), "the log line", WAIT);
	assert.match(lines, /SMTP_URL, SMTP_FROM and MILLRACE_RESET_URL/);
});
