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
		page.on("pageerror", (e) => said.push(["error", e.message]));
		await page.goto(`${millrace.url}/try`);
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
