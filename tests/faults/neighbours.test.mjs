/*
 * One user does the worst that a user can, of each kind at full strength, while another works: chats, uploads, searches, signs in and
 * reads. Nothing of the other's is refused, lost or late beyond what a deferred reply waits for.
 */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { endlessPdf, hold, test, until, value } from "./faults.mjs";
import { assertDone, assertOneEnd, contentOf } from "../js/events.mjs";
import { assertStatus } from "../js/expect.mjs";
import { newUser } from "../js/instance.mjs";
import { hub, signIn, startAll } from "../js/oauth.mjs";

const ROUNDS = 4;
let all, millrace, nasty, other;

before(async () => {
	all = await startAll("neighbours", { MILLRACE_RATE_WRITE: "0" });
	({ millrace } = all);
	[nasty, other] = await Promise.all([newUser(millrace.api), newUser(millrace.api)]);
	await upload(other, "The wheel of the mill turns twice a minute.");
});
after(() => all?.stop());

const form = (bytes, filename = "note.txt") => ({ name: "note", file: { filename, bytes } });
async function upload(user, text) {
	const { json } = assertStatus(await user.api.upload("/api/documents/upload?wait=1", form(Buffer.from(text))), 200);
	assert.equal(json.status, "ready", JSON.stringify(json));
}

/* What the other does, each thing beside the others; each comes to its good end at the first try. */
const works = {
	async chat() {
		const events = await (await other.api.chat("How often does the wheel turn?")).all();
		assertOneEnd(events);
		assert.equal(assertDone(events.at(-1)).content, contentOf(events));
	},
	upload: () => upload(other, `Another note, ${randomBytes(8).toString("hex")}.`),
	async search() {
		const found = assertStatus(await other.api.get("/api/documents/search?q=wheel"), 200).json;
		assert.match(found[0].text, /wheel of the mill/);
	},
	async signIn() {
		all.github.user = hub();
		await signIn(all.browser(), "github");
	},
	async read() {
		for (const path of ["/api/user", "/api/conversations", "/api/documents", "/api/leads", "/api/notifications"])
			assertStatus(await other.api.get(path), 200);
		const [newest] = (await other.api.get("/api/conversations?limit=1")).json;
		assert.ok(assertStatus(await other.api.get(`/api/conversations/${newest.id}`), 200).json.messages.length > 0);
	},
};

/* The other's work, beside `n` loops of `what`, which gives true where the server did it and false where it was refused. How often each. */
async function beside(n, what) {
	let going = true;
	const counts = Array.from({ length: n }, () => ({ done: 0, refused: 0 }));
	const loops = counts.map(async (count) => {
		while (going)
			count[await what() ? "done" : "refused"]++;
	});
	try {
		await Promise.race([Promise.all(loops), until(() => counts.every((c) => c.done + c.refused > 0), "the first of each loop")]);
		for (let round = 0; round < ROUNDS; round++)
			await Promise.all(Object.entries(works).map(([name, work]) => work().catch((e) => { throw new Error(`${name}: ${e.message}`, { cause: e }); })));
	} finally {
		going = false;
		await Promise.all(loops);
	}
	return { done: counts.reduce((sum, c) => sum + c.done, 0), refused: counts.reduce((sum, c) => sum + c.refused, 0) };
}

/* Only a refusal that says that it is this caller's own doing. */
function wasDone(reply, statuses = [200, 202]) {
	if (statuses.includes(reply.status))
		return true;
	assert.equal(reply.status, 429, reply.text.slice(0, 300));
	return false;
}

test("replies of 80 MB, twelve at a time", async () => {
	const [id] = (await millrace.psql(`INSERT INTO conversation (owner_id, title) VALUES ('${nasty.uid}', 'long') RETURNING id`)).split("\n");
	await millrace.psql(`INSERT INTO message (conversation_id, owner_id, role, content)
		SELECT '${id}', '${nasty.uid}', 'user', repeat(md5(n::text), 12500) FROM generate_series(1, 200) n`);
	const { done } = await beside(12, async () => wasDone(await nasty.api.get(`/api/conversations/${id}?limit=200`)));
	assert.ok(done > 12);
});

test("searches of 80,000 leads that hold nothing of the kind, twelve at a time", async () => {
	await millrace.psql(`SET session_replication_role = replica;
		INSERT INTO lead (owner_id, name, email) SELECT '${nasty.uid}', 'Lead ' || n, 'lead' || n || '@example.org' FROM generate_series(1, 80000) n`);
	const { done } = await beside(12, async () => wasDone(await nasty.api.get("/api/leads?q=zzz")));
	assert.ok(done > 0);
});

test("a queue that is full of one user's jobs, and kept so", async () => {
	await millrace.psql(`WITH r AS (INSERT INTO run (owner_id, kind, input)
		SELECT '${nasty.uid}', 'search', '{"q": "wheel", "reply": "search"}' FROM generate_series(1, 10000) RETURNING id)
		INSERT INTO job (run_id, owner_id, kind, priority) SELECT id, '${nasty.uid}', 'search', 10 FROM r`);
	const { refused } = await beside(8, async () => wasDone(await nasty.api.upload("/api/documents/upload", form("more"))));
	assert.ok(refused > 0, "the queue was never full");
	await millrace.psql(`DELETE FROM run WHERE owner_id = '${nasty.uid}' AND status = 'queued'`);
});

test("two hundred files at once: none is lost, and no chat waits for them, their owner's neither", async () => {
	const owner = await newUser(millrace.api);
	const replies = await Promise.all(Array.from({ length: 200 }, (_, i) => owner.api.upload("/api/documents/upload", form(Buffer.from(`Sluice ${i} is raised.`), `${i}.txt`))));
	const ids = new Set(replies.map((reply) => assertStatus(reply, 202).json.id));
	const [events] = await Promise.all([owner.api.chat("Which sluice is raised?").then((chat) => chat.all()), beside(0)]);
	assertOneEnd(events);
	assertDone(events.at(-1));
	await until(async () => await readyOf([...ids]) === 200, "all are ready");
	assert.equal(await value(millrace, `SELECT count(*) FROM chunk WHERE owner_id = '${owner.uid}'`), "200");
});

const send = (text) => nasty.api.upload("/api/documents/upload", form(Buffer.from(text)));
const readyOf = async (ids) => Number(await value(millrace, `SELECT count(*) FROM document WHERE id = ANY ('{${ids}}') AND status = 'ready'`));
const storing = async (how) => Number(await value(millrace, `SELECT count(*) FROM pg_stat_activity WHERE query ~ 'document_ready' AND ${how}`));

test("passages that cannot be stored: others' work, and the jobs themselves, wait for none of them", async () => {
	const release = await hold(millrace, "LOCK TABLE passage_word IN SHARE MODE");
	const { upload: _, ...rest } = works;
	const ids = [];
	try {
		for (let i = 0; i < 16; i++)
			ids.push(assertStatus(await send(`Note ${i} of the mill.`), 202).json.id);
		await until(async () => await storing("wait_event_type = 'Lock'") >= 2, "passages are being stored");
		for (let round = 0; round < ROUNDS; round++)
			await Promise.all(Object.values(rest).map((work) => work()));
		await millrace.psql(`SELECT FROM job WHERE owner_id = '${nasty.uid}' AND state = 'running' FOR UPDATE NOWAIT`);
		assertStatus(await nasty.api.delete(`/api/documents/${ids[0]}`), 204);
	} finally {
		await release();
	}
	await until(async () => await readyOf(ids) === 15, "all else is stored");
	await until(async () => await value(millrace, `SELECT count(*) FROM document WHERE id = '${ids[0]}'`) === "0", "what was deleted is gone");
	await millrace.psql(`DELETE FROM document WHERE owner_id = '${nasty.uid}'`);
});

test("sixteen files of 4 MiB of words, whose passages take seconds each", async () => {
	let text = "";
	while (text.length < 4 * 2 ** 20)
		text += `${randomBytes(4).toString("hex")} `;
	const ids = [];
	for (let i = 0; i < 16; i++)
		ids.push(assertStatus(await send(text), 202).json.id);
	await until(async () => await storing("state = 'active'") >= 2, "passages are being stored");
	await beside(0);
	assert.ok(await readyOf(ids) < 16, "they ended too soon");
	for (const id of ids)
		assertStatus(await nasty.api.delete(`/api/documents/${id}`), 204);
});

test("files that take as long to read as any may", async () => {
	const slow = () => nasty.api.upload("/api/documents/upload", form(endlessPdf(), "endless.pdf"));
	const state = (is) => value(millrace, `SELECT count(*) FROM document WHERE owner_id = '${nasty.uid}' AND file_name = 'endless.pdf' AND status = '${is}'`);
	for (let i = 0; i < 8; i++)
		assertStatus(await slow(), 202);
	await until(async () => await state("processing") === "8", "they are read, or about to be");
	await beside(0);
	assert.ok(Number(await state("processing")) > 4, "they ended too soon");
	await millrace.psql(`DELETE FROM document WHERE owner_id = '${nasty.uid}'`);
});

test("searches over 60,000 passages, sixteen at a time", async () => {
	await millrace.psql(`WITH b AS (INSERT INTO blob (owner_id, sha256, size) VALUES ('${nasty.uid}', sha256('x'), 1) RETURNING id),
		d AS (INSERT INTO document (owner_id, name, file_name, size, status, blob_id, index_version, chunk_count)
			SELECT '${nasty.uid}', 'long', 'd.txt', 1, 'ready', id, 3, 60000 FROM b RETURNING id)
		INSERT INTO chunk (document_id, owner_id, n, mark, text, words, stems) SELECT d.id, '${nasty.uid}', n, 'paragraph 1', x, to_tsvector('simple', x),
			decode('00000000' || repeat(md5(n::text), 10), 'hex')
			FROM d, generate_series(1, 60000) n, LATERAL (SELECT 'wheel ' || n || ' ' || md5(n::text) || repeat(' mill water', 20) AS x) t`);
	await millrace.psql("ANALYZE chunk; ANALYZE passage_word");
	const { done } = await beside(16, async () => wasDone(await nasty.api.get("/api/documents/search?q=how+often+does+the+wheel+of+the+water+mill+turn")));
	assert.ok(done > 0);
});

test("made-up API keys, as many as go", async () => {
	const from = millrace.api.fresh();
	const { done } = await beside(8, async () =>
	    wasDone(await from.as(`mr_${randomBytes(32).toString("base64url")}`).get("/api/conversations"), [401]));
	assert.ok(done > 0);
});

test("nothing of the other's is left open", async () => {
	await until(async () => await value(millrace, `SELECT count(*) FROM run WHERE owner_id = '${other.uid}' AND status <> 'completed'`) === "0", "all ended well");
	assert.equal(await value(millrace, `SELECT count(*) FROM document WHERE owner_id = '${other.uid}' AND status <> 'ready'`), "0");
});
