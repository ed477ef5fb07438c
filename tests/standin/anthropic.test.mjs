/* The stand-in for Anthropic's API, by the official client. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import AnthropicClient from "@anthropic-ai/sdk";
import { Anthropic } from "./anthropic.mjs";

let server, client;
const options = (more = {}) => ({ apiKey: "key", baseURL: server.origin, maxRetries: 0, ...more });
before(async () => {
	server = await new Anthropic().start();
	client = new AnthropicClient(options());
});
after(() => server?.close());

const MODEL = "claude-sonnet-5-5";
const ask = (content, more = {}) => ({ model: MODEL, max_tokens: 1000, messages: [{ role: "user", content }], ...more });
const words = (n) => Array.from({ length: n }, (_, i) => (i > 0 ? " w" : "w") + i).join("");

test("an answer, whole and streamed", async () => {
	for (const message of [await client.messages.create(ask("[[tokens:5 cached:7 cachewrite:3]]")),
		await client.messages.stream(ask("[[tokens:5 cached:7 cachewrite:3]]")).finalMessage()]) {
		assert.equal(message.content.map((b) => b.text).join(""), words(5));
		assert.equal(message.stop_reason, "end_turn");
		assert.deepEqual([message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens], [7, 3]);
		assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
	}
});

test("thoughts, calls and their results", async () => {
	const tools = [{ name: "look", description: "Looks", input_schema: { type: "object", properties: { q: { type: "string" } } } }];
	const question = '[[thinking:3 redacted before]] [[tool:look {"q":"a"}]] [[tool:look {"q":"b"}]]';
	const message = await client.messages.stream(ask(question, { tools })).finalMessage();
	assert.deepEqual(message.content.map((b) => b.type), ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]);
	assert.deepEqual(message.content.slice(3).map((b) => b.input), [{ q: "a" }, { q: "b" }]);
	assert.equal(message.stop_reason, "tool_use");
	const results = message.content.slice(3).map((b) => ({ type: "tool_result", tool_use_id: b.id, content: "seen" }));
	const turn = (content, answers = results) => client.messages.create({ ...ask(question, { tools }), messages: [{ role: "user", content: question },
		{ role: "assistant", content }, { role: "user", content: answers }] });
	assert.equal((await turn(message.content)).content.at(-1).text, words(12));
	for (const [change, why] of [[[message.content.slice(1)], null], [[message.content.slice(2)], /Expected `thinking`/],
		[[[{ ...message.content[0], signature: "x" }, ...message.content.slice(1)]], /Invalid `signature`/],
		[[message.content, results.slice(1)], /without `tool_result` blocks/], [[[message.content[0]], results], /unexpected `tool_use_id`/]])
		await (why ? assert.rejects(turn(...change), (e) => e.status === 400 && why.test(e.message)) : turn(...change));
});

test("what is refused", async () => {
	const cases = [[{ max_tokens: undefined }, /max_tokens: Field required/], [{ max_tokens: 200000, stream: true }, /> 128000, which is the maximum/],
		[{ temperature: 1 }, /temperature: Extra inputs/], [{ colour: 1 }, /colour: Extra inputs are not permitted/], [{ messages: [] }, /at least one message/],
		[{ messages: [{ role: "assistant", content: "x" }] }, /first message must/], [{ messages: [{ role: "user", content: [{ type: "text", text: "" }] }] }, /non-empty/],
		[{ messages: [{ role: "user", content: "x" }, { role: "assistant", content: "y" }] }, /prefill/],
		[{ tools: [{ name: "a b", input_schema: { type: "object" } }] }, /should match pattern/],
		[{ tools: [{ type: "function", function: { name: "x" } }] }, /Extra inputs/], [{ stream: "yes" }, /stream: Input should be a valid boolean/]];
	for (const [change, why] of cases)
		await assert.rejects(client.messages.create(ask("x", change)), (e) => e.status === 400 && e.error.error.type === "invalid_request_error" && why.test(e.message));
	const old = { defaultHeaders: { "anthropic-version": "2023-06-01" } };
	await assert.rejects(new AnthropicClient(options(old)).messages.create(ask("x", { temperature: 1 })), /not supported for this model/);
	await assert.rejects(new AnthropicClient(options(old)).messages.create(ask("x", { model: "claude-sonnet-4-5", temperature: 1, top_p: 1 })), /cannot both/);
	await new AnthropicClient(options(old)).messages.create(ask("x", { model: "claude-sonnet-4-5", temperature: 1 }));
	await assert.rejects(client.messages.create(ask("x", { model: "gpt-4o" })), AnthropicClient.NotFoundError);
	await assert.rejects(new AnthropicClient(options({ apiKey: "other" })).messages.create(ask("x")), AnthropicClient.AuthenticationError);
});

test("faults", async () => {
	await assert.rejects(client.messages.create(ask("[[429]]")), (e) => e instanceof AnthropicClient.RateLimitError && e.headers.get("retry-after") === "1");
	await assert.rejects(client.messages.create(ask("[[529]]")), (e) => e.status === 529 && e.error.error.type === "overloaded_error");
	await assert.rejects(client.messages.stream(ask("[[errorchunk:3]]")).finalMessage(), /Overloaded/);
	for (const fault of ["cut:3", "reset:3", "eof:3"])
		await assert.rejects(client.messages.stream(ask(`[[${fault}]]`)).finalMessage());
	assert.equal((await client.messages.stream(ask("[[cut:3 times:0]]")).finalMessage()).content[0].text, words(12));
});
