/* Workflows as they run: each kind of step, what is stored of it, waiting, failing, being cancelled. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { newUser, shared } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { eventsOf } from "../js/log.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const RUNS = "/api/workflow-runs", EXECUTE = "/api/agents/workflows/execute";
async function begin(user, steps, inputs = {}, more = {}) {
	const workflow_id = assertStatus(await user.api.post("/api/workflows", { name: "Flow", definition: { steps } }), 201).json.id;
	return assertStatus(await user.api.post(EXECUTE, { workflow_id, inputs, ...more }), 200).json;
}
const runOf = async (user, id) => assertStatus(await user.api.get(`${RUNS}/${id}`), 200).json;
const runUntil = (user, id, fits, what) => until(async () => { const run = await runOf(user, id); return fits(run) && run; }, what);
const waits = (user, id) => runUntil(user, id, (run) => run.steps.at(-1)?.status === "waiting", "the step that waits");
const ended = (user, id) => runUntil(user, id, (run) => ["completed", "failed"].includes(run.status), "its end");

test("steps in order, with what they give handed on; each is stored and told", async () => {
	const user = await newUser(api);
	assertStatus(await user.api.post("/api/leads", { name: "Ada", notes: "saas" }), 201);
	const made = await begin(user, [
		{ id: "find", type: "agent", agent: "lead_agent", input: { query: "{{inputs.words}}" } },
		{ id: "best", type: "transform", expression: ".leads[0].score", input: { leads: "{{steps.find.output.leads}}" } },
		{ id: "both", type: "parallel", branches: [[{ id: "x", type: "transform", expression: "1 + {{steps.best.output}}" }], [{ id: "y", type: "wait", seconds: 1 }]] },
		{ id: "good", type: "condition", condition: "{{steps.best.output}} > 5", then: [{ id: "yes", type: "transform", input: { it: "is {{steps.x.output}}" } }],
			else: [{ id: "no", type: "transform" }] },
		{ id: "last", type: "transform", expression: "empty" }], { words: "saas" });
	assert.deepEqual([made.status, made.error], ["completed", null]);
	assert.equal(made.outputs.find.leads.length, 1);
	assert.deepEqual(made.outputs, { find: made.outputs.find, best: made.outputs.find.leads[0].score, good: true, last: null });
	const run = await runOf(user, made.workflow_run_id), step = Object.fromEntries(run.steps.map((s) => [s.id, s]));
	assert.deepEqual(Object.keys(step), ["find", "best", "x", "y", "good", "yes", "last"]);
	assert.deepEqual([step.x.output, step.yes.output, run.progress], [made.outputs.best + 1, { it: `is ${made.outputs.best + 1}` }, 1]);
	assert.deepEqual(step.find.input, { query: "saas" });
	assert.ok(run.steps.every((s) => s.status === "completed" && s.tries === 1 && s.ended_at));
	const told = (await eventsOf(millrace, `workflow_run:${run.workflow_run_id}`)).filter((e) => e.type === "workflow_status_update").map((e) => e.data);
	assert.deepEqual([told[0].status, told.at(-1).status, told.at(-1).progress], ["running", "completed", 1]);
	assert.ok(told.some((e) => e.status === "running" && e.progress > 0 && e.progress < 1), JSON.stringify(told));
	const [listed] = assertStatus(await user.api.get(`${RUNS}?workflow_id=${made.workflow_id}&status=completed`), 200).json;
	assert.deepEqual(listed, { ...run, definition: null, inputs: null, steps: null });
});

test("what a transform is given is any JSON, also all of what a step gave", async () => {
	const made = await begin(await newUser(api), [
		{ id: "list", type: "transform", expression: "[.[] | . + 1]", input: [1, "{{inputs.two}}"] },
		{ id: "n", type: "transform", expression: "length", input: "{{steps.list.output}}" }, { id: "same", type: "transform", input: "{{steps.list.output.1}}" },
		{ id: "text", type: "transform", input: "n is {{steps.n.output}}" }, { id: "none", type: "transform", input: "{{inputs.none}}" }], { two: 2 });
	assert.deepEqual([made.error, made.outputs], [null, { list: [2, 3], n: 2, same: 3, text: "n is 2", none: null }]);
});

test("an approval is waited for; no is a failure; a run that is cancelled ends at once", async () => {
	const user = await newUser(api), ask = [{ id: "ask", type: "approval", message: "Send {{inputs.what}}?" }, { id: "then", type: "transform" }];
	const started = async (steps) => (await begin(user, steps, { what: "it" }, { async: true })).workflow_run_id;
	for (const approved of [true, false]) {
		const id = await started(ask);
		assert.equal((await waits(user, id)).steps[0].input, "Send it?");
		assertError(await user.api.post(`${RUNS}/${id}/approve`, { step: "then" }), "NOT_FOUND");
		assertStatus(await user.api.post(`${RUNS}/${id}/approve`, { approved }), 200);
		const run = await ended(user, id);
		assert.deepEqual([run.status, run.error, run.steps.length], approved ? ["completed", null, 2] : ["failed", "The step ask failed: it was not approved.", 1]);
		assertError(await user.api.post(`${RUNS}/${id}/approve`, {}), "NOT_FOUND");
	}
	const [late, later, id] = [await started([{ ...ask[0], timeout_s: 1 }]), await started([{ ...ask[0], timeoutS: 1 }]), await started([{ id: "w", type: "wait", seconds: 1000 }])];
	await waits(user, id);
	assertError(await user.api.post(`${RUNS}/${id}/approve`, {}), "NOT_FOUND");   /* a wait is nobody's to end */
	const stranger = await newUser(api);
	for (const reply of [stranger.api.get(`${RUNS}/${id}`), stranger.api.post(`${RUNS}/${id}/cancel`), stranger.api.post(`${RUNS}/${id}/approve`, {})])
		assertError(await reply, "NOT_FOUND");
	const cancelled = assertStatus(await user.api.post(`${RUNS}/${id}/cancel`), 200).json;
	assert.deepEqual([cancelled.status, cancelled.step, cancelled.steps[0].status], ["failed", "cancelled", "failed"]);
	assert.deepEqual(assertStatus(await user.api.post(`${RUNS}/${id}/cancel`), 200).json, cancelled);
	assert.equal((await eventsOf(millrace, `workflow_run:${id}`)).at(-1).data.step, "cancelled");
	for (const run of [late, later])
		assert.equal((await ended(user, run)).error, "The step ask failed: nobody approved it in time.");
	assertError(await user.api.post(EXECUTE, { workflow_id: stranger.uid }), "NOT_FOUND");
});

test("a run that a service has begun for its user shows that one no more than it gave and asks", async () => {
	const { stdout } = await millrace.ctl("key", "create", `${newName()}@example.org`, "--service"), service = api.fresh().as(/mr_[\w-]+/.exec(stdout)[0]);
	const user = await newUser(api), admin = await newAdmin(millrace), secret = "Bearer s3cret";
	const made = await begin({ api: admin.api }, [{ id: "a", type: "transform", input: { headers: { Authorization: secret } } }, { id: "b", type: "transform", input: { seen: 1 } },
		{ id: "ask", type: "approval", message: "Send {{inputs.what}}?" }], { what: "it", key: secret }, { async: true, user_id: user.uid });
	const shown = await waits(user, made.workflow_run_id), whole = await waits(admin, made.workflow_run_id);
	assert.deepEqual([shown.definition, shown.inputs, shown.steps.map((s) => s.input)], [null, null, [null, null, "Send it?"]]);
	assert.deepEqual(shown.steps[1].output, { seen: 1 });
	assert.deepEqual([whole.definition.steps.length, whole.inputs.key, whole.steps[0].input], [3, secret, { headers: { Authorization: secret } }]);
	for (const reply of [await user.api.post(`${RUNS}/${made.workflow_run_id}/approve`, {}), await user.api.post(`${RUNS}/${made.workflow_run_id}/cancel`)])
		assert.equal(JSON.stringify({ ...assertStatus(reply, 200).json, outputs: null, steps: null }).includes(secret), false);
	await ended(user, made.workflow_run_id);
	assert.deepEqual((await runOf(user, made.workflow_run_id)).steps.map((s) => s.input), [null, null, "Send it?"]);
	/* A service names a user of its own; what it has begun is its own to see, and nobody else's. */
	const workflow_id = assertStatus(await service.post("/api/workflows", { name: "Flow", definition: { steps: [{ id: "a", type: "transform" }] } }), 201).json.id;
	const run = assertStatus(await service.post(EXECUTE, { workflow_id, user_id: "user_001" }), 200).json;
	assert.equal(assertStatus(await service.get(`${RUNS}/${run.workflow_run_id}`), 200).json.definition.steps.length, 1);
	assertError(await user.api.get(`${RUNS}/${run.workflow_run_id}`), "NOT_FOUND");
	assertError(await user.api.post(EXECUTE, { workflow_id, user_id: user.uid }), "NOT_FOUND");
});

test("what fails says why: expressions that are none, fail, grow without end; agents that are not there", async () => {
	const user = await newUser(api), transform = (expression) => [{ id: "a", type: "transform", expression, input: { n: 1 } }, { id: "b", type: "transform" }];
	const cases = [[transform(". |"), /^The step a failed: The expression is not jq's: /], [transform("error"), /^The step a failed: The expression failed: /],
		[transform('import "a" as a; 1'), /^The step a failed: The expression is not jq's: .*module not found: a/], [transform('include "/etc/passwd"; 1'), /^The step a failed: The expression is not jq's: /],
		[transform('def f: . + . | f; "x" | f'), /^The step a failed: The expression (?:took too much time or memory|failed: String too long)\.$/],
		[transform("[range(20)] | reduce .[] as $i (1; [.]) | [[[[[[[[[[[[[[.]]]]]]]]]]]]]]"), /^The step a failed: its output cannot be kept: nested too deep\.$/],
		[[{ id: "a", type: "transform", timeout_s: 1, expression: "last(range(1e12))" }], /^The step a failed: The expression took too long\.$/],
		[[{ id: "a", type: "condition", timeout_s: 1, condition: "last(range(1e12))", then: [{ id: "b", type: "transform" }] }], /^The step a failed: The expression took too long\.$/],
		[[{ id: "a", type: "agent", agent: "nobody" }], /^The step a failed: there is no agent of the type nobody\.$/],
		[[{ id: "a", type: "agent", agent: "lead_agent" }], /^The step a failed: The input of lead_agent is an object with a text query\.$/]];
	for (const [run, error] of await Promise.all(cases.map(async ([steps, error]) => [await begin(user, steps), error]))) {
		assert.deepEqual([run.status, run.outputs], ["failed", null]);
		assert.match(run.error, error);
		assert.deepEqual((await runOf(user, run.workflow_run_id)).steps.map((s) => [s.id, s.status, s.tries]), [["a", "failed", 1]]);
	}
});

test("an expression sees no environment, and is not ended by what it writes for a programmer", async () => {
	const user = await newUser(api);
	const run = await begin(user, [{ id: "a", type: "transform", expression: "[env, $ENV, debug, (stderr | 1), input_filename]", input: { n: 1 } }]);
	assert.deepEqual([run.error, run.outputs], [null, { a: [{}, {}, { n: 1 }, 1, null] }]);
});

test("no value becomes code, whether an expression quotes it or not; NUL is no text", async () => {
	const user = await newUser(api), sly = " or true or ", transform = (id, expression) => ({ id, type: "transform", expression });
	const { status, outputs } = await begin(user, [
		{ id: "said", type: "condition", condition: '"{{inputs.sly}}" == "yes"', then: [{ id: "yes", type: "transform" }] },
		transform("dear", '"Dear {{inputs.name}}, \\({{inputs.n}} + 1) {{inputs.list}}{{inputs.none}} \\("{{inputs.name}}" | length)"'),
		transform("cut", '"\\{{inputs.code}}"')], { sly, name: 'O"Hara \\(1)', n: 2, list: ["a"], code: "(1 + 1)" });
	assert.deepEqual([status, outputs], ["completed", { said: false, dear: 'Dear O"Hara \\(1), 3 ["a"] 11', cut: "\\(1 + 1)" }]);
	const nul = await begin(user, [transform("a", '"a\\u0000b"'), { id: "b", type: "agent", agent: "lead_agent", input: { query: "{{steps.a.output}}" } }]);
	assert.equal(nul.status, "failed");
});

test("an agent that was refused leaves a step that is due, whose runner may die then", async () => {
	const user = await newUser(api), { workflow_run_id: id } = await begin(user, [{ id: "w", type: "wait", seconds: 1000 }], {}, { async: true });
	await waits(user, id);
	await millrace.psql(`UPDATE job SET state = 'running', runner = 'dead', lease_until = now() + interval '1 hour' WHERE run_id = '${id}'`);
	assert.equal((await millrace.psql(`SELECT a.refused FROM job j, workflow_agent(j.run_id, 'dead', j.attempts,
		'[{"n": 1, "id": "a", "status": "waiting", "tries": 1, "seconds": 900}]', 0, 'nobody', 100, false) a WHERE j.run_id = '${id}'`)).trim(), "there is no agent of the type nobody.");
	assert.equal((await millrace.psql(`SELECT due_at <= now() FROM workflow_step WHERE workflow_run_id = '${id}' AND id = 'a'`)).trim(), "t");
	await millrace.psql(`UPDATE job SET state = 'waiting', runner = NULL, lease_until = NULL WHERE run_id = '${id}'`);
	assertStatus(await user.api.post(`${RUNS}/${id}/cancel`), 200);
});

test("what grows from step to step has its bounds, and so have runs that wait", async () => {
	const user = await newUser(api), big = "x".repeat(90000), step = (i, of) => ({ id: `s${i}`, type: "transform", input: of });
	const twice = Array.from({ length: 40 }, (_, i) => step(i, { x: i ? `{{steps.s${i - 1}.output.x}}{{steps.s${i - 1}.output.x}}` : "{{inputs.big}}" }));
	const many = Array.from({ length: 50 }, (_, i) => step(i, { x: "{{inputs.big}}" }));
	const asked = Array.from({ length: 20 }, (_, i) => ({ id: `s${i}`, type: "condition", condition: `${Array(10).fill("({{inputs.big}} | length)").join(" + ")} > 0`, then: [step(`t${i}`, {})] }));
	const cases = [[twice, /^The step s4 failed: its input is longer than 1 MiB\.$/], [many, /^The step s46 failed: its output cannot be kept: the outputs of all steps together are longer than 4 MiB\.$/],
		[asked, /^The step s1\d failed: the inputs of the steps together are longer than 16 MiB\.$/]];
	for (const [steps, why] of cases) {
		const made = await begin(user, steps, { big }, { async: true });
		assert.match((await ended(user, made.workflow_run_id)).error, why);
	}
	await millrace.psql(`SET session_replication_role = replica; WITH r AS (INSERT INTO run (owner_id, kind) SELECT '${user.uid}', 'none' FROM generate_series(1, 1000) RETURNING id)
		INSERT INTO job (run_id, owner_id, kind, state) SELECT id, '${user.uid}', 'none', 'waiting' FROM r`);
	const workflow_id = assertStatus(await user.api.post("/api/workflows", { name: "Flow", definition: { steps: [step(0, {})] } }), 201).json.id;
	assertError(await user.api.post(EXECUTE, { workflow_id }), "RATE_LIMITED");
	await millrace.psql(`DELETE FROM run WHERE owner_id = '${user.uid}' AND kind = 'none'`);
	assert.equal(assertStatus(await user.api.post(EXECUTE, { workflow_id }), 200).json.status, "completed");
});

test("what a run holds of a document goes with it, also of one that waits", async () => {
	const user = await newUser(api);
	const { id: document } = assertStatus(await user.api.upload("/api/documents/upload?wait=1",
	    { name: "Mill", file: { filename: "mill.txt", type: "text/plain", bytes: "The wheel of the mill is made of oak." } }), 200).json;
	const { workflow_run_id: id } = await begin(user, [{ id: "ask", type: "agent", agent: "chat_agent", input: { message: "What is the wheel of the mill made of?" } },
		{ id: "copy", type: "transform", input: { all: "{{steps.ask.output}}" } }, { id: "wait", type: "approval", message: "Well?" }], {}, { async: true });
	const held = await runUntil(user, id, (run) => run.steps[2]?.status === "waiting", "the approval");
	for (const step of held.steps.slice(0, 2))
		assert.ok(JSON.stringify(step.output).includes(document), JSON.stringify(step));
	assertStatus(await user.api.delete(`/api/documents/${document}`), 204);
	await until(async () => !JSON.stringify((await runOf(user, id)).steps).includes(document), "what the steps hold of it");
	assertStatus(await user.api.post(`${RUNS}/${id}/approve`, {}), 200);
	assert.ok(!JSON.stringify((await ended(user, id)).outputs).includes(document));
});

test("by the clock: once for each time that is due, however many runners look at once; what is not understood is refused", async () => {
	const user = await newUser(api), definition = { steps: [{ id: "a", type: "transform" }] }, due = 12;
	const made = assertStatus(await user.api.post("/api/workflows", { name: "Flow", definition, schedule: { interval_s: 3600 } }), 201).json;
	assert.deepEqual(made.schedule, { interval_s: 3600, cron: null, timezone: "UTC" });
	assert.equal(Date.parse(made.next_run_at) - Date.parse(made.created_at), 3600e3);
	/* Four runners beside the one that is there look at each of the hours at once. */
	for (let hour = 1; hour <= due; hour++) {
		await millrace.psql(`UPDATE schedule SET due_at = date_trunc('hour', now()) - interval '${hour} hours', look_at = now() WHERE thing = '${made.id}'`);
		await Promise.all(Array.from({ length: 4 }, () => millrace.psql("SELECT schedule_fire(now(), 100, 10000)")));
	}
	const runs = await until(async () => {
		const { json } = await user.api.get(`${RUNS}?workflow_id=${made.id}&status=completed`);
		return json.length >= due && json;
	}, "the runs");
	assert.equal(assertStatus(await user.api.get(`${RUNS}?workflow_id=${made.id}`), 200).json.length, due);
	const times = await Promise.all(runs.map(async (run) => (await runOf(user, run.workflow_run_id)).inputs.due_at));
	assert.deepEqual(times.sort().map((t, i) => Date.parse(t) - Date.parse(times[0]) - i * 3600e3), Array(due).fill(0));
	const put = (schedule) => user.api.request("PUT", `/api/workflows/${made.id}`, { json: { schedule } });
	for (const [schedule, why] of [[{ cron: "0 0 * * 5#2" }, /weekday cannot be/], [{ cron: "0 0 L * *" }, /day cannot be/], [{ cron: "0 0 * * FRI-MON" }, /goes backwards/],
		[{ cron: "0 0 0 * * *" }, /six fields/], [{ cron: "5/10 * * * *" }, /step/], [{ cron: "0 0 30 2 *" }, /never comes/], [{ cron: "@daily", interval_s: 60 }, /either/]]) {
		const refused = await put(schedule);
		assertError(refused, "BAD_REQUEST", undefined, JSON.stringify(schedule));
		assert.match(refused.json.error, why);
	}
	assert.deepEqual(assertStatus(await put({ cron: "30 9 * * MON-FRI", timezone: "Europe/Lisbon" }), 200).json.schedule, { interval_s: null, cron: "30 9 * * MON-FRI", timezone: "Europe/Lisbon" });
	assert.deepEqual(assertStatus(await put(null), 200).json.next_run_at, null);
	assert.equal((await millrace.psql(`SELECT count(*) FROM schedule WHERE thing = '${made.id}'`)).trim(), "0");
});
