/* Documents: upload, states, search, reindex, delete, failures. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { fixtures, newUser, shared } from "../js/instance.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";

const DOCUMENT = ["id", "userId", "name", "description", "type", "size", "status", "error", "notices", "chunkCount", "metadata",
	"createdAt", "updatedAt"];
const UPLOAD = ["documentId", "id", "name", "status", "message", "notices"];
let api, user, dir, millrace;
before(async () => { millrace = await shared(); ({ api } = millrace); dir = fixtures(); user = await newUser(api); });

function upload(filename, bytes, { wait = true, name = filename, description, from = user.api, type } = {}) {
	const fields = { name, file: { filename, type, bytes: bytes ?? readFileSync(join(dir, filename)) } };
	if (description !== undefined)
		fields.description = description;
	return from.upload(`/api/documents/upload${wait ? "?wait=1" : ""}`, fields);
}
const get = (id, from = user.api) => from.get(`/api/documents/${id}`);
const settled = (id) => until(async () => {
	const { json } = assertStatus(await get(id), 200);
	return ["ready", "failed"].includes(json.status) && json;
}, `document ${id} is done`);
const search = async (q, from = user.api) => assertStatus(
    await from.get(`/api/documents/search?q=${encodeURIComponent(q)}`), 200).json;
const ready = async (filename, bytes, options) => {
	const { json } = assertStatus(await upload(filename, bytes, options), 200);
	assertKeys(json, UPLOAD);
	assert.equal(json.status, "ready", `${filename}: ${json.message}`);
	return assertStatus(await get(json.id, options?.from), 200).json;
};
const failed = async (filename, bytes, options) => {
	const { id } = assertStatus(await upload(filename, bytes, { wait: false, ...options }), 202).json;
	const json = await settled(id);
	assert.equal(json.status, "failed", `${filename}: ${JSON.stringify(json)}`);
	assert.equal(json.chunkCount, 0);
	assert.match(json.error, /^[A-Z].{10,}/, `no reason for a person: ${json.error}`);
	assert.doesNotMatch(json.error, /errno|segfault|signal \d|\/tmp|\/usr|null|0x/);
	return json;
};

test("an upload is accepted at once and becomes ready", async () => {
	const reply = assertStatus(await upload("mill.txt", Buffer.from("The mill stands by the river Wharfe."),
	    { wait: false, name: "My mill", description: "a note" }), 202);
	assertKeys(reply.json, UPLOAD);
	assert.match(reply.json.id, UUID7);
	assert.equal(reply.json.documentId, reply.json.id);
	assert.equal(reply.json.status, "pending");
	assert.equal(reply.json.name, "My mill");
	const json = await settled(reply.json.id);
	assertKeys(json, DOCUMENT);
	assert.equal(json.status, "ready");
	assert.deepEqual([json.userId, json.name, json.description, json.size, json.error],
	    [user.uid, "My mill", "a note", 36, null]);
	assert.ok(json.chunkCount >= 1);
	assert.match(json.createdAt, TIME);
	assert.match(json.updatedAt, TIME);
});

test("with ?wait=1 the reply comes when the document is ready, and it is listed", async () => {
	const json = await ready("wait.md", Buffer.from("# Waiting\n\nWaterwheel bearings need tallow.\n"));
	assertKeys(json, DOCUMENT);
	const list = assertStatus(await user.api.get("/api/documents"), 200).json;
	assert.deepEqual(list.find((d) => d.id === json.id), json);
	for (const d of list)
		assertKeys(d, DOCUMENT);
});

/* Of each sample: the type that is found, a question, and a word of the passage that answers it. */
const SAMPLES = {
	"manual.pdf": ["pdf", "with what is the gate greased from the first frost", "tallow"],
	"languages.pdf": ["pdf", "水車は川", "水車"],
	"latin.pdf": ["pdf", "Mühle in Grünau gegründet", "1687"],
	"letter.docx": ["docx", "Jörg Müller", "Schriftführer"],
	"page.html": ["html", "s'appelle le meunier", "Étienne Lefèvre"],
	"notes.md": ["md", "trash rack", "Monday"],
	"plain.txt": ["txt", "мастером Кузнецовым", "1893"],
	"utf16.txt": ["txt", "Müller schläft", "schläft"],
	"latin1.txt": ["txt", "café du moulin", "coûte"],
};

test("PDF, DOCX, HTML, TXT and MD in many languages are read, and found", async () => {
	for (const [file, [type, question, word]] of Object.entries(SAMPLES)) {
		const own = await newUser(api);
		const document = await ready(file, undefined, { from: own.api });
		assert.ok(document.chunkCount >= 1, file);
		assert.equal(document.type, type, file);
		const hits = await search(question, own.api);
		assert.equal(hits[0]?.documentId, document.id, file);
		assert.ok(JSON.stringify(hits).includes(word), `${file}: ${JSON.stringify(hits)}`);
		assert.doesNotMatch(JSON.stringify(hits), /invisible-(script|style|noscript)/);
	}
});

test("search ranks chunks with their source, and only one's own", async () => {
	const own = await newUser(api);
	const facts = { "tides.txt": "The tide mill at Eling grinds wheat twice a day when the pond is full.",
		"wind.txt": "A smock mill turns its cap into the wind by a fantail.",
		"größe.txt": "Die Größe des Mühlrades bestimmt das Drehmoment. Ключ от мельницы под камнем. 水车很大。" };
	const ids = {};
	for (const [name, text] of Object.entries(facts))
		ids[name] = (await ready(name, Buffer.from(text), { from: own.api })).id;
	const hits = await search("tide mill grinding wheat", own.api);
	assert.ok(Array.isArray(hits) && hits.length >= 1);
	assert.equal(hits[0].documentId, ids["tides.txt"]);
	assert.match(hits[0].text, /Eling/);
	assert.equal(hits[0].documentName, "tides.txt");
	assert.equal(typeof hits[0].score, "number");
	for (const [a, b] of hits.slice(1).map((h, i) => [hits[i], h]))
		assert.ok(a.score >= b.score, "not in the order of rank");
	assert.equal((await search("fantail", own.api))[0].documentId, ids["wind.txt"]);
	for (const word of ["Mühlrades", "мельницы"])
		assert.equal((await search(word, own.api))[0]?.documentId, ids["größe.txt"], word);
	const stranger = await newUser(api);
	assert.deepEqual(await search("tide mill wheat", stranger.api), []);
	assertError(await own.api.get("/api/documents/search"), "BAD_REQUEST", ["q"]);
	for (const q of ["'", "\"", "a & | ! (", ":*", "\\", "%", "x".repeat(300), "the of and"])
		assertStatus(await own.api.get(`/api/documents/search?q=${encodeURIComponent(q)}`), 200);
});

test("a PDF of 300 pages, found on its pages", async () => {
	const own = await newUser(api);
	const json = await ready("book-300.pdf", undefined, { from: own.api });
	assert.ok(json.chunkCount >= 300, `${json.chunkCount} chunks`);
	assert.equal(json.metadata.pages, 300);
	const [hit] = await search("What is the password of leaf 211?", own.api);
	assert.match(hit.text, new RegExp(`${211 * 7919 % 10007}-amber`));
	assert.match(JSON.stringify(hit), /page 211/);
});

test("slides and OpenDocument texts are found under their marks", async () => {
	const own = await newUser(api);
	const read = (name) => ready(name, readFileSync(join("tests/extract/cases", name)), { from: own.api });
	const slides = await read("pptx-pptxgenjs.pptx"), clauses = await read("odt-clauses.odt");
	assert.deepEqual([slides.type, slides.metadata.pages, slides.notices], ["pptx", 3, ["Slide 2 is hidden."]]);
	const [said] = await search("wait for the laughter", own.api);
	assert.deepEqual([said.documentId, said.mark], [slides.id, "slide 1 notes"]);
	assert.equal(clauses.type, "odt");
	assert.match((await search("when is payment due", own.api))[0].text, /2\.1 Payment is due in thirty days/);
});

test("tables are found by their rows, with the names of the columns", async () => {
	const own = await newUser(api);
	const rows = Array.from({ length: 300 }, (_, i) => `Guest ${i + 1},quay${i + 1},${i * 7}`);
	const csv = await ready("guests.csv", Buffer.from(`Name,Berth,Weight in kilos\n${rows.join("\n")}\n`), { from: own.api });
	assert.equal(csv.type, "csv");
	const [row] = await search("quay211", own.api);
	const [, first, last] = /^rows (\d+) to (\d+)$/.exec(row.mark);
	assert.ok(first <= 212 && 212 <= last, row.mark);
	assert.match(row.text, /^Name\tBerth\tWeight in kilos\n(.*\n)*Guest 211\tquay211\t1470(\n|$)/);
	const sheet = readFileSync("tests/extract/cases/xlsx-libreoffice.xlsx");
	const book = await ready("orders.xlsx", sheet, { from: own.api });
	assert.equal(book.type, "xlsx");
	assert.deepEqual(book.notices, ['The hidden sheet "Prices of 2023" is left out.']);
	assert.equal((await search("Zoé Martins", own.api))[0].mark, "sheet Orders A1:G8");
});

test("content is sniffed, not believed", async () => {
	assert.match((await failed("wrong-extension.pdf")).error, /PDF/);
	assert.match((await failed("page.txt", readFileSync(join(dir, "page.html")))).error, /HTML/);
	await failed("innocent.txt", readFileSync(join(dir, "manual.pdf")));
	await failed("letter.html", readFileSync(join(dir, "letter.docx")));
	assert.equal((await ready("typeless", readFileSync(join(dir, "manual.pdf")), { type: "text/plain" })).type, "pdf");
	await failed("picture.pdf", Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"));
	await failed("program.txt", Buffer.concat([Buffer.from("\x7fELF"), Buffer.alloc(3000, 0)]));
});

test("broken, encrypted and hostile files fail with a reason", async () => {
	for (const file of ["encrypted.pdf", "encrypted.docx", "broken.pdf", "bomb.docx", "laughs.docx", "binary.txt", "scanned.pdf"])
		await failed(file);
	await failed("none.pdf", Buffer.from("%PDF-1.7\nthis is no pdf at all\n%%EOF"));
	await failed("none.docx", Buffer.from("PK\x03\x04 this is no archive"));
	await failed("blank.txt", Buffer.from("   \n\t\n"));
	for (const file of ["encrypted.pdf", "encrypted.docx"])
		assert.match((await failed(file)).error, /encrypt|password|protect/i);
});

test("a document that asks for local files gets none", async () => {
	const { id } = assertStatus(await upload("xxe.docx", undefined, { wait: false }), 202).json;
	await settled(id);
	assert.doesNotMatch(JSON.stringify(await search("before root after passwd")), /root:|\/bin\//);
});

test("a failed document with ?wait=1 says so", async () => {
	const { json } = assertStatus(await upload("broken.pdf", Buffer.from("%PDF-1.4\n garbage")), 200);
	assert.equal(json.status, "failed");
	assert.match(json.message, /^[A-Z].{10,}/);
});

test("what was guessed of a file is told, by the upload's reply and by the document", async () => {
	const said = ["The encoding was guessed to be Windows-1252."];
	const { json } = assertStatus(await upload("latin1.txt"), 200);
	assert.deepEqual([json.status, json.notices], ["ready", said]);
	assert.deepEqual((await get(json.id)).json.notices, said);
	const again = assertStatus(await user.api.post(`/api/documents/${json.id}/reindex`), 200);
	assert.deepEqual(again.json.notices, said);
	assert.deepEqual((await ready("certain.txt", Buffer.from("The sluice is open."))).notices, []);
	assert.deepEqual((await failed("broken.pdf")).notices, []);
});

test("reindex gives the document again, and finds the same", async () => {
	const { id, chunkCount } = await ready("again.txt", Buffer.from("A governor keeps the millstones at an even speed."));
	const reply = assertStatus(await user.api.post(`/api/documents/${id}/reindex`), 200);
	assertKeys(reply.json, DOCUMENT);
	assert.deepEqual([reply.json.id, reply.json.status, reply.json.chunkCount], [id, "ready", chunkCount]);
	assert.equal((await search("governor millstones"))[0].documentId, id);
});

test("the passages of a user are counted as they come, change and go, many at once", async () => {
	const own = await newUser(api);
	const sql = async (text) => (await millrace.psql(text)).trim();
	const kept = () => sql(`SELECT passages FROM storage WHERE owner_id = '${own.uid}'`);
	const there = () => sql(`SELECT count(*) FROM chunk c JOIN document d ON d.id = c.document_id
		WHERE c.owner_id = '${own.uid}' AND d.deleted_at IS NULL`);
	const text = (n) => Buffer.from(Array.from({ length: n * 20 }, (_, i) => `Sentence ${i} of ${n} is about the weir and its sluices.`).join(" "));
	const made = await Promise.all([1, 3, 5, 7, 9, 11].map((n) => ready(`p${n}.txt`, text(n), { from: own.api })));
	const sum = (list) => String(list.reduce((n, d) => n + d.chunkCount, 0));
	assert.ok(made.at(-1).chunkCount > 1);
	assert.deepEqual([await kept(), await there()], [sum(made), sum(made)]);
	await Promise.all([...made.slice(0, 3).map(async (d) => assertStatus(await own.api.post(`/api/documents/${d.id}/reindex`), 200)),
		...made.slice(3, 5).map(async (d) => assertStatus(await own.api.delete(`/api/documents/${d.id}`), 204)),
		ready("later.txt", text(4), { from: own.api }).then((d) => made.push(d))]);
	const left = [...made.slice(0, 3), ...made.slice(5)];
	assert.deepEqual([await kept(), await there()], [sum(left), sum(left)]);
	assertStatus(await upload("broken.pdf", undefined, { from: own.api }), 200);
	assert.equal(await kept(), sum(left));
});

test("delete waits for no ingestion that counts words, and neither undoes the other", async () => {
	const own = await newUser(api), { id } = await ready("weir.txt", Buffer.from("The weir of Thornwick is low."), { from: own.api });
	const counting = millrace.psql(`BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('passage_word ${own.uid}', 0)); SELECT pg_sleep(2);
		UPDATE storage SET passages = passages WHERE owner_id = '${own.uid}'; COMMIT`);
	await until(async () => (await millrace.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).trim() !== "0", "the words are locked");
	assertStatus(await own.api.delete(`/api/documents/${id}`), 204);
	await counting;
	await until(async () => (await millrace.psql(`SELECT count(*) FROM document WHERE id = '${id}'`)).trim() === "0", "its rows are gone");
});

test("delete removes the document and what was found by it", async () => {
	const { id } = await ready("gone.txt", Buffer.from("The zwieback recipe of the vanished miller."));
	assert.equal((await search("zwieback"))[0].documentId, id);
	const reply = assertStatus(await user.api.delete(`/api/documents/${id}`), 204);
	assert.equal(reply.bytes.length, 0);
	assertError(await get(id), "NOT_FOUND");
	assert.deepEqual((await search("zwieback")).filter((h) => h.documentId === id), []);
	assertError(await user.api.delete(`/api/documents/${id}`), "NOT_FOUND");
});

test("ten at once, the same file twice, and one deleted while it is worked on", async () => {
	const own = await newUser(api);
	const replies = await Promise.all(Array.from({ length: 10 }, (_, i) => upload(`n${i % 5}.txt`, Buffer.from(`weir number ${i % 5}`), { from: own.api })));
	assert.deepEqual(replies.map((r) => r.json.status), Array(10).fill("ready"));
	assert.equal(new Set(replies.map((r) => r.json.id)).size, 10);
	const { id } = assertStatus(await upload("book-300.pdf", undefined, { wait: false, from: own.api }), 202).json;
	assertStatus(await own.api.delete(`/api/documents/${id}`), 204);
	assert.equal((await search("password of leaf 211", own.api)).filter((h) => h.documentId === id).length, 0);
	const twice = await Promise.all([1, 2].map(() => own.api.post(`/api/documents/${replies[0].json.id}/reindex`)));
	assert.deepEqual(twice.map((r) => [r.status, r.json.status]), [[200, "ready"], [200, "ready"]]);
	const millrace = await shared();
	await until(async () => (await millrace.psql(`select count(*) from run where owner_id = '${own.uid}' and ended_at is null`)).trim() === "0",
	    "no run is left open");
	await until(async () => (await millrace.psql(`select count(*) from blob where owner_id = '${own.uid}'`)).trim() === "10",
	    "the deleted document's file is gone");
});

test("another user's documents are not there", async () => {
	const { id } = await ready("mine.txt", Buffer.from("Mine alone."));
	const other = await newUser(api);
	assertError(await get(id, other.api), "NOT_FOUND");
	assertError(await other.api.delete(`/api/documents/${id}`), "NOT_FOUND");
	assertError(await other.api.post(`/api/documents/${id}/reindex`), "NOT_FOUND");
	assert.deepEqual(assertStatus(await other.api.get("/api/documents"), 200).json, []);
	assertStatus(await get(id), 200);
	assertError(await user.api.get(`/api/documents/${randomUUID()}`), "NOT_FOUND");
	assertError(await api.get(`/api/documents/${id}`), "UNAUTHORIZED");
	assertError(await upload("x.txt", Buffer.from("x"), { from: api }), "UNAUTHORIZED");
});

test("an upload needs its fields", async () => {
	assertError(await user.api.upload("/api/documents/upload", { name: "no file" }), "BAD_REQUEST", ["file"]);
	assertError(await user.api.upload("/api/documents/upload", { name: "empty", file: { filename: "e.txt", bytes: "" } }),
	    "BAD_REQUEST", ["file"]);
	assertError(await user.api.upload("/api/documents/upload", { name: "n".repeat(5000),
		file: { filename: "a.txt", bytes: "text" } }), "BAD_REQUEST", ["name"]);
	const json = await user.api.post("/api/documents/upload", { name: "json", file: "x" });
	assertError(json, "UNSUPPORTED_MEDIA_TYPE");
	assert.match(json.json.error, /multipart\/form-data/);
});

test("file names in any script, and with paths, are only names", async () => {
	for (const filename of ["../../etc/passwd", "мельница 水.txt", "a b;c=d.txt", "%2e%2e%2f"]) {
		const json = await ready(filename, Buffer.from(`text of ${filename}`), { name: "ok" });
		assert.equal(json.name, "ok");
	}
});
