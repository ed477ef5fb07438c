/* What is deleted is gone with its copies, however large it is; what is kept for a time goes after it; and how much a user may store. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { randomBytes, randomUUID } from "node:crypto";
import pg from "pg";
import { PASSWORD, newUser, privateInstance } from "../js/instance.mjs";
import { newAdmin } from "../js/accounts.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { erased, quiet, traces } from "../js/traces.mjs";

let millrace, api;
/* Of its own: what looks for a word everywhere reads all that there is. */
before(async () => { millrace = await privateInstance("deletion"); ({ api } = millrace); });

const sql = async (text) => (await quiet(millrace, text)).trim();
const newMark = () => `m${randomBytes(10).toString("hex")}`;
const withKey = (key) => ({ headers: { "idempotency-key": key } });
const document = (user, name, bytes, key) => user.api.upload("/api/documents/upload?wait=1",
    { name, file: { filename: `${name}.txt`, type: "text/plain", bytes } }, key && withKey(key));

/* Rows by the tens of thousands, without their events. */
const many = (text) => sql(`SET session_replication_role = replica; ${text}`);

test("a conversation's text is nowhere when it is deleted: run, stream, artifact, kept replies", async () => {
	const user = await newUser(api), mark = newMark(), key = newMark();
	const chat = await user.api.chat(`What has the ${mark}?`, {}, withKey(key));
	await chat.all();
	const { "x-run-id": run, "x-conversation-id": conversation } = chat.headers;
	const artifact = await sql(`WITH b AS (INSERT INTO blob (owner_id, sha256, size) VALUES ('${user.uid}', sha256('x'), 21) RETURNING id),
			c AS (INSERT INTO blob_chunk SELECT id, 0, '${mark}' FROM b)
		INSERT INTO artifact (owner_id, conversation_id, run_id, name, version, mime_type, size, blob_id, call_id)
		SELECT '${user.uid}', '${conversation}', '${run}', '${mark}', 1, 'text/plain', 21, b.id, 'c' FROM b RETURNING id`);
	assertStatus(await user.api.get(`/api/runs/${run}`), 200);
	assertStatus(await user.api.get(`/api/artifacts/${artifact}`), 200);

	assertStatus(await user.api.delete(`/api/conversations/${conversation}`), 204);

	for (const path of [`/api/runs/${run}`, `/api/runs/${run}/stream`, `/api/conversations/${conversation}`, `/api/artifacts/${artifact}`])
		assertError(await user.api.get(path), "NOT_FOUND", null, path);
	assertError(await user.api.post(`/api/runs/${run}/cancel`), "NOT_FOUND");
	await until(async () => (await traces(millrace, mark)).length === 0, "nothing has the text");
	/* Repeated, the first request is neither answered from what is gone nor done once more. */
	assertError(await user.api.post("/api/chat", { message: `What has the ${mark}?` }, withKey(key)), "CONFLICT");
	assert.deepEqual((await user.api.get("/api/conversations")).json, []);
	assert.ok(Number(await sql(`SELECT count(*) FROM usage_event WHERE run_id = '${run}'`)) > 0, "what was used is kept");
});

test("work that waits for a deleted conversation or document ends, and its listeners hear of it", async () => {
	const user = await newUser(api);
	const conversation = await sql(`INSERT INTO conversation (owner_id, title) VALUES ('${user.uid}', 't') RETURNING id`);
	const run = await sql(`WITH r AS (INSERT INTO run (owner_id, kind, input, conversation_id) VALUES ('${user.uid}', 'chat', '{"message": "x"}', '${conversation}')
			RETURNING *), j AS (INSERT INTO job (run_id, owner_id, kind, run_at) SELECT id, owner_id, kind, now() + interval '1 hour' FROM r)
		SELECT id FROM r`);
	const stream = await user.api.resume(run);
	assertStatus(await user.api.delete(`/api/conversations/${conversation}`), 204);
	const events = await stream.all();
	assert.ok(["done", "error"].includes(events.at(-1).event), JSON.stringify(events));
	assertError(await user.api.get(`/api/runs/${run}`), "NOT_FOUND");
	assert.equal(await sql(`SELECT count(*) FROM job WHERE run_id = '${run}'`), "0");
});

test("a document's passages are nowhere when it is deleted: answers, outcomes, replies of searches, steps", async () => {
	const user = await newUser(api), mark = newMark(), key = newMark(), name = newMark(), passage = `The tjasker has seven sails, as ${mark} says.`;
	const { id } = assertStatus(await document(user, name, passage, key), 200).json;
	const other = assertStatus(await document(user, "other", "The windmill of Kinderdijk has four sails."), 200).json.id;
	assert.equal(assertStatus(await user.api.get(`/api/documents/search?q=tjasker`), 200).json[0].documentId, id);
	const chat = await user.api.chat(`How many sails has the tjasker? And the windmill of Kinderdijk?`);
	const run = chat.headers["x-run-id"], conversation = chat.headers["x-conversation-id"];
	await chat.all();
	const step = JSON.stringify({ id: "c1", type: "tool_result", name: "search_documents", input: {}, output: `[1] ${name}, paragraph 1\n${passage}` });
	const read = JSON.stringify({ id: "c2", type: "tool_result", name: "read_file", input: { name: `${name}.txt` }, output: passage });
	await sql(`SELECT publish('run:${run}', 'activity', '${step}'); SELECT publish('run:${run}', 'activity', '${read}')`);
	/* An answer that cites both and quotes neither, whatever the model made of the question: words that it has said are its own. */
	const sources = JSON.stringify([id, other].map((documentId, i) => ({ n: i + 1, documentId, documentName: "d", mark: "m", page: null, text: i ? "four" : mark,
		score: 1, chunk: i })));
	await sql(`UPDATE message SET content = 'Seven and four.', sources = '${sources}' WHERE run_id = '${run}' AND role = 'assistant';
		UPDATE run SET outcome = (outcome::jsonb || jsonb_build_object('content', 'x', 'sources', '${sources}'::jsonb))::json WHERE id = '${run}';
		DELETE FROM stream_event WHERE topic = 'run:${run}' AND type = 'token';
		UPDATE stream_event SET data = (data::jsonb || '{"content": "x"}')::json WHERE topic = 'run:${run}' AND type = 'done'`);
	assert.deepEqual(await traces(millrace, mark), ["blob_chunk", "chunk", "message", "passage_word", "run", "stream_event"]);

	assertStatus(await user.api.delete(`/api/documents/${id}`), 204);

	await until(async () => (await traces(millrace, mark)).length === 0, "nothing has a passage");
	const answer = assertStatus(await user.api.get(`/api/conversations/${conversation}`), 200).json.messages[1];
	assert.deepEqual(answer.sources.map((s) => [s.n, s.documentId, s.text]), [[2, other, "four"]]);
	assert.deepEqual(assertStatus(await user.api.get(`/api/runs/${run}`), 200).json.outcome.sources.map((s) => s.documentId), [other]);
	assert.equal((await user.api.get("/api/documents/search?q=windmill")).json[0].documentId, other);
	assertError(await document(user, name, passage, key), "CONFLICT");
});

test("a document's passages leave what came of a chat that ended without text", async () => {
	const user = await newUser(api), mark = newMark();
	const { id } = assertStatus(await document(user, "d", `The tjasker has seven sails, as ${mark} says.`), 200).json;
	const chat = await user.api.chat("How many sails has the tjasker?");
	await chat.all();
	const run = chat.headers["x-run-id"];
	const sources = JSON.stringify([{ n: 1, documentId: id, documentName: "d", mark: "m", page: null, text: mark, score: 1, chunk: 0 }]);
	await sql(`UPDATE run SET outcome = jsonb_build_object('content', '', 'sources', '${sources}'::jsonb)::json WHERE id = '${run}';
		DELETE FROM message WHERE run_id = '${run}' AND role = 'assistant'; DELETE FROM stream_event WHERE topic = 'run:${run}'`);

	assertStatus(await user.api.delete(`/api/documents/${id}`), 204);

	await until(async () => (await traces(millrace, mark)).length === 0, "nothing has a passage");
	assert.deepEqual(assertStatus(await user.api.get(`/api/runs/${run}`), 200).json.outcome, { content: "", sources: [] });
});

test("nor in what an agent was seen to do, or a client of the Model Context Protocol was given", async () => {
	const user = await newUser(api), mark = newMark(), name = newMark(), passage = `The tjasker has seven sails, as ${mark} says.`;
	const { id } = assertStatus(await document(user, name, passage), 200).json;
	const { id: agent_id } = assertStatus(await user.api.post("/api/v1/admin/processes", { name: "p" }), 201).json;
	assertStatus(await user.api.post("/api/agents/invoke", { agent_type: "chat_agent", input: { message: "How many sails has the tjasker?" }, agent_id }), 200);
	const key = assertStatus(await user.api.post("/api/settings/api-keys", { name: "m", scopes: ["read", "write"] }), 201).json.apiKey;
	for (const [tool, args] of [["search_documents", { query: "tjasker sails" }], ["read_file", { name }]]) {
		const reply = await api.as(key).post("/api/mcp", { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool, arguments: args } },
		    { headers: { accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25" } });
		if (tool === "search_documents")
			assert.match(assertStatus(reply, 200).text, new RegExp(mark));
	}
	/* What the model has said with it is its own. */
	const left = async () => Number(await sql(`SELECT count(*) FROM stream_event e WHERE strpos(e.data::text, '${mark}') > 0 AND (e.type = 'agent_action' AND e.data ->> 'id' LIKE '%/tool_result'
		OR e.type = 'result' AND EXISTS (SELECT FROM run r WHERE e.topic = 'run:' || r.id AND r.kind = 'tool'))`));
	assert.ok(await left() >= 2);
	assertStatus(await user.api.delete(`/api/documents/${id}`), 204);
	await until(async () => await left() === 0, "no copy of the passage is left");
});

test("a lead's reply that was kept for its key goes with it, and the key makes no second lead", async () => {
	const user = await newUser(api), mark = newMark();
	const make = () => user.api.post("/api/leads", { name: mark }, withKey(mark));
	const { id } = assertStatus(await make(), 201).json;
	assert.equal(assertStatus(await make(), 201).json.id, id);
	assertStatus(await user.api.delete(`/api/leads/${id}`), 204);
	assert.deepEqual((await traces(millrace, mark)).filter((t) => t !== "idempotency"), []);
	assert.equal(await sql(`SELECT reply FROM idempotency WHERE owner_id = '${user.uid}'`), "{}");
	assertError(await make(), "CONFLICT");
	assert.deepEqual((await user.api.get("/api/leads")).json, []);
});

test("a notification's event keeps its number and none of its words", async () => {
	const user = await newUser(api), mark = newMark();
	const id = await sql(`INSERT INTO notification (owner_id, title, message, action_url, metadata)
		VALUES ('${user.uid}', '${mark}', '${mark}', '/${mark}', '{"x": "${mark}"}') RETURNING id`);
	assert.deepEqual(await traces(millrace, mark), ["notification", "stream_event"]);
	assertStatus(await user.api.delete(`/api/notifications/${id}`), 204);
	assert.deepEqual(await traces(millrace, mark), []);
	assert.equal(await sql(`SELECT seq, type, data ->> 'id' FROM stream_event WHERE topic = 'user:${user.uid}'`), `1|notification_created|${id}`);
});

test("an account of 80,000 leads and 30,000 messages is shut at once, and goes without an event for each", async () => {
	const user = await newUser(api), admin = await newAdmin(millrace);
	const key = assertStatus(await user.api.post("/api/settings/regenerate-api-key"), 200).json.apiKey;
	await many(`INSERT INTO lead (owner_id, name) SELECT '${user.uid}', 'n' FROM generate_series(1, 80000);
		WITH c AS (INSERT INTO conversation (owner_id, title) SELECT '${user.uid}', 't' FROM generate_series(1, 300) RETURNING id)
			INSERT INTO message (conversation_id, owner_id, role, content) SELECT c.id, '${user.uid}', 'user', 'x' FROM c, generate_series(1, 100);
		INSERT INTO topic (name, seq) VALUES ('user:${user.uid}', 20000);
		INSERT INTO stream_event (topic, seq, type, data) SELECT 'user:${user.uid}', n, 'x', '{}' FROM generate_series(1, 20000) n`);
	const events = new pg.Client({ host: join(millrace.runDir, "pg"), database: "millrace", user: "postgres" });
	await events.connect();
	const heard = [];
	events.on("notification", ({ payload }) => payload.includes(user.uid) && heard.push(payload));
	await events.query("LISTEN millrace_event");

	assertStatus(await admin.api.delete(`/api/v1/user/dao/${user.uid}`), 204);

	for (const token of [user.token, key])
		assertError(await api.as(token).get("/api/user"), "UNAUTHORIZED");
	assertError(await user.api.get("/api/v1/user/export"), "UNAUTHORIZED");
	assertError(await user.api.delete(`/api/v1/user/dao/${user.uid}`), "UNAUTHORIZED");
	assertError(await admin.api.delete(`/api/v1/user/dao/${user.uid}`), "NOT_FOUND");
	assertError(await admin.api.get(`/api/v1/user/dao/${user.uid}`), "NOT_FOUND");
	assertError(await api.fresh().post("/api/auth/login", { email: user.email, password: PASSWORD }), "UNAUTHORIZED");
	const next = assertStatus(await api.fresh().post("/api/auth/register", { email: user.email, password: PASSWORD, display_name: "Next" }), 201).json;
	assert.notEqual(next.uid, user.uid);

	await erased(millrace, user.uid);
	assert.deepEqual(await traces(millrace, user.uid), ["audit_log"]);
	assert.deepEqual(heard, []);
	assert.equal(await sql(`SELECT actor FROM audit_log WHERE subject = '${user.uid}' AND type = 'erased'`), admin.uid);
	assertStatus(await api.as(next.token).get("/api/user"), 200);
	await events.end();
});

test("a conversation of 40,000 messages is gone at once for everybody, and then from the tables", async () => {
	const user = await newUser(api);
	const id = await sql(`INSERT INTO conversation (owner_id, title) VALUES ('${user.uid}', 't') RETURNING id`);
	await many(`INSERT INTO message (conversation_id, owner_id, role, content) SELECT '${id}', '${user.uid}', 'user', 'x' FROM generate_series(1, 40000)`);
	assertStatus(await user.api.delete(`/api/conversations/${id}`), 204);
	assertError(await user.api.get(`/api/conversations/${id}`), "NOT_FOUND");
	assertError(await user.api.patch(`/api/conversations/${id}`, { title: "x" }), "NOT_FOUND");
	assertError(await user.api.post("/api/chat", { message: "m", conversation_id: id }), "NOT_FOUND");
	assertError(await user.api.delete(`/api/conversations/${id}`), "NOT_FOUND");
	assert.deepEqual((await user.api.get("/api/conversations")).json, []);
	const { messages, conversations } = assertStatus(await user.api.get("/api/v1/user/export"), 200).json;
	assert.deepEqual([messages, conversations], [[], []]);
	await until(async () => await sql(`SELECT count(*) FROM conversation WHERE id = '${id}'`) === "0", "it is gone");
	assert.equal(await sql(`SELECT count(*) FROM message WHERE owner_id = '${user.uid}'`), "0");
	assert.equal(await sql(`SELECT count(*) FROM stream_event WHERE topic = 'user:${user.uid}' AND type = 'conversation_deleted'`), "1");
});

/* In one transaction with what is looked at before and after, so that the instance's own sweep comes before or behind. */
const sweeping = (text) => sql(`SELECT pg_advisory_xact_lock(hashtext('millrace.sweep_old')); ${text}`);

test("what is kept for a time goes after it, and a run that a kept key names stays", async () => {
	const user = await newUser(api);
	const old = (days) => `overlay(uuid_v7_floor(now() - interval '${days} days')::text PLACING right('${randomUUID()}', 12) FROM 25)::uuid`;
	const run = (days) => sql(`INSERT INTO run (id, owner_id, kind, status, created_at, ended_at)
		VALUES (${old(days)}, '${user.uid}', 'search', 'completed', now() - interval '${days} days', now() - interval '${days} days') RETURNING id`);
	const [gone, young] = [await run(31), await run(29)];
	const open = await sql(`WITH r AS (INSERT INTO run (id, owner_id, kind) VALUES (${old(40)}, '${user.uid}', 'none') RETURNING *), j AS (
		INSERT INTO job (run_id, owner_id, kind, run_at) SELECT id, owner_id, kind, now() + interval '1 hour' FROM r) SELECT id FROM r`);
	await sweeping(`
		INSERT INTO job (run_id, owner_id, kind, state) SELECT id, owner_id, kind, 'dead' FROM run WHERE id = '${gone}';
		INSERT INTO notification (id, owner_id, title, message, created_at) VALUES
			(${old(91)}, '${user.uid}', 'old', 'm', now() - interval '91 days'), (${old(89)}, '${user.uid}', 'new', 'm', now() - interval '89 days');
		INSERT INTO model_failure (id, provider, model) VALUES (${old(401)}, '${user.uid}', 'old'), (${old(399)}, '${user.uid}', 'new');
		INSERT INTO idempotency (owner_id, key, body_mac, created_at) VALUES ('${user.uid}', 'old', 'x', now() - interval '25 hours'),
			('${user.uid}', 'new', 'x', now() - interval '23 hours');
		INSERT INTO api_key (user_id, hash, shown, name, scopes, expires_at, revoked_at)
			SELECT '${user.uid}', sha256(('${user.uid}' || k.name)::bytea), 's', k.name, '{read}', k.e, k.r
			FROM (VALUES ('revoked', NULL, now() - interval '91 days'), ('ended', now() - interval '91 days', NULL),
				('lately', now() - interval '89 days', NULL), ('both', now() + interval '1 day', now() - interval '89 days'),
				('good', NULL, NULL)) k (name, e, r);
		SELECT sweep_old(24, 24, 30, 90, 90, 1000)`);
	assert.deepEqual((await sql(`SELECT id FROM run WHERE owner_id = '${user.uid}'`)).split("\n").sort(), [young, open].sort());
	assert.equal(await sql(`SELECT count(*) FROM job WHERE run_id = '${gone}'`), "0");
	assert.equal(await sql(`SELECT string_agg(title, ',') FROM notification WHERE owner_id = '${user.uid}'`), "new");
	assert.equal(await sql(`SELECT string_agg(name, ',' ORDER BY name) FROM api_key WHERE user_id = '${user.uid}'`), "both,good,lately");
	assert.equal(await sql(`SELECT string_agg(key, ',') FROM idempotency WHERE owner_id = '${user.uid}'`), "new");
	assert.equal(await sql(`SELECT string_agg(model, ',') FROM model_failure WHERE provider = '${user.uid}'`), "new");

	/* Of a day when keys were kept for longer than runs. */
	const named = old(31);
	const there = await sweeping(`
		WITH r AS (INSERT INTO run (id, owner_id, kind, status, created_at, ended_at)
			VALUES (${named}, '${user.uid}', 'search', 'completed', now() - interval '31 days', now() - interval '31 days') RETURNING *)
		INSERT INTO idempotency (owner_id, key, body_mac, reply, created_at) SELECT owner_id, 'k', 'x', ARRAY[id::text], created_at FROM r;
		SELECT sweep_old(24, 800, 30, 90, 90, 1000); SELECT 'kept ' || count(*) FROM run WHERE id = ${named};
		SELECT sweep_old(24, 24, 30, 90, 90, 1000); SELECT 'kept ' || count(*) FROM run WHERE id = ${named}`);
	assert.deepEqual(there.match(/kept \d/g), ["kept 1", "kept 0"]);
});

test("a run that a workflow waits for, or whose matches are shown, stays until that has ended", async () => {
	const user = await newUser(api), old = "now() - interval '40 days'";
	const { id: process } = assertStatus(await user.api.post("/api/v1/admin/processes", { name: "p" }), 201).json;
	const run = (kind, status) => sql(`INSERT INTO run (id, owner_id, kind, status, created_at, ended_at)
		VALUES (overlay(uuid_v7_floor(${old})::text PLACING right('${randomUUID()}', 12) FROM 25)::uuid, '${user.uid}', '${kind}', '${status}', ${old},
			${status === "completed" ? old : "NULL"}) RETURNING id`);
	const [child, workflow, shown, unswept] = [await run("agent", "completed"), await run("workflow", "running"), await run("task", "completed"), await run("task", "completed")];
	const left = `SELECT 'left ' || coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM run WHERE owner_id = '${user.uid}'`;
	const said = await sweeping(`INSERT INTO job (run_id, owner_id, kind, state) VALUES ('${workflow}', '${user.uid}', 'workflow', 'waiting');
		INSERT INTO workflow_run (id, owner_id, workflow_id, definition, inputs) VALUES ('${workflow}', '${user.uid}', '${workflow}', '{}', '{}');
		INSERT INTO workflow_step (workflow_run_id, owner_id, n, id, status, child) VALUES ('${workflow}', '${user.uid}', 1, 'a', 'waiting', '${child}');
		INSERT INTO task (id, owner_id, process_id, pipeline, status, swept, ended_at)
			SELECT t.id, '${user.uid}', '${process}', pipeline_new(), 'completed', t.swept, ${old} FROM (VALUES ('${shown}'::uuid, true), ('${unswept}', false)) t (id, swept);
		UPDATE agent_process SET matched_task = '${shown}' WHERE id = '${process}';
		SELECT sweep_old(24, 24, 30, 90, 90, 1000); ${left};
		UPDATE workflow_step SET status = 'completed', child = NULL WHERE workflow_run_id = '${workflow}';
		UPDATE agent_process SET matched_task = NULL WHERE id = '${process}'; UPDATE task SET swept = true WHERE id = '${unswept}';
		SELECT sweep_old(24, 24, 30, 90, 90, 1000); ${left}`);
	assert.deepEqual(said.match(/left .*/g), [`left ${[child, workflow, shown, unswept].sort().join(" ")}`, `left ${workflow}`]);
	await sql(`DELETE FROM run WHERE id = '${workflow}'`);
});

test("the sweep takes no more than it is told in one go, and says that there is more", async () => {
	const user = await newUser(api);
	const round = `SELECT 'more ' || sweep_old(24, 24, 30, 90, 90, 100); SELECT 'left ' || count(*) FROM idempotency WHERE owner_id = '${user.uid}'`;
	const said = await sweeping(`
		INSERT INTO idempotency (owner_id, key, body_mac, created_at) SELECT '${user.uid}', n::text, 'x', now() - interval '30 days' FROM generate_series(1, 250) n;
		${Array(4).fill(round).join("; ")}`);
	const left = said.match(/left \d+/g).map((l) => Number(l.slice(5)));
	assert.ok(said.includes("more true") && left[0] >= 150 && left[1] >= 50, said);
	assert.equal(left[3], 0, said);
});

test("nor of failed sign-ins, dead processes and uploads that were broken off", async () => {
	const user = await newUser(api), N = 250;
	const left = (table, where) => `(SELECT count(*) FROM ${table} WHERE ${where})`;
	const all = [left("login_failure", "subject LIKE 'swept %'"), left("process", "host = 'swept'"),
		left("blob", `owner_id = '${user.uid}' AND deleted_at IS NULL`)];
	const round = `SELECT 'round ' || sweep_old(24, 24, 30, 90, 90, 100) || ' ' || concat_ws(' ', ${all.join(", ")})`;
	const said = await sweeping(`
		INSERT INTO login_failure (subject, failures, last_at) SELECT 'swept ' || n, 1, now() - interval '1 day' FROM generate_series(1, ${N}) n;
		INSERT INTO process (host, role, pid, version, started_at, seen_at, stats)
		SELECT 'swept', 'x', n, '1', now() - interval '1 day', now() - interval '1 day', '{}' FROM generate_series(1, ${N}) n;
		INSERT INTO blob (owner_id, created_at) SELECT '${user.uid}', now() - interval '1 day' FROM generate_series(1, ${N});
		${Array(4).fill(round).join("; ")}`);
	const rounds = said.match(/round .*/g).map((l) => l.split(" ").slice(1));
	assert.deepEqual(rounds.slice(0, 2).map(([more]) => more), ["true", "true"], said);
	for (const i of [1, 2, 3])
		assert.deepEqual(rounds.map((r) => Number(r[i])), [250, 150, 50, 0], said);
});

test("an upload that is refused leaves nothing, and one that is repeated one file", async () => {
	const user = await newUser(api), key = newMark(), bytes = "x".repeat(700000);
	const blobs = () => sql(`SELECT count(*) FROM blob WHERE owner_id = '${user.uid}'`);
	assertError(await user.api.upload("/api/documents/upload", { name: "n".repeat(5000), file: { filename: "a.txt", bytes } }), "BAD_REQUEST", ["name"]);
	assertError(await user.api.upload("/api/documents/upload", { name: "a", file: { filename: "a.txt", bytes }, description: "d".repeat(70000) }), "TOO_LARGE");
	await until(async () => await blobs() === "0", "no refused upload is left");
	assertStatus(await document(user, "twice", bytes, key), 200);
	assertStatus(await document(user, "twice", bytes, key), 200);
	await until(async () => await blobs() === "1", "the repeated upload's own file is gone");
	assert.equal(await sql(`SELECT documents, bytes FROM storage WHERE owner_id = '${user.uid}'`), "1|700000");
});

test("a user may store so many bytes and documents, however many uploads come at once", async () => {
	const own = await privateInstance("quota", { MILLRACE_USER_BYTES: "100000", MILLRACE_USER_DOCUMENTS: "4" });
	const asked = async (text) => (await quiet(own, text)).trim();
	const put = (user, name, len) => user.api.upload("/api/documents/upload", { name, file: { filename: `${name}.txt`, type: "text/plain", bytes: "word ".repeat(len / 5) } });
	const stored = (user) => asked(`SELECT documents, bytes FROM storage WHERE owner_id = '${user.uid}'`);
	/* Deleted documents stay for a moment, and count for nothing. */
	const counted = (user) => asked(`SELECT (SELECT count(*) FROM document WHERE owner_id = '${user.uid}' AND deleted_at IS NULL),
	    (SELECT coalesce(sum(size), 0) FROM blob WHERE owner_id = '${user.uid}' AND deleted_at IS NULL)`);
	const [user, other] = [await newUser(own.api), await newUser(own.api)];
	const replies = await Promise.all(Array.from({ length: 12 }, (_, i) => put(user, `d${i}`, 30000)));
	const taken = replies.filter((r) => r.status === 202), refused = replies.filter((r) => r.status !== 202);
	assert.ok(taken.length >= 1 && taken.length <= 3, `${taken.length} were taken`);
	for (const reply of refused) {
		assertError(reply, "CONFLICT");
		assert.match(reply.json.error, /100000 bytes .*Delete/);
	}
	await until(async () => await stored(user) === await counted(user) && await asked(`SELECT count(*) FROM blob WHERE owner_id = '${user.uid}'`) === String(taken.length),
	    "the refused are gone, and count for nothing");
	while (Number((await stored(user)).split("|")[0]) < 3)
		taken.push(assertStatus(await put(user, "more", 30000), 202));
	assert.equal(await stored(user), "3|90000");
	assertStatus(await put(user, "exact", 10000), 202);
	assertError(await put(user, "one", 5), "CONFLICT");
	assertStatus(await put(other, "theirs", 30000), 202);
	/* What is deleted makes room at once; here the number is what there are too many of. */
	assertStatus(await user.api.delete(`/api/documents/${taken[0].json.id}`), 204);
	assertStatus(await put(user, "small", 5), 202);
	const full = await put(user, "fifth", 5);
	assertError(full, "CONFLICT");
	assert.match(full.json.error, /4 documents/);
	assert.equal(await stored(user), await counted(user));
	/* What is still being read has passages between one look and the next. */
	await until(async () => await asked(`SELECT count(*) FROM document WHERE owner_id = '${user.uid}' AND (status <> 'ready' OR deleted_at IS NOT NULL)`) === "0",
	    "all is read, and the deleted gone");
	const { json } = assertStatus(await user.api.get("/api/v1/user/export"), 200);
	const passages = Number(await asked(`SELECT count(*) FROM chunk WHERE owner_id = '${user.uid}'`));
	assert.deepEqual(json.storage, [{ documents: 4, passages, bytes: 70005 }]);
});
