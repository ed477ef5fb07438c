/*
 * What is held about somebody, table by table and column by column as the database itself lists them: it is in the export, and an
 * erasure leaves nothing of it. A new table fails here until everything() fills it, or it is named below with the reason why not.
 */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { PASSWORD, shared } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { erased, quiet, tables as tablesOf, traces as tracesOf } from "../js/traces.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const sql = (text) => quiet(millrace, text);
const newMark = () => `m${randomBytes(10).toString("hex")}`;

/* Somebody of whom every table has something, with a mark in whatever may hold a word of theirs. */
async function everything() {
	const mark = newMark(), email = `${mark}@example.org`, headers = { "idempotency-key": newMark() };
	const signedUp = assertStatus(await api.fresh().post("/api/auth/register", { email, password: PASSWORD, display_name: mark }, { headers }), 201).json;
	const user = { uid: signedUp.uid, mark, email, subject: `${mark}sub`, api: api.fresh().as(signedUp.token) };
	assertStatus(await user.api.put(`/api/v1/user/dao/${user.uid}`, { username: mark }), 200);
	assertStatus(await user.api.patch("/api/user", { assistant: { name: mark, interests: [mark] } }), 200);
	assertStatus(await user.api.put("/api/settings", { theme: mark }), 200);
	assertStatus(await user.api.post("/api/settings/regenerate-api-key"), 200);
	const lead = assertStatus(await user.api.post("/api/leads", { name: mark, notes: mark, metadata: { mark } }, { headers }), 201).json.id;
	assertStatus(await user.api.post(`/api/leads/${lead}/analyze`), 200);
	assertStatus(await user.api.post("/api/vault", { key: mark, value: mark }), 200);
	assertStatus(await user.api.post("/api/agents", { type: mark, name: mark, prompt: mark, model: mark, tools: [mark] }), 201);
	const { id: process_id } = assertStatus(await user.api.post("/api/v1/admin/processes", { name: mark, description: mark, agent_type: mark, model: mark, emails: [email],
		schedule: { cron: "@daily" } }), 201).json;
	assertStatus(await user.api.post("/api/datasources", { process_id, platform: "api", resource_identifier: mark, resource_name: mark, config: [mark] }), 201);
	await sql(`WITH r AS (INSERT INTO run (owner_id, kind, status, ended_at) VALUES ('${user.uid}', 'task', 'completed', now()) RETURNING id),
			t AS (INSERT INTO task (id, owner_id, process_id, pipeline, filename, phone, error, status)
				SELECT id, '${user.uid}', '${process_id}', pipeline_new(), '${mark}', '${mark}', '${mark}', 'processing' FROM r RETURNING id),
			f AS (INSERT INTO task_file (task_id, n, owner_id, name, columns) SELECT id, 1, '${user.uid}', '${mark}', ARRAY['${mark}'] FROM t)
			INSERT INTO match (task_id, n, owner_id, lead_id, file, row, cells, score, reasons)
			SELECT id, 1, '${user.uid}', '${lead}', 1, 1, '["${mark}"]', 1, '{}' FROM t;
		INSERT INTO task_row (task_id, n, file, row, cells) SELECT id, 1, 1, 1, '["${mark}"]' FROM task WHERE owner_id = '${user.uid}';
		UPDATE agent_process SET matched_task = (SELECT id FROM task WHERE process_id = '${process_id}') WHERE id = '${process_id}';
		INSERT INTO lead_key (lead_id, owner_id, changed_at, region, name_key) VALUES ('${lead}', '${user.uid}', now(), '', '${mark}');
		INSERT INTO schedule (kind, thing, owner_id, interval_s, timezone, started_at, due_at, look_at)
			VALUES ('process', '${process_id}', '${user.uid}', 3600, 'UTC', now(), 'infinity', 'infinity')`);
	const definition = { steps: [{ id: "a", type: "approval", message: mark }] };
	const flow = assertStatus(await user.api.post("/api/workflows", { name: mark, description: mark, definition }), 201).json.id;
	const { workflow_run_id } = assertStatus(await user.api.post("/api/agents/workflows/execute", { workflow_id: flow, inputs: { mark }, async: true }), 200).json;
	await until(async () => (await user.api.get(`/api/workflow-runs/${workflow_run_id}`)).json.steps.length === 1, "the step that asks");
	assertStatus(await user.api.post("/api/mcp-servers", { name: mark, url: `http://localhost/${mark}`, secret: mark }), 201);
	await until(async () => (await user.api.get("/api/mcp-servers")).json[0].problem, "the server's tools to be asked for");
	assertStatus(await user.api.upload("/api/documents/upload?wait=1",
	    { name: mark, file: { filename: `${mark}.txt`, type: "text/plain", bytes: `The ${mark} has a wheel.` } }), 200);
	const chat = await user.api.chat(`What has the ${mark}?`);
	await chat.all();
	const bot = assertStatus(await user.api.post("/api/chatbots", { name: mark, description: mark, settings: { systemPrompt: mark } }), 201).json.id;
	const { id: integration } = assertStatus(await user.api.post("/api/integrations/slack", { name: mark, chatbotId: bot }), 201).json;
	const session = assertStatus(await user.api.post("/api/chat/sessions", { chatbotId: bot }), 201).json.id;
	const answer = assertStatus(await user.api.post(`/api/chat/sessions/${session}/messages`, { content: mark }), 200).json.id;
	assertStatus(await user.api.post(`/api/messages/${answer}/feedback`, { rating: "up", comment: mark }), 200);
	assertError(await api.fresh().post("/api/auth/login", { email, password: "wrong password" }), "UNAUTHORIZED");
	const agent = randomUUID(), [run, conversation] = [chat.headers["x-run-id"], chat.headers["x-conversation-id"]];
	await sql(`
		INSERT INTO notification (owner_id, title, message) VALUES ('${user.uid}', '${mark}', '${mark}');
		WITH b AS (INSERT INTO blob (owner_id, sha256, size) VALUES ('${user.uid}', sha256('${mark}'), 21) RETURNING id),
			c AS (INSERT INTO blob_chunk SELECT id, 0, '${mark}' FROM b)
			INSERT INTO artifact (owner_id, conversation_id, run_id, name, version, mime_type, size, blob_id, call_id)
			SELECT '${user.uid}', '${conversation}', '${run}', '${mark}', 1, 'text/plain', 21, b.id, 'c' FROM b;
		INSERT INTO usage_event (owner_id, run_id, call, provider, model, input_tokens, output_tokens, estimated, input_usd, output_usd, cost_usd)
			VALUES ('${user.uid}', '${run}', 999999, 'local', 'x', 1, 1, false, 0, 0, 0);
		WITH m AS (INSERT INTO embedding_model (provider, model, size, dimensions, is_latest) VALUES ('held', 'm', 2, 0, false)
				ON CONFLICT (provider, model, size) DO UPDATE SET dimensions = 0 RETURNING id)
			INSERT INTO passage_vector SELECT c.owner_id, m.id, c.hash, '{0.6,0.8}', B'11' FROM chunk c, m WHERE c.owner_id = '${user.uid}';
		INSERT INTO chatbot_document SELECT '${bot}', id, owner_id FROM document WHERE owner_id = '${user.uid}';
		INSERT INTO chatbot_use VALUES ('${bot}', '', '${user.uid}', now(), 1, now(), 1, 1);
		WITH f AS (INSERT INTO cloud_folder (owner_id, platform, platform_folder, name, every_s) VALUES ('${user.uid}', 'google_drive', '${mark}', '${mark}', 86400)
				RETURNING id)
			INSERT INTO cloud_item (folder_id, owner_id, item, name, is_folder, seen) SELECT id, '${user.uid}', '${mark}', '${mark}', true, 1 FROM f;
		INSERT INTO slack_bot (integration_id, owner_id, team_id, team, bot_user_id, sealed, key_id)
			SELECT '${integration}', '${user.uid}', '${mark}', '${mark}', '${mark}', 'x', id FROM vault_key WHERE retired_at IS NULL;
		INSERT INTO telegram_link (owner_id, chat_id) VALUES ('${user.uid}', ${parseInt(mark.slice(1, 13), 16)});
		INSERT INTO telegram_code VALUES ('${user.uid}', '${agent}', sha256('${mark}'), now() + interval '1 hour');
		INSERT INTO usage_total VALUES ('${user.uid}', 1, 1, 1, 0);
		INSERT INTO external_identity (provider, subject, user_id, email) VALUES ('github', '${user.subject}', '${user.uid}', '${email}');
		INSERT INTO oauth_token (user_id, provider, subject, sealed, key_id)
			SELECT '${user.uid}', 'github', '${user.subject}', 'x', id FROM vault_key WHERE retired_at IS NULL;
		INSERT INTO oauth_flow (state_hash, cookie_hash, provider, verifier, nonce, user_id)
			VALUES (sha256('${mark}1'), sha256('c'), 'github', 'v', 'n', '${user.uid}');
		INSERT INTO oauth_flow (state_hash, cookie_hash, provider, verifier, nonce, outcome, subject, name)
			VALUES (sha256('${mark}2'), sha256('c'), 'github', 'v', 'n', 'ok', '${user.subject}', '${mark}');
		INSERT INTO oauth_flow (state_hash, cookie_hash, provider, verifier, nonce, outcome, subject, email)
			VALUES (sha256('${mark}3'), sha256('c'), 'google', 'v', 'n', 'ok', 'x', '${email.toUpperCase()}');
		INSERT INTO token_denied (hash, user_id, expires_at) VALUES (sha256('${mark}'), '${user.uid}', now() + interval '1 hour');
		INSERT INTO reset_request (subject) VALUES (login_subject('${email}'));
		INSERT INTO password_reset (token_hash, user_id, email, expires_at) VALUES (sha256('${mark}'), '${user.uid}', '${email}', now() + interval '1 hour');
		INSERT INTO invitation (email, expires_at, token_hashes, user_id, used_at) VALUES ('${email}', now(), '{}', '${user.uid}', now());
		INSERT INTO invitation (email, expires_at, token_hashes) VALUES ('${email.toUpperCase()}', now() + interval '1 hour', '{}');
		INSERT INTO service_user SELECT id, '${mark}', '${user.uid}' FROM app_user WHERE id <> '${user.uid}' AND erased_at IS NULL ORDER BY id LIMIT 1;
		SELECT charge_spend('${user.uid}', '${mark}', '${mark}', 'spending', 0.5, 'openai', '${mark}', 1, NULL);
		SELECT credit_move('${user.uid}', 1, 'grant', 'grants', '${mark}');
		INSERT INTO approval (owner_id, project_id, request_id, kind, amount_usd, expires_at)
			SELECT owner_id, id, '${mark}', 'call', 1, now() + interval '1 hour' FROM project WHERE owner_id = '${user.uid}';
		INSERT INTO user_subscription (owner_id, status, final_price) VALUES ('${user.uid}', 'active', 1);
		WITH t AS (INSERT INTO chain_transfer (network, recipient, amount_usd, state) VALUES ('arc', 'x', 1, 'failed') RETURNING id)
			INSERT INTO payment (id, owner_id, request_id, provider, model, metadata)
			SELECT id, '${user.uid}', '${mark}', '${mark}', '${mark}', '{"mark": "${mark}"}' FROM t;
		INSERT INTO audit_entry (owner_id, writer_id, request_id, type, data) VALUES ('${user.uid}', '${user.uid}', '${mark}', 'call', '{"mark": "${mark}"}');
		INSERT INTO container (owner_id) VALUES ('${user.uid}');
		INSERT INTO container_command (run_id, call_id, owner_id, attempt) VALUES ('${run}', '${mark}', '${user.uid}', 1);
		INSERT INTO stripe_customer (owner_id, customer) VALUES ('${user.uid}', '${mark}');
		INSERT INTO stripe_payment (owner_id, payment, paid_usd, credited_usd, paid_at) VALUES ('${user.uid}', '${mark}', 1, 0, '2020-01-01');
		SELECT topic_own('agent:${agent}', '${user.uid}');
		SELECT publish('agent:${agent}', 'agent_status', '{"mark": "${mark}"}');
		SELECT publish('analytics', 'lead_created', '{"user_id": "${user.uid}"}')`);
	return user;
}

/* The tokens that nobody can open wait for their revocation no more. */
const forget = ({ subject }) => sql(`DELETE FROM run WHERE input ->> 'token' = (SELECT id::text FROM oauth_token WHERE subject = '${subject}');
    DELETE FROM oauth_token WHERE subject = '${subject}'`);

/* Of nobody; or of somebody, but so that it is not to be seen: a hash that is kept for an hour,
   what the transaction that wrote it takes out itself, or the runner within a tenth of a second, or with the run that it is of. */
const NOBODYS = ["audit_checkpoint", "audit_head", "audit_key", "export_section", "function_set", "jwks", "jwks_source", "migration", "process", "provider_price", "role_seen", "runner_ready", "usage_counted",
	"vault_key", "chat_model", "embedding_model", "stripe_event", "stripe_object", "gateway_provider", "gateway_endpoint", "pricing_package", "pricing_campaign", "identity_erased", "chat_round", "model_failure", "outbox", "outbox_analytics", "inbox", "telegram_bot",
	"container_engine", "chain_account", "chain_head", "chain_transaction", "chain_transfer", "figure_upto", "lead_gone", "lead_hour", "talk_hour"];

const tables = () => tablesOf(millrace);

/* The tables that have something of them in any column, by id, mark or hash. */
const traces = (user) => tracesOf(millrace, user.uid, user.mark, createHash("sha256").update(user.email).digest("hex"));

test("an erasure leaves nothing of somebody in any table, but what is kept for a reason", async () => {
	const user = await everything();
	assert.deepEqual((await traces(user)).filter((t) => !NOBODYS.includes(t)), (await tables()).filter((t) => !NOBODYS.includes(t)).sort());
	assertStatus(await user.api.delete(`/api/v1/user/dao/${user.uid}`), 204);
	await erased(millrace, user.uid);
	/* What happened, what was used and what was paid, under an id that is nobody's; a signed-out token until it ends; what is still to be revoked at the
	   provider. */
	assert.deepEqual(await traces(user), ["audit_log", "ledger_entry", "oauth_token", "token_denied", "usage_event"]);
	const kept = await sql(`SELECT l::text FROM audit_log l WHERE l::text LIKE '%${user.uid}%' UNION ALL SELECT u::text FROM usage_event u WHERE owner_id = '${user.uid}'
	    UNION ALL SELECT e::text FROM ledger_entry e WHERE owner_id = '${user.uid}'
	    UNION ALL SELECT d::text FROM token_denied d WHERE user_id = '${user.uid}'`);
	assert.ok(kept.includes(user.uid) && !kept.includes(user.mark), kept);
	assert.equal(await sql(`SELECT user_id, forgotten_at IS NOT NULL FROM oauth_token WHERE subject = '${user.subject}'`), "|t\n");
	assert.equal(await millrace.grepLogs(user.mark), "");
	await forget(user);
});

test("an erasure comes through, and leaves nothing, while requests and runs of theirs are under way", async () => {
	const user = await everything(), run = randomUUID();
	/* One that came by an API key, and goes on when the erasure is on its way. */
	const request = new pg.Client({ host: join(millrace.runDir, "pg"), database: "millrace", user: "postgres" });
	await request.connect();
	await request.query(`BEGIN; UPDATE api_key SET last_used_at = now() WHERE user_id = '${user.uid}'`);
	assertStatus(await user.api.delete(`/api/v1/user/dao/${user.uid}`), 204);
	await until(async () => await sql(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'millrace_runner'
	    AND query LIKE '%deletion_step%'`) !== "0\n", "the erasure at its end, which waits for the request");
	await request.query(`
		WITH b AS (INSERT INTO blob (owner_id, sha256) VALUES ('${user.uid}', sha256('x')) RETURNING id)
			INSERT INTO document (owner_id, name, file_name, size, blob_id) SELECT '${user.uid}', '${user.mark}', 'x', 1, id FROM b;
		INSERT INTO run (id, owner_id, kind, status, ended_at) VALUES ('${run}', '${user.uid}', 'ingest', 'completed', now());
		SELECT publish('run:${run}', 'done', '{"name": "${user.mark}"}');
		INSERT INTO idempotency (owner_id, key, body_mac, reply) VALUES ('${user.uid}', 'late', 'x', ARRAY['${user.mark}']);
		COMMIT`);
	await request.end();
	await erased(millrace, user.uid);
	assert.deepEqual(await traces(user), ["audit_log", "ledger_entry", "oauth_token", "token_denied", "usage_event"]);
	await forget(user);
});

test("an erasure leaves nothing in what an administrator was answered", async () => {
	const admin = await newAdmin(millrace), mark = newName(), headers = { "idempotency-key": newName() };
	const { id } = assertStatus(await admin.api.post("/api/v1/user/dao", { username: mark, name: mark }, { headers }), 201).json;
	assertStatus(await admin.api.delete(`/api/v1/user/dao/${id}`), 204);
	await erased(millrace, id);
	assert.deepEqual(await traces({ uid: id, mark, email: mark }), ["audit_log"]);
});

test("what is left of an erased identity is swept away", async () => {
	const left = await sql(`DELETE FROM identity_erased WHERE hash IN (sha256('old'), sha256('new'));
	    INSERT INTO identity_erased (hash, at) VALUES (sha256('old'), now() - interval '61 minutes'), (sha256('new'), now());
	    SELECT oauth_sweep_old(); SELECT hash = sha256('new') FROM identity_erased WHERE hash IN (sha256('old'), sha256('new'))`);
	assert.equal(left.trim(), "t");
});

/* Columns that an export leaves out: what is derived from the rest, machinery, secrets, and what is gone within the hour. */
const LEFT_OUT = /^(artifact\.call_id|cloud_folder\.token|cloud_item\.cursor|slack_bot\.holds|task\.step|datasource\.failure|(lead_key|schedule|chatbot_document|chatbot_use|chunk|container_command|idempotency|job|oauth_flow|outbox|passage_vector|passage_word|password|password_reset|topic_owner)\..*)$/;

test("an export holds every column that may hold a word of somebody's", async () => {
	const user = await everything();
	const columns = (await sql(`SELECT c.table_name, c.column_name, c.udt_name, o.column_name FROM information_schema.columns c
	    JOIN information_schema.columns o ON o.table_schema = 'public' AND o.table_name = c.table_name
		AND (o.column_name IN ('owner_id', 'user_id') OR (o.table_name, o.column_name) = ('app_user', 'id'))
	    WHERE c.table_schema = 'public' AND c.udt_name IN ('text', '_text', 'json', 'jsonb') ORDER BY 1, 2`)).trim().split("\n").map((l) => l.split("|"));
	const planted = {};
	for (const [table, column, type, owner] of columns.filter(([t]) => t !== "outbox")) {
		const mark = newMark(), given = { text: `'${mark}'`, _text: `ARRAY['${mark}']` }[type] ?? `'{"mark": "${mark}"}'`;
		/* Without triggers; but what is in the audit log may not be changed: it is one more. */
		const entry = { request_id: "'x'", type: "'x'", data: "'{}'", [column]: given };
		const done = await sql(table === "audit_entry"
			? `INSERT INTO audit_entry (owner_id, writer_id, request_id, type, data) VALUES ('${user.uid}', '${user.uid}', ${entry.request_id}, ${entry.type}, ${entry.data}) RETURNING 1`
			: `SET session_replication_role = replica; UPDATE ${table} SET ${column} = ${given} WHERE ${owner} = '${user.uid}' RETURNING 1`)
		    .catch((e) => assert.match(String(e), /violates (check|unique) constraint/));   /* it holds one of some words of ours, or each once */
		assert.notEqual(done, "", `${table} has nothing`);
		if (done)
			planted[`${table}.${column}`] = mark;
	}
	assert.ok(Object.keys(planted).length > 40, Object.keys(planted).join());
	user.api.check = null;   /* nothing of it is as it should be */
	const { text } = assertStatus(await user.api.get("/api/v1/user/export"), 200);
	const missing = Object.keys(planted).filter((name) => !text.includes(planted[name]));
	assert.deepEqual(missing.filter((name) => !LEFT_OUT.test(name)), []);
});

test("whatever the server logs of statements, what they were given is not there", async (t) => {
	const mark = newMark(), marked = `/* ${newMark()} */`;
	for (const role of ["millrace_api", "millrace_stream", "millrace_runner", "millrace_owner"]) {
		await sql(`ALTER ROLE ${role} SET log_min_duration_statement = 0`);
		t.after(() => sql(`ALTER ROLE ${role} RESET log_min_duration_statement`));
		const client = new pg.Client({ host: join(millrace.runDir, "pg"), database: "millrace", user: role });
		await client.connect();
		await client.query(`SELECT $1::text ${marked}`, [mark]);
		await assert.rejects(client.query(`SELECT 1 / length(left($1::text, 0)) ${marked}`, [mark]));
		await client.end();
	}
	assert.notEqual(await millrace.grepLogs(marked), "");
	assert.equal(await millrace.grepLogs(mark), "");
});
