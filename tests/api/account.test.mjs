/* Accounts under /api/v1: dao, manager, erasure, and the export of all that is held. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { SANITIZED, newAddress, newUser, PASSWORD, privateInstance, shared } from "../js/instance.mjs";
import { login, newAdmin, newName, signedIn } from "../js/accounts.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus } from "../js/expect.mjs";
import { erased } from "../js/traces.mjs";

let millrace, api, admin;
before(async () => { millrace = await shared(); ({ api } = millrace); admin = await newAdmin(millrace); });

const KEYS = ["id", "username", "email", "name", "role", "timezone", "created_at", "updated_at"];
const dao = (id) => `/api/v1/user/dao/${id}`;
const count = async (sql) => Number(await millrace.psql(sql));

test("one reads oneself, an administrator anybody, everybody else nobody", async () => {
	const [user, other] = await Promise.all([signedIn(api), signedIn(api)]);
	const { json } = assertStatus(await user.session.send("GET", dao(user.id)), 200);
	assertKeys(json, KEYS);
	assert.match(json.id, UUID7);
	assert.deepEqual([json.username, json.email, json.name, json.role], [user.username, user.email, "Ada", "user"]);
	assert.match(json.created_at, TIME);
	assert.deepEqual(assertStatus(await admin.api.get(dao(user.id)), 200).json, json);
	assertError(await other.session.send("GET", dao(user.id)), "NOT_FOUND");
	assertError(await other.session.send("GET", dao(randomUUID())), "NOT_FOUND");
	assertError(await admin.api.get(dao(randomUUID())), "NOT_FOUND");
	assertError(await user.session.send("GET", dao("x")), "NOT_FOUND");
});

test("PUT takes any subset, by oneself and by an administrator, and nobody else", async () => {
	const [user, other] = await Promise.all([signedIn(api), signedIn(api)]);
	const put = (json, by = user.session) => by.send("PUT", dao(user.id), { json });
	const before = (await user.session.send("GET", dao(user.id))).json;
	const named = assertStatus(await put({ name: "Größe 漢字", timezone: "Europe/Lisbon" }), 200).json;
	assert.deepEqual({ ...named, updated_at: 0 }, { ...before, name: "Größe 漢字", timezone: "Europe/Lisbon", updated_at: 0 });
	const [username, email] = [newName(), newAddress()];
	const renamed = assertStatus(await put({ username, email, password: user.password }), 200).json;
	assert.deepEqual([renamed.username, renamed.email, renamed.name], [username, email, "Größe 漢字"]);
	assertStatus(await put({}), 200);
	assertError(await put({ name: "Eve" }, other.session), "NOT_FOUND");
	assert.equal(assertStatus(await admin.api.put(dao(user.id), { name: "By admin" }), 200).json.name, "By admin");
	await login(api, { username, password: user.password });
});

test("the last administrator cannot take themselves away, nor can two take each other away", async () => {
	const other = await privateInstance("admins"), [one, two] = [await newAdmin(other), await newAdmin(other)];
	const give = (by, of, role) => by.api.put(dao(of.uid), { role });
	const both = await Promise.all([give(one, two, "user"), give(two, one, "user")]);
	assert.ok(both.filter((r) => r.status === 200).length <= 1, both.map((r) => r.text).join());
	const last = (await Promise.all([one, two].map((a) => a.api.get("/api/v1/admin/user")))).map((r) => r.json).filter((u) => u.role === "admin");
	const [a, b] = last[0].id === one.uid ? [one, two] : [two, one];
	if (last.length === 2)
		assertStatus(await give(a, b, "user"), 200);
	for (const reply of [await give(a, a, "user"), await a.api.delete(dao(a.uid))]) {
		assertError(reply, "CONFLICT");
		assert.match(reply.json.error, /only administrator/);
	}
	assertStatus(await give(a, b, "admin"), 200);
	assertStatus(await a.api.delete(dao(a.uid)), 204);
	assertError(await b.api.delete(dao(b.uid)), "CONFLICT");
	await other.stop();
});

test("roles are an administrator's to give, and count at once", async () => {
	const user = await signedIn(api);
	assertError(await user.session.send("PUT", dao(user.id), { json: { role: "admin" } }), "FORBIDDEN");
	assertError(await user.session.send("POST", "/api/v1/user/dao", { json: { role: "admin" } }), "FORBIDDEN");
	const mine = assertStatus(await user.session.send("GET", dao(user.id)), 200).json;
	const back = assertStatus(await user.session.send("PUT", dao(user.id), { json: mine }), 200).json;
	assert.deepEqual({ ...back, updated_at: mine.updated_at }, mine, "what was read may be written back");
	assertError(await user.session.send("GET", "/api/v1/user/manager"), "FORBIDDEN");
	assert.equal(assertStatus(await admin.api.put(dao(user.id), { role: "admin" }), 200).json.role, "admin");
	assertStatus(await user.session.send("GET", "/api/v1/user/manager?limit=1"), 200);
	assertStatus(await admin.api.put(dao(user.id), { role: "user" }), 200);
	assertError(await user.session.send("GET", "/api/v1/user/manager"), "FORBIDDEN");
	assertError(await admin.api.put(dao(user.id), { role: "root" }), "BAD_REQUEST", ["role"]);
});

test("a name or address that is taken gives 409 and changes nothing", async () => {
	const [user, other] = await Promise.all([signedIn(api), signedIn(api)]);
	for (const json of [{ username: other.username.toUpperCase() }, { email: other.email.toUpperCase(), name: "Thief", password: user.password }])
		assertError(await user.session.send("PUT", dao(user.id), { json }), "CONFLICT");
	const { json } = await user.session.send("GET", dao(user.id));
	assert.deepEqual([json.username, json.email, json.name], [user.username, user.email, "Ada"]);
});

test("every bad field is named", async () => {
	const user = await signedIn(api);
	const bad = { username: "a@b.c", email: "nobody", name: "", timezone: "Mars/Phobos", role: 5 };
	assertError(await user.session.send("PUT", dao(user.id), { json: bad }), "BAD_REQUEST", Object.keys(bad));
	assertError(await admin.api.post("/api/v1/user/dao", { ...bad, password: "short" }), "BAD_REQUEST", [...Object.keys(bad), "password"]);
});

test("POST dao: an administrator makes somebody who can sign in", async () => {
	const given = { username: newName(), password: PASSWORD, email: newAddress(), name: "Made", timezone: "Asia/Tokyo", role: "service" };
	const { json } = assertStatus(await admin.api.post("/api/v1/user/dao", given), 201);
	assertKeys(json, KEYS);
	assert.deepEqual([json.username, json.email, json.name, json.timezone, json.role],
	    [given.username, given.email, "Made", "Asia/Tokyo", "service"]);
	await login(api, given);
	assertError(await admin.api.post("/api/v1/user/dao", given), "CONFLICT");
	assertError(await admin.api.post("/api/v1/user/dao", { name: "Nobody" }), "BAD_REQUEST");
	const silent = assertStatus(await admin.api.post("/api/v1/user/dao", { username: newName() }), 201).json;
	assertError(await api.fresh().post("/api/v1/auth/login", { username: silent.username, password: PASSWORD }), "UNAUTHORIZED");
});

test("POST dao: the same Idempotency-Key makes one account", async () => {
	const given = { username: newName(), password: PASSWORD };
	const send = () => admin.api.post("/api/v1/user/dao", given, { headers: { "idempotency-key": given.username } });
	const [first, second] = [assertStatus(await send(), 201), assertStatus(await send(), 201)];
	assert.deepEqual(second.json, first.json);
});

test("POST dao: anybody else completes their own data, and makes nobody", async () => {
	const user = await newUser(api);
	const username = newName();
	const { json } = assertStatus(await user.api.post("/api/v1/user/dao", { username, name: "Complete" }), 200);
	assert.deepEqual([json.id, json.username, json.email, json.name], [user.uid, username, user.email, "Complete"]);
	assertError(await user.api.post("/api/v1/user/dao", { username: newName(), password: PASSWORD }), "FORBIDDEN");
	await login(api, { username, password: PASSWORD });
});

test("manager: newest first, by pages, by a search, for administrators", async () => {
	const mark = newName();
	const made = [];
	for (const n of [1, 2, 3])
		made.unshift((await newUser(api, { display_name: `${mark} no. ${n}%_` })).uid);
	const list = (query) => admin.api.get(`/api/v1/user/manager?${query}`);
	const found = assertStatus(await list(`q=${mark.toUpperCase()}`), 200).json;
	assert.deepEqual(found.map((u) => u.id), made);
	found.forEach((u) => assertKeys(u, KEYS));
	const page = assertStatus(await list(`q=${mark}&limit=2`), 200);
	assert.deepEqual(page.json.map((u) => u.id), made.slice(0, 2));
	const next = /<([^>]*)>; rel="next"/.exec(page.headers.link)[1];
	assert.deepEqual(assertStatus(await admin.api.get(next), 200).json.map((u) => u.id), made.slice(2));
	assert.equal((await list(`q=${mark}%20no.%202%25_`)).json.length, 1);
	assert.deepEqual((await list(`q=${mark}%25`)).json, []);
	assert.equal((await list(`q=${encodeURIComponent(found[0].email)}`)).json[0].id, made[0]);
	assertError(await list("limit=0&before=x"), "BAD_REQUEST", ["limit", "before"]);
	/* It looks at some at a time: the one that was made after very many is a page, they are the next. */
	await millrace.psql(`SET session_replication_role = replica; INSERT INTO app_user (username, display_name) SELECT '${mark}.' || n, 'x' FROM generate_series(1, 2500) n`);
	const { uid } = await newUser(api, { display_name: `${mark} no. 4%_` });
	const first = assertStatus(await list(`q=${mark}%20no.`), 200);
	assert.deepEqual(first.json.map((u) => u.id), [uid]);
	assert.deepEqual((await admin.api.get(/<([^>]*)>; rel="next"/.exec(first.headers.link)[1])).json.map((u) => u.id), made);
	await millrace.psql(`DELETE FROM app_user WHERE display_name = 'x' AND username LIKE '${mark}.%'`);
	assertError(await api.get("/api/v1/user/manager"), "UNAUTHORIZED");
	assertError(await (await newUser(api)).api.get("/api/v1/user/manager"), "FORBIDDEN");
});

/* Somebody who has something of everything. */
async function full() {
	const user = await newUser(api);
	const key = assertStatus(await user.api.post("/api/settings/regenerate-api-key"), 200).json.apiKey;
	assertStatus(await user.api.put("/api/settings", { theme: "dark" }), 200);
	const text = `The mill of ${user.uid} has ${"many ".repeat(100000)} wheels.`;
	const upload = await user.api.upload("/api/documents/upload?wait=1", { name: "Mill", file: { filename: "mill.txt", type: "text/plain", bytes: text } });
	assertStatus(upload, 200);
	const chat = await user.api.chat("How many wheels has the mill?");
	await chat.all();
	await millrace.psql(`INSERT INTO notification (owner_id, title, message) VALUES ('${user.uid}', 't', 'm')`);
	return { ...user, key, text, run: chat.headers["x-run-id"], conversation: chat.headers["x-conversation-id"], document: upload.json.id };
}

/* Every table with a column of users' ids, whatever it is called, and how many rows it has of one. */
async function rowsOf(uid) {
	const columns = await millrace.psql(`SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c
		JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name NOT LIKE 'stream\\_event\\__%'
		AND c.data_type = 'uuid' AND c.column_name IN ('owner_id', 'user_id', 'actor', 'subject')
		UNION ALL SELECT 'app_user.id'`);
	const counts = columns.trim().split("\n").map((name) => {
		const [table, column] = name.split(".");
		return `SELECT '${name}' AS name, count(*) AS n FROM ${table} WHERE ${column} = '${uid}'`;
	});
	const rows = await millrace.psql(`SELECT name, n FROM (${counts.join(" UNION ALL ")}) x WHERE n > 0`);
	return Object.fromEntries(rows.trim().split("\n").filter(Boolean).map((l) => l.split("|")));
}

test("DELETE erases everything, keeps what was used and what happened, and every way in is shut at once", async () => {
	const user = await full();
	await millrace.psql(`INSERT INTO usage_event (owner_id, run_id, call, provider, model, input_tokens, output_tokens, estimated, input_usd, output_usd,
		cost_usd) VALUES ('${user.uid}', '${user.run}', 999999, 'local', 'x', 1, 1, false, 0, 0, 0)`);
	const second = assertStatus(await api.fresh().post("/api/auth/login", { email: user.email, password: PASSWORD }), 200).json.token;
	const before = await rowsOf(user.uid);
	for (const name of ["session.user_id", "api_key.user_id", "user_settings.user_id", "notification.owner_id", "conversation.owner_id",
		"message.owner_id", "run.owner_id", "document.owner_id", "chunk.owner_id", "blob.owner_id", "app_user.id", "password.user_id"])
		assert.ok(before[name] > 0, `${name} had nothing to erase: ${JSON.stringify(before)}`);
	const other = await newUser(api);
	assertError(await other.api.delete(dao(user.uid)), "NOT_FOUND");

	assertStatus(await user.api.delete(dao(user.uid)), 204);

	for (const token of [user.token, second, user.key])
		assertError(await api.as(token).get("/api/user"), "UNAUTHORIZED");
	assertError(await api.fresh().post("/api/auth/login", { email: user.email, password: PASSWORD }), "UNAUTHORIZED");
	assertStatus(await api.fresh().post("/api/auth/register", { email: user.email, password: PASSWORD, display_name: "Again" }), 201);

	await erased(millrace, user.uid);
	const kept = Object.keys(await rowsOf(user.uid));
	assert.deepEqual(kept.sort(), ["audit_log.actor", "audit_log.subject", "usage_event.owner_id"]);
	const data = await millrace.psql(`SELECT data FROM audit_log WHERE subject = '${user.uid}' OR actor = '${user.uid}'`);
	assert.ok(!data.includes(user.email) && !data.includes("Test"), data);
	assert.equal(await count(`SELECT count(*) FROM stream_event WHERE topic IN ('user:${user.uid}', 'run:${user.run}')`), 0);
});

test("an administrator erases anybody; running work ends, and its listeners hear of it", async () => {
	const user = await newUser(api);
	await millrace.psql(`WITH r AS (INSERT INTO run (owner_id, kind, input) VALUES ('${user.uid}', 'chat', '{"message": "x"}') RETURNING *)
		INSERT INTO job (run_id, owner_id, kind, run_at) SELECT id, owner_id, kind, now() + interval '1 hour' FROM r`);
	const run = (await millrace.psql(`SELECT id FROM run WHERE owner_id = '${user.uid}'`)).trim();
	const stream = await user.api.resume(run);
	assertStatus(await admin.api.delete(dao(user.uid)), 204);
	assert.deepEqual((await stream.all()).map((e) => [e.event, e.data.code]), [["error", "CANCELLED"]]);
	assertError(await admin.api.delete(dao(user.uid)), "NOT_FOUND");
	assertError(await admin.api.get(dao(user.uid)), "NOT_FOUND");
	await erased(millrace, user.uid);
	assert.equal(await count(`SELECT count(*) FROM run WHERE id = '${run}'`), 0);
});

test("an export holds everything, as an attachment", async () => {
	const user = await full();
	const reply = assertStatus(await user.api.get("/api/v1/user/export"), 200);
	assert.match(reply.headers["content-disposition"], /^attachment; filename="[^"]+\.json"$/);
	assert.match(reply.headers["content-type"], /^application\/json\b/);
	assert.equal(reply.headers["content-length"], undefined);
	const { json } = reply;
	assert.deepEqual([json.user.id, json.user.email, json.settings.theme], [user.uid, user.email, "dark"]);
	assert.equal(json.sessions.length, 1);
	assert.equal(json.api_keys.length, 1);
	assert.equal(json.notifications.length, 1);
	assert.deepEqual(json.conversations.map((c) => c.id), [user.conversation]);
	assert.deepEqual(json.messages.map((m) => m.role), ["user", "assistant"]);
	assert.ok(json.runs.some((r) => r.id === user.run && r.input.message === "How many wheels has the mill?"));
	assert.deepEqual(json.documents.map((d) => d.id), [user.document]);
	const file = Buffer.concat(json.files.filter((f) => f.fileId === json.documents[0].fileId).map((f) => Buffer.from(f.base64, "base64")));
	assert.equal(createHash("sha256").update(file).digest("hex"), createHash("sha256").update(user.text).digest("hex"));
	assert.ok(json.audit.some((a) => a.type === "login") && json.audit.some((a) => a.type === "exported"));
	for (const secret of [user.token, user.key, "argon2"])
		assert.ok(!reply.text.includes(secret), "a secret in the export");
	assertError(await api.get("/api/v1/user/export"), "UNAUTHORIZED");
});

test("no table of a user's things is missing in the export", async () => {
	/* What is derived from the rest, of the machinery, or a secret. */
	const left = ["blob", "chatbot_document", "chatbot_use", "chunk", "container_command", "idempotency", "job", "lead_key", "ledger_note", "oauth_flow", "outbox", "passage_vector", "passage_word", "password", "password_reset", "schedule", "task_file", "telegram_code", "token_denied", "topic_owner", "usage_total", "user_settings", "workflow_step"];
	const tables = (await millrace.psql(`SELECT DISTINCT c.table_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.column_name IN ('owner_id', 'user_id')`)).trim().split("\n");
	const queries = await millrace.psql("SELECT query FROM export_section");
	assert.deepEqual(tables.filter((t) => !left.includes(t) && !new RegExp(`FROM ${t}\\b`).test(queries)), []);
});

test("secrets and identities are exported without their values; an erased identity makes nobody anew", async () => {
	const subject = `user_${randomUUID()}`;
	const see = () => millrace.psql(`SELECT caller_external('clerk', '${subject}', '${subject}@example.org', true, 'Ext', sha256('x'), false)`);
	const id = (await see()).trim();
	const count = async () => Number(await millrace.psql(`SELECT count(*) FROM external_identity WHERE subject = '${subject}'`));
	assert.equal(await count(), 1);
	const session = (await millrace.psql(`SELECT session_id FROM session_open('${id}', '1 hour')`)).trim();
	const key = `mr_${randomUUID()}`;
	await millrace.psql(`INSERT INTO api_key (user_id, hash, shown, name, scopes) VALUES ('${id}', sha256('${key}'), 'mr_', 'test', '{read,account}')`);
	const user = api.as(key);
	const { json } = assertStatus(await user.get("/api/v1/user/export"), 200);
	assert.deepEqual(json.external_identities.map((i) => [i.provider, i.subject]), [["clerk", subject]]);
	assert.ok(json.audit.some((a) => a.type === "identity_linked") && json.sessions.some((s) => s.id === session));
	assert.deepEqual(json.secrets, []);
	assertStatus(await user.delete(dao(id)), 204);
	await assert.rejects(see(), /was erased/);
	assert.equal(await count(), 0);
	assert.equal((await millrace.psql(`SELECT count(*) FROM app_user WHERE email = '${subject}@example.org'`)).trim(), "0");
	await millrace.psql("UPDATE identity_erased SET at = at - interval '2 hours'");
	assert.notEqual((await see()).trim(), id);
});

test("an export shows nobody else's", async () => {
	const [user, other] = [await full(), await newUser(api)];
	const { text, json } = await other.api.get("/api/v1/user/export");
	assert.ok(!text.includes(user.uid));
	for (const name of ["messages", "conversations", "documents", "files", "notifications", "runs", "artifacts", "usage", "api_keys", "secrets", "external_identities"])
		assert.deepEqual(json[name], [], name);
});

test("sections that end at a page's edge come out whole", async () => {
	for (const n of [99, 100, 101, 200]) {
		const user = await newUser(api);
		await millrace.psql(`INSERT INTO notification (owner_id, title, message) SELECT '${user.uid}', g::text, 'm' FROM generate_series(1, ${n}) g`);
		const { json } = assertStatus(await user.api.get("/api/v1/user/export"), 200);
		assert.deepEqual(json.notifications.map((x) => x.title).sort((a, b) => a - b), Array.from({ length: n }, (_, i) => String(i + 1)));
	}
});

/* Asked of an instance of one's own: what others ask of a worker is in its peak, too. */
const peak = (instance) => Math.max(...instance.pids("account").map((pid) => Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1])));

/* Without triggers: what is not to be published. */
const SILENTLY = "SET session_replication_role = replica;";

test("200,000 messages are exported in bounded memory, while the worker serves others", async () => {
	const own = await privateInstance("export"), user = await newUser(own.api);
	await own.psql(`${SILENTLY} WITH c AS (INSERT INTO conversation (owner_id, title) VALUES ('${user.uid}', 'long') RETURNING id)
		INSERT INTO message (conversation_id, owner_id, role, content)
		SELECT c.id, '${user.uid}', 'user', g || repeat(' mill', 100) FROM c, generate_series(1, 200000) g`);
	const before = peak(own);
	const response = await user.api.open("GET", "/api/v1/user/export");
	assert.equal(response.statusCode, 200);
	let bytes = 0, messages = 0, rest = "", others = 0;
	for await (const part of response) {
		bytes += part.length;
		const text = rest + part.toString("latin1");
		messages += text.split('"conversationId"').length - 1;
		rest = text.slice(-16).replace(/^.*"conversationId"/s, "");
		if (bytes > (others + 1) * 20e6 && ++others)
			assertStatus(await user.api.get("/api/user"), 200);
	}
	assert.equal(messages, 200000);
	assert.ok(response.complete && bytes > 100e6, `${bytes} bytes`);
	assert.ok(others > 2);
	if (!SANITIZED)
		assert.ok(peak(own) - before < 32 * 1024, `${before} kB, then ${peak(own)} kB`);
});

test("a reader who stalls or leaves holds nobody up", async () => {
	const user = await newUser(api);
	await millrace.psql(`${SILENTLY} WITH c AS (INSERT INTO conversation (owner_id, title) VALUES ('${user.uid}', 'long') RETURNING id)
		INSERT INTO message (conversation_id, owner_id, role, content)
		SELECT c.id, '${user.uid}', 'user', repeat('mill ', 2000) FROM c, generate_series(1, 2000) g`);
	const workers = millrace.pids("account");
	const stalled = await Promise.all(Array.from({ length: 8 }, () => user.api.open("GET", "/api/v1/user/export")));
	for (let i = 0; i < 50; i++)
		assertStatus(await user.api.get("/api/user"), 200);
	for (const response of stalled)
		response.destroy();
	const whole = assertStatus(await user.api.get("/api/v1/user/export"), 200);
	assert.equal(whole.json.messages.length, 2000);
	assert.deepEqual(millrace.pids("account"), workers);
});

test("an export that cannot go on does not look whole", async () => {
	const user = await newUser(api);
	await millrace.psql(`${SILENTLY} WITH c AS (INSERT INTO conversation (owner_id, title) VALUES ('${user.uid}', 'long') RETURNING id)
		INSERT INTO message (conversation_id, owner_id, role, content)
		SELECT c.id, '${user.uid}', 'user', repeat('mill ', 1000) FROM c, generate_series(1, 40000) g`);
	const response = await user.api.open("GET", "/api/v1/user/export");
	let bytes = 0;
	await assert.rejects(async () => {
		for await (const part of response) {
			if (bytes === 0)
				assertStatus(await user.api.post("/api/auth/logout"), 200);
			bytes += part.length;
		}
		assert.ok(response.complete, "ended early without a sign");
		assert.fail(`${bytes} bytes although the session ended meanwhile`);
	}, (e) => e.code === "ECONNRESET" || /aborted|terminated/.test(e.message));
	assert.ok(bytes > 0);
});
