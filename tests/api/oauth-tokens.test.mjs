/* What providers give us for somebody: sealed, refreshed before it ends, put under a new key, revoked when its user takes leave. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../js/instance.mjs";
import { SESSION, register, login } from "../js/accounts.mjs";
import { TIME, assertError, assertStatus, until } from "../js/expect.mjs";
import { hub, person, refused, signIn, someAddress, startAll, startPath } from "../js/oauth.mjs";

const BIN = process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build");
let all, millrace, api, github, google, microsoft, browser, keys, keyFile, oldKeyFile;
before(async () => {
	keys = mkdtempSync(join(tmpdir(), "millrace-oauth-"));
	oldKeyFile = join(keys, "old");
	/* Where ./dev is root's, the runner is not, and reads this. */
	chmodSync(keys, 0o755);
	writeFileSync(oldKeyFile, "", { mode: 0o644 });
	all = await startAll("tokens", { MILLRACE_VAULT_KEY_OLD_FILE: oldKeyFile, MILLRACE_REPLY_SECONDS: "12" });
	({ millrace, github, google, microsoft, browser } = all);
	({ api } = millrace);
	keyFile = join(millrace.dir, "vault.key");
});
after(async () => {
	await all?.stop();
	rmSync(keys, { recursive: true, force: true });
});

const value = async (sql) => (await millrace.psql(sql)).trim();
const token = (subject, what) => value(`SELECT ${what} FROM oauth_token WHERE subject = '${subject}'`);
const disconnect = (b, provider) => b.send("POST", `/api/v1/auth/disconnect/${provider}`);
const asked = (step) => github.requests.filter((r) => r.step === step).length;

/* Somebody with a password, whose browser has linked the provider. */
async function linked(provider) {
	const user = await register(api, { email: someAddress() }), b = browser(), session = await login(api, user);
	b.plant(SESSION, session.access);
	b.plant("csrf_access_token", session.csrf);
	assert.equal((await signIn(b, provider)).id, user.id);
	return { user, b };
}

test("disconnect: GitHub's grant is deleted, the tokens are gone, and so is the way in", async () => {
	github.user = hub();
	const { user, b } = await linked("github");
	const reply = assertStatus(await disconnect(b, "github"), 200);
	assert.equal(reply.json.message, "GitHub is disconnected.");
	await until(() => github.revoked.includes(github.user.id), "the revocation");
	await until(async () => await token(github.user.id, "count(*)") === "0", "the tokens' end");
	assert.equal(await value(`SELECT count(*) FROM external_identity WHERE user_id = '${user.id}'`), "0");
	assertError(await disconnect(b, "github"), "NOT_CONNECTED");
	assert.match((await disconnect(b, "github")).json.error, /GitHub is not connected/);
	const types = await value(`SELECT string_agg(type, ' ' ORDER BY type) FROM audit_log WHERE subject = '${user.id}' AND data ->> 'provider' = 'github'`);
	assert.equal(types, "identity_linked identity_unlinked provider_connected provider_disconnected");
	/* Whoever signs in by it now has a user of their own. */
	assert.notEqual((await signIn(browser(), "github")).id, user.id);
	assert.deepEqual(github.faults, []);
});

test("disconnect: the only way in stays one, and the reply says so", async () => {
	github.user = hub();
	const b = browser(), me = await signIn(b, "github");
	assert.match(assertStatus(await disconnect(b, "github"), 200).json.message, /remains the way to sign in/);
	await until(() => github.revoked.includes(github.user.id), "the revocation");
	assertError(await disconnect(b, "github"), "NOT_CONNECTED");
	assert.equal((await signIn(browser(), "github")).id, me.id);
	assertStatus(await disconnect(b, "github"), 200);
});

test("disconnect: Google's refresh token is revoked; of Microsoft the reply says what it cannot do", async () => {
	google.user = person();
	microsoft.user = person();
	const { user, b } = await linked("google");
	assert.equal((await signIn(b, "microsoft")).id, user.id);
	assertError(await disconnect(b, "github"), "NOT_CONNECTED");
	assert.equal(assertStatus(await disconnect(b, "google"), 200).json.message, "Google is disconnected.");
	await until(() => google.revoked.includes(google.user.sub), "the revocation");
	assert.match(assertStatus(await disconnect(b, "microsoft"), 200).json.message, /Microsoft is disconnected\. Microsoft lets no application revoke/);
	await until(async () => await value(`SELECT count(*) FROM oauth_token WHERE subject IN ('${google.user.sub}', '${microsoft.user.sub}')`) === "0", "the tokens' end");
	assert.ok(!microsoft.requests.includes("revocation"));
	assert.deepEqual([...google.errors, ...microsoft.errors], []);
});

test("disconnect needs a caller and the double submit, and is one's own affair", async () => {
	github.user = hub();
	google.user = person();
	const { b } = await linked("github"), other = await linked("google");
	assertError(await api.post("/api/v1/auth/disconnect/github"), "UNAUTHORIZED");
	assertError(await b.send("POST", "/api/v1/auth/disconnect/github", { headers: { "x-csrf-token": "x" } }), "FORBIDDEN");
	assertError(await disconnect(other.b, "github"), "NOT_CONNECTED");
	assertError(await disconnect(b, "gitlab"), "NOT_FOUND");
	assert.equal(await token(github.user.id, "forgotten_at IS NULL"), "t");
});

test("a revocation waits for a provider that is away, and for a runner that dies over it", async () => {
	github.user = hub();
	const { b } = await linked("github");
	github.status = { revoke: 503 };
	assertStatus(await disconnect(b, "github"), 200);
	await until(() => asked("revoke") > 0, "a try");
	let reached;
	const there = new Promise((resolve) => { reached = resolve; });
	github.hold = (step) => step === "revoke" ? (reached(), new Promise(() => {})) : Promise.resolve();
	await there;
	await millrace.replace("runner", { kill: true });
	github.hold = async () => {};
	github.status = {};
	await until(() => github.revoked.includes(github.user.id), "the revocation");
	await until(async () => await token(github.user.id, "count(*)") === "0", "the tokens' end");
});

test("refresh: before they end, again and again, each rotated refresh token once; two runners at it", async () => {
	google.lasts = 8;
	google.user = person();
	const log = openSync(join(millrace.dir, "log/runner2.log"), "a"), env = { ...millrace.env };
	for (const name of Object.keys(env))
		if (name.startsWith("MILLRACE_DEV_"))
			delete env[name];
	const second = spawn(join(BIN, "millrace-runner"), { stdio: ["ignore", log, log], env: { ...env, MILLRACE_DB: `host=${millrace.runDir}/pg dbname=millrace`,
		MILLRACE_RUNTIME_DIR: millrace.runDir, MILLRACE_LIBEXEC_DIR: BIN, MILLRACE_INSTANCE: "2", MILLRACE_VAULT_KEY_FILE: keyFile } });
	closeSync(log);
	try {
		await until(async () => Number(await value("SELECT count(*) FROM process WHERE role = 'runner'")) >= 2, "two runners");
		const began = Date.now(), b = browser(), me = await signIn(b, "google"), from = google.requests.length;
		for (let n = 0; n < 3; n++) {
			const [last, ends] = (await token(google.user.sub, "coalesce(refreshed_at, '-infinity') || '|' || expires_at")).split("|");
			await until(async () => await token(google.user.sub, `refreshed_at > '${last}'`) === "t", "a refresh");
			assert.equal(await token(google.user.sub, `refreshed_at < '${ends}'`), "t", "it came late");
		}
		/* Each at half their time, by one of the two. */
		const n = google.requests.length - from, most = 1 + (Date.now() - began) / (google.lasts * 500);
		assert.ok(n >= 3 && n <= most, `${n} refreshes, and ${most} at most`);
		assert.deepEqual(google.errors, []);
		assert.equal(await token(google.user.sub, "failures"), "0");
		/* The last one is what is revoked. */
		assertStatus(await disconnect(b, "google"), 200);
		await until(async () => await token(google.user.sub, "count(*)") === "0", "the tokens' end");
		const shown = assertStatus(await b.send("GET", "/api/v1/user/export"), 200).json;
		assert.deepEqual([shown.user.id, shown.connections], [me.id, []]);
		assert.deepEqual(google.errors, []);
	} finally {
		second.kill("SIGTERM");
		await once(second, "exit");
		google.lasts = 3600;
	}
});

test("refresh: GitHub's expiring tokens too; the export shows when, and no token", async () => {
	github.lasts = 4;
	try {
		github.user = hub();
		const b = browser();
		await signIn(b, "github");
		const [first] = [...github.tokens].filter(([, t]) => t.user.id === github.user.id).map(([t]) => t);
		await until(async () => await token(github.user.id, "refreshed_at IS NOT NULL") === "t", "a refresh");
		const reply = assertStatus(await b.send("GET", "/api/v1/user/export"), 200);
		assert.match(reply.json.connections[0].refreshed_at, TIME);
		assert.equal(reply.json.connections[0].scope, "read:user,user:email");
		assert.ok(![...github.tokens.keys(), ...github.refreshes.keys(), first].some((t) => reply.text.includes(t)));
		assertStatus(await disconnect(b, "github"), 200);
		await until(() => github.revoked.includes(github.user.id), "the revocation");
	} finally {
		github.lasts = null;
	}
	assert.deepEqual(github.faults, []);
});

test("refresh: the runner is killed before the provider has worked on it, and the next one goes on", async () => {
	google.lasts = 6;
	google.user = person();
	try {
		await signIn(browser(), "google");
		let reached;
		const there = new Promise((resolve) => { reached = resolve; }), dead = new Promise(() => {});
		google.hold = () => { reached(); return dead; };
		await there;
		await millrace.replace("runner", { kill: true });
		google.hold = async () => {};
		await until(async () => await token(google.user.sub, "refreshed_at IS NOT NULL") === "t", "the refresh");
		assert.deepEqual(google.errors, []);
	} finally {
		google.lasts = 3600;
		google.hold = async () => {};
	}
});

test("refresh: a provider that is away is asked again later; one that takes the token no more ends it, and the user is told", async () => {
	github.lasts = 4;
	try {
		github.user = hub();
		const b = browser();
		await signIn(b, "github");
		github.status = { token: 503 };
		await until(async () => Number(await token(github.user.id, "failures")) > 0, "a failure");
		github.status = {};
		await until(async () => await token(github.user.id, "refreshed_at IS NOT NULL AND failures = 0") === "t", "the refresh");
		github.refreshes.clear();
		await until(async () => await token(github.user.id, "failed_at IS NOT NULL AND refresh_at IS NULL") === "t", "the end");
		const [told] = assertStatus(await b.send("GET", "/api/notifications"), 200).json;
		assert.deepEqual([told.severity, told.title, told.metadata], ["warning", "GitHub must be connected again", { type: "connection", provider: "github" }]);
		github.faults.length = 0;
		await signIn(b, "github");
		assert.equal(await token(github.user.id, "failed_at IS NULL"), "t");
	} finally {
		github.status = {};
		github.lasts = null;
	}
});

test("a new key of the vault: tokens are put under it and are good as before", async () => {
	github.user = hub();
	google.user = person();
	const { b } = await linked("github");
	await signIn(b, "google");
	const old = await value("SELECT id FROM vault_key WHERE retired_at IS NULL"), before = await token(github.user.id, "encode(sealed, 'hex')");
	const next = join(keys, "next");
	await millrace.ctl("vault", "rotate", "--key-file", next);
	writeFileSync(oldKeyFile, readFileSync(keyFile));
	renameSync(next, keyFile);
	await millrace.replace("runner");
	await until(async () => await value(`SELECT count(*) FROM oauth_token WHERE key_id = '${old}'`) === "0", "all under the new key");
	assert.notEqual(await token(github.user.id, "encode(sealed, 'hex')"), before);
	const status = JSON.parse((await millrace.ctl("vault", "status", "--json")).stdout);
	assert.deepEqual([status.keys[0].secrets > 0, status.keys[1].secrets], [true, 0]);
	writeFileSync(oldKeyFile, "");
	await millrace.replace("runner");
	assertStatus(await disconnect(b, "github"), 200);
	assertStatus(await disconnect(b, "google"), 200);
	await until(() => github.revoked.includes(github.user.id) && google.revoked.includes(google.user.sub), "both revocations");
});

test("a token that was moved to somebody else's row does not open there", async () => {
	github.user = hub();
	const mine = github.user, b = browser();
	await signIn(b, "github");
	github.user = hub();
	const thief = browser();
	await signIn(thief, "github");
	await millrace.psql(`UPDATE oauth_token t SET sealed = o.sealed FROM oauth_token o WHERE o.subject = '${mine.id}' AND t.subject = '${github.user.id}'`);
	assertStatus(await disconnect(thief, "github"), 200);
	await until(async () => (await millrace.grepLogs("could not be opened with this runner's keys")) !== "", "the runner's words");
	assert.ok(!github.revoked.includes(mine.id));
	await millrace.psql(`DELETE FROM oauth_token WHERE subject = '${github.user.id}'`);
});

test("without a key for the vault one signs in all the same, and nothing is connected", async () => {
	const right = readFileSync(keyFile);
	writeFileSync(keyFile, "");
	try {
		await millrace.replace("runner");
		github.user = hub();
		const b = browser();
		await signIn(b, "github");
		assert.equal(await token(github.user.id, "count(*)"), "0");
		assertError(await disconnect(b, "github"), "NOT_CONNECTED");
	} finally {
		writeFileSync(keyFile, right);
		await millrace.replace("runner");
	}
	await signIn(browser(), "github");
	assert.equal(await token(github.user.id, "count(*)"), "1");
});

test("an erasure revokes what was connected, and leaves nothing of it", async () => {
	google.user = person();
	const b = browser(), me = await signIn(b, "google");
	assertStatus(await b.send("DELETE", `/api/v1/user/dao/${me.id}`), 204);
	await until(() => google.revoked.includes(google.user.sub), "the revocation");
	await until(async () => await token(google.user.sub, "count(*)") === "0", "the tokens' end");
	const other = browser();
	await refused(other, startPath("google"), "account_erased", "google");
	assert.equal(await value(`SELECT count(*) FROM oauth_flow WHERE subject = '${google.user.sub}'`), "0");
	assert.match((await millrace.ctl("audit", "verify")).stdout, /holds|whole|ok/i);
});

test("no runner answers: the error page in time, and what it does later is of no effect", async () => {
	github.user = hub();
	const b = browser(), letGo = await millrace.holdRunner();
	try {
		await refused(b, startPath("github"), "timeout", "github");
	} finally {
		await letGo();
	}
	await until(async () => await value("SELECT count(*) FROM run WHERE kind = 'oauth' AND ended_at IS NULL") === "0", "the run's end");
	assert.equal(await value(`SELECT count(*) FROM external_identity WHERE subject = '${github.user.id}'`), "0");
	await signIn(b, "github");
});

test("nothing of a sign-in is left over: old ones are swept away", async () => {
	const b = browser();
	await b.visit(startPath("github"));
	await millrace.psql("UPDATE oauth_flow SET created_at = now() - interval '20 minutes'; UPDATE run SET ended_at = now() - interval '2 days' WHERE owner_id IS NULL");
	await until(async () => {
		await millrace.periodic("old");
		return await value("SELECT count(*) FROM run r JOIN job j ON j.run_id = r.id WHERE r.owner_id IS NULL AND j.state = 'done'") === "0";
	}, "the runs' end");
	await until(async () => await value("SELECT count(*) FROM oauth_flow WHERE created_at < now() - interval '15 minutes'") === "0", "the sweep");
});
