/* Pages of the web as documents: fetched under guard, their main text indexed, and again only where they have changed. */
import test, { before, beforeEach } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { join } from "node:path";
import { once } from "node:events";
import { fixtures, newUser, privateInstance } from "../js/instance.mjs";
import { assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";

const PAGE = ["id", "name", "description", "status", "metadata", "error", "notices"];
const OURS = "127.0.0.2";     /* the one address that the instance may fetch from */
let millrace, api, user, base, port, asked, pages;

/* A site: `pages` has a reply for each path, or a function that makes it of the request and how often the path was asked for. */
async function site(host) {
	const server = createServer(async (req, res) => {
		asked.push(req);
		const page = pages[req.url] ?? { status: 404, body: "not here" };
		const { status = 200, headers = {}, body = "" } = typeof page === "function"
			? await page(req, asked.filter((r) => r.url === req.url).length) : page;
		res.writeHead(status, { "content-type": "text/html", ...headers }).end(body);
	});
	server.listen(port ?? 0, host);
	await once(server, "listening");
	server.unref();
	return server.address().port;
}

before(async () => {
	[asked, pages] = [[], {}];
	port = await site(OURS);
	await site("127.0.0.1");
	base = `http://${OURS}:${port}`;
	millrace = await privateInstance("pages", { MILLRACE_FETCH_NETWORKS: `10.99.0.0/16 ${OURS}`, MILLRACE_UPLOAD_MAX: "300000",
		MILLRACE_REPLY_SECONDS: "8" });
	({ api } = millrace);
});
beforeEach(async () => { [asked.length, pages] = [0, {}]; user = await newUser(api); });

const html = (title, text, more = "") => `<!doctype html><title>${title}</title><nav><a href=/>Home of everything</a></nav>
	<main><h1>${title}</h1><p>${text}</p>${more}</main><footer>Imprint and terms</footer>`;
const add = (url, more = {}) => user.api.post("/api/documents/url", { url, ...more });
const get = async (id) => assertStatus(await user.api.get(`/api/documents/${id}`), 200).json;
const settled = (id) => until(async () => {
	const document = await get(id);
	return ["ready", "failed"].includes(document.status) && document;
}, "it is ready, or has failed");
/* On a busy machine a reply may come before the document is ready. */
const added = async (path, more) => {
	const { json } = assertStatus(await add(base + path, more), 200);
	assertKeys(json, PAGE);
	return json.status === "pending" ? settled(json.id) : json;
};
const reindex = async (id) => (await user.api.post(`/api/documents/${id}/reindex`)) && settled(id);
const search = async (q) => assertStatus(await user.api.get(`/api/documents/search?q=${encodeURIComponent(q)}`), 200).json;
const passages = async (id) => (await millrace.psql(`SELECT string_agg(id::text, ' ' ORDER BY n) FROM chunk WHERE document_id = '${id}'`)).trim();
const files = async () => Number(await millrace.psql(`SELECT count(*) FROM blob WHERE owner_id = '${user.uid}'`));
const LONG = "The sluice keeper of Otley raises the gate by hand when the Wharfe is low, and chains it before the spring floods come down. ".repeat(3);

test("a page's main text is found, and where it came from; its menu is not", async () => {
	pages["/otley"] = { body: html("Sluice keeping", LONG), headers: { "content-type": "text/html; charset=utf-8" } };
	const page = await added("/otley");
	assert.deepEqual([page.status, page.name, page.error, page.metadata.url], ["ready", `${OURS}:${port}/otley`, null, `${base}/otley`]);
	const document = await get(page.id);
	assert.deepEqual([document.type, document.size, document.chunkCount], ["html", pages["/otley"].body.length, 1]);
	const [hit] = await search("Who raises the gate?");
	assert.match(JSON.stringify(hit), /sluice keeper of Otley/i);
	assert.doesNotMatch(JSON.stringify(await search("sluice home everything imprint")), /Home of everything|Imprint/);
	const named = await added("/otley", { name: "Otley", description: "a page" });
	assert.deepEqual([named.name, named.description], ["Otley", "a page"]);
});

test("a page that has not changed costs no new passage: by its entity tag, its date, or its bytes", async () => {
	for (const [path, headers, condition] of [["/tag", { etag: '"v1"' }, "if-none-match"], ["/date", { "last-modified": "Mon, 02 Nov 2026 10:00:00 GMT" }, "if-modified-since"],
		["/bytes", {}, null]]) {
		let text = LONG;
		pages[path] = (req) => condition && req.headers[condition] && text === LONG ? { status: 304 } : { headers, body: html("Gate", text) };
		const { id } = await added(path);
		const first = await passages(id);
		const again = await reindex(id);
		assert.deepEqual([again.status, again.notices, again.error], ["ready", [], null]);
		assert.equal(await passages(id), first, path);
		if (condition)
			assert.equal(asked.at(-1).headers[condition], headers.etag ?? headers["last-modified"]);
		text = LONG.replaceAll("Otley", "Ilkley");
		assert.equal((await reindex(id)).status, "ready");
		assert.notEqual(await passages(id), first, path);
		assert.match(JSON.stringify(await search("gate of Ilkley")), /Ilkley/);
	}
	await until(async () => await files() === 3, "the files of before are gone");
});

test("where a page cannot be fetched any more, what is indexed serves on, and it is said", async () => {
	pages["/moved"] = { body: html("Gate", LONG) };
	const { id } = await added("/moved");
	const first = await passages(id);
	delete pages["/moved"];
	const again = await reindex(id);
	assert.deepEqual([again.status, again.error], ["ready", null]);
	assert.match(again.notices[0], /no such page \(status 404\).*what it was before/);
	assert.equal(await passages(id), first);
	assert.equal((await search("sluice keeper")).length, 1);
});

test("only public addresses, and what the administrator has opened: by any name, spelling or redirect", async () => {
	pages["/"] = pages["/secret"] = { body: html("Secret", LONG) };
	pages["/away"] = { status: 302, headers: { location: `http://127.0.0.1:${port}/secret` } };
	pages["/file"] = { status: 302, headers: { location: "file:///etc/passwd" } };
	pages["/name"] = { status: 301, headers: { location: `//localhost:${port}/secret` } };
	const urls = [`http://127.0.0.1:${port}/secret`, `http://2130706433:${port}/secret`, `http://0x7f000001:${port}/secret`, `http://127.1:${port}/secret`,
		`http://localhost:${port}/secret`, `http://[::1]:${port}/secret`, `http://[::ffff:127.0.0.2]:${port}/secret`, `http://[64:ff9b::7f00:1]:${port}/secret`,
		`http://0.0.0.0:${port}/secret`, `http://１２７。0。0。1:${port}/secret`, "http://169.254.169.254/latest/meta-data/", `${base}/away`, `${base}/file`, `${base}/name`];
	for (const url of urls) {
		const { json } = assertStatus(await add(url), 200);
		assert.equal(json.status, "failed", url);
		assert.match(json.error, /not one of the public Internet|not one of the web|cannot be reached/, url);
	}
	assert.deepEqual(asked.filter((r) => r.url === "/secret"), []);
});

test("addresses as people write them: umlauts in the path, and in the name of the host", async () => {
	pages["/M%c3%bchle?q=%c3%a4"] = { body: html("Mühle", LONG) };
	assert.equal((await added("/Mühle?q=ä")).status, "ready");
	assert.equal(assertStatus(await add(`HTTP://${OURS}:${port}/Mühle?q=ä`), 200).json.error, null);
	const { json } = assertStatus(await add(`http://müller.invalid:${port}/`), 200);
	assert.match((json.status === "pending" ? await settled(json.id) : json).error, /cannot be reached/);
});

test("a page that a server keeps compressed is read, though nobody asks for that; a coding that is none is no matter", async () => {
	const body = html("Kept", LONG);
	for (const [coding, packed] of Object.entries({ gzip: gzipSync(body), "X-GZip": gzipSync(body), deflate: deflateSync(body), br: brotliCompressSync(body),
		"gzip, gzip": gzipSync(gzipSync(body)), identity: body, "utf-8": body, "aws-chunked,": body })) {
		const path = `/packed/${Object.keys(pages).length}`;
		pages[path] = { headers: { "content-encoding": coding }, body: packed };
		const page = await added(path);
		assert.deepEqual([page.status, page.error, (await get(page.id)).size], ["ready", null, body.length], coding);
	}
	assert.equal(asked.at(-1).headers["accept-encoding"], "identity");
	pages["/bomb"] = { headers: { "content-encoding": "gzip" }, body: gzipSync(Buffer.alloc(50000000, "x ")) };
	assert.match((await added("/bomb")).error, /larger than 300000 bytes/);
	pages["/damaged"] = { headers: { "content-encoding": "gzip" }, body: "no such thing" };
	assert.equal((await added("/damaged")).status, "failed");
});

test("redirects are followed, but not for ever", async () => {
	pages["/a"] = { status: 301, headers: { location: "b/c?x=1#top" } };
	pages["/b/c?x=1"] = { status: 307, headers: { location: "../d" } };
	pages["/d"] = { body: html("There", LONG) };
	const page = await added("/a");
	assert.deepEqual([page.status, page.metadata.url, page.metadata.finalUrl], ["ready", `${base}/a`, `${base}/d`]);
	pages["/round"] = { status: 302, headers: { location: "/round" } };
	assert.match((await added("/round")).error, /without end/);
	assert.equal(asked.filter((r) => r.url === "/round").length, 11);
});

test("what is no page of text is refused in words, and leaves no file", async () => {
	pages["/empty"] = {};
	pages["/big"] = { body: "x".repeat(400000) };
	pages["/picture"] = { headers: { "content-type": "image/png" }, body: Buffer.from("89504e470d0a1a0a0000000d49484452", "hex") };
	pages["/forbidden"] = { status: 403 };
	pages["/same"] = { status: 304 };
	for (const [path, error] of Object.entries({ "/empty": /empty/, "/big": /larger than 300000 bytes/, "/picture": /PNG|image|picture/i, "/forbidden": /does not show .*403/, "/same": /refused .*304/,
		"/none": /no such page/ })) {
		const page = await added(path);
		assert.equal(page.status, "failed", path);
		assert.match(page.error, error);
	}
	for (const url of ["ftp://example.com/x", "example.com", "http://", "http://user:secret@example.com/", "javascript:alert(1)", "http://a b/", `http://x/${"y".repeat(2000)}`])
		assertError(await add(url), "BAD_REQUEST");
	assertError(await user.api.post("/api/documents/url", { name: "x" }), "BAD_REQUEST");
});

test("other files are read as uploads are, in the encoding that the server says", async () => {
	pages["/a.pdf"] = { headers: { "content-type": "application/pdf" }, body: readFileSync(join(fixtures(), "manual.pdf")) };
	pages["/notes.md"] = { headers: { "content-type": "text/plain" }, body: `# Notes\n\n*${LONG}*` };
	pages["/cyrillic"] = { headers: { "content-type": "text/html; charset=windows-1251" }, body: Buffer.concat([Buffer.from("<title>"), Buffer.from([0xcc, 0xe5, 0xeb, 0xfc, 0xed, 0xe8, 0xf6, 0xe0]),
		Buffer.from(`</title><main><p>${LONG}</p></main>`)]) };
	assert.equal((await get((await added("/a.pdf")).id)).type, "pdf");
	assert.equal((await get((await added("/notes.md")).id)).type, "md");
	const cyrillic = await added("/cyrillic");
	assert.deepEqual([cyrillic.status, cyrillic.notices], ["ready", []]);
	assert.match(JSON.stringify(await search("\u041c\u0435\u043b\u044c\u043d\u0438\u0446\u0430")), /\u041c\u0435\u043b\u044c\u043d\u0438\u0446\u0430/);
});

test("a server that fails is asked again; a page that takes long is pending, and then ready", async () => {
	pages["/tired"] = (req, nth) => nth === 1 ? { status: 503 } : { body: html("Awake", LONG) };
	assert.equal((await added("/tired")).status, "ready");
	let go;
	const held = new Promise((done) => { go = done; });
	pages["/slow"] = async () => { await held; return { body: html("Slow", LONG) }; };
	const { json } = assertStatus(await add(`${base}/slow`), 200);
	assertKeys(json, PAGE);
	assert.equal(json.status, "pending");
	go();
	assert.equal((await settled(json.id)).status, "ready");
});

test("a page that is deleted leaves nothing", async () => {
	pages["/gone"] = { body: html("Gone", LONG) };
	const { id } = await added("/gone");
	assertStatus(await user.api.delete(`/api/documents/${id}`), 204);
	await until(async () => await files() === 0 && await passages(id) === "", "file and passages are gone");
	assert.equal(await millrace.psql(`SELECT documents, bytes, passages FROM storage WHERE owner_id = '${user.uid}'`), "0|0|0\n");
});

/* Steps of workflows ask hosts as pages are fetched: from the same addresses alone. */
test("a workflow asks hosts: what is sent, what comes back, what fails and why", async () => {
	const run = async (steps, inputs = {}) => {
		const workflow_id = assertStatus(await user.api.post("/api/workflows", { name: "Flow", definition: { steps } }), 201).json.id;
		const { json } = assertStatus(await user.api.post("/api/agents/workflows/execute", { workflow_id, inputs: { base, ...inputs } }), 200);
		return until(async () => {
			const now = assertStatus(await user.api.get(`/api/workflow-runs/${json.workflow_run_id}`), 200).json;
			return ["completed", "failed"].includes(now.status) && now;
		}, "its end");
	};
	const http = (path, more) => [{ id: "ask", type: "http", url: `{{inputs.base}}${path}`, ...more }];
	pages["/hook"] = async (req) => {
		let text = "";
		for await (const part of req)
			text += part;
		return { body: JSON.stringify({ method: req.method, type: req.headers["content-type"], from: req.headers["x-from"], key: req.headers["idempotency-key"], text }) };
	};
	pages["/tired"] = (req, nth) => nth === 1 ? { status: 503 } : { body: "Awake" };
	pages["/long"] = { body: "x".repeat(1100000) };
	const [posted, tired, ...failed] = await Promise.all([run(http("/hook", { method: "PUT", headers: { "x-from": "{{inputs.n}}" }, body: { n: "{{inputs.n}}" } }), { n: 7 }),
		run(http("/tired", { retries: 1 })), run(http("/none")), run(http("/long")), run(http("/hook"), { base: `http://127.0.0.1:${port}` }),
		run(http("/hook", { headers: { "x-from": "{{inputs.line}}" } }), { line: "a\r\nx-injected: yes" })]);
	posted.outputs.ask.body.text = JSON.parse(posted.outputs.ask.body.text);
	assert.deepEqual(posted.outputs.ask, { status: 200, body: { method: "PUT", type: "application/json", from: "7", key: `${posted.workflow_run_id}/ask`, text: { n: 7 } } });
	assert.deepEqual([tired.outputs.ask, tired.steps[0].tries], [{ status: 200, body: "Awake" }, 2]);
	assert.deepEqual(failed.map((f) => f.error), ["the host replied with the status 404.", "the reply is too long.", "its address is not a public one.",
		"its headers are more than 40, or one is not the sender's."].map((why) => `The step ask failed: ${why}`));
	assert.ok(asked.every((req) => !req.headers["x-injected"]));
	const own = await run(http("/hook", { method: "POST", body: {}, headers: { "content-type": "application/vnd.api+json", "Idempotency-Key": "mine", "x-from": "{{inputs.nothing}}" } }));
	assert.deepEqual(own.outputs.ask.body, { method: "POST", type: "application/vnd.api+json", key: "mine", text: "{ }" });
});
