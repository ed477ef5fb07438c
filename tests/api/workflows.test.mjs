/* Definitions of workflows, and servers of tools. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { newUser, shared } from "../js/instance.mjs";
import { UUID7, assertError, assertKeys, assertStatus } from "../js/expect.mjs";

let millrace, api, user;
before(async () => { millrace = await shared(); ({ api } = millrace); user = await newUser(api); });

const PATH = "/api/workflows";
const DEFINITION = { steps: [
	{ id: "find", type: "agent", agent: "lead_agent", input: { query: "In {{inputs.place.city}}" }, retries: 2, timeout_s: 60 },
	{ id: "both", type: "parallel", branches: [
		[{ id: "ask", type: "http", method: "POST", url: "https://api.example/{{inputs.id}}", headers: { accept: "x" }, body: { found: ["{{steps.find.output.leads}}"] } }],
		[{ id: "shape", type: "transform", expression: ".[0]", input: { all: "{{ steps.find.output }}" } }, { id: "rest", type: "wait", seconds: 5 }]] },
	{ id: "choice", type: "condition", condition: "{{steps.shape.output.0.score}} > 5",
		then: [{ id: "sure", type: "approval", message: "Send {{steps.ask.output}}?" }], else: [{ id: "later", type: "wait", seconds: 1 }] },
	{ id: "end", type: "http", url: "{{steps.find.output.url}}" }] };

test("a workflow: every field, changed in part, cleared by null, deleted", async () => {
	const made = assertStatus(await user.api.post(PATH, { name: "Flow", description: "All", definition: DEFINITION }), 201).json, path = `${PATH}/${made.id}`;
	assertKeys(made, ["id", "user_id", "name", "description", "definition", "schedule", "next_run_at", "created_at", "updated_at"]);
	assert.match(made.id, UUID7);
	assert.deepEqual(made.definition, DEFINITION);
	assert.deepEqual(assertStatus(await user.api.get(path), 200).json, made);
	const definition = { steps: [{ id: "a", type: "wait", seconds: 1 }], note: "kept as it is" };
	const changed = assertStatus(await user.api.request("PUT", path, { json: { description: null, definition } }), 200).json;
	assert.deepEqual(changed, { ...made, description: null, definition, updated_at: changed.updated_at });
	assert.deepEqual(assertStatus(await user.api.request("PUT", path, { json: { name: "New" } }), 200).json.definition, definition);
	assert.deepEqual(assertStatus(await user.api.get(PATH), 200).json.map((w) => w.id), [made.id]);
	const other = await newUser(api);
	for (const [method, json] of [["GET"], ["PUT", { name: "Stolen" }], ["DELETE"]])
		assertError(await other.api.request(method, path, { json }), "NOT_FOUND");
	assertStatus(await user.api.delete(path), 204);
	assertError(await user.api.get(path), "NOT_FOUND");
	assertError(await user.api.post(PATH, { name: "", definition: [] }), "BAD_REQUEST", ["name", "definition"]);
	assertError(await user.api.post(PATH, {}), "BAD_REQUEST", ["name", "definition"]);
});

const wait = (id, more) => ({ id, type: "wait", seconds: 1, ...more });
const steps = (...list) => ({ steps: list });
const nested = (depth) => depth === 0 ? [wait("w")] : [{ id: `c${depth}`, type: "condition", condition: "x", then: nested(depth - 1) }];

/* Definitions, the paths of their faults, and whether the JSON Schema can say so too. */
const FAULTS = [
	[{}, ["steps"], true],
	[{ steps: {} }, ["steps"], true],
	[steps(), ["steps"], true],
	[steps("x"), ["steps[0]"], true],
	[steps({ type: "wait", seconds: 1 }), ["steps[0].id"], true],
	[steps(wait("a b")), ["steps[0].id"], true],
	[steps(wait("a"), { id: "b", type: "sleep" }), ["steps[1].type"], true],
	[steps(wait("a", { retries: 11, timeout_s: 0 })), ["steps[0].retries", "steps[0].timeout_s"], true],
	[steps(wait("a", { timeoutS: 3601 })), ["steps[0].timeoutS"], true],
	[steps(wait("a", { seconds: "1" })), ["steps[0].seconds"], true],
	[steps(wait("a", { timeout_s: 5 })), ["steps[0].timeout_s"], true],
	[steps({ id: "p", type: "parallel", timeoutS: 5, branches: [[wait("a")]] }), ["steps[0].timeout_s"], true],
	[steps({ id: "a", type: "agent", input: [] }), ["steps[0].agent", "steps[0].input"], true],
	[steps({ id: "a", type: "http", method: "TRACE", headers: "x" }), ["steps[0].method", "steps[0].url", "steps[0].headers"], true],
	...["Host", "content-length", "Transfer-Encoding", "", "a b", "x\r\ny"].map((name) => [steps({ id: "a", type: "http", url: "https://x.example/", headers: { Accept: "x", [name]: "x" } }), ["steps[0].headers"], false]),
	[steps({ id: "a", type: "transform", expression: "" }), ["steps[0].expression"], true],
	[steps({ id: "a", type: "approval", message: "" }), ["steps[0].message"], true],
	[steps({ id: "a", type: "condition", condition: "x", then: [], else: "x" }), ["steps[0].else"], true],
	[steps({ id: "a", type: "condition", condition: "x", then: [] }), ["steps[0].then"], true],
	[steps({ id: "a", type: "condition", condition: "x", then: [wait("b")], else: [wait("c", { seconds: 0 })] }), ["steps[0].else[0].seconds"], true],
	[steps({ id: "a", type: "parallel", branches: [] }), ["steps[0].branches"], true],
	[steps({ id: "a", type: "parallel", branches: [[wait("b")], "x", [{ id: "c" }]] }), ["steps[0].branches[1]", "steps[0].branches[2][0].type"], true],
	[steps(...Array.from({ length: 201 }, (_, i) => wait(`w${i}`))), ["steps"], true],
	[steps(wait("a"), wait("a")), ["steps[1].id"], false],
	[steps({ id: "a", type: "condition", condition: "x", then: [wait("a")] }), ["steps[0].id"], false],
	[steps(...nested(8)), ["steps[0].then[0].then[0].then[0].then[0].then[0].then[0].then[0].then"], false],
	[steps({ id: "a", type: "http", url: "http://127.0.0.1/" }), ["steps[0].url"], false],
	[steps({ id: "a", type: "http", url: "file:///{{inputs.x}}" }), ["steps[0].url"], false],
	[steps({ id: "a", type: "approval", message: "{{steps.b.output}}" }, wait("b")), ["steps[0].message"], false],
	[steps({ id: "a", type: "agent", agent: "x", input: { deep: [1, { x: "{{steps.a.output}}" }] } }), ["steps[0].input.deep[1].x"], false],
	[steps({ id: "p", type: "parallel", branches: [[wait("x")], [{ id: "y", type: "approval", message: "{{steps.x.output}}" }]] }), ["steps[0].branches[1][0].message"], false],
	...["{{", "{{}}", "{{input.x}}", "{{inputs}}", "{{inputs.}}", "{{inputs.a b}}", "{{steps.a}}", "{{steps.a.input}}", "{{1 + 1}}", `{{inputs.${"x".repeat(300)}}}`]
	    .map((message) => [steps(wait("a"), { id: "b", type: "approval", message: `x ${message} y` }), ["steps[1].message"], false]),
];

test("each fault of a definition is named with its path, and the schema has those that it can say", async () => {
	const ajv = new Ajv2020({ strict: false });
	addFormats(ajv);
	ajv.addSchema(millrace.document, "api");
	const fits = ajv.compile({ $ref: "api#/components/schemas/WorkflowDefinition" });
	assert.ok(fits(DEFINITION), JSON.stringify(fits.errors));
	for (const [definition, paths, told] of FAULTS) {
		const what = JSON.stringify(definition).slice(0, 200);
		assertError(await user.api.post(PATH, { name: "x", definition }), "BAD_REQUEST", paths.map((p) => `definition.${p}`), what);
		assert.equal(fits(definition), !told, what);
	}
	assert.deepEqual(assertStatus(await user.api.get(PATH), 200).json, []);
	/* Whatever its steps are, one that is as long. */
	const long = steps(...Array.from({ length: 10000 }, (_, i) => ({ id: `s${i}`, type: "transform" })));
	assertError(await user.api.post(PATH, { name: "x", definition: long }), "BAD_REQUEST", ["definition"]);
	const cycle = await user.api.post(PATH, { name: "x", definition: steps(...[["a", "b"], ["b", "a"]].map(([id, from]) =>
	    ({ id, type: "transform", input: { from: `{{steps.${from}.output}}` } }))) });
	assertError(cycle, "BAD_REQUEST", ["definition.steps[0].input.from"]);
	assert.equal(cycle.json.fields[0].problem, "refers to the step b, which has not ended by then");
	assertStatus(await user.api.post(PATH, { name: "x", definition: steps(...nested(7)) }), 201);
	assertStatus(await user.api.post(PATH, { name: "x", definition: steps(...Array.from({ length: 200 }, (_, i) => wait(`w${i}`))) }), 201);
});

test("servers of tools: public addresses, once by name, with a secret that the vault has", async () => {
	const own = await newUser(api), SERVERS = "/api/mcp-servers";
	const made = assertStatus(await own.api.post(SERVERS, { name: "tools", url: "https://tools.example/mcp" }), 201).json;
	assertKeys(made, ["id", "user_id", "name", "url", "secret", "headers", "tools", "revision", "problem", "listed_at", "created_at"]);
	assert.deepEqual([made.secret, made.tools, made.listed_at], [null, [], null]);
	assertError(await own.api.post(SERVERS, { name: "a b", url: "https://tools.example/mcp" }), "BAD_REQUEST", ["name"]);
	assertError(await own.api.post(SERVERS, { name: "tools", url: "https://x.example" }), "CONFLICT");
	for (const url of ["http://127.0.0.1:8080", "https://[::1]/", "https://10.1", "https://2130706433/", "https://u:p@x.example", "ftp://x.example", "x"])
		assertError(await own.api.post(SERVERS, { name: "y", url }), "BAD_REQUEST", ["url"], url);
	assertError(await own.api.post(SERVERS, { name: "y", url: "https://y.example", secret: "TOKEN" }), "BAD_REQUEST");
	assertStatus(await own.api.post("/api/vault", { key: "TOKEN", value: "t0ken" }), 200);
	const second = assertStatus(await own.api.post(SERVERS, { name: "y", url: "https://y.example", secret: "TOKEN" }), 201).json;
	assert.deepEqual(assertStatus(await own.api.get(SERVERS), 200).json.map((s) => [s.id, s.secret]), [[second.id, "TOKEN"], [made.id, null]]);
	assert.deepEqual(assertStatus(await user.api.get(SERVERS), 200).json, []);
	assertError(await user.api.delete(`${SERVERS}/${made.id}`), "NOT_FOUND");
	assertStatus(await own.api.delete(`${SERVERS}/${made.id}`), 204);
	assertError(await own.api.delete(`${SERVERS}/${made.id}`), "NOT_FOUND");
});
