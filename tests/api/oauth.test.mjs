/* Signing in by a provider: the way there and back, and everybody who would like to be on it in another's place. GitHub's stand-in is asked. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { PASSWORD, newAddress, newUser, shared } from "../js/instance.mjs";
import { SESSION, Session, register, login } from "../js/accounts.mjs";
import { UUID7, assertError, assertStatus, until } from "../js/expect.mjs";
import { Browser } from "../js/useragent.mjs";
import { PAGE, errorPage, hub, refused, signIn, someAddress, startAll, startPath, upToCallback } from "../js/oauth.mjs";

let all, millrace, api, github, browser, bare;
before(async () => { ({ api: bare } = await shared()); all = await startAll("oauth"); ({ millrace, github, browser } = all); ({ api } = millrace); });
after(() => all?.stop());

const value = async (sql) => (await millrace.psql(sql)).trim();
const count = async (sql) => Number(await value(sql));
const asked = (step) => github.requests.filter((r) => r.step === step).length;
const primary = (user) => user.emails.find((e) => e.primary).email;

test("a provider that is not set up: 404, which says so", async () => {
	for (const provider of ["github", "google", "microsoft"])
		for (const word of ["signin", "login", "callback?code=a&state=b"]) {
			const reply = await bare.get(startPath(provider, word));
			assertError(reply, "NOT_FOUND");
			assert.match(reply.json.error, /is not set up/);
		}
	assertError(await api.get(startPath("gitlab")), "NOT_FOUND");
	assertError(await api.post(startPath("github")), "METHOD_NOT_ALLOWED");
});

test("somebody new signs in, and is the same one the next time, by both words", async () => {
	github.user = hub({ name: "Zoë 漢字" });
	const b = browser(), me = await signIn(b, "github");
	assert.match(me.id, UUID7);
	assert.deepEqual([me.name, me.email, me.username, me.role], ["Zoë 漢字", primary(github.user), null, "user"]);
	assert.deepEqual((await signIn(browser(), "github", { word: "login" })).id, me.id);
	assert.equal(await value(`SELECT email_verified_at IS NOT NULL FROM app_user WHERE id = '${me.id}'`), "t");
	assert.equal(await value(`SELECT provider || subject FROM external_identity WHERE user_id = '${me.id}'`), `github${github.user.id}`);
	assert.deepEqual(github.faults, []);
});

test("what goes to the provider, and the cookie that binds it", async () => {
	const b = browser(), reply = await b.visit(startPath("github"));
	assert.equal(reply.status, 302);
	const to = new URL(reply.headers.location), q = to.searchParams;
	assert.equal(to.origin + to.pathname, `${github.url}/login/oauth/authorize`);
	assert.deepEqual([q.get("response_type"), q.get("client_id"), q.get("redirect_uri"), q.get("scope"), q.get("code_challenge_method")],
	    ["code", github.clientId, github.redirectUri, "read:user user:email", "S256"]);
	assert.equal(reply.headers["cache-control"], "no-store");
	assert.equal(reply.headers["referrer-policy"], "no-referrer");
	const [cookie] = reply.headers["set-cookie"];
	assert.match(cookie, /^__Host-oauth=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$/);
	const again = await b.visit(startPath("github"));
	const other = new URL(again.headers.location).searchParams;
	for (const name of ["state", "code_challenge"])
		assert.notEqual(q.get(name), other.get(name));
	assert.notEqual(again.headers["set-cookie"][0], cookie);
});

test("the session's cookies are those of any other sign-in; the binding one is gone", async () => {
	github.user = hub();
	const b = browser();
	const callback = await upToCallback(b, "github");
	const first = await b.visit(callback, { crossed: true });
	assert.equal(first.status, 302);
	assert.match(first.headers.location, new RegExp(`^${millrace.url}/api/v1/auth2/github/callback\\?ticket=[\\w-]{43}$`));
	assert.equal(first.headers["set-cookie"], undefined);
	const last = await b.visit(first.headers.location, { crossed: true });
	assert.equal(last.headers.location, PAGE);
	const lines = last.headers["set-cookie"];
	assert.match(lines[0], /^__Host-oauth=; Path=\/; Max-Age=0; HttpOnly; Secure; SameSite=Lax$/);
	assert.match(lines[1], /^__Host-access_token=[\w.-]+; Path=\/; Max-Age=604800; HttpOnly; Secure; SameSite=Strict$/);
	assert.match(lines[2], /^csrf_access_token=[\w-]+; Path=\/; Max-Age=604800; Secure; SameSite=Strict$/);
	assert.match(lines[3], /^__Host-device=[\w-]{44}; Path=\/; Max-Age=34560000; HttpOnly; Secure; SameSite=Strict$/);
	assert.equal(lines.length, 4);
	assertStatus(await b.send("PATCH", "/api/user", { json: { name: "Changed" } }), 200);
	assertError(await b.send("PATCH", "/api/user", { json: { name: "No" }, headers: { "x-csrf-token": "x" } }), "FORBIDDEN");
});

test("return_to: a path on the page's host, and nothing else", async () => {
	github.user = hub();
	for (const path of ["/", "/welcome", "/a/b?c=d&e=%2F%2Fevil.example#f", "/@evil.example", "/a//b", "/.//evil.example"])
		await signIn(browser(), "github", { to: new URL(`https://app.example.com${path}`).href, query: `?return_to=${encodeURIComponent(path)}` });
	const bad = ["//evil.example", "/\\evil.example", "\\/evil.example", "\\\\evil.example", "https://evil.example", "http:evil.example", "javascript:alert(1)",
		"evil.example", "/a\r\nLocation: https://evil.example", "/a\nSet-Cookie: access_token=x", "/a\rb", "/\t/evil.example", "/ /evil.example", "\t//evil.example",
		"/a\u0000", "/\u2028/evil", "/a b", "/a\"b", "/<script>", "", ".", "?a", "#a", "@evil.example", "///evil.example", "/".padEnd(600, "a"), "/\u007f"];
	for (const path of bad) {
		const reply = await browser().visit(`${startPath("github")}?return_to=${encodeURIComponent(path)}`);
		assertError(reply, "BAD_REQUEST", undefined, JSON.stringify(path));
		assert.equal(reply.headers.location, undefined);
		assert.equal(reply.headers["set-cookie"], undefined);
	}
	assertError(await browser().visit(`${startPath("github")}?return_to=/%ff`), "BAD_REQUEST");
	/* Nothing on the way back says where to. */
	const b = browser(), callback = await upToCallback(b, "github");
	assert.equal(await b.walk(`${callback}&return_to=//evil.example&redirect_uri=https://evil.example`), PAGE);
});

test("a callback that nobody has begun", async () => {
	const before = asked("token");
	for (const query of ["", "?", "?code=a", "?state=b", "?code=a&state=b", "?error=access_denied&state=b", "?ticket=c", "?code=a&state=b&ticket=c",
		"?error=%0d%0aX-Injected:%20yes&state=b", "?code=%27%3B%20DROP%20TABLE%20app_user&state=%24%24"]) {
		await refused(browser(), `/api/v1/auth2/github/callback${query}`, "invalid_state", "github");
		const b = browser();
		b.jar().set("__Host-oauth", { value: "A".repeat(43) });
		await refused(b, `/api/v1/auth2/github/callback${query}`, "invalid_state", "github");
	}
	assertError(await browser().visit(`/api/v1/auth2/github/callback?state=${"s".repeat(300)}`), "BAD_REQUEST", ["state"]);
	assert.equal(asked("token"), before);
});

test("a state is good for once, and a code is sent once", async () => {
	github.user = hub();
	const b = browser(), callback = await upToCallback(b, "github"), before = asked("token");
	const cookie = b.jar().get("__Host-oauth");
	assert.equal(await b.walk(callback), PAGE);
	const access = b.cookie(SESSION);
	for (let i = 0; i < 2; i++) {
		b.jar().set("__Host-oauth", cookie);
		await refused(b, callback, "invalid_state", "github");
	}
	/* The code under a state of one's own is known to the provider as used. */
	const code = new URL(callback).searchParams.get("code");
	const other = browser(), own = new URL(await upToCallback(other, "github"));
	own.searchParams.set("code", code);
	await refused(other, own.href, "provider_error", "github");
	assert.equal(asked("token"), before + 2);
	assert.equal(b.cookie(SESSION), access);
	assert.deepEqual(github.faults.splice(0), ["token: bad_verification_code"]);
});

test("many callbacks at once with one state: one of them counts", async () => {
	github.user = hub();
	const b = browser(), callback = await upToCallback(b, "github"), before = asked("token");
	const replies = await Promise.all(Array.from({ length: 8 }, () => api.fresh().get(callback.slice(b.home.length), { headers: { cookie: b.header(b.home, true) } })));
	assert.equal(replies.filter((r) => /ticket=/.test(r.headers.location)).length, 1);
	assert.equal(replies.filter((r) => r.headers.location === errorPage("invalid_state", "github")).length, 7);
	assert.equal(asked("token"), before + 1);
});

test("a state in another browser: without the cookie, with its own, with a guess, with two", async () => {
	github.user = hub();
	const attacker = browser(), callback = await upToCallback(attacker, "github"), mine = attacker.jar().get("__Host-oauth").value;
	const before = asked("token");
	await refused(browser(), callback, "invalid_state", "github");
	const victim = browser();
	await victim.visit(startPath("github"));
	const theirs = victim.jar().get("__Host-oauth").value;
	await refused(victim, callback, "invalid_state", "github");
	const guess = browser();
	guess.jar().set("__Host-oauth", { value: mine.slice(0, -1) });
	await refused(guess, callback, "invalid_state", "github");
	for (const cookie of [`__Host-oauth=${theirs}; __Host-oauth=${mine}`, `__Host-oauth=${mine}; __Host-oauth=${theirs}`, `__Host-oauth=${mine}; __Host-oauth=${mine}`,
		`__host-oauth=${mine}`, `oauth=${mine}`]) {
		const reply = await browser().visit(callback, { headers: { cookie } });
		assert.equal(reply.headers.location, errorPage("invalid_state", "github"), cookie);
		assert.ok(!(reply.headers["set-cookie"] ?? []).some((c) => c.startsWith(SESSION)));
	}
	assert.equal(asked("token"), before);
	/* Another provider's callback does not take it either. */
	await refused(attacker, callback.replace("/github/", "/google/"), "invalid_state", "google");
	attacker.jar().set("__Host-oauth", { value: mine });
	/* Its own browser still may. */
	assert.equal(await attacker.walk(callback), PAGE);
});

test("a ticket is good for once, in its browser, at its provider", async () => {
	github.user = hub();
	const b = browser(), callback = await upToCallback(b, "github");
	const ticket = (await b.visit(callback, { crossed: true })).headers.location;
	await refused(browser(), ticket, "invalid_state", "github");
	const thief = browser();
	await thief.visit(startPath("github"));
	await refused(thief, ticket, "invalid_state", "github");
	const cookie = b.jar().get("__Host-oauth");
	await refused(b, ticket.replace("/github/", "/google/"), "invalid_state", "google");
	b.jar().set("__Host-oauth", cookie);
	const replies = await Promise.all(Array.from({ length: 6 }, () => api.fresh().get(ticket.slice(b.home.length), { headers: { cookie: `__Host-oauth=${cookie.value}` } })));
	assert.equal(replies.filter((r) => r.headers.location === PAGE).length, 1);
	await refused(b, ticket, "invalid_state", "github");
	/* And not for long. */
	const late = browser(), last = (await late.visit(await upToCallback(late, "github"), { crossed: true })).headers.location;
	await millrace.psql("UPDATE oauth_flow SET created_at = now() - interval '13 minutes'");
	await refused(late, last, "invalid_state", "github");
	const slow = browser(), old = await upToCallback(slow, "github");
	await millrace.psql("UPDATE oauth_flow SET created_at = now() - interval '11 minutes'");
	await refused(slow, old, "invalid_state", "github");
});

test("HEAD, as what looks before it loads sends it, uses nothing up", async () => {
	github.user = hub();
	const b = browser(), callback = await upToCallback(b, "github");
	const head = (url) => b.api.request("HEAD", url.slice(b.home.length), { headers: { cookie: b.header(b.home, true) } });
	assert.equal((await head(callback)).status, 405);
	const ticket = (await b.visit(callback, { crossed: true })).headers.location;
	assert.equal((await head(ticket)).status, 405);
	assert.equal(await b.walk(ticket), PAGE);
});

test("session fixation: what was planted before is not the session after", async () => {
	github.user = hub();
	const me = await signIn(browser(), "github");
	const b = browser();
	const planted = { [SESSION]: "planted", csrf_access_token: "planted", "__Host-oauth": "A".repeat(43) };
	for (const [name, text] of Object.entries(planted))
		b.plant(name, text);
	assert.equal((await signIn(b, "github")).id, me.id);
	for (const [name, text] of Object.entries(planted))
		assert.notEqual(b.cookie(name), text);
	/* An attacker's own session, planted on somebody who has an identity here: they do not end up in it, and it gains nothing. */
	const attacker = await newUser(api), victim = browser();
	const session = new Session(api, await api.fresh().post("/api/v1/auth/login", { username: attacker.email, password: PASSWORD }));
	victim.plant(SESSION, session.access);
	victim.plant("csrf_access_token", session.csrf);
	await refused(victim, startPath("github"), "identity_taken", "github");
	assert.equal(await value(`SELECT user_id FROM external_identity WHERE provider = 'github' AND subject = '${github.user.id}'`), me.id);
	/* Planted twice it is nobody's: a sign-in like any other. */
	const tossed = browser(), start = await tossed.visit(startPath("github"), { headers: { cookie: `${SESSION}=${session.access}; ${SESSION}=${session.access}` } });
	assert.equal(await tossed.walk(start.headers.location), PAGE);
	assert.equal(assertStatus(await tossed.send("GET", "/api/v1/admin/user"), 200).json.id, me.id);
});

test("a user who denies consent comes back to the page, which is told", async () => {
	github.user = hub();
	github.denies = true;
	try {
		const b = browser(), callback = await upToCallback(b, "github");
		assert.match(callback, /error=access_denied/);
		await refused(b, callback, "access_denied", "github");
		await refused(b, callback, "invalid_state", "github");
		const odd = browser(), other = (await upToCallback(odd, "github")).replace("access_denied", "temporarily%0d%0aunavailable");
		await refused(odd, other, "provider_error", "github");
	} finally {
		github.denies = false;
	}
	assert.equal(await count(`SELECT count(*) FROM external_identity WHERE subject = '${github.user.id}'`), 0);
});

/* Why somebody whom the provider vouched for did not come in, by the audit log. */
const failures = (uid) => value(`SELECT string_agg(data::text, ' ' ORDER BY seq) FROM audit_log WHERE subject = '${uid}' AND type = 'login_failed'`);

/* A browser that is signed in by name and password. */
async function signedInBrowser() {
	const user = await register(api, { email: someAddress() }), b = browser(), session = await login(api, user);
	b.plant(SESSION, session.access);
	b.plant("csrf_access_token", session.csrf);
	return { user, b, session };
}

test("linking: begun while signed in, the identity is that user's; the session is a new one", async () => {
	github.user = hub();
	const { user, b, session } = await signedInBrowser();
	const me = await signIn(b, "github");
	assert.deepEqual([me.id, me.email], [user.id, user.email]);
	assert.notEqual(b.cookie(SESSION), session.access);
	assertError(await session.send("GET", "/api/v1/admin/user"), "UNAUTHORIZED");
	assert.equal((await signIn(browser(), "github")).id, user.id);
	/* Once more changes nothing. */
	assert.equal((await signIn(b, "github")).id, user.id);
	assert.equal(await count(`SELECT count(*) FROM external_identity WHERE user_id = '${user.id}'`), 1);
	assert.equal(await count(`SELECT count(*) FROM audit_log WHERE subject = '${user.id}' AND type = 'identity_linked' AND data ->> 'provider' = 'github'`), 1);
});

test("an identity that is somebody else's is not linked, and stays theirs", async () => {
	github.user = hub();
	const owner = await signIn(browser(), "github");
	const { user, b, session } = await signedInBrowser();
	await refused(b, startPath("github"), "identity_taken", "github");
	assert.equal(await failures(user.id), '{"why": "identity_taken", "provider": "github"}');
	assert.equal(b.cookie(SESSION), session.access);
	assertStatus(await b.send("GET", "/api/v1/admin/user"), 200);
	assert.equal(await count(`SELECT count(*) FROM external_identity WHERE user_id = '${user.id}'`), 0);
	assert.equal((await signIn(browser(), "github")).id, owner.id);
	assert.equal(await value(`SELECT user_id FROM oauth_token WHERE subject = '${github.user.id}'`), owner.id);
});

test("a linking ends with the session that it was begun in", async () => {
	github.user = hub();
	const { user, b, session } = await signedInBrowser();
	const callback = await upToCallback(b, "github");
	assertStatus(await session.send("POST", "/api/v1/auth/logout"), 200);
	await refused(b, callback, "session_ended", "github");
	assert.equal(await count(`SELECT count(*) FROM external_identity WHERE user_id = '${user.id}' OR subject = '${github.user.id}'`), 0);
	/* Begun with a session that has ended already it is a sign-in. */
	const after = await signIn(b, "github");
	assert.notEqual(after.id, user.id);
});

test("a page elsewhere cannot begin a linking: the Strict cookie stays at home", async () => {
	github.user = hub();
	const { user, b } = await signedInBrowser();
	const start = await b.visit(startPath("github"), { crossed: true });
	assert.equal(await b.walk(start.headers.location), PAGE);
	assert.equal(await count(`SELECT count(*) FROM external_identity WHERE user_id = '${user.id}'`), 0);
});

test("a verified address links to the account of that address; whoever waited there is out", async () => {
	const squatter = await newUser(api, { email: someAddress() });
	github.user = hub({ emails: [{ email: squatter.email.toUpperCase(), primary: true, verified: true }] });
	const b = browser(), me = await signIn(b, "github");
	assert.equal(me.id, squatter.uid);
	assertError(await squatter.api.get("/api/user"), "UNAUTHORIZED");
	assertError(await api.fresh().post("/api/auth/login", { email: squatter.email, password: PASSWORD }), "UNAUTHORIZED");
});

test("an address that is not verified, not primary, or only shown is nobody's", async () => {
	const victim = await newUser(api, { email: someAddress() });
	const lists = [[{ email: victim.email, primary: true, verified: false }],
		[{ email: victim.email, primary: false, verified: true }, { email: someAddress(), primary: true, verified: true }],
		[{ email: victim.email, primary: true, verified: "true" }], [], null];
	for (const emails of lists) {
		github.user = hub({ emails });
		const me = await signIn(browser(), "github");
		assert.notEqual(me.id, victim.uid);
		assert.notEqual(me.email, victim.email);
	}
	github.faults.length = 0;        /* the list that was not given */
	assertStatus(await victim.api.get("/api/user"), 200);
});

test("many first sign-ins of one identity at once make one user", async () => {
	github.user = hub();
	const ids = await Promise.all(Array.from({ length: 8 }, async () => (await signIn(browser(), "github")).id));
	assert.equal(new Set(ids).size, 1);
	assert.equal(await count(`SELECT count(*) FROM oauth_token WHERE subject = '${github.user.id}'`), 1);
});

test("a disabled account, and one just erased, do not come in this way", async () => {
	github.user = hub();
	const b = browser(), me = await signIn(b, "github");
	await millrace.psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${me.id}'`);
	b.jar().clear();
	await refused(b, startPath("github"), "account_disabled", "github");
	assert.equal(await failures(me.id), '{"why": "account_disabled", "provider": "github"}');
	await millrace.psql(`UPDATE app_user SET disabled_at = NULL WHERE id = '${me.id}'`);
	await signIn(b, "github");
	assertStatus(await b.send("DELETE", `/api/v1/user/dao/${me.id}`), 204);
	b.jar().clear();
	/* It ends whatever token the provider has given out by then, that of another sign-in, too. */
	await until(() => github.revoked.includes(github.user.id), "the revocation after the erasure");
	await until(async () => await count(`SELECT count(*) FROM oauth_token WHERE subject = '${github.user.id}'`) === 0, "the tokens' end");
	await refused(b, startPath("github"), "account_erased", "github");
});

test("POST /auth2/github/logout ends the session, by cookie with CSRF", async () => {
	github.user = hub();
	const b = browser();
	await signIn(b, "github");
	assertError(await b.send("POST", "/api/v1/auth2/github/logout", { headers: { "x-csrf-token": "" } }), "FORBIDDEN");
	const cookie = b.header(b.home, false), reply = assertStatus(await b.send("POST", "/api/v1/auth2/github/logout"), 200);
	assert.ok(reply.json.message);
	for (const name of [SESSION, "csrf_access_token"])
		assert.ok(reply.headers["set-cookie"].some((c) => c.startsWith(`${name}=;`)));
	assertError(await api.get("/api/v1/admin/user", { headers: { cookie } }), "UNAUTHORIZED");
	await signIn(b, "github");
});

test("the provider is wrong, away or silent: the error page, in time", async () => {
	github.user = hub();
	try {
		for (const [step, status, code] of [["token", 500, "provider_unavailable"], ["token", 404, "provider_error"], ["user", 401, "provider_error"],
			["user", 502, "provider_unavailable"], ["emails", 503, "provider_unavailable"]]) {
			github.status = { [step]: status };
			await refused(browser(), startPath("github"), code, "github");
		}
		github.status = {};
		const hanging = [];
		github.hold = (step) => step === "token" ? new Promise((resolve) => hanging.push(resolve)) : Promise.resolve();
		await refused(browser(), startPath("github"), "provider_unavailable", "github");
		hanging.forEach((resolve) => resolve());
		github.hold = async () => {};
		const b = browser(), callback = await upToCallback(b, "github"), { port } = github;
		await github.stop();
		await refused(b, callback, "provider_unavailable", "github");
		await github.start(port);
	} finally {
		github.status = {};
		github.hold = async () => {};
	}
	github.faults.length = 0;
	/* The breaker may keep the host shut for a moment. */
	await until(async () => await browser().walk(startPath("github")) === PAGE, "the provider's return");
});

test("the runner is killed in the middle of an exchange: a clean end, and nothing twice", async () => {
	github.user = hub();
	const before = asked("token");
	for (const held of ["token", "user"]) {
		let reached, go;
		const there = new Promise((resolve) => { reached = resolve; });
		github.hold = (step) => step === held ? (reached(), new Promise((resolve) => { go = resolve; })) : Promise.resolve();
		const b = browser(), callback = await upToCallback(b, "github"), walk = b.walk(callback);
		await there;
		const codes = asked("token");
		millrace.pids("runner").forEach((pid) => process.kill(pid, "SIGKILL"));
		github.hold = async () => {};
		go();
		assert.equal(await walk, errorPage("interrupted", "github"));
		assert.equal(b.cookie(SESSION), undefined);
		assert.equal(asked("token"), codes, "the code was sent twice");
	}
	assert.equal(asked("token"), before + 2);
	assert.equal(await count(`SELECT count(*) FROM external_identity WHERE subject = '${github.user.id}'`), 0);
	await signIn(browser(), "github");
	assert.equal(await count(`SELECT count(*) FROM external_identity WHERE subject = '${github.user.id}'`), 1);
});

test("a state lasts through a restart of everything but the database", async () => {
	github.user = hub();
	const b = browser(), callback = await upToCallback(b, "github");
	for (const role of ["auth", "streamd", "runner"])
		await millrace.dev("restart", role);
	await until(async () => (await api.get("/readyz").catch(() => null))?.status === 200, "readiness");
	await until(() => millrace.pids("runner").length > 0, "a runner");
	assert.equal(await b.walk(callback), PAGE);
});

test("code, state, ticket and secrets are in no log, and in no table in the clear", async () => {
	github.user = hub();
	const b = browser(), callback = new URL(await upToCallback(b, "github"));
	const cookie = b.jar().get("__Host-oauth").value;
	await b.walk(callback.href);
	const ticket = new URL(b.visited[1].url).searchParams.get("ticket");
	const tokens = [...github.tokens.keys()], { code, state } = Object.fromEntries(callback.searchParams);
	assert.ok(code && state && ticket && tokens.length > 0);
	/* Errors too: one that nginx itself answers. */
	await api.get(`/api/v1/auth2/github/callback?code=${code}&state=${state}&x=${"y".repeat(9000)}`).catch(() => {});
	await api.get(`/api/v1/auth2/github/callback?ticket=${ticket}&x=${"y".repeat(9000)}`).catch(() => {});
	const dump = await value(`SELECT (SELECT coalesce(string_agg(f::text, ''), '') FROM oauth_flow f) || (SELECT string_agg(t::text || encode(t.sealed, 'escape'), '') FROM oauth_token t)
		|| (SELECT string_agg(r::text, '') FROM run r) || (SELECT string_agg(j::text, '') FROM job j) || (SELECT string_agg(e.data::text, '') FROM stream_event e)
		|| (SELECT string_agg(l::text, '') FROM audit_log l)`);
	for (const [what, text] of Object.entries({ code, state, ticket, cookie, secret: github.clientSecret, token: tokens.at(-1), access: b.cookie(SESSION).split(".")[2] })) {
		assert.equal(await millrace.grepLogs(text), "", `${what} in a log`);
		assert.ok(!dump.includes(text), `${what} in the database`);
	}
	assert.match(await millrace.grepLogs("/api/v1/auth2/github/callback"), /\[hidden\]/);
});

test("the provider had nothing to complain of", () => assert.deepEqual(github.faults, []));
