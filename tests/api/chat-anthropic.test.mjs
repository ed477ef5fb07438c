/* Chat with Anthropic's API: the strict stand-in behind us. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { LLMock } from "@copilotkit/aimock";
import { newUser, privateInstance } from "../js/instance.mjs";
import { newAdmin } from "../js/accounts.mjs";
import { Anthropic } from "../standin/anthropic.mjs";
import { permit } from "../standin/openai.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { assertDone, assertOneEnd, contentOf } from "../js/events.mjs";

let millrace, user, server, aimock;

before(async () => {
	[server, aimock] = await Promise.all([new Anthropic({ key: "sk-ant-test" }).start(), new LLMock({ port: 0 })]);
	aimock.onMessage("hello mock", { content: "Hi there from the mock." });
	await aimock.start();
	/* The second provider is asked where the first cannot answer. */
	millrace = await privateInstance("chat-anthropic", { MILLRACE_PROVIDER: "anthropic mock/claude-sonnet-5-5",
		MILLRACE_PROVIDERS: `mock=anthropic:${new URL(aimock.url).origin}/v1`, MILLRACE_PROVIDER_KEYS: "other=x mock=sk-mock", MILLRACE_LEASE_SECONDS: "4",
		ANTHROPIC_API_KEY: "sk-ant-test", ANTHROPIC_BASE_URL: server.url });
	user = await newUser(millrace.api);
});
after(async () => {
	await millrace?.stop();
	server?.close();
	await aimock?.stop();
});

const words = (n) => Array.from({ length: n }, (_, i) => `w${i}`).join(" ");
async function ask(message, more) {
	const mark = randomUUID(), stream = await user.api.chat(`${mark} ${message}`, more), events = await stream.all();
	assertOneEnd(events);
	return { events, end: events.at(-1), requests: server.log(mark), run: stream.headers["x-run-id"], conversation: stream.headers["x-conversation-id"] };
}
const fails = async (message, pattern) => {
	const { end, requests } = await ask(message);
	assert.equal(end.event, "error", JSON.stringify(end.data));
	assert.match(end.data.message, pattern);
	return requests;
};

test("an answer, with what it used", async () => {
	const { end, events, requests: [request] } = await ask("[[tokens:30 thinking:5 cached:700 cachewrite:50]]");
	const done = assertDone(end);
	assert.equal(done.content, words(30));
	assert.equal(contentOf(events), done.content);
	assert.deepEqual([done.usage.provider, done.usage.model, done.usage.outputTokens], ["anthropic", "claude-sonnet-5-5", 36]);
	assert.ok(done.usage.inputTokens > 750, "what was read from the cache and written there is input, too");
	assert.equal(request.headers["anthropic-version"], "2023-06-01");
	assert.ok(!request.headers.authorization && typeof request.body.system === "string" && request.body.stream === true);
	assert.ok(request.body.tools.some((t) => t.name === "search_documents" && t.input_schema.type === "object"));
});

test("the conversation so far, and an answer that comes whole", async () => {
	const first = await ask("[[say:one]]"), { end, requests: [request] } = await ask("[[say:two words whole]]", { conversationId: first.conversation });
	assert.equal(assertDone(end).content, "two words whole");
	assert.deepEqual(request.body.messages.map((m) => m.role), ["user", "assistant", "user"]);
	assert.equal(assertDone((await ask("[[tokens:4 whole]]")).end).content, words(4));
});

test("calls are made, with what was thought and said before them given back as it was", async () => {
	const { events, end, requests } = await ask('[[thinking:4 redacted before]] [[tool:write_file {"name":"a.md","content":"# é"}]] [[tool:read_file {"name":"a.md"}]]');
	assert.equal(assertDone(end).content, `let me look\n\n${words(12)}`);
	const results = events.filter((e) => e.event === "activity" && e.data.type === "tool_result").map((e) => [e.data.name, e.data.status, e.data.output]);
	assert.deepEqual(results.map((r) => r.slice(0, 2)), [["write_file", "done"], ["read_file", "done"]]);
	assert.equal(results[1][2], "# é");
	assert.equal(requests.length, 2);
	const [turn, answers] = requests[1].body.messages.slice(-2).map((m) => m.content);
	assert.deepEqual(turn.map((b) => b.type), ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]);
	assert.deepEqual(answers.map((b) => [b.type, b.tool_use_id]), turn.slice(3).map((b) => ["tool_result", b.id]));
});

test("a runner that is killed between a call and its end: another goes on, with the thoughts", async () => {
	const mark = randomUUID();
	permit(mark, 14); /* the thoughts and the call, and a few words behind it */
	const stream = await user.api.chat(`${mark} [[thinking:2 gate:${mark}]] [[tool:write_file {"name":"k.md","content":"k"}]]`);
	const events = await stream.takeUntil((e) => contentOf([e]).includes("w"));
	await millrace.replace("runner", { kill: true });
	permit(mark);
	events.push(...await stream.all());
	assertOneEnd(events);
	assert.equal(assertDone(events.at(-1)).content, words(12));
	const { body } = server.log(mark).at(-1);
	assert.ok(body.messages.some((m) => m.role === "assistant" && m.content[0].type === "thinking"), "the signature was kept");
	assert.equal(events.filter((e) => e.event === "artifact").length, 1, "the file was written once");
});

test("an answer that breaks off is continued", async () => {
	for (const fault of ["cut:5", "reset:5", "eof:5", "garbage:5", "errorchunk:5"]) {
		const { end, requests } = await ask(`[[tokens:20 ${fault}]]`);
		assert.equal(assertDone(end).content, words(20), fault);
		assert.equal(requests.length, 2, fault);
		assert.equal(requests[1].body.messages.at(-1).role, "user");
	}
});

test("a server that is busy is asked again, when it says so", async () => {
	const { end, requests } = await ask("[[429:1]]");
	assert.equal(assertDone(end).content, words(12));
	assert.ok(requests[1].at - requests[0].at >= 1000, "Retry-After");
	assert.equal(assertDone((await ask("[[529:1]]")).end).content, words(12));
	assert.equal(assertDone((await ask("[[500:1]]")).end).content, words(12));
});

test("a model that will not answer, and one that has come to its end", async () => {
	assert.equal(assertDone((await ask("[[tokens:3 finish:max_tokens]]")).end).finishReason, "length");
	assert.equal(assertDone((await ask("[[tokens:3 finish:refusal]]")).end).finishReason, "content_filter");
	const requests = await fails("[[tokens:0 finish:refusal]]", /content filter/);
	assert.equal(requests.length, 1, "nobody else is asked for what is withheld");
});

test("where one provider cannot answer, the next does", async () => {
	for (const fault of ["402", "413", "529"]) {
		const { end, requests } = await ask(`hello mock [[${fault} tokens:1]]`);
		const done = assertDone(end);
		assert.deepEqual([done.usage.provider, done.content], ["mock", "Hi there from the mock."], fault);
		assert.ok(fault === "529" ? requests.length > 1 : requests.length === 1, fault);
	}
});

test("a user's own key goes before the server's, and only theirs", async () => {
	const other = await newUser(millrace.api), mark = randomUUID(), put = (value) => other.api.post("/api/vault", { key: "ANTHROPIC_API_KEY", value });
	const end = async (message) => (await (await other.api.chat(message)).all()).at(-1);
	const secret = assertStatus(await put("sk-ant-wrong"), 200).json;
	assert.equal(secret.lastUsedAt, null);
	server.ownKey = "sk-ant-own";
	const wrong = await end(`${mark} [[tokens:1]]`);
	assert.match(wrong.data.message, /your own key; look at ANTHROPIC_API_KEY in the vault/);
	assertStatus(await put("sk-ant-own"), 200);
	assert.equal(assertDone(await end(`${mark} [[tokens:2]]`)).usage.provider, "anthropic");
	assert.deepEqual(server.log(mark).map((r) => r.headers["x-api-key"]), ["sk-ant-wrong", "sk-ant-own"]);
	assert.ok((await other.api.get("/api/vault")).json[0].lastUsedAt);
	/* Nothing of it becomes a header of its own. */
	assertStatus(await put("sk-ant-own\r\nx-evil: 1"), 200);
	await end(`${mark} [[tokens:3]]`);
	assert.equal(server.log(mark).at(-1).headers["x-evil"], undefined);
	await ask("[[tokens:1]]");
	assert.equal(server.requests.at(-1).headers["x-api-key"], "sk-ant-test");
	assert.equal(await millrace.grepLogs("sk-ant-own"), "");
});

test("a key that an administrator has put for everybody goes before the settings', behind a user's own; a provider without any is there with one", async () => {
	const admin = await newAdmin(millrace), put = (key, value, who = admin.api) => who.post("/api/v1/admin/vault", { key, value });
	assertError(await put("ANTHROPIC_API_KEY", "sk-ant-evil", user.api), "FORBIDDEN");
	const { apiKey: key } = assertStatus(await admin.api.post("/api/settings/api-keys", { name: "x", scopes: ["read", "write"] }), 201).json;
	assertError(await put("ANTHROPIC_API_KEY", "sk-ant-evil", millrace.api.fresh().as(key)), "FORBIDDEN");
	assertError(await put("my password", "x"), "BAD_REQUEST");
	const keyOf = async () => (await ask("[[tokens:1]]")).requests.at(-1)?.headers["x-api-key"];
	assert.equal(await keyOf(), "sk-ant-test");
	server.ownKey = "sk-ant-everybody";
	const secret = assertStatus(await put("ANTHROPIC_API_KEY", "sk-ant-everybody"), 200).json;
	assert.equal(secret.everybody, true);
	await until(async () => await keyOf() === "sk-ant-everybody", "everybody is answered with it");
	assert.deepEqual((await admin.api.get("/api/vault")).json.map((s) => [s.key, s.everybody]), [["ANTHROPIC_API_KEY", true]]);
	assert.deepEqual((await user.api.get("/api/vault")).json, []);
	const other = await newUser(millrace.api), mark = randomUUID();
	assertStatus(await other.api.post("/api/vault", { key: "ANTHROPIC_API_KEY", value: "sk-ant-mine" }), 200);
	await (await other.api.chat(mark)).all();
	assert.equal(server.log(mark)[0].headers["x-api-key"], "sk-ant-mine");
	const isThere = async () => (await millrace.psql("SELECT count(*) FROM gateway_provider WHERE name = 'google'")).trim() === "1";
	assert.equal(await isThere(), false);
	const google = assertStatus(await put("GEMINI_API_KEY", "AIza-everybody"), 200).json;
	await until(isThere, "it is among the providers");
	for (const { id } of [secret, google])
		assertStatus(await admin.api.delete(`/api/vault?id=${id}`), 200);
	await until(async () => await keyOf() === "sk-ant-test" && !await isThere(), "the settings' again");
	assert.equal(await millrace.grepLogs("sk-ant-everybody"), "");
	assert.ok(Number((await millrace.psql("SELECT count(*) FROM audit_log WHERE type = 'secret_used' AND data ->> 'purpose' = 'providers'")).trim()) >= 2);
});

test("what no provider answers is told without a key", async () => {
	await fails("[[402]]", /provider/);
	assert.equal(await millrace.grepLogs("sk-ant-test"), "");
	assert.equal(await millrace.grepLogs("sk-mock"), "");
	await until(async () => Number((await millrace.psql("SELECT sum((stats ->> 'millrace_provider_fallbacks_total')::numeric) FROM process WHERE role = 'runner'")).trim()) >= 4,
	    "fallbacks are counted");
});
