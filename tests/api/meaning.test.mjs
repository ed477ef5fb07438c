/*
 * Search by what is meant: passages embedded in the background by a provider that does what others do wrong, the question's vector, and a model that
 * chooses of what was found. The stand-in takes "glimmerstone" for "floodgate", and other words for others.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { newUser, privateInstance } from "../js/instance.mjs";
import { assertStatus, until } from "../js/expect.mjs";
import { start, vectorOf } from "../standin/openai.mjs";

const MEANS = { glimmerstone: "floodgate", quillow: "candle", brandish: "heron" };
const CHOOSER = "gpt-4.1-mini";
let vendor, millrace, user;

before(async () => {
	vendor = await start({ key: "sk-test" });
	Object.assign(vendor.embedding.means, MEANS);
	millrace = await privateInstance("meaning", { MILLRACE_PROVIDER: "openai", OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: vendor.url,
		MILLRACE_EMBEDDINGS: "openai/text-embedding-3-small", MILLRACE_RERANK: `openai/${CHOOSER}`, MILLRACE_RERANK_MS: "3000" });
	user = await newUser(millrace.api);
});
after(async () => {
	await millrace?.stop();
	await vendor?.close();
});

const sql = async (text) => (await millrace.psql(text)).trim();
const upload = async (name, text, from = user) => {
	const { json } = assertStatus(await from.api.upload("/api/documents/upload?wait=1", { name, file: { filename: `${name}.txt`, bytes: Buffer.from(text) } }), 200);
	assert.equal(json.status, "ready", json.message);
	return json.id;
};
const search = async (q, from = user) => assertStatus(await from.api.get(`/api/documents/search?q=${encodeURIComponent(q)}`), 200).json;
const names = async (q, from) => (await search(q, from)).map((p) => p.documentName);
/* Which model all of a user's documents have vectors of: "model size". */
const embeddedBy = (from = user) => sql(`SELECT string_agg(DISTINCT coalesce(m.model || ' ' || m.size, 'none'), ', ') FROM document d
    LEFT JOIN embedding_model m ON m.id = d.embedded_by WHERE d.owner_id = '${from.uid}' AND d.deleted_at IS NULL`);
const embedded = (from = user, by = "text-embedding-3-small 1536") => until(async () => await embeddedBy(from) === by, `vectors of ${by}`);
const vectors = (from = user) => sql(`SELECT count(*) FROM passage_vector WHERE owner_id = '${from.uid}'`).then(Number);
const asked = (text) => vendor.log(text).filter((r) => r.path === "/v1/embeddings");
/* The charges of somebody's runs of a kind, all of them settled. */
const charges = (kind, from = user) => until(async () => {
	const row = await sql(`SELECT count(*), bool_and(state = 'settled'), sum(amount_usd) > 0 FROM charge WHERE owner_id = '${from.uid}' AND kind = '${kind}' AND state <> 'released'`);
	return !row.startsWith("0") && !row.includes("|f|") && row.split("|").slice(1).join();
}, `charges of ${kind}`);

const TEXTS = { gate: "The floodgate is closed by Aldous.", light: "A candle burns in the loft.", bird: "The heron waits at the weir, near the floodgate.",
	rent: "The lease ends in May.", cog: "Cogs are of apple wood." };

test("passages are found by what they mean, in the order of their vectors, and charged", async () => {
	for (const [name, text] of Object.entries(TEXTS))
		await upload(name, text);
	await embedded();
	for (const q of ["glimmerstone", "quillow brandish", "glimmerstone quillow"]) {
		const v = vectorOf(q, 1536, MEANS), like = (name) => vectorOf(`${name}\n${TEXTS[name]}`, 1536, MEANS).reduce((sum, x, i) => sum + x * v[i], 0);
		assert.deepEqual(await names(q), Object.keys(TEXTS).sort((a, b) => like(b) - like(a)), q);
	}
	assert.equal((await names("quillow lease"))[0], "rent", "what is found both ways is first");
	assert.equal(await charges("embed"), "t,t");
	assert.equal(await charges("search"), "t,t");
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/m);
	assert.deepEqual(await names("glimmerstone", await newUser(millrace.api)), [], "nobody else's");
});

test("the same text is embedded once, also when its document is read again; a deletion takes the vectors along", async () => {
	const own = await newUser(millrace.api), text = "The osprey is drawn on the sack of flour.";
	const first = await upload("twice", text, own);
	await embedded(own);
	const second = await upload("twice", text, own);
	await embedded(own);
	assertStatus(await own.api.post(`/api/documents/${first}/reindex`), 200);
	await embedded(own);
	assert.equal(asked("osprey is drawn").length, 1);
	assert.equal(await vectors(own), 1);
	for (const [id, left] of [[first, 1], [second, 0]]) {
		assertStatus(await own.api.delete(`/api/documents/${id}`), 204);
		await until(async () => await vectors(own) === left, `${left} vectors`);
	}
});

test("a provider that answers half of a batch is asked for the rest", async () => {
	vendor.embedding.half = true;
	const own = await newUser(millrace.api), id = await upload("long", Array.from({ length: 120 }, (_, i) => `Sentence ${i} of the miller's long account tells of day ${i * 7}, when rain fell on the yard.`).join(" "), own);
	await embedded(own);
	delete vendor.embedding.half;
	assert.equal(await vectors(own), Number(await sql(`SELECT count(*) FROM chunk WHERE document_id = '${id}'`)));
	assert.ok(await vectors(own) > 4);
});

test("whose vector is whose is told by indices of any kind, or by the order", async () => {
	const all = (fn) => (data) => data.forEach((d, i) => fn(d, i)), turned = (fn) => (data) => (data.forEach((d, i) => fn(d, i)), data.reverse());
	const kinds = { none: all((d) => delete d.index), same: all((d) => (d.index = 0)), one: all((d, i) => (d.index = i + 1)), turned: turned(() => {}),
		text: turned((d, i) => (d.index = String(i))), point: (data) => (turned(() => {})(data), data.forEach((d) => (d.index += 0.0))), negative: all((d) => (d.index = -1)),
		far: all((d, i) => (d.index = i * 7)) };
	for (const [kind, places] of Object.entries(kinds)) {
		const own = await newUser(millrace.api), things = { gate: `${kind}: the floodgate.`, light: `${kind}: a candle.`, bird: `${kind}: a heron.` };
		vendor.embedding.status = 429;
		for (const [name, text] of Object.entries(things))
			await upload(name, text, own);
		Object.assign(vendor.embedding, { places, status: undefined });
		await millrace.replace("runner");
		await embedded(own);
		delete vendor.embedding.places;
		for (const [q, name] of [["glimmerstone", "gate"], ["quillow", "light"], ["brandish", "bird"]])
			assert.equal((await names(q, own))[0], name, `${kind}: ${q}`);
	}
});

test("a text that the model refuses, all that somebody has: nobody's search goes without vectors for it", async () => {
	vendor.embedding.refuses = "wyvern";
	const own = await newUser(millrace.api);
	await upload("refused", "A wyvern is painted on the sign.", own);
	await embedded(own);
	delete vendor.embedding.refuses;
	assert.deepEqual([await vectors(own), (await names("glimmerstone"))[0]], [1, "gate"]);
});

/* What pgvector has of a type and an operator, which count how often they are asked. */
const PGVECTOR = `CREATE SCHEMA pgv; GRANT USAGE ON SCHEMA pgv TO PUBLIC; CREATE SEQUENCE pgv.asked; GRANT ALL ON SEQUENCE pgv.asked TO PUBLIC;
	CREATE DOMAIN pgv.vector AS real[];
	CREATE FUNCTION pgv.negative_product(a real[], b real[]) RETURNS float8 LANGUAGE sql AS
		$$ SELECT -sum(x * y) * (nextval('pgv.asked') > 0)::int FROM unnest(a, b) t (x, y) $$;
	CREATE OPERATOR pgv.<#> (LEFTARG = real[], RIGHTARG = real[], FUNCTION = pgv.negative_product);
	SET allow_system_table_mods = on;
	INSERT INTO pg_extension SELECT 77777, 'vector', 10, oid, true, '0' FROM pg_namespace WHERE nspname = 'pgv'`;

test("vectors are compared by pgvector where the server has it", async () => {
	const before = await search("glimmerstone quillow");
	await sql(PGVECTOR);
	const by = await search("glimmerstone quillow"), n = await sql("SELECT last_value FROM pgv.asked");
	await sql("SET allow_system_table_mods = on; DELETE FROM pg_extension WHERE extname = 'vector'; DROP SCHEMA pgv CASCADE");
	assert.equal(Number(n), Object.keys(TEXTS).length);
	assert.deepEqual(by, before);
});

test("a provider that changes the size of its vectors: passages are embedded anew, words find them meanwhile", async () => {
	vendor.embedding.size = 384;
	assert.deepEqual(await names("glimmerstone"), [], "no vector to compare with");
	assert.equal((await names("floodgate"))[0], "gate");
	await embedded(user, "text-embedding-3-small 384");
	assert.equal((await names("glimmerstone"))[0], "gate");
	await until(async () => await vectors() === Object.keys(TEXTS).length, "the earlier vectors to go");
});

test("another model in the settings: the vectors of the one before serve until its are there", async () => {
	Object.assign(vendor.embedding, { status: 429, model: "text-embedding-3-large", retryAfter: 3600 });
	Object.assign(millrace.env, { MILLRACE_EMBEDDINGS: "openai/text-embedding-3-large", MILLRACE_EMBEDDING_DIMENSIONS: "384" });
	await millrace.replace("runner");
	await until(() => asked("text-embedding-3-large").length > 0, "the new model to be asked");
	assert.equal((await names("glimmerstone"))[0], "gate");
	assert.equal(await embeddedBy(), "text-embedding-3-small 384");
});

test("a provider that takes no more requests for an hour: documents are ready and found by their words, and embedded later", async () => {
	delete vendor.embedding.model;
	const own = await newUser(millrace.api);
	await upload("late", "The kestrel hovers over the glebe.", own);
	assert.deepEqual(await names("kestrel", own), ["late"]);
	assert.deepEqual([await embeddedBy(own), asked("kestrel").length], ["none", 0]);
	delete vendor.embedding.status;
	await millrace.replace("runner");
	await embedded(own, "text-embedding-3-large 384");
	await embedded(user, "text-embedding-3-large 384");
	assert.equal((await names("glimmerstone"))[0], "gate");
	await until(async () => await vectors() === Object.keys(TEXTS).length, "the earlier model's vectors to go");
});

test("a model chooses of what was found: what it answers counts, what it makes up and what comes too late does not", async () => {
	const own = await newUser(millrace.api);
	for (let i = 0; i < 9; i++)
		await upload(`sluice ${i}`, `The sluice of mill ${"abcdefghi"[i]} has ${i + 2} boards. ${"It is of oak. ".repeat(i)}`, own);
	/* What the chooser was shown, and then the model that answers. */
	const shown = (request) => [...request.body.messages.map((m) => m.content).join("\n").matchAll(/^\[\d+\] (sluice \d)/gm)].map(([, name]) => name);
	const chat = async (say, mark) => {
		vendor.say[CHOOSER] = say;
		const question = `How many boards has the sluice? ${mark}`, answer = await own.api.chat(question);
		await answer.all();
		const of = (model) => shown(vendor.log(mark).find((r) => r.body.model === model));
		return { run: answer.headers["x-run-id"], first: of(CHOOSER), then: of("gpt-4o-mini") };
	};
	const { run, first, then } = await chat("[[say:9, 2]]", "mark-one");
	assert.equal(first.length, 9);
	assert.deepEqual(then, [first[8], first[1], first[0], ...first.slice(2, 5)]);
	assert.equal(await sql(`SELECT count(*), bool_and(cost_usd > 0) FROM usage_event WHERE run_id = '${run}' AND model = '${CHOOSER}'`), "1|t");
	assert.equal(await until(() => sql(`SELECT c.amount_usd = sum(e.cost_usd) FROM charge c JOIN usage_event e ON e.run_id::text = c.request_id
	    WHERE c.request_id = '${run}' AND c.state = 'settled' GROUP BY c.amount_usd`), "the charge"), "t");
	for (const [i, say] of ["[[say:77, 0, 1000000000000000000000]]", "[[say:It is passage 4.]]", "[[500]]", "[[hang]]"].entries()) {
		const wrong = await chat(say, `mark-wrong-${i}`);
		assert.deepEqual(wrong.then, wrong.first.slice(0, 6), say);
	}
});

test("a chatbot's tokens of the day hold the model that chooses, too: before an answer what it may take, after it what it took", async () => {
	const own = await newUser(millrace.api), origin = "https://shop.example", documents = [];
	for (let i = 0; i < 9; i++)
		documents.push(await upload(`weir ${i}`, `The weir of mill ${"abcdefghi"[i]} has ${i + 2} gates. ${"It is of stone. ".repeat(i)}`, own));
	await until(async () => await sql("SELECT choosing_tokens FROM chat_model") === "12600", "the runner's note");
	vendor.say[CHOOSER] = "[[say:9, 2]]";
	const { id } = assertStatus(await own.api.post("/api/chatbots", { name: "Miller", documents, settings: { allowedOrigins: [origin] } }), 201).json;
	const who = millrace.api.fresh(), headers = { origin }, at = `/api/chat/widget/${id}`;
	const { sessionId } = assertStatus(await who.post(`${at}/session`, {}, { headers }), 200).json;
	const mark = `How many gates has the weir? ${sessionId}`;
	assertStatus(await who.post(`${at}/message`, { sessionId, message: mark }, { headers }), 200);
	assert.equal(vendor.log(sessionId).filter((r) => r.body.model === CHOOSER).length, 1);
	const runs = `SELECT r.id, (r.input ->> 'reserved')::int AS reserved FROM run r JOIN conversation c ON c.id = r.conversation_id WHERE c.chatbot_id = '${id}'`;
	assert.equal(await sql(`SELECT u.tokens = sum(e.input_tokens + e.output_tokens) AND bool_or(e.model = '${CHOOSER}') FROM chatbot_use u, (${runs}) r
	    JOIN usage_event e ON e.run_id = r.id WHERE u.chatbot_id = '${id}' AND u.subject = '' GROUP BY u.tokens`), "t");
	assert.equal(await sql(`SELECT r.reserved > 12600 + 4096 FROM (${runs}) r`), "t");
	/* Where it would not fit any more, nothing is asked. */
	assertStatus(await own.api.put(`/api/chatbots/${id}`, { settings: { allowedOrigins: [origin], tokensPerDay: 12000 } }), 200);
	assert.equal((await who.post(`${at}/message`, { sessionId, message: mark }, { headers })).status, 429);
});
