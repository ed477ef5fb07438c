/* Folders at Google Drive and OneDrive that are kept in step: what is there is found, what has changed is read again, what is gone is gone. */
import test, { after, before, beforeEach } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixtures } from "../js/instance.mjs";
import { assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { person, signIn, startAll } from "../js/oauth.mjs";
import { Cloud } from "../standin/cloud.mjs";

const HOST = "127.0.0.6", FILES = "127.0.0.7", WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const SAVED = ["id", "name", "mimeType", "size", "modifiedAt", "isFolder", "provider", "webUrl", "savedId", "folderId", "documentId", "status", "error", "notices",
	"files", "checkedAt", "savedAt"];
const MOST = 12, BYTES = 4000;   /* of a folder */
let all, cloud, me, user;

const opens = (body) => (cloud.tokens.add(body.access_token), body);
async function connect(browser, ...providers) {
	for (const name of providers) {
		all[name].user ??= person();
		await signIn(browser, name);
	}
	return browser;
}
before(async () => {
	cloud = await new Cloud().start(HOST, FILES);
	all = await startAll("folders", { MILLRACE_DRIVE_URL: `${cloud.url}/drive/v3`, MILLRACE_GRAPH_URL: `${cloud.url}/v1.0`, MILLRACE_FETCH_NETWORKS: FILES,
		MILLRACE_FOLDER_SECONDS: "1", MILLRACE_FOLDER_FILES: String(MOST), MILLRACE_FOLDER_BYTES: String(BYTES), MILLRACE_RATE_WRITE: "0", MILLRACE_UPLOAD_MAX: "3000" });
	all.google.tamper = all.microsoft.tamper = opens;
});
after(async () => {
	await all?.stop();
	await cloud?.stop();
});
beforeEach(async () => {
	/* What an earlier test has kept asks no more. */
	await psql("DELETE FROM cloud_folder");
	await until(async () => (await psql("SELECT count(*) FROM run WHERE kind = 'folder' AND ended_at IS NULL")).trim() === "0", "no folder is looked at");
	cloud.clear();
	all.google.user = all.microsoft.user = undefined;
	me = await connect(all.browser(), "google", "microsoft");
	user = (await get("/api/v1/admin/user")).id;
});

const send = async (method, path, json, status) => {
	const reply = assertStatus(await me.send(method, path, json && { json }), status);
	return status === 204 ? undefined : reply.json;
};
const get = async (path) => send("GET", path, undefined, 200);
const keep = async (provider, id, name = "Kept") => (await send("POST", "/api/v1/cloud-files", { provider, id, name, isFolder: true }, 201)).savedId;
const list = () => get("/api/v1/cloud-files?limit=100");
const shown = async (id) => (await list()).find((f) => f.savedId === id);
const files = async (id) => Object.fromEntries((await list()).filter((f) => f.folderId === id).map((f) => [f.name, f]));
/* The folder has been looked at, all after now, and no file of it is being read. */
async function inStep(id) {
	let before = (await shown(id)).checkedAt, looks = 0;
	return until(async () => {
		const f = await shown(id);
		looks += f.checkedAt !== before;
		before = f.checkedAt;
		return looks > 1 && Object.values(await files(id)).every((d) => ["ready", "failed"].includes(d.status)) && f;
	}, "it is in step");
}
const search = async (q) => (await get(`/api/documents/search?q=${encodeURIComponent(q)}`)).map((p) => p.documentName);
const psql = (text) => all.millrace.psql(text);
const passages = async () => Number(await psql(`SELECT count(*) FROM chunk WHERE owner_id = '${user}'`));
const asked = (of, what = "") => cloud.requests.filter((r) => r.of === of && r.path.includes(what)).map((r) => r.path);
/* Bytes that were fetched, of which file. */
const fetched = () => cloud.requests.filter((r) => r.of === "drive" ? r.query.alt === "media" || r.path.endsWith("/export") : r.path.endsWith("/content"))
	.map((r) => r.path.split("/").at(r.path.endsWith("/export") || r.path.endsWith("/content") ? -2 : -1));
const because = (f, ...texts) => { for (const [i, text] of texts.entries()) assert.match(f.notices[i] ?? "", text); };

/* The same of both: { add(name, content, parent), folder(name, parent) } */
const drive = { of: "drive", name: "google_drive", add: (name, content, parent, more) => cloud.addDrive({ name, content, parents: [parent.id], ...more }),
	folder: (name, parent, more) => cloud.addDrive({ name, ...(parent && { parents: [parent.id] }), ...more }) };
const graph = { of: "graph", name: "onedrive", add: (name, content, parent, more) => cloud.addGraph({ name, content, parentId: parent.id, ...more }),
	folder: (name, parent, more) => cloud.addGraph({ name, ...(parent && { parentId: parent.id }), ...more }) };

for (const service of [drive, graph]) {
	test(`${service.name}: a folder's files are documents, at any depth; changes follow, and what has not changed costs nothing`, async () => {
		const { add, folder } = service, top = folder("Plans"), deep = folder("Deep", folder("Deeper", top)), beside = folder("Beside");
		cloud.graph.business = true;
		const weir = add("weir.txt", "The weir of Kirkby was built by Osric.", top), mill = add("mill.txt", "The mill of Ripley grinds barley.", deep);
		add("outside.txt", "The ferry of Bolton is out of service.", beside);
		add("photo.png", "x", top, service === drive ? { mimeType: "image/png" } : { file: { mimeType: "image/png" } });
		add("empty.txt", "", top);
		cloud.pageMax = 1;
		const id = await keep(service.name, top.id);
		const kept = await inStep(id);
		assertKeys(kept, SAVED);
		assert.deepEqual([kept.id, kept.name, kept.isFolder, kept.provider, kept.status, kept.error, kept.files, kept.webUrl],
			[top.id, "Plans", true, service.name, "ready", null, 2, top.webUrl ?? top.webViewLink]);
		because(kept, /^1 of its files are empty/, /^1 of its files are of kinds that cannot be read/);
		const before = await files(id);
		assert.deepEqual(Object.keys(before).sort(), ["mill.txt", "weir.txt"]);
		assertKeys(before["mill.txt"], SAVED);
		assert.deepEqual([await search("weir Osric"), await search("mill barley"), await search("ferry Bolton")], [["weir.txt"], ["mill.txt"], []]);
		/* Saving it once more is the same. */
		assert.equal(await keep(service.name, top.id), id);

		cloud.pageMax = 1000;
		cloud.requests = [];
		await inStep(id);
		const changes = service === drive ? "/drive/v3/changes" : "/v1.0/me/drive/root/delta";
		const self = service === drive ? `/drive/v3/files/${top.id}` : `/v1.0/me/drive/items/${top.id}`;
		assert.deepEqual([...new Set(cloud.requests.map((r) => r.path))].sort(), [changes, self].sort());

		cloud.requests = [];
		cloud.write(weir, "The weir of Kirkby was mended by Aldith.");
		cloud.rename(mill, "granary.txt");
		await inStep(id);
		assert.deepEqual(fetched(), [weir.id]);
		assert.deepEqual([await search("weir Aldith"), await search("Osric")], [["weir.txt"], []]);
		const after = await files(id);
		assert.equal(after["granary.txt"].documentId, before["mill.txt"].documentId);
		await until(async () => (await search("granary"))[0] === "granary.txt", "the new name is found");
		assert.equal((await search("barley"))[0], "granary.txt");

		/* Moved within, in, and out; with all below it. */
		cloud.requests = [];
		cloud.move(weir, deep.id);
		cloud.move(beside, deep.id);
		await inStep(id);
		assert.deepEqual(Object.keys(await files(id)).sort(), ["granary.txt", "outside.txt", "weir.txt"]);
		assert.equal((await files(id))["weir.txt"].documentId, before["weir.txt"].documentId);
		assert.deepEqual([fetched().length, await search("ferry Bolton")], [1, ["outside.txt"]]);
		cloud.move(beside, "root");
		if (service === drive)
			cloud.trash(mill);
		else
			cloud.remove(mill);
		await inStep(id);
		assert.deepEqual([await search("ferry Bolton"), await search("barley"), await search("Aldith")], [[], [], ["weir.txt"]]);
		cloud.remove(deep);
		add("new.txt", "The new lock of Selby opens in May.", top);
		await inStep(id);
		assert.deepEqual(Object.keys(await files(id)), ["new.txt"]);
		assert.deepEqual([await search("Aldith"), await search("lock of Selby")], [[], ["new.txt"]]);
		await until(async () => await passages() === 1, "the passages of what is gone are gone");
		assert.deepEqual(cloud.faults, []);

		/* Let go of: nothing is asked any more. */
		await send("DELETE", `/api/v1/cloud-files/${id}`, undefined, 204);
		assertError(await me.send("DELETE", `/api/v1/cloud-files/${id}`), "NOT_FOUND");
		assert.deepEqual([await list(), await search("lock of Selby")], [[], []]);
		assert.equal((await psql(`SELECT count(*) FROM schedule WHERE thing = '${id}'`)).trim(), "0");
	});

	test(`${service.name}: what is not known any more is listed anew: nothing stays that is gone, nothing is fetched that is the same`, async () => {
		const { add, folder, of } = service, top = folder("Plans"), inner = folder("Inner", top);
		add("same.txt", "The kiln of Yarm is cold.", top);
		const gone = add("gone.txt", "The forge of Thirsk is hot.", inner), id = await keep(service.name, top.id);
		await inStep(id);
		cloud.requests = [];
		cloud.remove(gone);
		add("late.txt", "The tannery of Malton is wet.", inner);
		cloud.forget(of);
		await inStep(id);
		assert.deepEqual(Object.keys(await files(id)).sort(), ["late.txt", "same.txt"]);
		assert.deepEqual([await search("forge Thirsk"), await search("tannery"), await search("kiln Yarm"), fetched().length], [[], ["late.txt"], ["same.txt"], 1]);
		assert.deepEqual(cloud.faults, []);
	});

	test(`${service.name}: a folder that is removed, or whose permission is, is told, and nothing of it answers; it comes back`, async () => {
		const { add, folder } = service, top = folder("Plans");
		add("weir.txt", "The weir of Kirkby was built by Osric.", top);
		const id = await keep(service.name, top.id);
		await inStep(id);
		const own = await send("POST", "/api/v1/cloud-files", { provider: service.name, id: add("own.txt", "Own words of Wetherby.", top).id }, 201);
		await inStep(id);
		const away = cloud[service.of];
		cloud.remove(top);
		const lost = await until(async () => { const f = await shown(id); return f.status === "failed" && f; }, "it is lost");
		assert.match(lost.error, /has no such folder for this account any more/);
		assert.deepEqual([lost.files, await search("weir Osric")], [0, []]);
		assert.equal((await shown(own.savedId)).folderId, null);   /* what was saved by itself is not the folder's to take */
		const told = (await get("/api/notifications")).filter((n) => n.title === "A folder is not to be had any more");
		assert.equal(told.length, 1);
		assert.match(told[0].message, /^“Plans”: /);
		/* It is there again, as out of the trash. */
		(away.items ?? away.files).set(top.id, top);
		add("weir.txt", "The weir of Kirkby was built by Osric.", top);
		await until(async () => (await search("weir Osric")).length === 1, "it has come back");

		const provider = service === drive ? "google" : "microsoft";
		await send("POST", `/api/v1/auth/disconnect/${provider}`, undefined, 200);
		assert.match((await until(async () => { const f = await shown(id); return f.status === "failed" && f; }, "it is lost")).error, /is not connected: sign in by it/);
		assert.deepEqual(await search("weir Osric"), []);
		await connect(me, provider);
		await until(async () => (await search("weir Osric")).length === 1, "it has come back");
	});

	test(`${service.name}: limits are waited for, a slow page too; what changes between two pages is not lost`, async () => {
		const { add, folder, of } = service, top = folder("Plans"), inner = folder("Inner", top), words = ["Aysgarth", "Bedale", "Catterick", "Danby"];
		const made = words.map((w) => add(`${w}.txt`, `The bridge of ${w} has three arches.`, top));
		const late = new Promise((resolve) => setTimeout(resolve, 2000));
		cloud.pageMax = 1;
		cloud.next = [{ of, status: 429, reason: "rateLimitExceeded", headers: { "retry-after": "1" } }, { of, wait: late },
			...(of === "drive" ? [{ of, status: 403, reason: "userRateLimitExceeded" }, { of, status: 403, reason: "dailyLimitExceeded" }] : [{ of, status: 503, reason: "serviceNotAvailable", headers: { "retry-after": "1" } }])];
		/* One that was listed already goes before the next page, and one comes where none looks any more. */
		let pages = 0;
		cloud.onPage = () => {
			if (++pages === 2)
				cloud.onPage = null, cloud.move(made[0], inner.id), cloud.remove(made[1]), add("early.txt", "The bridge of Egton is early.", top);
		};
		const id = await keep(service.name, top.id);
		await inStep(id);
		assert.deepEqual(Object.keys(await files(id)).sort(), ["Aysgarth.txt", "Catterick.txt", "Danby.txt", "early.txt"]);
		assert.deepEqual([await search("Bedale"), await search("Egton")], [[], ["early.txt"]]);
		assert.deepEqual(cloud.next, []);

		/* A long wait is not waited for by anybody: the folder says so, what was read serves, and nothing is asked before. */
		cloud.next = [{ of, status: 429, reason: "rateLimitExceeded", headers: { "retry-after": "3600" } }];
		const told = await until(async () => { const f = await shown(id); return f.error && f; }, "it says so");
		assert.deepEqual([told.status, told.files], ["ready", 4]);
		assert.match(told.error, /asks to come again later/);
		const due = Number(await psql(`SELECT extract(epoch FROM look_at - now()) FROM schedule WHERE thing = '${id}'`));
		assert.ok(due > 3500 && due < 3700, String(due));
		assert.deepEqual(await search("Egton"), ["early.txt"]);
	});
}

test("a service that gives the same page again is left alone, and asked again later", async () => {
	const top = drive.folder("Plans");
	drive.add("wheel.txt", "The wheel of Malham is made of oak.", top);
	cloud.next = Array.from({ length: 100 }, () => ({ of: "drive", path: "/files?", body: '{"files":[],"nextPageToken":"again"}' }));
	const id = await keep("google_drive", top.id);
	const told = await until(async () => { const f = await shown(id); return f?.error && f; }, "it says so");
	assert.equal(told.error, "Google Drive gives the same page again.");
	cloud.next = [];
	await inStep(id);
	assert.deepEqual(await search("Malham"), ["wheel.txt"]);
});

test("a folder within that is not to be had is empty, and holds nothing up", async () => {
	for (const [status, reason] of [[400, "invalidRequest"], [403, "accessDenied"]]) {
		const top = graph.folder("Plans"), shut = graph.folder("Vault", top);
		graph.add("shut.txt", "The chest of Skipton is shut.", shut);
		graph.add(`open${status}.txt`, "The gate of Malham is open.", top);
		cloud.next = [{ of: "graph", status, reason, path: `/items/${shut.id}/children` }];
		const id = await keep("onedrive", top.id);
		await inStep(id);
		assert.deepEqual([Object.keys(await files(id)), cloud.next], [[`open${status}.txt`], []]);
	}
});

test("Google's own documents are exported, and again when they have changed; shortcuts and forms are left out", async () => {
	const top = drive.folder("Plans"), letter = readFileSync(join(fixtures(), "letter.docx"));
	const native = cloud.addDrive({ name: "Letter", mimeType: "application/vnd.google-apps.document", exports: { [WORD]: letter }, parents: [top.id] });
	cloud.addDrive({ name: "Form", mimeType: "application/vnd.google-apps.form", parents: [top.id] });
	const elsewhere = drive.add("elsewhere.txt", "The abbey of Whitby is elsewhere.", drive.folder("Elsewhere"));
	cloud.addDrive({ name: "To it", mimeType: "application/vnd.google-apps.shortcut", parents: [top.id], shortcutDetails: { targetId: elsewhere.id, targetMimeType: "text/plain" } });
	const id = await keep("google_drive", top.id);
	because(await inStep(id), /^1 of its files are of kinds/);
	assert.deepEqual([Object.keys(await files(id)), await search("abbey Whitby")], [["Letter"], []]);
	assert.ok((await search("Mühlenverein Grünau")).includes("Letter"));
	cloud.requests = [];
	cloud.edit(native, { [WORD]: letter });
	await inStep(id);
	assert.deepEqual(fetched(), [native.id]);
});

test("a shared drive, a site's library, and a folder that alone is shared", async () => {
	const shared = cloud.addSharedDrive("Works"), library = { id: "b!library", name: "Documents", driveType: "documentLibrary" };
	cloud.graph.drives.push(library);
	cloud.graph.closed.add("b!theirs");
	const one = drive.add("one.txt", "The crane of Goole lifts.", { id: shared.id }, { driveId: shared.id });
	const two = graph.add("two.txt", "The dredger of Hull digs.", { id: "root" }, { driveId: library.id });
	const folder = graph.folder("Theirs", { id: "root" }, { driveId: "b!theirs" }), three = graph.add("three.txt", "The tug of Whitby pulls.", folder, { driveId: "b!theirs" });
	const ids = [await keep("google_drive", `${shared.id}:${shared.id}`), await keep("onedrive", `${library.id}:root`), await keep("onedrive", `b!theirs:${folder.id}`)];
	for (const id of ids)
		await inStep(id);
	assert.deepEqual([(await search("crane"))[0], (await search("dredger"))[0], (await search("tug"))[0]], ["one.txt", "two.txt", "three.txt"]);
	cloud.write(one, "The crane of Goole rests."), cloud.write(two, "The dredger of Hull rests."), cloud.write(three, "The tug of Whitby rests.");
	for (const id of ids)
		await inStep(id);
	assert.equal(fetched().length, 6);
	cloud.remove(one), cloud.remove(two), cloud.remove(three);
	for (const id of ids)
		await inStep(id);
	assert.deepEqual(await search("rests"), []);
	assert.deepEqual(cloud.faults, []);
});

test("a folder holds so many files, so many bytes; what had no room comes when there is some; what its user deletes stays away until it is saved", async () => {
	const top = graph.folder("Plans"), made = [];
	for (let i = 0; i < MOST + 2; i++)
		made.push(graph.add(`file ${i}.txt`, `The gate number${i} of Boroughbridge is shut.`, top));
	graph.add("large.txt", "x".repeat(3001), top);
	const id = await keep("onedrive", top.id);
	const full = await inStep(id);
	assert.equal(full.files, MOST);
	because(full, /^1 of its files are larger than is taken/, /^2 of its files have no room/);
	const held = await files(id), [out, ...others] = Object.values(held);
	await send("DELETE", `/api/documents/${out.documentId}`, undefined, 204);
	const less = await inStep(id);
	because(less, /^1 of its files are larger/, /^1 of its files are left out, since you have deleted/, /^1 of its files have no room/);
	assert.deepEqual([less.files, (await files(id))[out.name]], [MOST, undefined]);
	cloud.remove(cloud.graph.items.get(others[0].id));
	assert.equal((await inStep(id)).files, MOST);
	/* By itself it is back, follows its file, and outlives the folder. */
	await send("POST", "/api/v1/cloud-files", { provider: "onedrive", id: out.id, name: out.name }, 201);
	cloud.write(cloud.graph.items.get(out.id), "The gate of Skipton is open.");
	await inStep(id);
	await until(async () => (await search("gate Skipton")).includes(out.name), "it follows");
	await send("DELETE", `/api/v1/cloud-files/${id}`, undefined, 204);
	assert.deepEqual((await list()).map((f) => f.id), [out.id]);

	const many = graph.folder("Bytes");
	for (const name of ["a", "b"])
		graph.add(`${name}.txt`, `${name} `.repeat(1200), many);
	const second = await keep("onedrive", many.id);
	const bytes = await inStep(second);
	assert.equal(bytes.files, 1);
	because(bytes, /^1 of its files have no room/);
});

test("what has changed takes no other's place in what is looked at", async () => {
	const top = drive.folder("Pictures"), picture = { mimeType: "image/png" }, made = [];
	for (let i = 0; i < 4 * MOST - 8; i++)
		made.push(drive.add(`p${i}.png`, "x", top, picture));
	const id = await keep("google_drive", top.id);
	await inStep(id);
	for (const f of made.slice(0, 20))
		cloud.rename(f, `renamed ${f.name}`);
	drive.add("late.txt", "The lock of Keadby is late.", top);
	because(await inStep(id), /^40 of its files are of kinds/);
	assert.deepEqual([Object.keys(await files(id)), (await shown(id)).notices.length], [["late.txt"], 1]);
});

test("a file that cannot be had now is asked for again; one that is no document says why; what is in two folders is one document", async () => {
	const top = drive.folder("Plans"), inner = drive.folder("Inner", top), away = drive.add("away.txt", "The quay of Staithes is wet.", inner);
	drive.add("broken.pdf", "%PDF-1.4 broken", top);
	cloud.next = [{ of: "drive", path: `/files/${away.id}`, status: 404, reason: "notFound" }];
	const [one, two] = [await keep("google_drive", top.id), await keep("google_drive", inner.id)];
	await inStep(one);
	await until(async () => (await shown((await files(one))["away.txt"].savedId)).status !== "pending", "it was asked for");
	assert.match((await files(one))["broken.pdf"].error, /./);
	await psql(`UPDATE cloud_item SET due_at = now() WHERE due_at IS NOT NULL AND item = '${away.id}'`);
	await until(async () => (await search("quay Staithes")).length === 1, "it is there");
	await send("DELETE", `/api/v1/cloud-files/${one}`, undefined, 204);
	assert.deepEqual([(await list()).map((f) => f.name).sort(), await search("quay Staithes")], [["Inner", "away.txt"], ["away.txt"]]);
	cloud.write(away, "The quay of Staithes is dry.");
	await inStep(two);
	assert.deepEqual(await search("Staithes dry"), ["away.txt"]);
});

test("what is no folder, or another's, is not kept", async () => {
	const file = graph.add("file.txt", "x", { id: "root" });
	const id = await keep("onedrive", file.id);
	const lost = await until(async () => { const f = await shown(id); return f.status === "failed" && f; }, "it says so");
	assert.match(lost.error, /^It is no folder/);
	assertError(await me.send("POST", "/api/v1/cloud-files", { json: { provider: "onedrive", id: "a/b", isFolder: true } }), "BAD_REQUEST", ["id"]);
	all.google.user = all.microsoft.user = undefined;
	const other = await connect(all.browser(), "microsoft");
	assertError(await other.send("DELETE", `/api/v1/cloud-files/${id}`), "NOT_FOUND");
	assert.deepEqual(assertStatus(await other.send("GET", "/api/v1/cloud-files"), 200).json, []);
	const exported = await get("/api/v1/user/export");
	assert.deepEqual(exported.cloud_folders.map((f) => f.savedId), [id]);
});
