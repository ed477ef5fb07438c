/*
 * The session cookies in a real browser, over real TLS: what it keeps, what its scripts see, what a page may do with them and what one
 * of another origin may not. axios is the front end's own build for browsers, set up as front ends do it.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { PASSWORD, ROOT, shared } from "../js/instance.mjs";
import { DEVICE, SESSION, SESSION_OLD, register } from "../js/accounts.mjs";
import { until } from "../js/expect.mjs";
import { call, launch, ownPage, pageOf, profile, screenshot } from "../js/browser.mjs";

const AXIOS = join(ROOT, "tests/node_modules/axios/dist/axios.min.js");
const FORM = `<!doctype html><meta charset=utf-8><title>Sign in</title>
<style>body { font: 16px sans-serif; margin: 40px } label, output { display: block; margin: 8px 0 } output { white-space: pre-wrap }</style>
<h1>Sign in</h1>
<form><label>Name <input name=username autocomplete=username></label><label>Password <input name=password type=password></label><button>Sign in</button></form>
<output></output>
<script>
document.forms[0].addEventListener("submit", async (e) => {
	e.preventDefault();
	const given = Object.fromEntries(new FormData(e.target));
	const reply = await fetch("/api/v1/auth/login", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(given) });
	const { name, username, error } = await reply.json();
	document.querySelector("output").textContent = reply.ok ? "Signed in as " + name + " (" + username + ")\\nThe page sees: "
	    + document.cookie.replace(/=.*/, "=…") : reply.status + ": " + error;
});
</script>`;

let millrace, browser;
before(async () => { millrace = await shared(); browser = await launch(); });
after(() => browser?.close());

const cookies = async (page) => Object.fromEntries((await page.context().cookies(millrace.url)).map((c) => [c.name, c]));
const csrfOf = (page) => page.evaluate(() => /(?:^|; )csrf_access_token=([^;]*)/.exec(document.cookie)?.[1]);
const nameOf = async (page) => (await call(page, "GET", "/api/v1/admin/user")).json.name;
const change = (page, name, headers) => call(page, "PATCH", "/api/user", { json: { name }, headers });

/* A user, and a page of the instance's origin on which they have signed in. */
async function signedIn(options) {
	const user = await register(millrace.api);
	const page = await ownPage(browser, millrace.url, options);
	const reply = await call(page, "POST", "/api/v1/auth/login", { json: { username: user.username, password: PASSWORD } });
	assert.equal(reply.status, 200, JSON.stringify(reply));
	assert.equal(reply.json.id, user.id);
	return { user, page };
}

test("a form signs in; the browser keeps both cookies as they are meant, and scripts see one", async () => {
	const user = await register(millrace.api, { name: "Ada Lovelace" });
	const page = await ownPage(browser, millrace.url, { html: FORM });
	await page.fill("[name=username]", user.username);
	await page.fill("[name=password]", "a wrong one");
	await page.click("button");
	await page.waitForFunction(() => document.querySelector("output").textContent.startsWith("401"));
	assert.deepEqual(await cookies(page), {});
	await page.fill("[name=password]", PASSWORD);
	await page.click("button");
	await page.waitForFunction(() => document.querySelector("output").textContent.startsWith("Signed in"));
	await screenshot(page, "signed-in");
	const kept = await cookies(page);
	assert.deepEqual(Object.keys(kept).sort(), [SESSION, DEVICE, "csrf_access_token"]);
	for (const [name, cookie] of Object.entries(kept)) {
		assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path], [name !== "csrf_access_token", true, "Strict", "/"], name);
		assert.equal(cookie.domain, new URL(millrace.url).hostname, "no domain: this host alone");
		assert.ok(cookie.expires > Date.now() / 1000, name);
	}
	assert.equal(await page.evaluate(() => document.cookie), `csrf_access_token=${kept.csrf_access_token.value}`);
	assert.match(await page.textContent("output"), /Ada Lovelace/);
});

test("a change with the header works, without it, with another one and from memory alone it is 403", async () => {
	const { page } = await signedIn();
	const other = await signedIn();
	const csrf = await csrfOf(page);
	assert.equal((await change(page, "With", { "x-csrf-token": csrf })).status, 200);
	for (const headers of [{}, { "x-csrf-token": "" }, { "x-csrf-token": "x" }, { "x-csrf-token": await csrfOf(other.page) }]) {
		const reply = await change(page, "Without", headers);
		assert.deepEqual([reply.status, reply.json.code], [403, "FORBIDDEN"], JSON.stringify(headers));
	}
	assert.equal((await call(page, "POST", "/api/settings/regenerate-api-key")).status, 403);
	/* A cookie of the script's own making is as good as none. */
	await page.evaluate(() => { document.cookie = "csrf_access_token=mine; path=/; secure; samesite=strict"; });
	assert.equal((await change(page, "Made up", { "x-csrf-token": "mine" })).status, 403);
	assert.equal(await nameOf(page), "With");
});

test("a script cannot write over the access token, nor put another before it", async () => {
	const [{ page, user }, thief] = [await signedIn(), await signedIn()];
	const planted = (await cookies(thief.page))[SESSION].value;
	for (const name of [SESSION, SESSION_OLD])
		for (const path of ["/", "/api"])
			await page.evaluate((cookie) => { document.cookie = cookie; }, `${name}=${planted}; path=${path}; secure`);
	assert.equal((await call(page, "GET", "/api/v1/admin/user")).json.id, user.id);
});

/* Two hosts of one domain, as certificates' names and DNS have them; the browser is told that both are here. */
const APP = "app.example.test", NEIGHBOUR = "blog.example.test";

test("stale twins that another host has set for the whole domain lock nobody out, neither from reading nor from changing", async () => {
	const { port } = new URL(millrace.url), [url, neighbour] = [APP, NEIGHBOUR].map((host) => `https://${host}:${port}`);
	const own = await launch([`--host-resolver-rules=MAP *.example.test 127.0.0.1`]);
	try {
		const context = await profile(own);
		const blog = await pageOf(context, neighbour);
		const stale = (await cookies((await signedIn()).page))[SESSION].value;
		/* Before ours, so that they come first, in the header and in document.cookie. */
		await blog.evaluate((token) => {
			for (const path of ["/", "/api", "/api/v1"])
				for (const name of ["access_token", "csrf_access_token", "__Host-access_token"])
					document.cookie = `${name}=${name === "csrf_access_token" ? "stale" : token}; domain=example.test; path=${path}; secure`;
		}, stale);
		const page = await pageOf(context, url), user = await register(millrace.api);
		await page.addScriptTag({ path: AXIOS });
		assert.equal(await csrfOf(page), "stale");
		assert.match((await call(page, "GET", "/api/v1/admin/user")).json.error, /Several cookies access_token/);
		const seen = await page.evaluate(async ({ username, password, id }) => {
			const client = axios.create({ baseURL: "/api/v1", withCredentials: true, xsrfCookieName: "csrf_access_token", xsrfHeaderName: "X-CSRF-Token",
				validateStatus: () => true });
			const out = {};
			out.login = (await client.post("/auth/login", { username, password })).status;
			out.me = (await client.get("/admin/user")).data.id;
			out.first = /csrf_access_token=([^;]*)/.exec(document.cookie)[1];
			out.changed = (await client.put(`/user/dao/${id}`, { name: "In spite of it" })).data.name;
			out.logout = (await client.post("/auth/logout")).status;
			return out;
		}, { username: user.username, password: PASSWORD, id: user.id });
		assert.deepEqual(seen, { login: 200, me: user.id, first: "stale", changed: "In spite of it", logout: 200 });
		/* The neighbour can still do nothing in the user's name. */
		assert.equal((await call(page, "POST", "/api/v1/auth/login", { json: { username: user.username, password: PASSWORD } })).status, 200);
		const replies = await attack(blog, url);
		for (const reply of replies)
			assert.ok([403, 415].includes(reply.status), JSON.stringify(reply));
		assert.equal((await call(page, "GET", "/api/v1/admin/user")).json.name, "In spite of it");
	} finally {
		await own.close();
	}
});

test("a browser that has signed in before passes while strangers' wrong passwords lock the account", async () => {
	const { page, user } = await signedIn();
	const signIn = (at) => call(at, "POST", "/api/v1/auth/login", { json: { username: user.username, password: PASSWORD } });
	assert.equal((await call(page, "POST", "/api/v1/auth/logout", { headers: { "x-csrf-token": await csrfOf(page) } })).status, 200);
	assert.deepEqual(Object.keys(await cookies(page)), [DEVICE]);
	assert.equal(await page.evaluate(() => document.cookie), "");
	await millrace.psql(`INSERT INTO login_failure SELECT login_subject('${user.username}'), 110`);
	assert.equal((await signIn(await ownPage(browser, millrace.url))).status, 429);
	assert.equal((await signIn(page)).status, 200);
});

test("every login is another session; logout ends it and takes both cookies away", async () => {
	const { page, user } = await signedIn();
	const first = await cookies(page);
	assert.equal((await call(page, "POST", "/api/v1/auth/login", { json: { username: user.username, password: PASSWORD } })).status, 200);
	const second = await cookies(page);
	for (const name of [SESSION, "csrf_access_token", DEVICE])
		assert.notEqual(second[name].value, first[name].value, name);
	assert.equal((await call(page, "POST", "/api/v1/auth/logout")).status, 403, "not without the header");
	assert.equal((await call(page, "POST", "/api/v1/auth/logout", { headers: { "x-csrf-token": await csrfOf(page) } })).status, 200);
	assert.deepEqual(Object.keys(await cookies(page)), [DEVICE]);
	assert.equal(await page.evaluate(() => document.cookie), "");
	assert.equal((await call(page, "GET", "/api/v1/admin/user")).status, 401);
	/* What somebody has copied before is worth nothing either. */
	await page.context().addCookies([second[SESSION]]);
	assert.equal((await call(page, "GET", "/api/v1/admin/user")).status, 401);
});

/* All that a page of another origin can send by itself: a form, an image, fetch with and without preflight. */
async function attack(page, target) {
	const said = await page.evaluate(async (target) => {
		const out = [];
		const attempt = async (what, options) => {
			try {
				const reply = await fetch(target + what, { credentials: "include", ...options });
				out.push(reply.type === "opaque" ? "opaque" : `read ${reply.status} ${await reply.text()}`);
			} catch {
				out.push("blocked");
			}
		};
		await attempt("/api/v1/admin/user");
		await attempt("/api/user", { method: "PATCH", headers: { "content-type": "application/json" }, body: '{"name": "Stolen"}' });
		await attempt("/api/settings/regenerate-api-key", { method: "POST", mode: "no-cors" });
		await attempt("/api/settings", { method: "POST", mode: "no-cors", headers: { "content-type": "text/plain" }, body: '{"name": "Stolen"}' });
		await attempt("/api/v1/auth/logout", { method: "POST", mode: "no-cors" });
		await attempt("/api/user", { method: "PATCH", headers: { "content-type": "application/json", "x-csrf-token":
			/csrf_access_token=([^;]*)/.exec(document.cookie)?.[1] ?? "x" }, body: '{"name": "Stolen"}' });
		return out;
	}, target);
	assert.deepEqual(said.filter((s) => s.startsWith("read")), []);
	/* A form takes the page along. */
	await page.evaluate((target) => {
		const form = document.createElement("form");
		Object.assign(form, { method: "POST", action: `${target}/api/settings`, enctype: "text/plain", target: "out" });
		form.innerHTML = "<input name='{\"name\": \"Stolen\", \"x\": \"' value='\"}'>";
		const frame = document.createElement("iframe");
		frame.name = "out";
		document.body.append(frame, form);
		form.submit();
	}, target);
	await until(() => page.replies.some((r) => r.method === "POST" && new URL(r.url).pathname === "/api/settings" && r.status >= 400), "the form's reply");
	return page.replies.filter((r) => r.url.startsWith(target) && !["GET", "OPTIONS"].includes(r.method));
}

test("CSRF: a page of another site can do nothing, its cookies do not even come along", async () => {
	const { page, user } = await signedIn();
	const evil = await pageOf(page.context(), "https://evil.example");
	const replies = await attack(evil, millrace.url);
	assert.ok(replies.length >= 3, JSON.stringify(replies));
	for (const reply of replies)
		assert.ok([401, 403, 415].includes(reply.status), JSON.stringify(reply));
	assert.deepEqual([await nameOf(page), (await call(page, "GET", "/api/settings")).json.apiKey], [user.name, null]);
});

test("CSRF: nor can a page of another origin of the same site, where cookies do come along", async () => {
	const { page, user } = await signedIn();
	const neighbour = new URL(millrace.url);
	neighbour.port = "1234";
	const evil = await pageOf(page.context(), neighbour.origin);
	/* Ports do not part cookies: it even sees the one that is meant to be seen. */
	assert.match(await evil.evaluate(() => document.cookie), /^csrf_access_token=/);
	const replies = await attack(evil, millrace.url);
	assert.ok(replies.some((r) => r.status === 403), `the cookie came along, the header did not: ${JSON.stringify(replies)}`);
	for (const reply of replies)
		assert.ok([403, 415].includes(reply.status), JSON.stringify(reply));
	assert.deepEqual([await nameOf(page), (await call(page, "GET", "/api/settings")).json.apiKey], [user.name, null]);
});

test("session fixation: cookies that were planted before the login are worth nothing after it", async () => {
	const thief = await signedIn();
	const planted = Object.values(await cookies(thief.page));
	const user = await register(millrace.api);
	const page = await ownPage(browser, millrace.url);
	await page.context().addCookies(planted);
	assert.equal(await nameOf(page), thief.user.name);
	assert.equal((await call(page, "POST", "/api/v1/auth/login", { json: { username: user.username, password: PASSWORD } })).json.id, user.id);
	assert.equal((await call(page, "GET", "/api/v1/admin/user")).json.id, user.id);
	assert.equal((await call(thief.page, "GET", "/api/v1/admin/user")).json.id, thief.user.id, "the thief is who they were");
});

test("axios in the browser, as a front end sets it up: login, change, export, logout", async () => {
	const user = await register(millrace.api);
	const page = await ownPage(browser, millrace.url);
	await page.addScriptTag({ path: AXIOS });
	const seen = await page.evaluate(async ({ username, password, id }) => {
		const client = axios.create({ baseURL: "/api/v1", withCredentials: true, xsrfCookieName: "csrf_access_token", xsrfHeaderName: "X-CSRF-Token",
			validateStatus: () => true });
		const bare = axios.create({ baseURL: "/api/v1", withCredentials: true, validateStatus: () => true });
		const out = {};
		out.login = (await client.post("/auth/login", { username, password })).status;
		out.me = (await client.get("/admin/user")).data.id;
		out.changed = (await client.put(`/user/dao/${id}`, { name: "By axios" })).data.name;
		out.without = (await bare.put(`/user/dao/${id}`, { name: "No" })).status;
		out.exported = (await client.get("/user/export")).data.user.name;
		out.logout = (await client.post("/auth/logout")).status;
		out.after = (await client.get("/admin/user")).status;
		return out;
	}, { username: user.username, password: PASSWORD, id: user.id });
	assert.deepEqual(seen, { login: 200, me: user.id, changed: "By axios", without: 403, exported: "By axios", logout: 200, after: 401 });
});
