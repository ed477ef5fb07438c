/*
 * The script that embeds a chatbot, in Chromium, on pages of another origin whose Content-Security-Policy allows what docs/chatbots.md asks
 * for; the README's chatbot on a page; the API reference. What a screen reader is told is Chromium's own accessibility tree.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import http from "node:http";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT, newUser, shared } from "../js/instance.mjs";
import { launch, profile, screenshot } from "../js/browser.mjs";
import { assertStatus, until } from "../js/expect.mjs";

const SCRIPT = join(ROOT, "web/widget.js"), AXE = readFileSync(join(ROOT, "tests/node_modules/axe-core/axe.min.js"), "utf8");
const QUESTION = "What does the tide mill at Eling grind?";
let millrace, api, user, mill, site, origin, browser;

/* Pages of another origin: /?bot=… has the script, twice with &twice, and a policy that allows the server and nothing else. */
before(async () => {
	millrace = await shared();
	({ api } = millrace);
	site = http.createServer((req, res) => {
		const { searchParams: q } = new URL(req.url, "http://site");
		res.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy":
			`${q.has("sandbox") ? "sandbox allow-scripts; " : ""}default-src 'none'; img-src data:; script-src ${millrace.url}; connect-src ${millrace.url}; require-trusted-types-for 'script'; trusted-types 'none'` });
		res.end(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>A shop</title><link rel="icon" href="data:,">
			<main><h1>A shop</h1><p>All about mills.</p></main>
			${`<script src="${millrace.url}/widget.js" data-chatbot="${q.get("bot")}" async></script>`.repeat(q.has("twice") ? 2 : 1)}</html>`);
	}).listen(0, "127.0.0.1");
	await once(site, "listening");
	origin = `http://127.0.0.1:${site.address().port}`;
	user = await newUser(api);
	mill = assertStatus(await user.api.upload("/api/documents/upload?wait=1", { name: "Eling", file: { filename: "eling.txt", type: "text/plain",
		bytes: "The tide mill at Eling grinds wheat. Its pond fills twice a day through sea hatches." } }), 200).json.id;
	browser = await launch();
});
after(async () => {
	await browser?.close();
	site?.closeAllConnections();
	site?.close();
});

const newBot = async (settings = {}) => assertStatus(await user.api.post("/api/chatbots", { name: "Miller", documents: [mill],
	settings: { welcomeMessage: "Ask me about **mills**.", allowedOrigins: [origin], ...settings } }), 201).json;

/* A visitor's page with that chatbot; `complaints`: what its console says, the policy's violations among it. */
async function visit(bot, options = {}) {
	const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1000, height: 720 }, ...options });
	context.setDefaultTimeout(120000);
	const page = await context.newPage(), complaints = [];
	page.on("console", (m) => { if (["error", "warning"].includes(m.type())) complaints.push(m.text()); });
	page.on("pageerror", (e) => complaints.push(e.message));
	await page.goto(`${origin}/?bot=${bot.id}${options.more ?? ""}`);
	return { page, complaints, context };
}
const opened = async (bot, options) => {
	const v = await visit(bot, options);
	await v.page.click(".chat");
	return v;
};
const answer = (page, n = 0) => page.locator(".bot:has(.notes)").nth(n);
async function ask(page, text) {
	await page.fill("textarea", text);
	await page.press("textarea", "Enter");
}
async function assertAccessible(page) {
	const { violations } = await page.evaluate(`${AXE}; axe.run()`);
	assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), []);
}

test("the script is small, found again by its ETag, and anybody's to load", async () => {
	const reply = assertStatus(await api.get("/widget.js", { headers: { origin: "https://any.example" } }), 200);
	assert.equal(reply.text, readFileSync(SCRIPT, "utf8"));
	assert.match(reply.headers["content-type"], /^text\/javascript; charset=utf-8$/);
	assert.match(reply.headers["cache-control"], /^public, max-age=/);
	assert.deepEqual([reply.headers["access-control-allow-origin"], reply.headers["access-control-allow-credentials"]], ["https://any.example", undefined]);
	const packed = await api.get("/widget.js/", { headers: { "accept-encoding": "gzip" } });
	assert.equal(packed.headers["content-encoding"], "gzip");
	assert.ok(packed.bytes.length < 15000, `${packed.bytes.length} bytes as it is sent`);
	assert.equal((await api.get("/widget.js", { headers: { "if-none-match": reply.headers.etag } })).status, 304);
	assert.equal((await api.post("/widget.js", {})).json.code, "METHOD_NOT_ALLOWED");
});

test("a visitor asks by keyboard, sees the answer with its sources, and says what it was worth", async () => {
	const bot = await newBot({ suggestedQuestions: ["What is a tide mill?"], theme: { color: "#0a6b4f" } });
	const { page, complaints } = await visit(bot);
	await page.focus(".chat");
	await page.keyboard.press("Enter");
	await page.waitForSelector(".suggestions");
	assert.match(await page.locator("section").ariaSnapshot(), /- region "Miller":\n\s+- dialog "Miller":\n\s+- heading "Miller" \[level=2\]/);
	await page.keyboard.type(QUESTION);
	await page.keyboard.press("Enter");
	await answer(page).waitFor();
	assert.match(await answer(page).locator(".text").textContent(), /wheat/);
	assert.match(await page.locator("[role=status]").textContent(), /^Miller: .*wheat/s);
	await answer(page).locator("summary").click();
	assert.match(await answer(page).locator("details").textContent(), /Sources \(1\)Eling, ¶ 1The tide mill at Eling grinds wheat\./);
	await answer(page).locator(".up").click();
	await page.waitForSelector(".up[aria-pressed=true]");
	assert.deepEqual(assertStatus(await user.api.get(`/api/chatbots/${bot.id}/feedback`), 200).json.map((f) => f.rating), ["up"]);
	await assertAccessible(page);
	await screenshot(page, "widget");
	const tree = await page.locator("section").ariaSnapshot();
	for (const name of ['button "New conversation"', 'button "Close chat"', 'log "Messages"', 'textbox "Write a message…"', 'button "Send"', "status:"])
		assert.ok(tree.includes(name), `${name} in ${tree}`);
	await page.keyboard.press("Escape");
	await page.waitForFunction(() => document.activeElement.shadowRoot?.activeElement.className === "chat");
	assert.deepEqual(complaints, []);
});

/* As many jobs of the user's run as may at once, so that what is asked waits; resolves to what lets it go on. */
async function occupyUser() {
	const ids = await millrace.psql(`WITH r AS (INSERT INTO run (owner_id, kind, status) SELECT '${user.uid}', 'search', 'running' FROM generate_series(1, 64) RETURNING *),
		j AS (INSERT INTO job (run_id, owner_id, kind, state, lease_until, runner) SELECT id, owner_id, kind, 'running', now() + interval '1 hour', 'a test' FROM r)
		SELECT string_agg(quote_literal(id), ',') FROM r`);
	return () => millrace.psql(`DELETE FROM run WHERE id IN (${ids}); NOTIFY millrace_job`);
}

test("a reload keeps the conversation, and goes on with the answer under way; another begins anew", async () => {
	const { page, complaints } = await opened(await newBot());
	await ask(page, QUESTION);
	await answer(page).waitFor();
	await answer(page).locator(".down").click();
	await page.waitForSelector(".down[aria-pressed=true]");
	const release = await occupyUser();
	try {
		const sent = page.waitForResponse((r) => r.url().endsWith("/message") && r.request().method() === "POST");
		await ask(page, "And what fills its pond?");
		assert.equal((await sent).status(), 200);
		await page.reload();
		await page.waitForSelector(".state:not([hidden])");
		assert.equal(await page.locator(".message:not([hidden])").count(), 3);
		assert.equal(await page.evaluate(() => document.activeElement.tagName), "BODY", "a reload takes no focus");
	} finally {
		await release();
	}
	await answer(page, 1).waitFor();
	assert.match(await answer(page, 1).locator(".text").textContent(), /sea hatches/);
	await page.reload();
	await answer(page, 1).waitFor();
	assert.equal(await page.locator(".text").count(), 4);
	assert.deepEqual(await page.locator("[aria-pressed]").evaluateAll((all) => all.map((thumb) => thumb.ariaPressed)), ["false", "true", "false", "false"]);
	await page.click(".anew");
	await until(async () => await page.locator(".text").allTextContents().then((all) => all.join()) === "Ask me about mills.", "the welcome");
	assert.deepEqual(complaints, []);
});

test("without a connection it tries again, and asks once", async () => {
	const { page, context } = await opened(await newBot());
	await page.waitForSelector(".bot");
	await context.setOffline(true);
	await ask(page, QUESTION);
	await page.waitForFunction(() => /Trying again/.test(document.querySelector("section").shadowRoot.querySelector(".state").textContent));
	await context.setOffline(false);
	await answer(page).waitFor();
	await page.reload();
	await answer(page).waitFor();
	assert.equal(await page.locator(".user").count(), 1);
});

test("a session that has gone is begun anew; who asks too much is told, and keeps the words", async () => {
	const bot = await newBot({ messagesPerDay: 1 }), { page } = await opened(bot);
	await page.evaluate((id) => { localStorage[`millrace ${id} session`] = "0192d3a4-0000-4000-8000-000000000000"; }, bot.id);
	await page.reload();
	await page.waitForSelector(".bot");
	await ask(page, QUESTION);
	await answer(page).waitFor();
	await ask(page, "And more?");
	await page.waitForFunction(() => /Too many messages/.test(document.querySelector("section").shadowRoot.querySelector(".state").textContent));
	assert.deepEqual([await page.inputValue("textarea"), await page.locator(".user").count()], ["And more?", 1]);
});

test("rules that a page has for all its sections, and keys that it waits for, do not reach it", async () => {
	const { page, complaints } = await visit(await newBot());
	await page.evaluate(() => {
		const sheet = new CSSStyleSheet();
		sheet.replaceSync("section { position: relative; padding: 90px 0; min-height: 100vh; opacity: .3; transform: rotate(5deg) } body > * { display: none !important; position: static !important }");
		document.adoptedStyleSheets = [sheet];
		window.heard = [];
		for (const name of ["keydown", "keypress", "keyup"])
			document.addEventListener(name, (e) => window.heard.push(`${name} ${e.key}`));
	});
	await page.click(".chat");
	assert.deepEqual(await page.locator("dialog").boundingBox(), { x: 580, y: 80, width: 400, height: 620 });
	assert.deepEqual(await page.locator("section").evaluate((host) => [getComputedStyle(host).opacity, getComputedStyle(host).transform]), ["1", "none"]);
	await page.focus("textarea");
	await page.keyboard.type("a/b");
	assert.deepEqual([await page.inputValue("textarea"), await page.evaluate("window.heard")], ["a/b", []]);
	/* Safari's Enter that ends a composition */
	await page.locator("textarea").evaluate((input) => input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, cancelable: true })));
	assert.equal(await page.inputValue("textarea"), "a/b");
	assert.deepEqual(complaints, []);
});

test("the script twice is one chat, tabs share a conversation, and a session that is none is dropped", async () => {
	const bot = await newBot(), { page, complaints, context } = await visit(bot);
	await page.waitForSelector(".chat");
	const second = await context.newPage();
	await second.goto(`${origin}/?bot=%20${bot.id}%0A&twice`, { waitUntil: "networkidle" });
	assert.equal(await second.locator(".chat").count(), 1);
	await second.click(".chat");
	await page.click(".chat");
	for (const [tab, question] of [[page, "What does the tide mill grind?"], [second, "How often does its pond fill?"]]) {
		await ask(tab, question);
		await answer(tab).waitFor();
	}
	await second.reload();
	await answer(second, 1).waitFor();
	assert.deepEqual(await second.locator(".user .text").allTextContents(), ["What does the tide mill grind?", "How often does its pond fill?"]);
	await second.evaluate(() => { for (const key of Object.keys(localStorage)) localStorage[key] = "{"; });
	await second.reload();
	await ask(second, "What does the tide mill grind?");
	await answer(second).waitFor();
	assert.deepEqual(complaints, []);
});

test("Markdown becomes nodes, and none that an answer chose", async () => {
	const said = ["# A *head*", "One **strong _both_** `<b>` \\*star\\* [a link](https://mill.example/a_(b)?c=1) https://bare.example/x.", "",
		"- first", "  - inner", "- second", "", "3. three", "", "> quoted", "", "```js", "<script>", "```", "", "| a | b |", "|---|--:|", "| 1 | `|` |",
		"", "<img src=x onerror=alert(1)> <svg/onload=alert(1)> [bad](javascript:alert(1)) [data](data:text/html,x) ![picture](https://evil.example/?q=secret)",
		"[\"><img src=x>](https://ok.example/\"onmouseover=alert(1)) <javascript:alert(1)> snake_case_name 2 * 3 * 4", "***", "*".repeat(3000),
		">".repeat(3000), "[".repeat(3000), `${" ".repeat(40)}- x`.repeat(50)].join("\n");
	const bot = await newBot(), { page, complaints } = await opened(bot);
	await ask(page, QUESTION);
	await answer(page).waitFor();
	await millrace.psql(`UPDATE message m SET content = $said$${said}$said$ FROM conversation c WHERE c.id = m.conversation_id AND c.chatbot_id = '${bot.id}'
		AND m.role = 'assistant'`);
	await page.reload();
	await page.waitForSelector(".bot blockquote");
	const seen = await page.evaluate(() => {
		const text = document.querySelector("section").shadowRoot.querySelector(".bot .text"), all = (what) => [...text.querySelectorAll(what)];
		return { names: [...new Set(all("*").map((n) => n.localName))].sort(), links: all("a").map((a) => [a.href, a.textContent, a.rel]),
			attributes: [...new Set(all("*").flatMap((n) => n.getAttributeNames()))].sort(), code: all("code").map((n) => n.textContent),
			strong: all("strong").map((n) => n.outerHTML).slice(0, 2), list: text.querySelector("ul").outerHTML, start: text.querySelector("ol").start,
			cells: all("th, td").map((n) => n.textContent), text: text.textContent };
	});
	assert.deepEqual(seen.names, ["a", "blockquote", "br", "code", "div", "em", "hr", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"]);
	assert.deepEqual(seen.attributes, ["class", "href", "rel", "start", "tabindex", "target"]);
	assert.deepEqual(seen.links.map(([href, text]) => [href, text]), [["https://mill.example/a_(b)?c=1", "a link"], ["https://bare.example/x", "https://bare.example/x"],
		["https://evil.example/?q=secret", "picture"], ["https://ok.example/%22onmouseover=alert(1)", "\"><img src=x>"]]);
	assert.ok(seen.links.every(([, , rel]) => /noopener/.test(rel)));
	assert.deepEqual(seen.strong, ["<strong>A <em>head</em></strong>", "<strong>strong <em>both</em></strong>"]);
	assert.equal(seen.list, "<ul><li><p>first</p><ul><li><p>inner</p></li></ul></li><li><p>second</p></li></ul>");
	assert.equal(seen.start, 3);
	assert.deepEqual([seen.code[0], seen.code[1]], ["<b>", "<script>"]);
	assert.deepEqual(seen.cells.slice(0, 3), ["a", "b", "1"]);
	for (const plain of ["<img src=x onerror=alert(1)>", "*star*", "[bad](javascript:alert(1))", "snake_case_name 2 * 3 * 4"])
		assert.ok(seen.text.includes(plain), plain);
	await page.evaluate(() => document.querySelector("section").shadowRoot.querySelector(".log").scrollTo(0, 180));
	await screenshot(page, "widget-markdown");
	assert.deepEqual(complaints, []);
});

test("in the visitor's language, from right to left, in the dark, on a telephone", async () => {
	const bot = await newBot({ welcomeMessage: "مرحبًا! اسألني عن الطواحين.", theme: { scheme: "dark", color: "gold" } });
	const { page, complaints } = await opened(bot, { locale: "ar-EG", viewport: { width: 390, height: 760 }, isMobile: true, hasTouch: true });
	await page.waitForSelector(".bot");
	assert.match(await page.locator("section").ariaSnapshot(), /textbox "اكتب رسالة…"/);
	assert.equal(await page.locator("section").getAttribute("dir"), "rtl");
	assert.deepEqual(await page.locator("dialog").boundingBox(), { x: 0, y: 0, width: 390, height: 760 });
	assert.ok(await page.evaluate(() => document.querySelector("section").shadowRoot.querySelector("dialog").matches(":modal")));
	await assertAccessible(page);
	await screenshot(page, "widget-arabic");
	await page.keyboard.press("Escape");
	const box = await page.locator(".chat").boundingBox();
	assert.ok(box.x < 40, "the button is at the left");
	assert.deepEqual(complaints, []);
});

test("on pages of origins that the chatbot does not allow it is not there, and says why to who looks", async () => {
	const { page, complaints } = await visit(await newBot({ allowedOrigins: ["https://shop.example"] }));
	await until(() => complaints.some((c) => /no chatbot .* for pages of http:\/\/127.0.0.1:\d+: .*allowedOrigins/.test(c)), "the warning");
	assert.equal(await page.locator("section").count(), 0);
	const refused = await page.evaluate(([server, id]) => fetch(`${server}/api/chat/widget/${id}/session`, { method: "POST", body: "{}",
		headers: { "content-type": "application/json" } }).then((r) => r.status, () => "unreadable"), [millrace.url, page.url().split("bot=")[1]]);
	assert.equal(refused, "unreadable");
});

test("nor in a sandboxed frame, which has no origin, whatever the chatbot allows: that is said, too", async () => {
	const bot = await newBot(), { page, complaints } = await visit(bot, { more: "&sandbox" });
	await until(() => complaints.some((c) => /no chatbot .* for pages of null: .*sandboxed without allow-same-origin/.test(c)), "the warning");
	assert.ok(!complaints.some((c) => c.includes("allowedOrigins")), complaints.join("\n"));
	assert.equal(await page.locator("section").count(), 0);
	const refused = await api.as(null).post(`/api/chat/widget/${bot.id}/session`, {}, { headers: { origin: "null" } });
	assert.deepEqual([refused.status, refused.json.code], [403, "FORBIDDEN"]);
	assert.match(refused.json.error, /no origin that could be allowed/);
});

test("the README's chatbot on a page: two PDFs, a chatbot, and an answer with its sources", async () => {
	const { password } = millrace.demo;
	const [, steps] = /## A chatbot on a page\n.*?```sh\n(.*?)```/s.exec(readFileSync(join(ROOT, "README.md"), "utf8"));
	const pasted = steps.replace("PASSWORD=…", `PASSWORD=${password}`).replaceAll("https://localhost:8443", millrace.url).replaceAll("var/", `${millrace.dir}/`);
	const { stdout } = await promisify(execFile)("bash", ["-euc", pasted]);
	const page = await (await profile(browser)).newPage(), complaints = [];
	page.on("console", (m) => { if (["error", "warning"].includes(m.type())) complaints.push(m.text()); });
	await page.goto(stdout.trim());
	await page.click("text=When does the last tour begin?");
	await answer(page).waitFor();
	assert.match(await answer(page).locator(".text").textContent(), /The last tour begins at four/);
	await answer(page).locator("summary").click();
	assert.match(await answer(page).locator("details").textContent(), /Visiting the mill, page 1/);
	await ask(page, "Which gate is closed first in a flood?");
	await answer(page, 1).waitFor();
	assert.match(await answer(page, 1).locator(".text").textContent(), /left gate is closed\s+first/);
	await screenshot(page, "widget-demo");
	assert.deepEqual(complaints, []);
});

test("the API reference shows every route, and what is sent and answered", async () => {
	const page = await (await profile(browser)).newPage(), complaints = [];
	page.on("console", (m) => { if (["error", "warning"].includes(m.type())) complaints.push(m.text()); });
	page.on("pageerror", (e) => complaints.push(e.message));
	await page.goto(`${millrace.url}/docs#postApiChatbots`);
	await page.waitForSelector("#postApiChatbots[open] .replies");
	assert.equal(await page.locator(".route").count(), Object.values(millrace.document.paths).flatMap(Object.keys).filter((m) => m !== "parameters").length);
	const text = await page.locator("#postApiChatbots").innerText();
	for (const part of ["POST", "/api/chatbots", "Credential: Bearer token or API key, or cookie with X-CSRF-Token", "name required string, 1 to 200 characters",
		"allowedOrigins", "Replies 201 OK Chatbot id required string (uuid)", "default An error"])
		assert.ok(text.replaceAll(/\s+/g, " ").includes(part), `${part} in ${text}`);
	await page.fill("input", "widget session");
	assert.deepEqual(await page.locator(".route:not([hidden]) .path").allTextContents(), Object.keys(millrace.document.paths).filter((p) => /widget.*session/.test(p)));
	await page.fill("input", "make a chatbot");
	await assertAccessible(page);
	await page.fill("input", "");
	await page.setViewportSize({ width: 1100, height: 900 });
	await page.evaluate(() => document.querySelector("#postApiChatbots").scrollIntoView());
	await screenshot(page, "docs");
	assert.deepEqual(complaints, []);
});
