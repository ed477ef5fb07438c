/* The README's examples for a browser's console, pasted into the page that ./dev run serves. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, shared } from "../js/instance.mjs";
import { launch, profile, screenshot } from "../js/browser.mjs";
import { until } from "../js/expect.mjs";

let millrace, examples;
before(async () => {
	millrace = await shared();
	examples = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
});

/* What a page's console shows as errors and warnings, and replies that are errors (a missing icon, say). */
function complaintsOf(page) {
	const found = [];
	page.on("console", (m) => { if (["error", "warning"].includes(m.type())) found.push(m.text()); });
	page.on("pageerror", (e) => found.push(e.message));
	page.on("response", (r) => { if (r.status() >= 400) found.push(`${r.status()} ${r.url()}`); });
	return found;
}

test("the page at / has nothing in its console", async () => {
	const browser = await launch();
	try {
		const page = await (await profile(browser)).newPage(), complaints = complaintsOf(page);
		await page.goto(millrace.url);
		assert.match(await page.textContent("h1"), /Millrace/);
		await page.waitForTimeout(300);         /* an icon is fetched after the page */
		assert.deepEqual(complaints, []);
		await screenshot(page, "welcome");
	} finally {
		await browser.close();
	}
});

test("EventSource, WebSocket and Socket.IO in Chromium", async () => {
	const { email, password } = millrace.demo, [signIn, ...others] = examples;
	assert.equal(others.length, 3, "an example for each of the three");
	for (const code of others)
		assert.ok(code.trim().split("\n").length <= 10, "ten lines");
	const browser = await launch();
	try {
		const page = await (await profile(browser)).newPage();
		const said = [];
		page.on("console", async (m) => said.push((await Promise.all(m.args().map((a) => a.jsonValue().catch(() => null))))));
		const complaints = complaintsOf(page);
		page.on("pageerror", (e) => said.push(["error", e.message]));
		await page.goto(`${millrace.url}/try`);
		assert.deepEqual(complaints, [], "the console of /try");
		/* as a console does: what one paste declares the next one sees */
		const pasted = [signIn.replace("demo@example.com", email).replace("…", password), ...others].join("\n");
		await page.evaluate(`(async () => { ${pasted} })()`);
		const heard = (by, fits, what) => until(() => said.some(([who, ...rest]) => who === by && fits(...rest)), what);
		try {
			await heard("EventSource", (id, text) => Number(id) > 0 && typeof text === "string", "a token");
			await heard("EventSource", (data) => data?.messageId, "done");
			await heard("WebSocket", (m) => m?.type === "subscribed" && m.topic === "lead_trends", "the subscription");
			await heard("WebSocket", (m) => m?.type === "event" && m.data.length === 31, "the series");
			await heard("WebSocket", (m) => m?.type === "lead_created" && m.data.user_id, "a lead, in the first form");
			await heard("Socket.IO", (text) => /^430\[\{"ok":true/.test(text), "the join's acknowledgement");
			await heard("Socket.IO", (text) => text.startsWith('42["lead_created",{"lead_id"'), "a lead");
		} catch (e) {
			throw new Error(`${e.message}; heard ${JSON.stringify(said).slice(0, 2000)}`);
		}
		assert.deepEqual(said.filter(([who]) => who === "error"), []);
		await screenshot(page, "console");
	} finally {
		await browser.close();
	}
});
