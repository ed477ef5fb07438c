/* Files at Google Drive and OneDrive: listed, described, saved as documents; what the services refuse, and for how long. */
import test, { after, before, beforeEach } from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { drive_v3 } from "@googleapis/drive";
import { Client, HTTPMessageHandler, PageIterator, RedirectHandler } from "@microsoft/microsoft-graph-client";
import { fixtures } from "../js/instance.mjs";
import { assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { person, signIn, startAll } from "../js/oauth.mjs";
import { Cloud } from "../standin/cloud.mjs";

const HOST = "127.0.0.3", FILES = "127.0.0.4", WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const FILE = ["id", "name", "mimeType", "size", "modifiedAt", "isFolder", "provider", "webUrl"];
const DRIVE = "/api/v1/drive", GRAPH = "/api/v1/drive/microsoft";
let all, millrace, google, microsoft, cloud, me, tokens;

/* Whatever a sign-in gives opens the files. */
const opens = (body) => (cloud.tokens.add(body.access_token), tokens.push(body), body);
async function connect(...providers) {
	const browser = all.browser();
	for (const name of providers) {
		all[name].user = person();
		await signIn(browser, name);
	}
	return browser;
}
before(async () => {
	tokens = [];
	cloud = await new Cloud().start(HOST, FILES);
	all = await startAll("cloud", { MILLRACE_DRIVE_URL: `${cloud.url}/drive/v3`, MILLRACE_GRAPH_URL: `${cloud.url}/v1.0`, MILLRACE_FETCH_NETWORKS: FILES, MILLRACE_REPLY_SECONDS: "8" });
	({ millrace, google, microsoft } = all);
	google.tamper = microsoft.tamper = opens;
	me = await connect("google", "microsoft");
});
after(async () => {
	await all?.stop();
	await cloud?.stop();
});
beforeEach(() => cloud.clear());

const get = async (path, browser = me) => assertStatus(await browser.send("GET", path), 200);
const names = (reply) => reply.json.map((f) => f.name);
/* What the runner refuses has the run's id to be found by. */
function assertRefused(reply, status, code) {
	assertStatus(reply, status);
	assert.deepEqual([reply.json.code, reply.json.detail, reply.json.request_id], [code, reply.json.error, reply.headers["x-run-id"]]);
}
const linked = (reply) => /^<([^>]+)>; rel="next"$/.exec(reply.headers.link ?? "")?.[1];
const asked = (of, what = "") => cloud.requests.filter((r) => r.of === of && r.path.includes(what)).length;
async function pages(path) {
	const found = [];
	for (let reply = await get(path); ; reply = await get(linked(reply))) {
		found.push(names(reply));
		if (!linked(reply))
			return found;
	}
}

test("the stand-ins answer the official clients: lists by pages, facts, bytes, exports", async () => {
	for (let i = 1; i <= 5; i++)
		cloud.addDrive({ name: `d${i}`, content: `drive ${i}` }), cloud.addGraph({ name: `g${i}`, content: `graph ${i}` });
	const native = cloud.addDrive({ name: "doc", mimeType: "application/vnd.google-apps.document", exports: { "text/plain": "exported" } });
	const [token] = cloud.tokens, drive = new drive_v3.Drive({ rootUrl: `${cloud.url}/`, headers: { authorization: `Bearer ${token}` }, retry: false });
	const found = [];
	for (let pageToken; ;) {
		const { data } = await drive.files.list({ q: "'root' in parents and trashed = false", pageSize: 2, pageToken, fields: "nextPageToken,files(id,name)" });
		found.push(...data.files);
		if (!(pageToken = data.nextPageToken))
			break;
	}
	assert.deepEqual(found.map((f) => f.name), ["d1", "d2", "d3", "d4", "d5", "doc"]);
	assert.deepEqual((await drive.files.get({ fileId: found[0].id })).data, { kind: "drive#file", id: found[0].id, name: "d1", mimeType: "text/plain" });
	assert.equal((await drive.files.get({ fileId: found[4].id, alt: "media" }, { responseType: "text" })).data, "drive 5");
	assert.equal((await drive.files.export({ fileId: native.id, mimeType: "text/plain" }, { responseType: "text" })).data, "exported");
	await assert.rejects(drive.files.get({ fileId: native.id, alt: "media" }), (e) => e.status === 403 && /binary content/.test(e.message));
	await assert.rejects(drive.files.get({ fileId: "none" }), (e) => e.status === 404);

	let { data: { startPageToken: pageToken } } = await drive.changes.getStartPageToken();
	const [one, two] = found.map((f) => cloud.drive.files.get(f.id)), changes = [];
	cloud.rename(one, "renamed"), cloud.remove(two);
	cloud.pageMax = 1;
	for (let last; !last; pageToken = last ?? pageToken) {
		const { data } = await drive.changes.list({ pageToken, includeRemoved: true, fields: "nextPageToken,newStartPageToken,changes(fileId,removed,file(name))" });
		changes.push(...data.changes);
		pageToken = data.nextPageToken;
		last = data.newStartPageToken;
	}
	assert.deepEqual(changes, [{ fileId: one.id, removed: false, file: { name: "renamed" } }, { fileId: two.id, removed: true }]);
	assert.deepEqual((await drive.changes.list({ pageToken })).data.changes, []);
	cloud.forget("drive");
	await assert.rejects(drive.changes.list({ pageToken }), (e) => e.status === 400 && /pageToken/.test(e.message));
	cloud.pageMax = 1000;

	/* Its own handler of credentials sends none by http, and it takes no address that begins so for one. */
	const chain = [new RedirectHandler(), new HTTPMessageHandler()];
	chain.reduce((before, next) => (before.setNext(next), next));
	const client = Client.initWithMiddleware({ middleware: chain[0], baseUrl: `${cloud.url}/`, defaultVersion: "v1.0" });
	const graph = { api: (path) => client.api(path.replace(`${cloud.url}/v1.0`, "")).header("Authorization", `Bearer ${token}`) };
	const items = [];
	const first = await graph.api("/me/drive/root/children").top(2).select("id,name").get();
	await new PageIterator(graph, first, (item) => items.push(item)).iterate();
	assert.deepEqual(items.map((f) => f.name), ["g1", "g2", "g3", "g4", "g5"]);
	assert.equal((await graph.api(`/me/drive/items/${items[1].id}`).get()).size, 7);
	await assert.rejects(graph.api("/me/drive/items/none").get(), (e) => e.statusCode === 404 && e.code === "itemNotFound");
	const stream = await graph.api(`/me/drive/items/${items[2].id}/content`).getStream();
	assert.equal(await new Response(stream).text(), "graph 3");

	const every = [], since = await graph.api("/me/drive/root/delta").query({ token: "latest" }).get();
	assert.deepEqual(since.value, []);
	cloud.rename(cloud.graph.items.get(items[0].id), "renamed"), cloud.remove(cloud.graph.items.get(items[1].id));
	cloud.pageMax = 1;
	const pages = new PageIterator(graph, await graph.api(since["@odata.deltaLink"]).get(), (item) => every.push(item));
	await pages.iterate();
	assert.deepEqual(every.map((f) => [f.id, f.name, f.deleted?.state]), [[items[0].id, "renamed", undefined], [items[1].id, undefined, "deleted"]]);
	assert.ok(pages.getDeltaLink());
	cloud.forget("graph");
	await assert.rejects(graph.api(pages.getDeltaLink()).get(), (e) => e.statusCode === 410 && e.code === "resyncRequired");
	assert.deepEqual(cloud.faults, []);
});

test("without a sign-in by it, or by any, nothing is asked", async () => {
	const microsoftOnly = await connect("microsoft");
	for (const path of [`${DRIVE}/files`, `${DRIVE}/file/x`])
		assertError(await microsoftOnly.send("GET", path), "NOT_CONNECTED");
	assert.match((await microsoftOnly.send("GET", `${DRIVE}/files`)).json.error, /^Google is not connected/);
	assertError(await microsoftOnly.send("POST", "/api/v1/cloud-files", { json: { provider: "google_drive", id: "x" } }), "NOT_CONNECTED");
	assert.deepEqual((await get("/api/v1/cloud/files", microsoftOnly)).json, { files: [], failed: [], next: {} });
	assertStatus(await microsoftOnly.send("POST", "/api/v1/auth/disconnect/microsoft"), 200);
	assertError(await microsoftOnly.send("GET", "/api/v1/cloud/files"), "NOT_CONNECTED");
	assert.equal(asked("drive"), 0);
});

test("Drive: folders, shared drives and their pages, shortcuts, one file's facts", async () => {
	const folder = cloud.addDrive({ name: "Plans" }), shared = cloud.addSharedDrive("Works");
	for (let i = 1; i <= 5; i++)
		cloud.addDrive({ name: `p${i}.txt`, content: "x".repeat(i), parents: [folder.id] });
	const inside = cloud.addDrive({ name: "weir.txt", content: "weir", driveId: shared.id, parents: [shared.id] });
	cloud.addDrive({ name: "To the plans", mimeType: "application/vnd.google-apps.shortcut",
		shortcutDetails: { targetId: folder.id, targetMimeType: folder.mimeType } });
	cloud.addDrive({ name: "gone.txt", content: "x", trashed: true });
	const top = await get(`${DRIVE}/files`);
	assert.deepEqual(top.json.map((f) => [f.name, f.isFolder, f.id]), [["Works", true, `${shared.id}:${shared.id}`], ["Plans", true, folder.id],
		["To the plans", true, folder.id]]);
	for (const f of top.json)
		assertKeys(f, FILE);
	assert.deepEqual(await pages(`${DRIVE}/files?folder_id=${folder.id}&limit=2`), [["p1.txt", "p2.txt"], ["p3.txt", "p4.txt"], ["p5.txt"]]);
	assert.deepEqual((await get(`${DRIVE}/files?folder_id=`)).json, (await get(`${DRIVE}/files`)).json, "none is the top");
	const [weir] = (await get(`${DRIVE}/files?folder_id=${top.json[0].id}`)).json;
	assert.deepEqual(weir, { id: `${shared.id}:${inside.id}`, name: "weir.txt", mimeType: "text/plain", size: 4, modifiedAt: "2026-11-02T10:00:00.000Z",
		isFolder: false, provider: "google_drive", webUrl: inside.webViewLink });
	assert.deepEqual((await get(`${DRIVE}/file/${weir.id}`)).json, weir);
	for (let i = 1; i <= 3; i++)
		cloud.addSharedDrive(`More ${i}`);
	cloud.pageMax = 2;
	assert.deepEqual(await pages(`${DRIVE}/files`), [["Works", "More 1"], ["More 2", "More 3", "Plans", "To the plans"]]);
	assertRefused(await me.send("GET", `${DRIVE}/file/none`), 404, "NOT_FOUND");
	assertRefused(await me.send("GET", `${DRIVE}/files?cursor=fnonsense`), 400, "BAD_REQUEST");
	for (const id of ["a'b", "../x", "a:b:c", "a%00"])
		assertError(await me.send("GET", `${DRIVE}/files?folder_id=${id}`), "BAD_REQUEST");
	assert.deepEqual(cloud.faults, []);
});

test("OneDrive: folders, sites' libraries, items of other drives; the next page is followed as it is, at the service alone", async () => {
	const folder = cloud.addGraph({ name: "Plans" }), library = { id: "b!site-drive", name: "Documents", driveType: "documentLibrary", webUrl: "https://site.example" };
	cloud.graph.drives.push({ id: "b!own", name: "OneDrive", driveType: "business" }, library);
	for (let i = 1; i <= 5; i++)
		cloud.addGraph({ name: `p${i}.txt`, content: "x".repeat(i), parentId: folder.id });
	const inside = cloud.addGraph({ name: "weir.txt", content: "weir", driveId: library.id });
	cloud.addGraph({ name: "Theirs", remoteItem: { id: "01remote", folder: { childCount: 1 }, parentReference: { driveId: "b!their-drive" } } });
	const theirs = cloud.addGraph({ name: "their.txt", content: "t", driveId: "b!their-drive", parentId: "01remote" });
	cloud.graph.items.set("01remote", { id: "01remote", name: "Theirs", folder: {}, driveId: "b!their-drive" });
	const top = await get(`${GRAPH}/files`);
	assert.deepEqual(top.json.map((f) => [f.name, f.isFolder, f.id]), [["Documents", true, "b!site-drive:root"], ["Plans", true, folder.id],
		["Theirs", true, "b!their-drive:01remote"]]);
	assert.deepEqual(await pages(`${GRAPH}/files?folder_id=${folder.id}&limit=2`), [["p1.txt", "p2.txt"], ["p3.txt", "p4.txt"], ["p5.txt"]]);
	const [weir] = (await get(`${GRAPH}/files?folder_id=b!site-drive:root`)).json;
	assert.deepEqual(weir, { id: `b!site-drive:${inside.id}`, name: "weir.txt", mimeType: "text/plain", size: 4, modifiedAt: "2026-11-03T10:00:00Z",
		isFolder: false, provider: "onedrive", webUrl: inside.webUrl });
	assert.deepEqual((await get(`${GRAPH}/file/${weir.id}`)).json, weir);
	assert.deepEqual((await get(`${GRAPH}/files?folder_id=b!their-drive:01remote`)).json.map((f) => f.id), [`b!their-drive:${theirs.id}`]);
	const before = asked("graph");
	for (const cursor of ["fhttps://evil.example/v1.0/me", `f${cloud.url}/v1.0.evil.example/`, "f", "x"])
		assertRefused(await me.send("GET", `${GRAPH}/files?cursor=${encodeURIComponent(cursor)}`), 400, "BAD_REQUEST");
	assert.equal(asked("graph"), before);
	cloud.nextLink = "https://evil.example/v1.0/me";
	assertRefused(await me.send("GET", `${GRAPH}/files?folder_id=${folder.id}&limit=2`), 502, "UPSTREAM_FAILED");
	assert.deepEqual(cloud.faults, []);
});

test("both together: one that fails is named, and the other's files come; where more is", async () => {
	for (let i = 1; i <= 3; i++)
		cloud.addDrive({ name: `d${i}`, content: "d" }), cloud.addGraph({ name: `g${i}`, content: "g" });
	const { json } = await get("/api/v1/cloud/files?limit=2");
	assert.deepEqual(names({ json: json.files }), ["d1", "d2", "g1", "g2"]);
	assert.deepEqual(json.failed, []);
	assert.deepEqual([await pages(json.next.google_drive), await pages(json.next.onedrive)], [[["d3"]], [["g3"]]]);
	cloud.next = [{ of: "drive", status: 403, reason: "insufficientPermissions" }];
	const without = (await get("/api/v1/cloud/files")).json;
	assert.deepEqual(names({ json: without.files }), ["g1", "g2", "g3"]);
	assert.deepEqual(without.failed.map((f) => [f.provider, f.code]), [["google_drive", "NOT_CONNECTED"]]);
	assert.match(without.failed[0].error, /^Google Drive was not opened to this server/);
	/* Both are waited for in the time of one reply. */
	let go;
	const wait = new Promise((done) => { go = done; });
	cloud.next = [{ of: "drive", wait }, { of: "graph", wait }];
	const silent = (await get("/api/v1/cloud/files")).json;
	go();
	assert.deepEqual(silent, { files: [], failed: [["google_drive", "Google Drive"], ["onedrive", "OneDrive"]].map(([provider, title]) =>
		({ provider, code: "UPSTREAM_FAILED", error: `${title} does not answer in time.` })), next: {} });
});

test("what is none of their replies ends nothing but the request; names with half a character are names; what they say is told", async () => {
	const file = (more) => `{"id":"x1","name":"half \\ud83d, NUL \\u0000","mimeType":"text/plain",${more}}`;
	for (const [of, path, reply] of [["drive", `${DRIVE}/files?folder_id=root`, (f) => `\ufeff{"files":[${f}, 5, null, []]}`], ["graph", `${GRAPH}/files?folder_id=root`, (f) => `{"value":[${f}, 5, null, []]}`]])
		for (const size of ['"size":7', '"size":"7"', '"size":7.0']) {
			cloud.next = [{ of, body: reply(file(size)) }];
			const [first] = (await get(path)).json;
			assert.deepEqual([first.name, first.size], ["half \ufffd, NUL \ufffd", 7], `${of} ${size}`);
		}
	const runner = millrace.pids("runner")[0];
	for (const body of ['{"files":{}}', '{"files":"none"}', '{"files":7,"nextPageToken":[]}', '{"drives":{},"files":{}}']) {
		cloud.next = [{ of: "drive", body }];
		assert.deepEqual((await get(`${DRIVE}/files?folder_id=root`)).json, [], body);
		cloud.next = [{ of: "drive", body }];
		await get(`${DRIVE}/files`);
	}
	for (const body of ['{"value":{}}', "{}", "[]", "7", '"x"', "<html>", ""])
		for (const [of, path] of [["graph", GRAPH], ...body.startsWith("{") ? [] : [["drive", DRIVE]]]) {
			cloud.next = [{ of, body }];
			assertRefused(await me.send("GET", `${path}/files?folder_id=root`), 502, "UPSTREAM_FAILED");
		}
	for (const [body, type] of [['[{"error":{"message":"says the list"}}]'], ['{"detail":"says the detail"}'], ["<html><title>Says the page</title>", "text/html"]]) {
		cloud.next = [{ of: "drive", status: 418, body, type }];
		const reply = await me.send("GET", `${DRIVE}/files?folder_id=root`);
		assertRefused(reply, 502, "UPSTREAM_FAILED");
		assert.match(reply.json.error, /says the/i);
	}
	assert.notEqual(await millrace.grepLogs("says the detail"), "");
	assert.equal(millrace.pids("runner")[0], runner);
});

test("a limit is waited for, 403 that says so too; what is no limit is told at once", async () => {
	cloud.addDrive({ name: "d", content: "d" });
	const id = cloud.addGraph({ name: "g", content: "g" }).id, file = [...cloud.drive.files.keys()][0];
	cloud.next = [{ of: "drive", status: 403, reason: "userRateLimitExceeded" }, { of: "drive", status: 429, reason: "rateLimitExceeded", headers: { "retry-after": "1" } }];
	assert.equal((await get(`${DRIVE}/file/${file}`)).json.name, "d");
	assert.equal(asked("drive"), 3);
	cloud.next = [{ of: "graph", status: 429, reason: "activityLimitReached", headers: { "retry-after": "1" } }];
	assert.equal((await get(`${GRAPH}/file/${id}`)).json.name, "g");
	assert.equal(asked("graph"), 2);
	cloud.next = [{ of: "graph", status: 429, reason: "activityLimitReached", headers: { "retry-after": "600" } }];
	assertRefused(await me.send("GET", `${GRAPH}/file/${id}`), 502, "UPSTREAM_FAILED");
	for (const reason of ["rateLimitExceeded", "dailyLimitExceeded", "quotaExceeded", "accessNotConfigured"]) {
		cloud.next = [{ of: "drive", status: 403, reason, headers: { "retry-after": "0" } }];
		assert.equal((await get(`${DRIVE}/file/${file}`)).json.name, "d", reason);
	}
	for (const [of, path, reason, status, code] of [["drive", `${DRIVE}/file/${file}`, "domainPolicy", 403, "FORBIDDEN"],
		["drive", `${DRIVE}/file/${file}`, "insufficientFilePermissions", 403, "FORBIDDEN"], ["drive", `${DRIVE}/file/${file}`, "insufficientPermissions", 409, "NOT_CONNECTED"],
		["drive", `${DRIVE}/file/${file}`, "exportSizeLimitExceeded", 413, "TOO_LARGE"], ["graph", `${GRAPH}/file/${id}`, "accessDenied", 403, "FORBIDDEN"]]) {
		cloud.next = [{ of, status: 403, reason }];
		assertRefused(await me.send("GET", path), status, code);
	}
	assert.deepEqual([asked("drive"), asked("graph")], [15, 4]);
});

test("401: the token is refreshed once and the request is sent again; several at once are one refresh", async () => {
	const browser = await connect("google"), sub = google.user.sub;
	cloud.addDrive({ name: "d", content: "d" });
	cloud.tokens.delete(tokens.at(-1).access_token);
	const before = google.requests.length;
	const replies = await Promise.all([1, 2, 3].map(() => get(`${DRIVE}/files`, browser)));
	assert.deepEqual(replies.map(names), [["d"], ["d"], ["d"]]);
	assert.equal(google.requests.length, before + 1);
	/* A new one that is not taken either is the end of it: nothing goes round in circles. */
	google.tamper = (body) => (tokens.push(body), body);
	cloud.tokens.delete(tokens.at(-1).access_token);
	assertRefused(await browser.send("GET", `${DRIVE}/files`), 409, "NOT_CONNECTED");
	assert.equal(google.requests.length, before + 2);
	/* The provider takes the refresh token no more: told once, and nothing is asked of it again. */
	await (await google.provider.RefreshToken.find(tokens.at(-1).refresh_token)).destroy();
	const error = assertStatus(await browser.send("GET", `${DRIVE}/files`), 409).json;
	assert.deepEqual([error.code, (await millrace.psql(`SELECT failed_at IS NOT NULL FROM oauth_token WHERE subject = '${sub}'`)).trim()], ["NOT_CONNECTED", "t"]);
	assert.match((await browser.send("GET", `${DRIVE}/files`)).json.error, /^Google does not accept the permission any more/);
	const told = assertStatus(await browser.send("GET", "/api/notifications"), 200).json;
	assert.deepEqual(told.map((n) => n.title), ["Google must be connected again"]);
	google.tamper = opens;
	google.errors.length = 0;
});

/* --- saved --- */

const save = async (files, status = 201) => assertStatus(await me.send("POST", "/api/v1/cloud-files", { json: files }), status).json;
const saved = async (id) => (await get("/api/v1/cloud-files")).json.find((f) => f.id === id);
const settled = (id) => until(async () => {
	const file = await saved(id);
	return ["ready", "failed"].includes(file.status) && file;
}, "it is ready, or has failed");
const search = async (q) => (await get(`/api/documents/search?q=${encodeURIComponent(q)}`)).json;

test("saved files become documents that are searched: Drive's, Google's own by export, OneDrive's", async () => {
	const letter = readFileSync(join(fixtures(), "letter.docx"));
	const text = cloud.addDrive({ name: "osprey.txt", content: "The osprey's nest is above the sluice of Kirkby." });
	const native = cloud.addDrive({ name: "Letter", mimeType: "application/vnd.google-apps.document", exports: { [WORD]: letter } });
	const item = cloud.addGraph({ name: "kingfisher.txt", content: "The kingfisher of Ripley dives at dawn." });
	const listed = [...(await get(`${DRIVE}/files`)).json, ...(await get(`${GRAPH}/files`)).json];
	const made = await save(listed);
	assert.deepEqual(made.map((f) => [f.id, f.name, f.status]), [[text.id, "osprey.txt", "pending"], [native.id, "Letter", "pending"], [item.id, "kingfisher.txt", "pending"]]);
	for (const f of listed) {
		const file = await settled(f.id);
		assert.deepEqual([file.status, file.error], ["ready", null], file.name);
		assert.deepEqual([file.modifiedAt, file.webUrl, file.mimeType], [f.modifiedAt, f.webUrl, f.mimeType]);
	}
	assert.equal((await search("Where is the osprey's nest?"))[0].documentId, made[0].documentId);
	assert.ok((await search("Mühlenverein Grünau")).some((p) => p.documentId === made[1].documentId));
	assert.equal((await search("When does the kingfisher dive?"))[0].documentId, made[2].documentId);
	/* Once more is the same. */
	assert.equal((await save(listed[0])).documentId, made[0].documentId);
	assert.equal((await get("/api/v1/cloud-files")).json.length, 3);
	assert.equal((await get("/api/v1/cloud-files?limit=2")).json.length, 2);
	const shown = (await get("/api/v1/user/export")).json.documents.find((d) => d.id === made[2].documentId);
	assert.deepEqual([shown.platform, shown.platformFile], ["onedrive", item.id]);

	/* Indexed again only where it has changed; one that is gone leaves what was read. */
	const before = cloud.requests.length, reindex = async () => {
		assertStatus(await me.send("POST", `/api/documents/${made[0].documentId}/reindex`), 200);
		return settled(text.id);
	};
	await reindex();
	assert.equal(cloud.requests.length, before + 1);
	cloud.write(text, "The osprey has moved to the tower of Masham.");
	await reindex();
	assert.match(JSON.stringify(await search("osprey tower")), /Masham/);
	cloud.drive.files.delete(text.id);
	assert.equal((await reindex()).status, "ready");
	const document = (await get(`/api/documents/${made[0].documentId}`)).json;
	assert.match(document.notices[0], /^Google Drive has no such file for this account\. What is searched/);
	assertStatus(await me.send("DELETE", `/api/documents/${made[0].documentId}`), 204);
	assertStatus(await me.send("DELETE", `/api/v1/cloud-files/${made[1].savedId}`), 204);
	assertError(await me.send("DELETE", `/api/v1/cloud-files/${made[1].savedId}`), "NOT_FOUND");
	assert.deepEqual([await saved(text.id), await saved(native.id)], [undefined, undefined]);
	assert.deepEqual(cloud.faults, []);
});

test("what cannot be saved says why; an address inside is not connected to", async () => {
	assertError(await me.send("POST", "/api/v1/cloud-files", { json: { provider: "github", id: "x" } }), "BAD_REQUEST", ["provider"]);
	assertError(await me.send("POST", "/api/v1/cloud-files", { json: { provider: "onedrive", id: "a/../b" } }), "BAD_REQUEST", ["id"]);
	const form = cloud.addDrive({ name: "Form", mimeType: "application/vnd.google-apps.form" }), folder = cloud.addDrive({ name: "Folder" });
	const item = cloud.addGraph({ name: "inside.txt", content: "inside" });
	cloud.downloadHost = "127.0.0.1";
	await save([{ provider: "google_drive", id: form.id }, { provider: "google_drive", id: folder.id }, { provider: "onedrive", id: item.id },
		{ provider: "onedrive", id: "none" }]);
	const why = async (id) => { const f = await settled(id); return `${f.status}: ${f.error}`; };
	assert.match(await why(form.id), /^failed: Google Drive gives files of this kind in no form/);
	assert.match(await why(folder.id), /^failed: It is a folder/);
	assert.match(await why(item.id), /^failed: OneDrive leads to an address that is not a public one/);
	assert.match(await why("none"), /^failed: OneDrive has no such file/);
	assert.equal(asked("download"), 0);
});

test("an empty reply in place of a file's bytes is no empty file", async () => {
	const file = cloud.addDrive({ name: "heron.txt", content: "The heron of Skell stands in the ford." });
	const native = cloud.addDrive({ name: "Heron", mimeType: "application/vnd.google-apps.document", exports: { [WORD]: readFileSync(join(fixtures(), "letter.docx")) } });
	cloud.next = [{ of: "drive", path: "alt=media", status: 204, body: "" }, { of: "drive", path: "/export", status: 302, body: "" }];
	await save([file, native].map(({ id }) => ({ provider: "google_drive", id })));
	for (const { id } of [file, native])
		assert.equal((await settled(id)).status, "ready");
	assert.ok((await search("Where does the heron stand?")).some((p) => p.text.includes("Skell")));
	assert.ok((await search("Mühlenverein Grünau")).length > 0);
	assert.deepEqual(cloud.next, []);
});

test("rows of data sources: an address, a file and a folder at Google Drive, a file at OneDrive", async () => {
	const server = http.createServer((request, reply) => reply.setHeader("content-type", "text/csv").end("email\nurl@a.example\n"));
	await new Promise((resolve) => server.listen(0, FILES, resolve));
	const create = async (path, json) => assertStatus(await me.send("POST", path, { json }), 201).json;
	const folder = cloud.addDrive({ name: "Leads" }), row = (name) => ({ name: `${name}.csv`, content: `email\n${name}@a.example\n` });
	cloud.addDrive({ ...row("inside"), parents: [folder.id] });
	cloud.addDrive({ name: "notes.pdf", content: "none", parents: [folder.id] });
	/* What stands for a folder is that folder, in whatever drive it is. */
	const team = cloud.addSharedDrive("Team"), far = cloud.addDrive({ name: "Far", parents: [team.id], driveId: team.id });
	cloud.addDrive({ ...row("far"), name: "FAR.XLSM.CSV", parents: [far.id], driveId: team.id });
	cloud.addDrive({ name: "wrong.csv", content: "a,b\n1,2\n", parents: [far.id], driveId: team.id });
	const shortcut = cloud.addDrive({ name: "To them", mimeType: "application/vnd.google-apps.shortcut", shortcutDetails: { targetId: far.id, targetMimeType: far.mimeType } });
	const bin = cloud.addDrive(row("bin"));
	cloud.trash(bin);
	const { id: process_id } = await create("/api/v1/admin/processes", { name: "Leads" });
	await create("/api/datasources", [
		{ platform: "google_drive", resource_identifier: shortcut.id, resource_name: "Short" },
		{ platform: "google_drive", resource_identifier: bin.id, resource_name: "Bin" },
		{ platform: "url", resource_identifier: `http://${FILES}:${server.address().port}/x` },
		{ platform: "google_drive", resource_identifier: folder.id },
		{ platform: "google_drive", resource_identifier: cloud.addDrive(row("drive")).id },
		{ platform: "onedrive", resource_identifier: cloud.addGraph(row("graph")).id },
		{ platform: "onedrive", resource_identifier: "none", resource_name: "Gone" },
		{ platform: "url", resource_identifier: "http://127.0.0.1:9/x", resource_name: "Inside" }].map((s) => ({ ...s, process_id })));
	for (const name of ["url", "inside", "drive", "graph", "far"])
		await create("/api/leads", { name, email: `${name}@a.example` });
	const { id } = await create("/api/agent/task", { process_id });
	const task = await until(async () => { const t = (await get(`/api/agent/task/${id}`)).json; return t.ended_at && t; }, "the task's end");
	server.close();
	assert.deepEqual([task.status, task.rows, task.matches], ["completed", 5, 5]);
	for (const why of [/Short: wrong\.csv: No column of it is known/, /Bin: Google Drive has it in the trash\./, /Gone: OneDrive has no such file/, /Inside: The address is not one of the public Internet/])
		assert.match(task.pipeline.extract.error, why);
	const found = (await get(`/api/agent/matches?process_id=${process_id}`)).json;
	assert.deepEqual(found.map((m) => [m.lead.name, m.row.filename]).sort(), [["drive", "drive.csv"], ["far", "Short"], ["graph", "graph.csv"], ["inside", "inside.csv"], ["url", "page.csv"]]);
	assertStatus(await me.send("DELETE", `/api/v1/admin/processes/${process_id}`), 204);
	/* Pages without an end have one here. */
	const { id: endless } = await create("/api/v1/admin/processes", { name: "Endless" });
	await create("/api/datasources", { process_id: endless, platform: "google_drive", resource_identifier: folder.id });
	cloud.next = Array.from({ length: 60 }, () => ({ of: "drive", path: "/files?", body: '{"files":[],"nextPageToken":"again"}' }));
	const { id: again } = await create("/api/agent/task", { process_id: endless });
	const late = await until(async () => { const t = (await get(`/api/agent/task/${again}`)).json; return t.ended_at && t; }, "the task's end");
	assert.deepEqual([late.status, late.error, cloud.next.length], ["failed", "google_drive: The folder has more than 50 pages of files.", 10]);
	cloud.next = [];
});
