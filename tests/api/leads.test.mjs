/* /api/leads, and the events that tell of each change. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { newUser, shared } from "../js/instance.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { analyticsOf, eventsOf } from "../js/log.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const KEYS = ["id", "user_id", "name", "email", "phone", "company", "source", "status", "value", "notes", "metadata", "analysis", "created_at", "updated_at"];
const FULL = { name: "Ada Lovelace", email: "ada@example.org", phone: "+44 20 7946 0000", company: "Engines Ltd", source: "fair",
	status: "qualified", value: 1234.5, notes: "Asked for\na price.", metadata: { tags: ["a", "ü"], deep: { n: 1 } } };

const make = async (user, more = {}) => assertStatus(await user.api.post("/api/leads", { name: "Ada", ...more }), 201).json;
const names = async (user, query = "") => assertStatus(await user.api.get(`/api/leads${query}`), 200).json.map((l) => l.name);

test("every field comes back, and null where nothing was given", async () => {
	const user = await newUser(api);
	const full = await make(user, FULL);
	assertKeys(full, KEYS);
	assert.match(full.id, UUID7);
	assert.match(full.created_at, TIME);
	assert.equal(full.updated_at, full.created_at);
	assert.deepEqual({ ...full, id: 0, created_at: 0, updated_at: 0 }, { id: 0, user_id: user.uid, ...FULL, analysis: null, created_at: 0, updated_at: 0 });
	const bare = await make(user);
	assert.deepEqual({ ...bare, id: 0, created_at: 0, updated_at: 0 }, { id: 0, user_id: user.uid, name: "Ada", email: null, phone: null, company: null,
		source: null, status: "new", value: null, notes: null, metadata: {}, analysis: null, created_at: 0, updated_at: 0 });
	for (const lead of [full, bare])
		assert.deepEqual(assertStatus(await user.api.get(`/api/leads/${lead.id}`), 200).json, lead);
});

test("a value keeps its digits", async () => {
	const user = await newUser(api);
	const reply = assertStatus(await user.api.request("POST", "/api/leads",
	    { headers: { "content-type": "application/json" }, body: '{"name":"x","value":123456789012345.10}' }), 201);
	assert.match(reply.text, /"value" ?: ?123456789012345\.10\b/);
});

test("numbers of metadata are kept, however large", async () => {
	const user = await newUser(api);
	const reply = assertStatus(await user.api.request("POST", "/api/leads", { headers: { "content-type": "application/json" },
		body: '{"name":"x","metadata":{"wei":123456789012345678901234567890,"least":-9223372036854775809,"share":1.10}}' }), 201);
	for (const number of ["123456789012345678901234567890", "-9223372036854775809", "1.10"])
		assert.match(reply.text, new RegExp(`: ${number}[,}]`));
});

test("what is not right is refused, field by field", async () => {
	const user = await newUser(api);
	const bad = { name: "", email: "ada", phone: "1".repeat(41), company: "x".repeat(201), source: "x".repeat(101), status: "won", value: -1,
		notes: "x".repeat(10001), metadata: [1] };
	assertError(await user.api.post("/api/leads", bad), "BAD_REQUEST", Object.keys(bad));
	assertError(await user.api.post("/api/leads", {}), "BAD_REQUEST", ["name"]);
	for (const [field, value] of [["name", 7], ["value", 1e15], ["value", true], ["metadata", { x: "y".repeat(16384) }], ["status", 1]])
		assertError(await user.api.post("/api/leads", { name: "x", [field]: value }), "BAD_REQUEST", [field], `${field}: ${value}`);
	assertStatus(await user.api.post("/api/leads", { name: "x", metadata: { x: "y".repeat(16000) } }), 201);
	const raw = { headers: { "content-type": "application/json" }, body: '{"name":"x","value":0.1234567890123456789}' };
	assertError(await user.api.request("POST", "/api/leads", raw), "BAD_REQUEST", ["value"]);
	assertError(await user.api.post("/api/leads", { name: " \n" }), "BAD_REQUEST", ["name"]);
	const { id } = await make(user);
	assertError(await user.api.patch(`/api/leads/${id}`, { ...bad }), "BAD_REQUEST", Object.keys(bad));
	assertError(await user.api.get("/api/leads?limit=0&before=x&status=won"), "BAD_REQUEST", ["limit", "before", "status"]);
});

test("PATCH changes what is given, and clears what is null", async () => {
	const user = await newUser(api);
	const lead = await make(user, FULL);
	const path = `/api/leads/${lead.id}`;
	const won = assertStatus(await user.api.patch(path, { status: "converted", value: 99 }), 200).json;
	assert.ok(won.updated_at > lead.updated_at);
	assert.deepEqual(won, { ...lead, status: "converted", value: 99, updated_at: won.updated_at });
	assert.deepEqual(assertStatus(await user.api.get(path), 200).json, won);
	const nothing = { email: null, phone: null, company: null, source: null, value: null, notes: null };
	const cleared = assertStatus(await user.api.patch(path, { ...nothing, name: null, status: null, metadata: null }), 200).json;
	assert.deepEqual(cleared, { ...won, ...nothing, updated_at: cleared.updated_at });
	assert.deepEqual(assertStatus(await user.api.patch(path, { metadata: { b: 2 } }), 200).json.metadata, { b: 2 });
});

test("lists: newest first, by pages, by status, and by what a lead holds", async () => {
	const user = await newUser(api);
	for (const [i, status] of ["new", "lost", "new", "contacted", "new"].entries())
		await make(user, { name: `lead ${i}`, status, company: i === 2 ? "Mühle 100%" : null, email: i === 3 ? "Grace@Example.org" : null });
	assert.deepEqual(await names(user), ["lead 4", "lead 3", "lead 2", "lead 1", "lead 0"]);
	assert.deepEqual(await names(user, "?status=new"), ["lead 4", "lead 2", "lead 0"]);
	assert.deepEqual(await names(user, `?q=${encodeURIComponent("mühle 100%")}`), ["lead 2"]);
	assert.deepEqual(await names(user, "?q=grace@"), ["lead 3"]);
	assert.deepEqual(await names(user, "?q=%25"), ["lead 2"]);
	assert.deepEqual(await names(user, "?q=LEAD&status=lost"), ["lead 1"]);
	assert.deepEqual(await names(user, "?q=nobody"), []);
	const page = assertStatus(await user.api.get("/api/leads?status=new&limit=2"), 200);
	assert.deepEqual(page.json.map((l) => l.name), ["lead 4", "lead 2"]);
	const rest = assertStatus(await user.api.get(/<([^>]*)>; rel="next"/.exec(page.headers.link)[1]), 200);
	assert.deepEqual(rest.json.map((l) => l.name), ["lead 0"]);
	assert.equal(rest.headers.link, undefined);
});

test("a search among many looks at some at a time; its pages hold all of them, none is empty", async () => {
	const user = await newUser(api), N = 5000, names = [];
	await millrace.psql(`SET session_replication_role = replica;     -- no events
		INSERT INTO lead (id, owner_id, name, status) SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '${user.uid}',
			CASE WHEN n IN (1, 2, 2500) THEN 'Heron ' ELSE 'Lead ' END || n, CASE n WHEN 1 THEN 'lost' ELSE 'new' END FROM generate_series(1, ${N}) n`);
	let path = "/api/leads?q=heron&limit=10", pages = 0;
	for (; path; pages++) {
		const page = assertStatus(await user.api.get(path), 200);
		assert.ok(page.json.length > 0, "an empty page");
		names.push(...page.json.map((l) => l.name));
		path = /<([^>]*)>; rel="next"/.exec(page.headers.link ?? "")?.[1];
	}
	assert.deepEqual(names, ["Heron 2500", "Heron 2", "Heron 1"]);
	assert.ok(pages > 1, "it looked at all of them at once");
	const none = assertStatus(await user.api.get("/api/leads?q=zzz"), 200);
	assert.deepEqual([none.json, none.headers.link], [[], undefined]);
	assert.deepEqual((await user.api.get("/api/leads?status=lost")).json.map((l) => l.name), ["Heron 1"]);
	for (const [query, n] of [["q=lead", N - 3], ["status=new", N - 1], ["limit=200", N]]) {
		const ids = new Set();
		for (path = `/api/leads?${query}`; path; ) {
			const page = assertStatus(await user.api.get(path), 200);
			page.json.forEach((l) => ids.add(l.id));
			path = /<([^>]*)>; rel="next"/.exec(page.headers.link ?? "")?.[1];
		}
		assert.equal(ids.size, n, query);
	}
});

test("DELETE takes one out", async () => {
	const user = await newUser(api);
	const [kept, gone] = [await make(user, { name: "kept" }), await make(user)];
	assert.equal(assertStatus(await user.api.delete(`/api/leads/${gone.id}`), 204).text, "");
	assertError(await user.api.delete(`/api/leads/${gone.id}`), "NOT_FOUND");
	assertError(await user.api.get(`/api/leads/${gone.id}`), "NOT_FOUND");
	assertError(await user.api.patch(`/api/leads/${gone.id}`, { name: "x" }), "NOT_FOUND");
	assert.deepEqual(await names(user), [kept.name]);
});

test("each has their own", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	const lead = await make(user, FULL);
	assert.deepEqual(await names(other), []);
	for (const id of [lead.id, randomUUID()]) {
		assertError(await other.api.get(`/api/leads/${id}`), "NOT_FOUND");
		assertError(await other.api.patch(`/api/leads/${id}`, { name: "Stolen" }), "NOT_FOUND");
		assertError(await other.api.delete(`/api/leads/${id}`), "NOT_FOUND");
		assertError(await api.get(`/api/leads/${id}`), "UNAUTHORIZED");
	}
	assert.deepEqual((await user.api.get(`/api/leads/${lead.id}`)).json, lead);
	assert.equal((await eventsOf(millrace, `user:${other.uid}`)).length, 0);
});

test("an Idempotency-Key makes one lead, and one event", async () => {
	const user = await newUser(api);
	const key = { headers: { "idempotency-key": "once" } };
	const first = assertStatus(await user.api.post("/api/leads", FULL, key), 201);
	const again = assertStatus(await user.api.post("/api/leads", FULL, key), 201);
	assert.equal(again.headers["idempotent-replayed"], "true");
	assert.deepEqual(again.json, first.json);
	assertError(await user.api.post("/api/leads", { name: "other" }, key), "CONFLICT");
	assert.deepEqual(await names(user), [FULL.name]);
	assert.deepEqual((await eventsOf(millrace, `user:${user.uid}`)).map((e) => e.type), ["lead_created"]);
});

test("each change is published, by whatever it was made", async () => {
	const user = await newUser(api);
	const lead = await make(user);
	const changed = assertStatus(await user.api.patch(`/api/leads/${lead.id}`, { status: "lost" }), 200).json;
	assertStatus(await user.api.delete(`/api/leads/${lead.id}`), 204);
	const id = (await millrace.psql(`INSERT INTO lead (owner_id, name) VALUES ('${user.uid}', 'by hand') RETURNING id`)).split("\n")[0];
	await millrace.psql(`UPDATE lead SET name = 'by hand' WHERE id = '${id}'`);      /* changes nothing: nothing to tell */
	await millrace.psql(`UPDATE lead SET status = 'lost' WHERE id = '${id}'`);
	await millrace.psql(`BEGIN; DELETE FROM lead WHERE id = '${id}'; ROLLBACK`);
	await millrace.psql(`DELETE FROM lead WHERE id = '${id}'`);
	const events = await eventsOf(millrace, `user:${user.uid}`);
	assert.deepEqual(events.map((e) => [e.seq, e.type, e.data.lead_id]), [
		[1, "lead_created", lead.id], [2, "lead_updated", lead.id], [3, "lead_deleted", lead.id],
		[4, "lead_created", id], [5, "lead_updated", id], [6, "lead_deleted", id]]);
	for (const { type, data } of events) {
		const time = { lead_created: "created_at", lead_updated: "updated_at", lead_deleted: "deleted_at" }[type];
		assertKeys(data, ["lead_id", "user_id", time]);
		assert.equal(data.user_id, user.uid);
		assert.match(data[time], TIME);
	}
	assert.equal(events[0].data.created_at, lead.created_at);
	assert.equal(events[1].data.updated_at, changed.updated_at);
	assert.deepEqual((await analyticsOf(millrace, user.uid)).map((e) => [e.type, e.data]), events.map((e) => [e.type, e.data]));
});

test("a list is found by its owner, and begins where its page does, though nearly all leads are one user's when it is planned", async () => {
	const { uid } = await newUser(api);
	const queries = readFileSync(new URL("../../sql/queries/api/leads.sql", import.meta.url), "utf8");
	const [, list] = /-- name: lead_list\n(?:--.*\n)*([^;]+);/.exec(queries);
	const plan = await millrace.psql(`BEGIN; SET LOCAL session_replication_role = replica;
		INSERT INTO lead (owner_id, name) SELECT '${uid}', 'Lead ' || n FROM generate_series(1, 20000) n; ANALYZE lead;
		SELECT set_config('millrace.caller', '${uid}', true); SET LOCAL ROLE millrace_api; SET LOCAL plan_cache_mode = force_generic_plan;
		PREPARE list (int8, uuid) AS ${list}; EXPLAIN EXECUTE list (51, NULL); DEALLOCATE list; ROLLBACK`);
	assert.match(plan, /lead_owner\b[^]*Index Cond: \(\(owner_id = caller_id\(\)\) AND \(id < \$\d+\)\)/);
});

test("leads are in the export, and go with their owner", async () => {
	const user = await newUser(api);
	const lead = await make(user, FULL);
	assert.deepEqual(assertStatus(await user.api.get("/api/v1/user/export"), 200).json.leads, [lead]);
	assertStatus(await user.api.delete(`/api/v1/user/dao/${user.uid}`), 204);
	await until(async () => (await millrace.psql(`SELECT count(*) FROM lead WHERE owner_id = '${user.uid}'`)).trim() === "0", "the end of the leads");
});
