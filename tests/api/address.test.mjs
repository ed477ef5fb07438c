/* Another address for an account: who may set it, and how the old one hears of it. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { PASSWORD, newAddress, newUser, privateInstance, shared } from "../js/instance.mjs";
import { newAdmin, register } from "../js/accounts.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import * as smtp from "../standin/smtp.mjs";

const WAIT = 120000;
let api, millrace, relay;
before(async () => {
	relay = await smtp.start();
	millrace = await privateInstance("address", { SMTP_URL: relay.url, SMTP_USER: smtp.USER, SMTP_PASSWORD: smtp.PASSWORD,
		SMTP_FROM: "no-reply@mill.example.com", SSL_CERT_FILE: relay.cert });
	({ api } = millrace);
});
after(async () => {
	await millrace?.stop();
	await relay?.close();
});

const path = (user) => `/api/v1/user/dao/${user.uid}`;
const put = (user, json, by = user.api) => by.put(path(user), json);
const value = async (sql) => (await millrace.psql(sql)).trim();
const addressOf = (user) => value(`SELECT email FROM app_user WHERE id = '${user.uid}'`);
const mailRuns = (user) => value(`SELECT count(*) FROM run WHERE owner_id = '${user.uid}' AND kind = 'mail'`);

test("it needs the password, and the old address is told", async () => {
	const user = await newUser(api, { display_name: "<b>Eve</b>" }), email = newAddress();
	const refused = await put(user, { email });
	assertError(refused, "FORBIDDEN");
	assert.match(refused.json.error, /needs the account's password/);
	const wrong = await put(user, { email, password: "wrong password" });
	assertError(wrong, "FORBIDDEN");
	assert.match(wrong.json.error, /password is wrong/);
	assert.equal(await addressOf(user), user.email);
	assert.equal(assertStatus(await put(user, { email, password: PASSWORD, name: "New" }), 200).json.email, email);
	const mail = await until(() => relay.to(user.email)[0], "the mail", WAIT);
	assert.deepEqual(mail.faults, []);
	assert.equal(mail.subject, "Your account has another address now");
	assert.match(mail.text, /was changed/);
	assert.ok(!/Eve|New/.test(mail.raw + mail.text + mail.html) && !mail.raw.includes(email) && !mail.text.includes(email), "what a user wrote");
	assert.deepEqual(relay.to(email), []);
	assertStatus(await api.fresh().post("/api/auth/login", { email, password: PASSWORD }), 200);
	assertError(await api.fresh().post("/api/auth/login", { email: user.email, password: PASSWORD }), "UNAUTHORIZED");
});

test("what changes nothing asks for nothing: the same address, another name", async () => {
	const user = await newUser(api);
	for (const json of [{ email: user.email }, { email: user.email.toUpperCase() }, { name: "x" }, { email: user.email, password: "whatever it is" }])
		assertStatus(await put(user, json), 200);
	assert.equal(await mailRuns(user), "0");
});

test("POST dao is no way around it", async () => {
	const user = await newUser(api);
	for (const json of [{ email: newAddress() }, { email: newAddress(), password: PASSWORD }])
		assertError(await user.api.post("/api/v1/user/dao", json), "FORBIDDEN");
	assert.equal(await addressOf(user), user.email);
});

test("guesses at it are counted as those at a sign-in", async () => {
	const user = await newUser(api), guess = () => put(user, { email: newAddress(), password: "wrong password" });
	for (let i = 0; i < 5; i++)
		assertError(await guess(), "FORBIDDEN");
	assertError(await guess(), "RATE_LIMITED");
	assertError(await put(user, { email: newAddress(), password: PASSWORD }), "RATE_LIMITED");
	assert.equal(await addressOf(user), user.email);
});

test("a second change waits, and a taken address is told before the password is looked at", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	assertError(await put(user, { email: other.email.toUpperCase(), password: "wrong password" }), "CONFLICT");
	assertStatus(await put(user, { email: newAddress(), password: PASSWORD }), 200);
	const again = await put(user, { email: newAddress(), password: PASSWORD });
	assertError(again, "CONFLICT");
	assert.match(again.json.error, /five minutes/);
	await millrace.psql(`UPDATE app_user SET email_changed_at = now() - interval '6 minutes' WHERE id = '${user.uid}'`);
	assertStatus(await put(user, { email: newAddress(), password: PASSWORD }), 200);
	await until(async () => await mailRuns(user) === "2", "both mails' runs");
});

test("of many at once one counts, and writes one mail", async () => {
	const user = await newUser(api);
	const replies = await Promise.all(Array.from({ length: 4 }, () => put(user, { email: newAddress(), password: PASSWORD })));
	/* The others come too soon, or sign in by an address that is theirs no more. */
	assert.equal(replies.filter((r) => r.status === 200).length, 1);
	assert.ok(replies.every((r) => [200, 403, 409].includes(r.status)), replies.map((r) => r.text).join());
	assert.equal(await mailRuns(user), "1");
});

test("a first address needs the password as well, and has nobody to tell", async () => {
	const user = await register(api, { email: undefined });
	const { token } = assertStatus(await api.fresh().post("/api/auth/login", { email: user.username, password: PASSWORD }), 200).json;
	const me = { uid: user.id, api: api.fresh().as(token) };
	assertError(await put(me, { email: newAddress() }), "FORBIDDEN");
	assertStatus(await put(me, { email: newAddress(), password: PASSWORD }), 200);
	assert.equal(await mailRuns(me), "0");
});

test("without a password it takes a sign-in of just before, and no key will do", async () => {
	const user = await newUser(api), key = `mr_${"k".repeat(43 - 32)}${randomUUID().replaceAll("-", "")}`;
	const hash = createHash("sha256").update(key).digest("hex");
	await millrace.psql(`DELETE FROM password WHERE user_id = '${user.uid}';
		INSERT INTO api_key (user_id, hash, shown, name, scopes) VALUES ('${user.uid}', '\\x${hash}', 'mr_', 'test', '{account}')`);
	const refused = await put(user, { email: newAddress() }, api.fresh().as(key));
	assertError(refused, "FORBIDDEN");
	assert.match(refused.json.error, /within 15 minutes/);
	assertStatus(await put(user, { email: newAddress(), password: "none is needed" }), 200);
});

test("an administrator changes another's without any password; the old address is told all the same", async () => {
	const [admin, user] = [await newAdmin(millrace), await newUser(api)], email = newAddress();
	assertStatus(await put(user, { email }, admin.api), 200);
	await until(() => relay.to(user.email).length === 1, "the mail", WAIT);
	assertError(await put(admin, { email: newAddress() }), "FORBIDDEN");
});

test("where no mail is set up, none is tried", async () => {
	const other = await shared(), user = await newUser(other.api);
	assertStatus(await put(user, { email: newAddress(), password: PASSWORD }), 200);
	assert.equal((await other.psql(`SELECT count(*) FROM run WHERE owner_id = '${user.uid}' AND kind = 'mail'`)).trim(), "0");
});

test("a process's addresses hear when a source stops answering, and when it is back; not again within the hour", async () => {
	const user = await newUser(api), to = newAddress();
	const create = async (path, json) => assertStatus(await user.api.post(path, json), 201).json;
	const { id: process_id } = await create("/api/v1/admin/processes", { name: "<b>Leads</b>", emails: [to, to.toUpperCase()] });
	const { id } = await create("/api/datasources", { process_id, platform: "upload", resource_identifier: randomUUID() });
	const run = async () => {
		const task = await create("/api/agent/task", { process_id });
		return until(async () => { const t = assertStatus(await user.api.get(`/api/agent/task/${task.id}`), 200).json; return t.ended_at && t.status; }, "the task's end");
	};
	const file = { filename: "leads.csv", bytes: "email\na@b.example\n" };
	const { documentId } = assertStatus(await user.api.upload("/api/documents/upload", { name: "leads", file }), 202).json;
	const source = async (resource_identifier) => assertStatus(await user.api.put(`/api/datasources/${id}`, { resource_identifier }), 200);
	assert.deepEqual([await run(), await run()], ["failed", "failed"]);
	const [lost] = await until(() => relay.to(to).length > 0 && relay.to(to), "the mail", WAIT);
	assert.deepEqual([lost.faults, lost.subject], [[], "A data source does not answer"]);
	assert.match(lost.text, /the uploaded documents/);
	assert.ok(!lost.raw.includes("Leads"), "what a user wrote");
	await source(documentId);
	assert.deepEqual([await run(), await run()], ["completed", "completed"]);
	await until(() => relay.to(to).length > 1, "the second mail", WAIT);
	assert.deepEqual(relay.to(to).map((m) => m.subject), ["A data source does not answer", "A data source answers again"]);
	await source(randomUUID());
	assert.deepEqual([await run(), await mailRuns(user)], ["failed", "2"]);
	await source(documentId);
	assert.deepEqual([await run(), await mailRuns(user)], ["completed", "2"]);
	/* Nor after a hundred of the user's within an hour. */
	await millrace.psql(`UPDATE datasource SET told_at = now() - interval '2 hours' WHERE id = '${id}'; SET session_replication_role = replica;
		INSERT INTO run (owner_id, kind) SELECT '${user.uid}', 'mail' FROM generate_series(1, 98)`);
	await source(randomUUID());
	assert.deepEqual([await run(), await mailRuns(user)], ["failed", "100"]);
	await millrace.psql(`DELETE FROM run WHERE owner_id = '${user.uid}' AND kind = 'mail' AND ended_at IS NULL`);
});
