/*
 * Money as service accounts and users see it: budgets, policies, spending, prices, approvals; use by day, credits, what is sold. And
 * the ledger beneath, by its own functions.
 */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newUser, shared } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
import { eventsOf } from "../js/log.mjs";
import { TIME, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";

let millrace, api, admin, service;
before(async () => {
	millrace = await shared();
	({ api } = millrace);
	admin = await newAdmin(millrace);
	service = await newService();
});

const sql = async (text) => (await millrace.psql(text)).trim();
const json = { "content-type": "application/json" };
const verify = async () => assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds: \d+ entries\.$/m);

/* A service account of its own, by its key. */
async function newService() {
	const { stdout } = await millrace.ctl("key", "create", `${newName()}@example.org`, "--service");
	return api.fresh().as(/mr_[\w-]+/.exec(stdout)[0]);
}

const at = (user, project, what) => `/api/v1/users/${user}/projects/${project}/${what}`;
const spend = (from, user, project, amount, id = randomUUID(), more = {}) => from.request("POST", at(user, project, "spending"),
    { headers: json, body: `{"amount": ${amount}, "request_id": "${id}", "timestamp": "2024-12-20T14:22:15"}`, ...more });
const numberOf = (reply, name) => new RegExp(`"${name}" ?: ?(-?[\\d.]+)`).exec(reply.text)[1];

test("a service's user is made by the first budget or spending, and is its own", async () => {
	for (const path of ["/api/v1/users/user_001", at("user_001", "app", "budget"), at("user_001", "app", "policies")])
		assertError(await service.get(path), "NOT_FOUND");
	const limits = { daily_limit: 100, monthly_limit: 1000, per_request_limit: 10 };
	const set = assertStatus(await service.put(at("user_001", "app", "budget"), limits), 200).json;
	assertKeys(set, ["daily_limit", "monthly_limit", "per_request_limit", "current_daily_spending", "current_monthly_spending",
		"period_start", "period_end"]);
	const user = assertStatus(await service.get("/api/v1/users/user_001"), 200).json;
	assert.deepEqual({ ...user, created_at: 0 }, { user_id: "user_001", account_status: "active", tier: "free", total_spending: 0, available_balance: 0,
		total_requests: 0, created_at: 0, last_request_at: null });
	const other = await newService();
	assertError(await other.get("/api/v1/users/user_001"), "NOT_FOUND");
	assertStatus(await spend(other, "user_001", "app", "1.5"), 200);
	assert.equal((await other.get("/api/v1/users/user_001")).json.total_spending, 1.5);
	assert.equal((await service.get("/api/v1/users/user_001")).json.total_spending, 0);
	assertError(await service.get(at("user_001", "another", "budget")), "NOT_FOUND");
	/* Only a service, the user in person, or an administrator. */
	const human = await newUser(api), thief = await newUser(api);
	assertError(await human.api.get("/api/v1/users/user_001"), "FORBIDDEN");
	assertError(await thief.api.get(`/api/v1/users/${human.uid}`), "FORBIDDEN");
	assertError(await thief.api.put(at(human.uid, "app", "budget"), limits), "FORBIDDEN");
	assertStatus(await human.api.put(at(human.uid, "app", "budget"), limits), 200);
	assertStatus(await admin.api.get(at(human.uid, "app", "budget")), 200);
	assertError(await admin.api.get(`/api/v1/users/${randomUUID()}`), "NOT_FOUND");
});

test("spending counts once a request_id, to the last digit, and is flagged beyond a limit", async () => {
	assertStatus(await service.put(at("counts", "app", "budget"), { daily_limit: 0.3, per_request_limit: 0.25 }), 200);
	const id = randomUUID();
	const all = await Promise.all(Array.from({ length: 10 }, () => spend(service, "counts", "app", "0.1", id)));
	for (const reply of all)
		assert.deepEqual(assertStatus(reply, 200).json, { success: true, flagged: false });
	/* As a client with binary numbers writes it. */
	assertStatus(await spend(service, "counts", "app", "2.34e-05"), 200);
	assertStatus(await spend(service, "counts", "other", "0.1", id), 200);
	assertStatus(await spend(service, "counts", "app", "0"), 200);
	const within = assertStatus(await service.get(at("counts", "app", "budget")), 200);
	assert.equal(numberOf(within, "current_daily_spending"), "0.1000234");
	assert.equal(numberOf(within, "current_monthly_spending"), "0.1000234");
	assert.deepEqual((await spend(service, "counts", "app", "0.26")).json, { success: true, flagged: true });
	assert.deepEqual((await spend(service, "counts", "app", "0.01")).json, { success: true, flagged: true });
	const user = assertStatus(await service.get("/api/v1/users/counts"), 200);
	assert.equal(numberOf(user, "total_spending"), "0.3700234");
	assert.equal(numberOf(user, "available_balance"), "-0.3700234");
	assert.equal(user.json.total_requests, 5);
	assert.match(user.json.last_request_at, TIME);
	await verify();
});

test("amounts that are none, or beyond measure, are refused, and count nothing", async () => {
	assertStatus(await service.put(at("odd", "app", "budget"), {}), 200);
	for (const amount of ["-1", "-0.01", "NaN", "1e300", "12345678901234567890", "1000000001", '"1"', "null", "0.1234567890123456789", "[]"])
		assertError(await spend(service, "odd", "app", amount), "BAD_REQUEST");
	for (const body of [{ amount: 1 }, { amount: 1, request_id: "" }, { amount: 1, request_id: "x".repeat(201) }, { amount: 1, request_id: "x", timestamp: "soon" }])
		assertError(await service.post(at("odd", "app", "spending"), body), "BAD_REQUEST");
	assertError(await service.put(at("odd", "app", "budget"), { daily_limit: -1 }), "BAD_REQUEST");
	assertError(await service.put(at("odd", "app", "policies"), { allowed_models: { openai: "gpt-4o" } }), "BAD_REQUEST");
	assertError(await service.put(at("odd", "app", "policies"), { allowed_models: { openai: [1] } }), "BAD_REQUEST");
	assert.equal((await service.get("/api/v1/users/odd")).json.total_requests, 0);
});

test("a clock that steps back opens no day's budget again; one that goes forward opens the next", async () => {
	const spent = async () => numberOf(assertStatus(await service.get(at("clock", "app", "budget")), 200), "current_daily_spending");
	const step = (days) => millrace.psql(`WITH p AS (UPDATE project p SET day = day + ${days} FROM service_user s WHERE s.user_id = p.owner_id AND s.name = 'clock' RETURNING p.id)
		UPDATE charge c SET day = day + ${days} FROM p WHERE c.project_id = p.id`);
	assertStatus(await service.put(at("clock", "app", "budget"), { daily_limit: 0.3 }), 200);
	assert.equal((await spend(service, "clock", "app", "0.2")).json.flagged, false);
	await step(1);
	assert.equal(await spent(), "0.2");
	assert.equal((await spend(service, "clock", "app", "0.2")).json.flagged, true);
	assert.equal(await spent(), "0.4");
	await step(-2);
	assert.equal(await spent(), "0");
	assert.equal((await spend(service, "clock", "app", "0.2")).json.flagged, false);
	await verify();
});

test("policies: all of them are set, and a list that is not given is of all that have prices", async () => {
	const policies = { allowed_providers: ["openai", "anthropic"], allowed_models: { openai: ["gpt-4o"], anthropic: [] },
		rate_limits: { requests_per_minute: 60, tokens_per_hour: 1000000 }, forbidden_operations: ["delete"], require_approval_above: 5.25 };
	assert.deepEqual(assertStatus(await service.put(at("p", "app", "policies"), policies), 200).json, policies);
	assert.deepEqual((await service.get(at("p", "app", "policies"))).json, policies);
	const open = assertStatus(await service.put(at("p", "app", "policies"), {}), 200).json;
	assert.ok(open.allowed_providers.includes("google") && open.allowed_models.openai.includes("gpt-4o-mini"));
	assert.deepEqual([open.rate_limits, open.forbidden_operations, open.require_approval_above],
	    [{ requests_per_minute: null, tokens_per_hour: null }, [], null]);
	assert.deepEqual(assertStatus(await service.put(at("p", "app", "policies"), { allowed_providers: [] }), 200).json.allowed_providers, []);
	assert.deepEqual((await service.get(at("p", "app", "policies"))).json.allowed_models, {}, "clients look for a provider in it");
});

test("prices: shipped with their source, set by administrators, kept with their history", async () => {
	const shipped = assertStatus(await service.get("/api/v1/providers/openai/models/gpt-4o/cost"), 200);
	assert.deepEqual([numberOf(shipped, "input_cost_per_1k"), numberOf(shipped, "output_cost_per_1k")], ["0.0025", "0.01"]);
	assertKeys(shipped.json, ["provider", "model", "input_cost_per_1k", "output_cost_per_1k", "updated_at"]);
	const example = assertStatus(await service.get("/api/v1/providers/openai/models/gpt-4/cost"), 200);
	assert.deepEqual([numberOf(example, "input_cost_per_1k"), numberOf(example, "output_cost_per_1k")], ["0.03", "0.06"]);
	const [{ source, as_of: asOf }] = assertStatus(await service.get("/api/v1/providers/openai/models/gpt-4o/prices"), 200).json;
	assert.match(source, /^https:\/\//);
	assert.match(asOf, /^\d{4}-\d\d-\d\d$/);
	/* A snapshot costs what its model does. */
	assert.equal((await service.get("/api/v1/providers/openai/models/gpt-4o-2024-08-06/cost")).json.input_cost_per_1k, 0.0025);
	assertError(await service.get("/api/v1/providers/openai/models/gpt-0/cost"), "NOT_FOUND");
	assert.equal(assertStatus(await service.get("/api/v1/providers/local/models/any/cost"), 200).json.input_cost_per_1k, 0);
	const model = newName(), path = `/api/v1/providers/openai/models/${model}`;
	assertError(await service.put(`${path}/cost`, { input_cost_per_1k: 1, output_cost_per_1k: 1 }), "FORBIDDEN");
	for (const cost of ["0.03", "0.0000001", "0"])
		assert.equal(numberOf(assertStatus(await admin.api.request("PUT", `${path}/cost`,
		    { headers: json, body: `{"input_cost_per_1k": ${cost}, "output_cost_per_1k": 0.06}` }), 200), "input_cost_per_1k"), cost);
	const history = assertStatus(await service.get(`${path}/prices?limit=2`), 200);
	assert.deepEqual(history.json.map((p) => p.input_cost_per_1k), [0, 1e-7]);
	const [, next] = /^<([^>]+)>; rel="next"$/.exec(history.headers.link);
	assert.deepEqual((await service.get(next)).json.map((p) => p.input_cost_per_1k), [0.03]);
	assert.ok((await service.get("/api/v1/providers")).json.find((p) => p.provider === "openai").models.includes(model));
});

/* What the gateway asks for a call of a user that `service` has named. */
const owner = (of) => sql(`SELECT p.owner_id FROM project p JOIN service_user s ON s.user_id = p.owner_id WHERE s.name = '${of}' ORDER BY p.id DESC LIMIT 1`);
const reserve = (who, id, amount, { credits = false, lasts = "1 hour", model = "gpt-4o", operation = "chat", project = "app" } = {}) =>
	sql(`SELECT coalesce(verdict, 'ok') FROM charge_reserve('${who}', '${project}', '${id}', 'call', 'openai', '${model}', '${operation}', ${amount}, ${credits}, '${lasts}')`);

test("100 at once against a budget for 7: 7 pass, to the cent", async () => {
	const name = newName();
	assertStatus(await service.put(at(name, "app", "budget"), { daily_limit: 0.49 }), 200);
	const who = await owner(name);
	const script = `SELECT coalesce(r.verdict, 'ok') FROM generate_series(1, 10) n, LATERAL charge_reserve('${who}', 'app', gen_random_uuid() || '-' || n, 'call',
	    'openai', 'gpt-4o', 'chat', 0.07, false, '1 hour') r`;
	const verdicts = (await Promise.all(Array.from({ length: 10 }, () => sql(script)))).join("\n").split("\n");
	assert.equal(verdicts.length, 100);
	assert.equal(verdicts.filter((v) => v === "ok").length, 7);
	assert.equal(verdicts.filter((v) => v === "BUDGET_EXCEEDED").length, 93);
	await verify();
	await sql(`SELECT count(charge_settle(id, 0.07, 10)) FROM charge WHERE owner_id = '${who}'`);
	const { json: budget } = await service.get(`${at(name, "app", "budget")}?reserved=true`);
	assert.deepEqual([budget.current_daily_spending, budget.reserved], [0.49, 0]);
	await verify();
});

test("policies, limits and credits refuse before anything is reserved", async () => {
	const name = newName();
	await service.put(at(name, "app", "policies"), { allowed_providers: ["openai"], allowed_models: { openai: ["gpt-4o"] }, forbidden_operations: ["delete"],
		rate_limits: { requests_per_minute: 2 } });
	await service.put(at(name, "app", "budget"), { per_request_limit: 1 });
	const who = await owner(name);
	assert.equal(await reserve(who, "a", 0.1, { model: "gpt-4" }), "FORBIDDEN");
	assert.equal(await reserve(who, "a", 0.1, { operation: "delete" }), "FORBIDDEN");
	assert.equal(await reserve(who, "a", 1.01), "BUDGET_EXCEEDED");
	assert.equal(await reserve(who, "a", 0.1, { credits: true }), "INSUFFICIENT_CREDITS");
	assertStatus(await admin.api.post("/api/v1/admin/credits/grant", { user_id: who, amountUsd: 0.15, reason: "A start" }), 201);
	assert.equal(await reserve(who, "a", 0.1, { credits: true }), "ok");
	assert.equal(await reserve(who, "a", 0.1, { credits: true }), "REPEATED");
	assert.equal(await reserve(who, "b", 0.1, { credits: true }), "INSUFFICIENT_CREDITS");
	/* What the call has reserved is not counted again by its spending. */
	assertStatus(await spend(service, name, "app", "0.1", "a"), 200);
	assert.equal(await sql(`SELECT charge_settle(id, 0.08, 5), charge_settle(id, 0.08, 5), charge_release(id) FROM charge WHERE owner_id = '${who}' AND request_id = 'a'`), "t|f|f");
	assertStatus(await spend(service, name, "app", "0.1", "a"), 200);
	assert.equal(await reserve(who, "b", 0.01), "ok");
	assert.equal(await reserve(who, "c", 0.01), "RATE_LIMITED");
	const { json: user } = await service.get(`/api/v1/users/${name}`);
	assert.deepEqual([user.total_spending, user.available_balance], [0.08, 0.06]);
	await verify();
});

test("a run is charged at its end, whatever was said by its id before", async () => {
	const user = await newUser(api);
	const begin = () => sql(`INSERT INTO run (owner_id, kind, input) VALUES ('${user.uid}', 'workflow', '{}') RETURNING id`).then((text) => text.split("\n")[0]);
	const use = (id, call, cost) => sql(`INSERT INTO usage_event (run_id, call, owner_id, provider, model, input_tokens, output_tokens, estimated, input_usd,
	    output_usd, cost_usd) VALUES ('${id}', ${call}, '${user.uid}', 'openai', 'gpt-4o', 10, 10, false, 0, 0, ${cost})`);
	const [one, two] = [await begin(), await begin()];
	for (const id of [one, `${one}/2`, two])
		assert.deepEqual(assertStatus(await spend(user.api, user.uid, "default", "0", id), 200).json, { success: true, flagged: false });
	for (const kind of ["call", "payment"])
		assert.equal(await sql(`SELECT verdict FROM charge_reserve('${user.uid}', 'default', '${two}', '${kind}', 'openai', 'gpt-4o', 'chat', 0, false, NULL)`), "CONFLICT");
	for (const id of [one, two])
		await use(id, 1, 0.25);
	await sql(`UPDATE run SET ended_at = now(), status = 'completed' WHERE id IN ('${one}', '${two}')`);
	await use(one, 2, 0.125);
	assert.equal((await user.api.get(`/api/v1/users/${user.uid}`)).json.total_spending, 0.625);
	/* Nor is it counted again by what is said after it; an id of somebody else's run is a word. */
	assert.deepEqual((await spend(user.api, user.uid, "default", "0.25", one)).json, { success: true, flagged: false });
	assert.equal((await user.api.get(`/api/v1/users/${user.uid}`)).json.total_spending, 0.625);
	const other = await newUser(api);
	assertStatus(await spend(other.api, other.uid, "default", "0.5", one), 200);
	assert.equal((await other.api.get(`/api/v1/users/${other.uid}`)).json.total_spending, 0.5);
	await verify();
});

test("calls that end together come to what they come to one by one, and one that is not held takes nothing of the others", async () => {
	const name = newName(), projects = ["app", "other"];
	for (const project of projects)
		await service.put(at(name, project, "budget"), { daily_limit: 0.05, per_request_limit: 0.04 });
	const who = await owner(name), [mine, others] = [randomUUID(), randomUUID()];
	await sql(`SELECT credit_move('${who}', 1, 'grant', 'grants', 'a start')`);
	/* Each has reserved 0.001, and said as many tokens as it is to cost: 10 dollars a million. */
	const begin = async (project, runner) => {
		const run = (await sql(`INSERT INTO run (owner_id, kind, status, input) VALUES ('${who}', 'call', 'running', '{}') RETURNING id`)).split("\n")[0];
		await sql(`INSERT INTO job (run_id, owner_id, kind, state, attempts, runner, lease_until)
			VALUES ('${run}', '${who}', 'call', 'running', 1, '${runner}', now() + interval '1 hour');
			SELECT charge_make('${who}', '${project}', 'of ${run}', 'call', 'openai', 'gpt-4o', 'chat', 0.001, false, NULL, '${run}')`);
		return run;
	};
	const end = async (runs, costs, replies) => {
		const array = (values, type) => `ARRAY[${values.map((v) => `'${v}'`)}]::${type}[]`, all = (value, type) => array(runs.map(() => value), type);
		return (await sql(`SELECT calls_answer(${array(runs, "uuid")}, '${mine}', ${all(1, "int")}, ${all(0, "bigint")}, ${all(1001, "int")}, ${all("openai", "text")},
			${all("gpt-4o", "text")}, ${all(0, "bigint")}, ${array(costs.map((c) => Math.round(c * 1e5)), "bigint")}, ${all(0, "bigint")}, ${all(0, "bigint")},
			${all(0, "bigint")}, ${all("f", "boolean")}, ${all(1, "int")}, ${all('{"finish": "stop"}', "text")}, ${array(replies, "text")})`)).split("\n");
	};
	const charges = (runs) => sql(`SELECT string_agg(concat_ws(' ', c.state, c.amount_usd::float, c.reserved_usd::float, c.tokens, c.flagged), ', ' ORDER BY k.n)
		FROM unnest(ARRAY[${runs.map((r) => `'${r}'`)}]::uuid[]) WITH ORDINALITY k (id, n) JOIN charge c ON c.id = k.id`);
	const log = (run) => sql(`SELECT string_agg(e.seq || ' ' || e.type, ', ' ORDER BY e.seq) FROM stream_event e WHERE e.topic = 'run:${run}'`);
	const reply = '{"status": 200, "headers": {}, "body": {}}';
	for (const together of [true, false]) {
		for (const project of together ? [] : projects)
			await service.put(at(name, project, "budget"), {});
		const [a, b, c, d] = await Promise.all(["app", "other", "app", "app"].map((project) => begin(project, mine)));
		const lost = await begin("other", others), runs = together ? [a, b, c, d] : [a, lost, b, c, d];
		const costs = together ? [0.02, 0.045, 0.025, 0.01] : [0.001, 7, 0.001, 0.001, 0.001];
		assert.deepEqual(await end(runs, costs, runs.map((r) => r === b ? "" : reply)), runs.map((r) => r === lost ? "" : "0"));
		assert.equal(await charges([a, b, c, d]), together
			? "settled 0.02 0 2000 f, settled 0.045 0 4500 t, settled 0.025 0 2500 f, settled 0.01 0 1000 t"
			: "settled 0.001 0 100 f, settled 0.001 0 100 f, settled 0.001 0 100 f, settled 0.001 0 100 f");
		assert.equal(await charges([lost]), "reserved 0 0.001 0 f");
		assert.deepEqual([await log(a), await log(b)], ["1 result, 2 done", "1 done"]);
		assert.equal(await sql(`SELECT count(*) FROM job WHERE owner_id = '${who}' AND runner = '${mine}'`), "0");
		assert.deepEqual(await end([a], [5], [reply]), [""], "an end that comes again changes nothing");
		await verify();
	}
	assert.equal(await sql(`SELECT (balance_usd - 1)::float FROM app_user WHERE id = '${who}'`), "-0.104");
	await sql(`DELETE FROM run WHERE owner_id = '${who}' AND ended_at IS NULL; SELECT charge_release(id) FROM charge WHERE owner_id = '${who}' AND state = 'reserved'`);
	await verify();
});

test("reservations expire by themselves", async () => {
	const name = newName();
	await service.put(at(name, "app", "budget"), {});
	const who = await owner(name);
	assert.equal(await reserve(who, "late", 0.5, { lasts: "-1 second" }), "ok");
	assert.equal(await reserve(who, "soon", 0.25), "ok");
	await sql("SELECT money_sweep(provider, model, 100) FROM chat_model UNION ALL SELECT money_sweep('local', 'x', 100) WHERE NOT EXISTS (SELECT FROM chat_model)");
	assert.equal((await service.get(`${at(name, "app", "budget")}?reserved=true`)).json.reserved, 0.25);
	assert.equal(await reserve(who, "late", 0.5), "ok");
	await verify();
});

test("a client that asks in a loop has 100 requests waiting for approval, and administrators hear of these", async () => {
	const name = newName();
	await service.put(at(name, "app", "policies"), { require_approval_above: 5 });
	const who = await owner(name), told = () => sql(`SELECT count(*) FROM notification WHERE owner_id = '${admin.uid}' AND title LIKE '%waits for approval'`).then(Number);
	const before = await told();
	assert.equal(await sql(`SELECT string_agg(DISTINCT coalesce(r.verdict, 'ok'), ',') FROM generate_series(0, 109) i,
	    charge_reserve('${who}', 'app', 'loop ' || i, 'call', 'openai', 'gpt-4o', 'chat', 6, false, '1 hour') r`), "APPROVAL_REQUIRED");
	assert.deepEqual([await sql(`SELECT count(*) FROM approval WHERE owner_id = '${who}'`), await told() - before], ["100", 100]);
	assert.match(await sql(`SELECT message FROM charge_reserve('${who}', 'app', 'loop 1000', 'call', 'openai', 'gpt-4o', 'chat', 6, false, NULL)`), /100 of the user's wait/);
	/* What waits already is asked for again; what has expired makes room. */
	assert.equal(await reserve(who, "loop 0", 6), "APPROVAL_REQUIRED");
	await sql(`UPDATE approval SET expires_at = now() - interval '1 second' WHERE owner_id = '${who}' AND request_id = 'loop 1'`);
	assert.equal(await reserve(who, "loop 1000", 6), "APPROVAL_REQUIRED");
	assert.equal(await sql(`SELECT count(*) FROM approval WHERE owner_id = '${who}' AND request_id = 'loop 1000'`), "1");
});

test("approvals: asked for once, approved for one time, rejected, expired", async () => {
	const name = newName();
	for (const project of ["app", "other"])
		await service.put(at(name, project, "policies"), { require_approval_above: 5 });
	const who = await owner(name), of = async (id) => (await admin.api.get("/api/v1/approvals?status=pending&limit=200")).json.find((a) => a.request_id === id);
	const [yes, no, late] = [randomUUID(), randomUUID(), randomUUID()];
	assert.equal(await reserve(who, yes, 5), "ok");
	await sql(`SELECT charge_release(id) FROM charge WHERE request_id = '${yes}'`);
	for (const id of [yes, yes, no, late])
		assert.equal(await reserve(who, id, 6), "APPROVAL_REQUIRED");
	assert.equal((await service.get(`${at(name, "app", "budget")}?reserved=true`)).json.reserved, 0);
	assertError(await service.get("/api/v1/approvals"), "FORBIDDEN");
	const approval = await of(yes);
	assertError(await service.post(`/api/v1/approvals/${approval.id}/approve`), "FORBIDDEN");
	/* A key that an administrator's program has for calls answers none of them. */
	const keyOf = async (scopes) => api.fresh().as(assertStatus(await admin.api.post("/api/settings/api-keys", { name: "x", scopes }), 201).json.apiKey);
	assertError(await (await keyOf(["read", "write"])).post(`/api/v1/approvals/${approval.id}/approve`), "FORBIDDEN");
	assert.deepEqual([approval.amount, approval.user_id, approval.status], [6, who, "pending"]);
	assert.equal(assertStatus(await (await keyOf(["account"])).post(`/api/v1/approvals/${approval.id}/approve`), 200).json.status, "approved");
	assertError(await admin.api.post(`/api/v1/approvals/${approval.id}/reject`), "CONFLICT");
	/* What an administrator has read is what their word is for. */
	const read = await of(no);
	assert.equal(await reserve(who, no, 6000), "APPROVAL_REQUIRED");
	assertError(await admin.api.post(`/api/v1/approvals/${read.id}/approve`), "NOT_FOUND");
	assert.equal(await reserve(who, yes, 6.01), "APPROVAL_REQUIRED");
	assertStatus(await admin.api.post(`/api/v1/approvals/${(await of(yes)).id}/approve`), 200);
	assert.equal(await reserve(who, yes, 6.01, { project: "other" }), "APPROVAL_REQUIRED");
	assertStatus(await admin.api.post(`/api/v1/approvals/${(await of(yes)).id}/approve`), 200);
	assert.equal(await reserve(who, yes, 6.01, { project: "other" }), "ok");
	await sql(`SELECT charge_release(id) FROM charge WHERE request_id = '${yes}'`);
	assert.equal(await reserve(who, yes, 6), "APPROVAL_REQUIRED");
	assertStatus(await admin.api.post(`/api/v1/approvals/${(await of(no)).id}/reject`), 200);
	assert.equal(await reserve(who, no, 6), "FORBIDDEN");
	await sql(`UPDATE approval SET expires_at = now() - interval '1 second' WHERE request_id = '${late}'`);
	assertError(await admin.api.post(`/api/v1/approvals/${(await of(late)).id}/approve`), "CONFLICT");
	assert.ok((await admin.api.get("/api/notifications?limit=200")).json.some((n) => n.message.includes(no)));
});

test("credits: granted by an administrator, once an Idempotency-Key, shown with the balance after each", async () => {
	const user = await newUser(api);
	const grant = (amountUsd, headers) => admin.api.post("/api/v1/admin/credits/grant", { user_id: user.uid, amountUsd, reason: `For ${amountUsd}` }, { headers });
	assertError(await user.api.post("/api/v1/admin/credits/grant", { user_id: user.uid, amountUsd: 5, reason: "x" }), "FORBIDDEN");
	const headers = { "idempotency-key": newName() };
	const first = assertStatus(await grant(10.5, headers), 201).json;
	assert.deepEqual(assertStatus(await grant(10.5, headers), 201).json, first);
	assertKeys(first, ["id", "type", "amountUsd", "balanceUsd", "description", "createdAt"]);
	assertStatus(await grant(-0.25), 201);
	assertStatus(await spend(user.api, user.uid, "default", "0.125"), 200);
	const nobody = await admin.api.post("/api/v1/admin/credits/grant", { user_id: randomUUID(), amountUsd: 5, reason: "x" });
	assertError(nobody, "NOT_FOUND");
	assert.equal(nobody.json.error, "There is no such user.");
	/* The pages that a browser comes back to are not for the client to give here. */
	for (const [path, body] of [["credits/purchase", { amountUsd: 5 }], ["payments/portal"]]) {
		const unset = await user.api.post(`/api/${path}`, body);
		assertError(unset, "CONFLICT");
		assert.match(unset.json.error, /^Stripe is not set up: STRIPE_SUCCESS_URL/);
	}
	assertError(await grant(0), "BAD_REQUEST");
	const history = assertStatus(await user.api.get("/api/credits/history"), 200).json;
	assert.deepEqual(history.map((c) => [c.type, c.amountUsd, c.balanceUsd, c.description]),
	    [["usage", -0.125, 10.125, "spending"], ["grant", -0.25, 10.25, "For -0.25"], ["grant", 10.5, 10.5, "For 10.5"]]);
	const page = assertStatus(await user.api.get("/api/credits/history?limit=2"), 200);
	assert.deepEqual((await user.api.get(/^<([^>]+)>/.exec(page.headers.link)[1])).json, history.slice(2));
	assert.equal((await user.api.get("/api/user")).json.credits.balanceUsd, 10.125);
	assert.deepEqual((await (await newUser(api)).api.get("/api/credits/history")).json, []);
	await assert.rejects(sql("UPDATE ledger_entry SET amount_usd = 1"), /takes no update/);
	await assert.rejects(sql("DELETE FROM ledger_entry"), /takes no delete/);
	await verify();
});

test("use by day, in the user's time zone, days without use included", async () => {
	const user = await newUser(api);
	assertStatus(await user.api.patch("/api/user", { timezone: "Pacific/Kiritimati" }), 200);
	const week = assertStatus(await user.api.get("/api/usage"), 200).json;
	const today = new Intl.DateTimeFormat("sv", { timeZone: "Pacific/Kiritimati" }).format(new Date());
	assert.equal(week.length, 7);
	assert.ok(week[6].date >= today);
	assert.deepEqual({ ...week[0], date: 0 }, { date: 0, costUsd: 0, messages: 0, inputTokens: 0, outputTokens: 0 });
	await (await user.api.chat("How does the mill work?")).all();
	assertStatus(await spend(user.api, user.uid, "default", "0.125"), 200);
	/* An hour before the zone's day began, and an hour after. */
	const midnight = `(date_trunc('day', now() AT TIME ZONE 'Pacific/Kiritimati') AT TIME ZONE 'Pacific/Kiritimati')`;
	for (const [n, hours] of [[1, -1], [2, -25]]) {
		await spend(user.api, user.uid, "default", `${n}`, `back-${n}`);
		await sql(`SET session_replication_role = replica; UPDATE ledger_entry SET created_at = ${midnight} + ${hours} * interval '1 hour'
			WHERE charge_id = (SELECT id FROM charge WHERE owner_id = '${user.uid}' AND request_id = 'back-${n}')`);
	}
	const { json: days } = await user.api.get("/api/usage?days=3");
	assert.equal(days.length, 3);
	assert.deepEqual(days.map((d) => d.costUsd), [2, 1, 0.125]);
	assert.equal(days[2].messages, 1);
	assert.ok(days[2].inputTokens + days[2].outputTokens > 0);
	assert.equal(assertStatus(await user.api.get("/api/usage?days=366"), 200).json.length, 366);
	for (const bad of ["0", "367", "x"])
		assertError(await user.api.get(`/api/usage?days=${bad}`), "BAD_REQUEST");
});

test("use by day, whatever the clocks do: days of 23 and 25 hours, midnights that do not come or come twice, the ends of months", async () => {
	const user = await newUser(api), QUARTER = 900000, now = Math.floor(Date.now() / QUARTER) * QUARTER;
	const ids = ["before", "first", "second", "last", "after"];
	for (const id of ids)
		assertStatus(await spend(user.api, user.uid, "default", "0.25", id), 200);
	for (const zone of ["America/Havana", "America/Santiago", "Atlantic/Azores", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu"]) {
		assertStatus(await user.api.patch("/api/user", { timezone: zone }), 200);
		const local = new Intl.DateTimeFormat("sv", { timeZone: zone }), days = new Map();
		for (let at = now - 364 * 86400000; at < now + 2 * 86400000; at += QUARTER) {
			const date = local.format(at), known = days.get(date);
			days.set(date, { first: known?.first ?? at, end: at + QUARTER });
		}
		/* Whole ones, and over, as the next is. */
		const dates = [...days.keys()].slice(1).filter((d) => days.get(d).end < now - 86400000), long = (d) => (days.get(d).end - days.get(d).first) / 3600000;
		for (const date of [...dates.filter((d) => long(d) !== 24), dates.find((d) => d.endsWith("-01")), dates.find((d) => d.endsWith("-28"))]) {
			const { first, end } = days.get(date), at = { before: first - 1, first, second: first + 1800000, last: end - 1, after: end };
			await sql(`SET session_replication_role = replica; ${ids.map((id) => `UPDATE ledger_entry SET created_at = '${new Date(at[id]).toISOString()}'
				WHERE charge_id = (SELECT id FROM charge WHERE owner_id = '${user.uid}' AND request_id = '${id}');`).join("")}`);
			const { json } = await until(async () => {
				const today = local.format(Date.now()), n = [...days.keys()].indexOf(today) - [...days.keys()].indexOf(date) + 1;
				const said = n > 0 && assertStatus(await user.api.get(`/api/usage?days=${n}`), 200);
				return said && said.json.at(-1).date === today && said;
			}, "a day that does not end meanwhile");
			assert.deepEqual(json.slice(0, 2).map((d) => [d.date, d.costUsd]), [[date, 0.75], [dates[dates.indexOf(date) + 1], 0.25]], `${zone} ${date}: ${long(date)} hours`);
		}
	}
});

test("the history of credits, page by page, also of what happened at one instant", async () => {
	const user = await newUser(api), other = await newUser(api);
	for (let i = 1; i <= 7; i++)
		for (const u of [user, other])
			assertStatus(await admin.api.post("/api/v1/admin/credits/grant", { user_id: u.uid, amount_usd: i, reason: `no. ${i}` }), 201);
	await sql(`SET session_replication_role = replica; UPDATE ledger_entry SET created_at = '2026-01-01' WHERE owner_id = '${user.uid}'`);
	const seen = [];
	for (let next = "/api/credits/history?limit=3"; next;) {
		const page = assertStatus(await user.api.get(next), 200);
		assert.ok(page.json.length <= 3);
		seen.push(...page.json);
		next = /^<([^>]+)>; rel="next"/.exec(page.headers.link ?? "")?.[1];
	}
	assert.deepEqual(seen.map((e) => [e.description, e.balanceUsd]), [7, 6, 5, 4, 3, 2, 1].map((i) => [`no. ${i}`, i * (i + 1) / 2]));
	/* Somebody else's cursor shows nothing of theirs. */
	const theirs = (await other.api.get("/api/credits/history")).json.map((e) => e.id);
	const mixed = assertStatus(await user.api.get(`/api/credits/history?before=${theirs[3]}`), 200).json;
	assert.ok(mixed.every((e) => !theirs.includes(e.id)));
	assertError(await user.api.get("/api/credits/history?before=x"), "BAD_REQUEST");
});

test("packages, campaigns and subscriptions", async () => {
	const name = newName();
	const pro = assertStatus(await admin.api.post("/api/pricing/packages", { name, price_usd: 20, features: ["a"], stripe_price_id: `price_${name}` }), 201).json;
	assert.deepEqual([pro.period, pro.credits_usd, pro.active, pro.current_price_usd], ["month", 0, true, 20]);
	assertError(await admin.api.post("/api/pricing/packages", { name: "x", price_usd: 1, stripe_price_id: `price_${name}` }), "CONFLICT");
	assertError(await service.post("/api/pricing/packages", { name, price_usd: 1 }), "FORBIDDEN");
	const time = (hours) => new Date(Date.now() + hours * 3600e3).toISOString();
	const campaign = { package_id: pro.id, name: "Spring", price_usd: 15.5, starts_at: time(-1), ends_at: time(1) };
	const made = assertStatus(await admin.api.post("/api/pricing/campaigns", campaign), 201).json;
	assert.equal(made.active, true);
	assertError(await admin.api.post("/api/pricing/campaigns", { ...campaign, ends_at: time(-2) }), "BAD_REQUEST");
	assertError(await admin.api.post("/api/pricing/campaigns", { ...campaign, package_id: randomUUID() }), "NOT_FOUND");
	const shown = async (from) => (await from.get("/api/pricing/packages?limit=200")).json.find((p) => p.id === pro.id);
	assert.equal((await shown(api)).current_price_usd, 15.5);
	assertStatus(await admin.api.put(`/api/pricing/campaigns/${made.id}`, { ...campaign, starts_at: time(0.5) }), 200);
	assert.equal((await shown(api)).current_price_usd, 20);
	assert.ok((await api.get("/api/pricing/campaigns?limit=200")).json.some((c) => c.id === made.id));

	const user = await newUser(api);
	await sql(`INSERT INTO user_subscription (owner_id, package_id, status, final_price) VALUES ('${user.uid}', '${pro.id}', 'active', 15.5)`);
	const [mine] = assertStatus(await user.api.get("/api/subscriptions"), 200).json;
	assert.deepEqual([mine.plan, mine.status, mine.final_price], [name, "active", 15.5]);
	assert.equal((await user.api.get(`/api/v1/users/${user.uid}`)).json.tier, name);
	await sql(`UPDATE user_subscription SET status = 'canceled' WHERE id = '${mine.id}'`);
	assert.equal((await user.api.get(`/api/v1/users/${user.uid}`)).json.tier, "free");
	const events = await eventsOf(millrace, `user:${user.uid}`);
	assert.deepEqual(events.map((e) => e.type), ["subscription_created", "subscription_updated"]);
	assertKeys(events[0].data, ["subscription_id", "user_id", "plan", "created_at"]);
	assertKeys(events[1].data, ["subscription_id", "user_id", "plan", "updated_at"]);

	assertStatus(await admin.api.put(`/api/pricing/packages/${pro.id}`, { name, price_usd: 21, active: false }), 200);
	assert.equal(await shown(api), undefined);
	assert.equal((await shown(admin.api)).price_usd, 21);
	assertStatus(await admin.api.delete(`/api/pricing/packages/${pro.id}`), 204);
	assertError(await admin.api.delete(`/api/pricing/campaigns/${made.id}`), "NOT_FOUND");
	assert.equal((await user.api.get("/api/subscriptions")).json[0].package_id, null);
});

test("a service account's erasure takes the users that it has named", async () => {
	const own = await newService(), name = newName();
	assertStatus(await spend(own, name, "app", "1"), 200);
	const who = await owner(name), of = await sql(`SELECT service_id FROM service_user WHERE user_id = '${who}'`);
	assertStatus(await admin.api.delete(`/api/v1/user/dao/${of}`), 204);
	await until(async () => await sql(`SELECT count(*) FROM app_user WHERE id IN ('${who}', '${of}')`) === "0", "the end of both");
	assert.equal(await sql(`SELECT sum(amount_usd) FROM ledger_entry WHERE owner_id = '${who}'`), "-1");
	await verify();
});
