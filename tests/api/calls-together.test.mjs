/*
 * Calls that come together: what comes while a worker begins one is begun as one statement, and each is answered as if it were alone. A user's row
 * that is locked holds the workers up meanwhile.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newUser, privateInstance } from "../js/instance.mjs";
import { start as startOpenAI } from "../standin/openai.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";

const MODEL = "gpt-4o-mini";
let millrace, vendor;

before(async () => {
	vendor = await startOpenAI({ key: "sk-test" });
	millrace = await privateInstance("calls-together", { MILLRACE_PROVIDER: "openai local", OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: vendor.url });
	await until(async () => await sql("SELECT count(*) FROM gateway_provider") === "2", "the runner's list of providers");
	await sql(`INSERT INTO provider_price (provider, model, input_usd, output_usd) VALUES ('openai', '${MODEL}', 10, 100), ('openai', 'soon', 10, 100);
		UPDATE provider_price SET valid_from = now() + interval '1 day' WHERE model = 'soon'`);
});
after(async () => {
	await millrace?.stop();
	vendor?.close();
});

const sql = async (text) => (await millrace.psql(text)).trim();
const newId = () => randomUUID().slice(0, 18);          /* shorter than a run's, which is looked for */
const chat = (api, content, { id = newId(), model = MODEL, stream = false, headers = {}, ...options } = {}) =>
	api.post("/v1/chat/completions", { model, stream, max_tokens: 100, messages: [{ role: "user", content }] }, { headers: { "x-request-id": id, ...headers }, ...options });

/* What gateway_starts() does with calls of (session, key, scope, project, request_id, model, input, output tokens), undone afterwards: for each its user,
   or '' where it is to be begun alone; and what was stored. */
async function starts(calls, { before = "", credits = false } = {}) {
	const list = (values, type = "text") => `ARRAY[${values.map((v) => `'${v}'`)}]::${type}[]`, all = (f, type) => list(calls.map(f), type);
	const rows = (await sql(`BEGIN; UPDATE runner_ready SET seen_at = now(); UPDATE role_seen SET seen_at = now(); UPDATE api_key SET last_used_at = now();
		DELETE FROM job WHERE state = 'queued'; ${before};
		SELECT '@' || set_config('test.runs', string_agg(coalesce(s.run::text, ''), ',' ORDER BY n), true) || '|' || string_agg(coalesce(s.user_id::text, ''), ',' ORDER BY n)
		FROM gateway_starts(${all((c) => c.session ?? "")}, ${all((c) => c.key ?? "")}, ${all((c) => c.scope ?? "write")}, ${all((c) => c.project ?? "default")},
			${all((c) => c.id ?? newId())}, ${all((c) => c.model ?? MODEL)}, ${all(() => "chat/completions")}, ${all((c) => c.input ?? '{"face": "chat", "stream": false}')},
			${all(() => 100, "bigint")}, ${all(() => 90, "bigint")}, ${credits}) WITH ORDINALITY s (user_id, key_id, ends, run, n);
		SELECT count(*), coalesce(sum(c.reserved_usd), 0), count(*) FILTER (WHERE c.owner_id = r.owner_id AND r.status = 'running' AND j.state = 'running' AND j.attempts = 1
			AND j.owner_id = c.owner_id AND r.input ->> 'model' = c.model AND r.input ->> 'provider' = 'openai' AND r.input ->> 'reply' = 'true'
			AND r.input ->> 'face' = 'chat' AND c.state = 'reserved' AND c.expires_at IS NULL AND (r.input ->> 'stream' = 'true') = EXISTS (SELECT FROM topic t WHERE t.name = 'run:' || r.id))
		FROM unnest(string_to_array(current_setting('test.runs'), ',')) x (id) JOIN charge c ON c.id::text = x.id JOIN run r ON r.id = c.run_id JOIN job j ON j.run_id = r.id;
		SELECT problem FROM ledger_verify();
		ROLLBACK`)).replace(/^[^@]*@/, "").split("\n");
	const [n, usd, whole] = rows[1].split("|").map(Number);
	assert.equal(whole, n, "all that belongs to them is stored");
	assert.deepEqual(rows.slice(2), [], "the ledger holds");
	return { users: rows[0].split("|")[1].split(","), n, usd };
}
/* A user with a session and a key. */
async function caller(scopes) {
	const user = await newUser(millrace.api);
	user.key = assertStatus(await user.api.post("/api/settings/api-keys", { name: "x", ...scopes && { scopes } }), 201).json.apiKey;
	[user.session, user.hash] = (await sql(`SELECT s.id, encode(k.hash, 'hex') FROM session s JOIN api_key k USING (user_id) WHERE user_id = '${user.uid}'`)).split("|");
	await sql(`INSERT INTO project (owner_id, name) VALUES ('${user.uid}', 'default')`);
	return user;
}
const CALL = (100 * 10 + 90 * 100) / 1e6;                /* US dollars */

test("what is as most are is begun together, by sessions and by keys; what is not is left to be begun alone", async () => {
	const [a, b, reader, ended, shut] = [await caller(), await caller(), await caller(["read"]), await caller(), await caller()];
	const of = (user, more) => ({ session: user.session, ...more }), by = (user, more) => ({ key: user.hash, ...more });
	await sql(`UPDATE session SET revoked_at = now() WHERE user_id = '${ended.uid}'; UPDATE api_key SET revoked_at = now() WHERE user_id = '${ended.uid}';
		UPDATE app_user SET disabled_at = now() WHERE id = '${shut.uid}'`);
	const streams = { input: '{"face": "chat", "stream": true}' };
	const most = await starts([of(b), of(a), by(a), of(a, streams), by(b)]);
	assert.deepEqual(most.users, [b, a, a, a, b].map((u) => u.uid));
	assert.deepEqual([most.n, Math.round(most.usd * 1e9)], [5, Math.round(5 * CALL * 1e9)]);
	const twice = newId();
	for (const [what, ...calls] of [
		["a key without the scope", by(reader)], ["a session that was ended", of(ended)], ["a key that was", by(ended)], ["a user who is suspended", of(shut), by(shut)],
		["nobody", { session: randomUUID() }, { key: "00ff" }, {}], ["no project yet", of(a, { project: "new" })], ["a provider's model", of(a, { model: `openai/${MODEL}` })],
		["our own", of(a, { model: "local" })], ["a price to come", of(a, { model: "soon" })], ["no price", of(a, { model: "gpt-none" })],
		["an id that may be a run's", of(a, { id: randomUUID() })], ["earlier answers", of(a, { input: '{"face": "chat", "stream": false, "earlier": []}' })],
	]) {
		const got = await starts([of(a), ...calls, of(b)]);
		assert.deepEqual(got.users, [a.uid, ...calls.map(() => ""), b.uid], what);
		assert.equal(got.n, 2, what);
	}
	assert.deepEqual((await starts([of(a, { id: twice }), of(b, { id: twice }), of(a, { id: twice })])).users, [a.uid, b.uid, ""], "an id is used once");
	const unused = await starts([by(a), of(a)], { before: `UPDATE api_key SET last_used_at = now() - interval '2 minutes' WHERE user_id = '${a.uid}'` });
	assert.deepEqual(unused.users, ["", a.uid], "that a key is used is stored by the caller's own statement");
	assert.deepEqual((await starts([of(a, { id: twice })], { before: `SELECT charge_reserve('${a.uid}', 'default', '${twice}', 'call', 'openai', 'x', 'x', 1, false, NULL)` })).users, [""]);
});

test("together they take no more than the budget, the credits, the runner and the queue give", async () => {
	const [a, b] = [await caller(), await caller()], of = (user, n) => Array.from({ length: n }, () => ({ session: user.session }));
	const project = (set) => `UPDATE project SET ${set} WHERE owner_id = '${a.uid}'`;
	for (const [n, before, options] of [
		[2, project(`daily_limit = ${2.5 * CALL}`)], [3, project(`monthly_limit = ${3 * CALL}`)], [0, project(`per_request_limit = ${CALL / 2}`)],
		[0, project("require_approval_above = 100")], [0, project("allowed_providers = '{openai}'")], [0, project("forbidden_operations = '{embeddings}'")],
		[0, project("requests_per_minute = 1000")], [3, "UPDATE runner_ready SET per_user = 3"],
		[2, `SELECT credit_move('${a.uid}', ${2.5 * CALL}, 'grant', 'grants', 'x'), credit_move('${b.uid}', 1, 'grant', 'grants', 'x')`, { credits: true }],
	]) {
		const got = await starts([...of(a, 4), ...of(b, 2)], { before, ...options });
		assert.deepEqual(got.users, [...[0, 1, 2, 3].map((i) => i < n ? a.uid : ""), b.uid, b.uid], before);
	}
	for (const before of ["UPDATE runner_ready SET seen_at = now() - interval '1 minute'", "UPDATE role_seen SET seen_at = now() - interval '1 minute' WHERE role = 'streamd'",
		`INSERT INTO run (id, owner_id, kind, input) VALUES ('${randomUUID()}', '${b.uid}', 'call', '{}'); INSERT INTO job (run_id, owner_id, kind, run_at)
			SELECT id, owner_id, kind, now() + interval '1 day' FROM run WHERE owner_id = '${b.uid}'`])
		assert.deepEqual((await starts([...of(a, 1), ...of(b, 1)], { before })).users, ["", ""], before);
});

test("each of many at once is answered as if it were alone", async () => {
	const [a, b, reader, poor, slow] = [await caller(), await caller(), await caller(["read"]), await caller(), await caller()];
	await sql(`UPDATE project SET per_request_limit = 0.000001 WHERE owner_id = '${poor.uid}'`);
	const keyed = (user) => ({ token: user.key });
	const begunTogether = () => sql(`SELECT count(*) FROM (SELECT FROM charge WHERE owner_id IN ('${a.uid}', '${b.uid}') GROUP BY created_at HAVING count(*) > 1) x`);
	/* Who is locked keeps the workers waiting, so that others come meanwhile; which worker has which connection is nginx's to say. */
	await until(async () => {
		const lock = sql(`BEGIN; SELECT FROM app_user WHERE id = '${slow.uid}' FOR UPDATE; SELECT pg_sleep(0.3); COMMIT`);
		await until(async () => await sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") !== "0", "the lock");
		const first = Array.from({ length: 8 }, () => chat(slow.api, "first")), twice = newId(), ids = Array.from({ length: 12 }, newId);
		const good = ids.map((id, i) => i % 2 ? chat(a.api, `mark ${id}`, { id, stream: i % 3 === 0 }) : chat(b.api, `mark ${id}`, { id, ...keyed(b) }));
		const same = [1, 2].map(() => chat(a.api, "again", { id: twice }));
		const bad = [chat(poor.api, "x"), chat(reader.api, "x", keyed(reader)), chat(a.api, "x", { token: "mr_none" })];
		for (const reply of await Promise.all(first))
			assertStatus(reply, 200);
		for (const [i, reply] of (await Promise.all(good)).entries()) {
			assertStatus(reply, 200);
			assert.equal(reply.text.includes("[DONE]"), i % 2 === 1 && i % 3 === 0);
			assert.equal(await sql(`SELECT request_id || owner_id FROM charge WHERE run_id = '${reply.headers["x-run-id"]}'`), ids[i] + (i % 2 ? a : b).uid);
			assert.equal(vendor.log(`mark ${ids[i]}`).length, 1, "it was asked once, what it asked");
		}
		const [one, other] = await Promise.all(same), [budget, scope, nobody] = await Promise.all(bad);
		assert.equal(assertStatus(one, 200).headers["x-run-id"], assertStatus(other, 200).headers["x-run-id"]);
		assertError(budget, "BUDGET_EXCEEDED");
		assertError(scope, "FORBIDDEN");
		assertError(nobody, "UNAUTHORIZED");
		await lock;
		return await begunTogether() !== "0";
	}, "calls that begin together");
	await until(async () => await sql("SELECT count(*) FROM charge WHERE state = 'reserved'") === "0", "the settlement");
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/m);
});

test("workers that are killed with such calls in them: a repeat is answered, and each is made and charged once", async () => {
	const [a, slow] = [await caller(), await caller()], ids = Array.from({ length: 10 }, newId);
	const lock = sql(`BEGIN; SELECT FROM app_user WHERE id = '${slow.uid}' FOR UPDATE; SELECT pg_sleep(2); COMMIT`);
	await until(async () => await sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") !== "0", "the lock");
	const gone = [...Array.from({ length: 4 }, () => chat(slow.api, "first")), ...ids.map((id) => chat(a.api, `mark ${id}`, { id }))];
	const ends = Promise.allSettled(gone);
	await until(async () => await sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'millrace gateway' AND wait_event_type = 'Lock'") !== "0", "a worker that waits");
	await millrace.replace("gateway", { kill: true });
	await ends;
	await lock;
	for (const id of ids) {
		const reply = await until(async () => {
			const got = await chat(a.api, `mark ${id}`, { id });
			return got.status < 500 && got;
		}, "a worker");
		assertStatus(reply, 200);
		assert.equal(vendor.log(`mark ${id}`).length, 1, "it was asked once");
	}
	await until(async () => await sql("SELECT count(*) FROM charge WHERE state = 'reserved'") === "0", "the settlement");
	assert.equal(await sql(`SELECT count(*) FROM charge WHERE owner_id = '${a.uid}' AND state = 'settled'`), String(ids.length));
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/m);
});
