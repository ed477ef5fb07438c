/* Agents as they are invoked: in one reply, later, as events; for oneself and for a service's users. Without a model: by rules. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newUser, shared } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { assertOneEnd } from "../js/events.mjs";
import { analyticsOf, eventsOf } from "../js/log.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const INVOKE = "/api/agents/invoke", KEYS = ["request_id", "agent_type", "status", "result", "error", "metadata", "created_at"];
const invoke = async (from, json, query = "") => assertStatus(await from.post(INVOKE + query, json), 200).json;
const leadOf = async (user, json) => assertStatus(await user.api.post("/api/leads", json), 201).json.id;
const requestOf = async (from, id) => assertStatus(await from.get(`/api/agents/requests/${id}`), 200).json;
const ended = (from, id) => until(async () => {
	const request = await requestOf(from, id);
	return ["completed", "failed"].includes(request.status) && request;
}, "the request's end");

test("lead_agent ranks leads by rules and says so; its metadata come back, and the outcome later", async () => {
	const user = await newUser(api), metadata = { source: "dashboard", nothing: null };
	const none = await invoke(user.api, { agent_type: "lead_agent", input: { query: "saas" } });
	assert.deepEqual([none.result.leads, none.metadata], [[], {}]);
	assert.match(none.result.summary, /no leads yet.*by rules/);
	const other = await leadOf(user, { name: "Bob", notes: "Bakery", status: "qualified", value: 1000, email: "b@example.org" });
	const first = await leadOf(user, { name: "Ada", company: "Sáas & Co", status: "qualified", email: "a@example.org" });
	const second = await leadOf(user, { name: "Eve", metadata: { trade: "sáas" }, status: "lost" });
	const made = await invoke(user.api, { agent_type: "lead_agent", input: { query: "Find the top prospects in SÁAS" }, metadata });
	assertKeys(made, KEYS);
	assert.match(made.request_id, UUID7);
	assert.deepEqual([made.agent_type, made.status, made.error, made.metadata], ["lead_agent", "completed", null, metadata]);
	assert.deepEqual(made.result.leads.map((l) => l.id), [first, second]);
	for (const lead of made.result.leads) {
		assertKeys(lead, ["id", "score", "reasons"]);
		assert.ok(lead.score > 0 && lead.score <= 100 && lead.reasons.includes("it holds the words: sáas"), JSON.stringify(lead));
	}
	assert.match(made.result.summary, /Ada.*by rules/);
	assert.deepEqual(await requestOf(user.api, made.request_id), made);
	const all = await invoke(user.api, { agent_type: "lead_agent", input: { query: "anything" } });
	assert.deepEqual(all.result.leads.map((l) => l.id), [other, first, second]);
	const stranger = await newUser(api);
	assertError(await stranger.api.get(`/api/agents/requests/${made.request_id}`), "NOT_FOUND");
	assert.deepEqual((await invoke(stranger.api, { agent_type: "lead_agent", input: { query: "saas" } })).result.leads, []);
});

test("chat_agent answers from the documents, at once or later; its answer is a thought to who listens", async () => {
	const user = await newUser(api);
	assertStatus(await user.api.upload("/api/documents/upload?wait=1", { file: { filename: "mill.txt", type: "text/plain", bytes: "The mill has a blue wheel." } }), 200);
	const queued = await invoke(user.api, { agent_type: "chat_agent", input: { message: "What colour is the wheel?" } }, "?async=1");
	assert.deepEqual([queued.status, queued.result], ["queued", null]);
	const made = await ended(user.api, queued.request_id);
	assert.equal(made.status, "completed");
	assert.match(made.result.content, /blue wheel/);
	assert.equal(made.result.sources.length, 1);
	const actions = (await eventsOf(millrace, `user:${user.uid}`)).filter((e) => e.type === "agent_action").map((e) => e.data);
	assert.deepEqual(actions.map((a) => a.type), ["action", "action", "thought"]);
	assert.equal(new Set(actions.map((a) => a.id)).size, 3);
	assert.equal(actions[2].content, made.result.content);
	assert.ok(actions.every((a) => a.request_id === made.request_id));
	/* What a document has said goes with it. */
	assertStatus(await user.api.delete(`/api/documents/${made.result.sources[0].documentId}`), 204);
	await until(async () => (await requestOf(user.api, made.request_id)).result.sources.length === 0, "the sources to go");
});

test("as events: steps, tokens, and an end that holds the result", async () => {
	const user = await newUser(api);
	await leadOf(user, { name: "Ada", notes: "saas" });
	const stream = await user.api.sse("POST", INVOKE, { json: { agent_type: "lead_agent", input: { query: "saas" } } });
	const events = await stream.all();
	assertOneEnd(events);
	const { event, data } = events.at(-1);
	assert.equal(event, "done");
	assert.equal(data.request_id, stream.headers["x-run-id"]);
	assert.equal(data.result.summary, events.filter((e) => e.event === "token").map((e) => e.data.content).join(""));
	const { usage, finishReason, ...request } = data;
	assert.deepEqual([request, finishReason, usage.costUsd], [await requestOf(user.api, data.request_id), "stop", 0]);
});

test("one's own agent is invoked as it is then", async () => {
	const user = await newUser(api);
	assertStatus(await user.api.post("/api/agents", { type: "scout", name: "Scout", prompt: "Look." }), 201);
	const made = await invoke(user.api, { agent_type: "scout", input: { anything: [1] } });
	assert.deepEqual([made.status, made.result.sources], ["completed", []]);
	const run = JSON.parse(await millrace.psql(`SELECT input FROM run WHERE id = '${made.request_id}'`));
	assert.deepEqual([run.agent, JSON.parse(run.message)], [{ type: "scout", name: "Scout", prompt: "Look.", model: null, tools: [] }, { anything: [1] }]);
	const stranger = await newUser(api);
	for (const [json, fields] of [[{ agent_type: "scout", input: {} }], [{ agent_type: "lead_agent", input: { message: "x" } }], [{ agent_type: "chat_agent", input: { message: " " } }],
		[{ agent_type: "", input: [], metadata: 1 }, ["agent_type", "input", "metadata"]], [{}, ["agent_type", "input"]]])
		assertError(await stranger.api.post(INVOKE, json), "BAD_REQUEST", fields);
});

test("a service account, or an administrator, invokes for somebody; nobody else does", async () => {
	const { stdout } = await millrace.ctl("key", "create", `${newName()}@example.org`, "--service"), service = api.fresh().as(/mr_[\w-]+/.exec(stdout)[0]);
	const json = { agent_type: "lead_agent", input: { query: "x" }, user_id: "user_001" };
	const made = await invoke(service, json);
	assert.equal(made.status, "completed");
	assert.deepEqual(await requestOf(service, made.request_id), made);
	const owner = (await millrace.psql(`SELECT s.name FROM run r JOIN service_user s ON s.user_id = r.owner_id WHERE r.id = '${made.request_id}'`)).trim();
	assert.equal(owner, "user_001");
	const user = await newUser(api), other = await newUser(api), admin = await newAdmin(millrace);
	await leadOf(user, { name: "Ada" });
	assertError(await other.api.post(INVOKE, { ...json, user_id: user.uid }), "FORBIDDEN");
	assert.equal((await invoke(user.api, { ...json, user_id: user.uid })).result.leads.length, 1);
	const { request_id, result } = await invoke(admin.api, { ...json, user_id: user.uid });
	assert.equal(result.leads.length, 1);
	for (const from of [user, admin])
		assert.equal((await requestOf(from.api, request_id)).status, "completed");
	assertError(await admin.api.post(INVOKE, { ...json, user_id: randomUUID() }), "NOT_FOUND");
});

test("a request whose run is cancelled has failed", async () => {
	const user = await newUser(api), go = await millrace.holdRunner();
	const { request_id } = await invoke(user.api, { agent_type: "lead_agent", input: { query: "x" } }, "?async=1");
	assertStatus(await user.api.post(`/api/runs/${request_id}/cancel`), 200);
	go();
	const made = await requestOf(user.api, request_id);
	assert.deepEqual([made.status, made.result, made.error], ["failed", null, "The run was cancelled."]);
});

test("an analysis is stored, is the lead's, and is told", async () => {
	const user = await newUser(api), id = await leadOf(user, { name: "Ada", status: "qualified", value: 500 }), path = `/api/leads/${id}`;
	assert.equal(assertStatus(await user.api.get(path), 200).json.analysis, null);
	const first = assertStatus(await user.api.post(`${path}/analyze`), 200).json, made = assertStatus(await user.api.post(`${path}/analyze`), 200).json;
	assertKeys(made, ["id", "lead_id", "score", "summary", "next_action", "created_at"]);
	assert.notEqual(made.id, first.id);
	assert.match(made.created_at, TIME);
	assert.deepEqual([made.lead_id, made.next_action], [id, "Make an offer."]);
	assert.match(made.summary, /^Ada has a score of \d+: .*by rules/);
	assert.deepEqual(assertStatus(await user.api.get(path), 200).json.analysis, made);
	const told = (await analyticsOf(millrace, user.uid)).filter((e) => e.type === "lead_analyzed").map((e) => e.data);
	assert.deepEqual(told, [first, made].map((a) => ({ lead_id: id, user_id: user.uid, analysis_id: a.id, completed_at: a.created_at })));
	const stranger = await newUser(api);
	assertError(await stranger.api.post(`${path}/analyze`), "NOT_FOUND");
	assertStatus(await user.api.delete(path), 204);
	assert.equal((await millrace.psql(`SELECT count(*) FROM lead_analysis WHERE owner_id = '${user.uid}'`)).trim(), "0");
});
