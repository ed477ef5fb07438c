/*
 * A real browser for tests: Debian's Chromium by playwright-core, without a window. A page of the instance's own origin is one that the
 * browser is told about (nothing of nginx changes); everything that its scripts do goes to the real server over real TLS.
 *
 *   const browser = await launch();
 *   const page = await ownPage(browser, millrace.url);      a browser profile of its own each
 *   const reply = await call(page, "POST", "/api/…", { json, headers });
 *   await page.evaluate(() => …);                           EventSource, WebSocket … as any page has them
 *   await browser.close();
 *
 * The server's certificate is its own, so it is not checked; MILLRACE_TEST_CHROMIUM names another program.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

/* How long one waits for what the browser does, in ms; the machine may be busy. */
const PATIENCE = 120000;

/* The caller closes it; `more` are arguments of Chromium's. As root Chromium runs without its own sandbox only; and pages of the wide world, as tests of other origins
   make them up, may reach this host, or the browser's own guard of local networks would stand in for the server's. */
export function launch(more = []) {
	return chromium.launch({ executablePath: process.env.MILLRACE_TEST_CHROMIUM ?? "/usr/bin/chromium", timeout: PATIENCE,
		args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-features=LocalNetworkAccessChecks",
			...more] });
}

/* A profile without cookies; its pages share them. */
export async function profile(browser) {
	const context = await browser.newContext({ ignoreHTTPSErrors: true });
	context.setDefaultTimeout(PATIENCE);
	return context;
}

const BLANK = "<!doctype html><meta charset=utf-8><title>Test</title><body>";

/* A page of `origin` in a profile: HTML of ours at `path`, which no route of the server is. `page.replies` are those it has got since. */
export async function pageOf(context, origin, { html = BLANK, path = "/_test/page" } = {}) {
	const page = await context.newPage();
	const url = new URL(path, origin).href;
	await page.route(url, (route) => route.fulfill({ status: 200, contentType: "text/html", body: html }));
	await page.goto(url);
	/* While anything is intercepted, playwright itself answers preflights, and allows them all. */
	await page.unroute(url);
	page.replies = [];
	page.on("response", (reply) => page.replies.push({ method: reply.request().method(), url: reply.url(), status: reply.status() }));
	return page;
}

/* The same in a profile of its own. */
export const ownPage = async (browser, origin, options) => pageOf(await profile(browser), origin, options);

/*
 * What fetch in the page says: { status, json, text, headers }, or { error } where it fails, as it does where another origin may not
 * read. `options`: json, body, headers, credentials ("same-origin" as the standard has it), mode.
 */
export function call(page, method, url, { json, ...options } = {}) {
	return page.evaluate(async ({ method, url, json, options }) => {
		const { headers = {}, ...rest } = options;
		const type = json === undefined ? {} : { "content-type": "application/json" };
		const body = json === undefined ? {} : { body: JSON.stringify(json) };
		try {
			const reply = await fetch(url, { method, headers: { ...type, ...headers }, ...body, ...rest });
			const text = await reply.text();
			let value = null;
			try {
				value = JSON.parse(text);
			} catch { /* no JSON */ }
			return { status: reply.status, type: reply.type, text, json: value, headers: Object.fromEntries(reply.headers) };
		} catch (e) {
			return { error: String(e) };
		}
	}, { method, url, json, options });
}

/* A picture of the page for people, where MILLRACE_TEST_SCREENSHOTS names a directory. */
export async function screenshot(page, name) {
	const dir = process.env.MILLRACE_TEST_SCREENSHOTS;
	if (!dir)
		return;
	mkdirSync(dir, { recursive: true });
	await page.screenshot({ path: join(dir, `${name}.png`) });
}
