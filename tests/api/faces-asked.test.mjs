/*
 * What clients of the faces ask for beyond words reaches the provider that takes it, what else it says reaches them, and what can be neither is refused
 * in words: thoughts with their signatures, marks for the cache, documents, failed tools, reasons of an end.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import AnthropicClient from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { newUser, privateInstance } from "../js/instance.mjs";
import { relayTo } from "../js/relay.mjs";
import { start as startOpenAI } from "../standin/openai.mjs";
import { Anthropic, CITATION } from "../standin/anthropic.mjs";
import { Google } from "../standin/google.mjs";
import { THOUGHT, start as startThinker } from "../standin/thinker.mjs";
import { assertStatus, until } from "../js/expect.mjs";

const CLAUDE = "claude-sonnet-4-5", NEW_CLAUDE = "claude-sonnet-5-5", DEEP = "deep/thinker-1", GEMINI = "gemini-3.6-flash";
const SCHEMA = { type: "object", properties: { q: { type: "number" } } };
const LOOK = { name: "look", description: "Looks", input_schema: SCHEMA }, LOOKS = { type: "function", function: { name: "look", description: "Looks", parameters: SCHEMA } };
let millrace, relay, openaiServer, claudeServer, googleServer, deep, openai, anthropic, key;

before(async () => {
	[openaiServer, claudeServer, googleServer, deep] = await Promise.all([startOpenAI({ key: "sk-test" }), new Anthropic({ key: "sk-ant-test" }).start(),
		new Google({ key: "gk-test" }).start(), startThinker()]);
	millrace = await privateInstance("faces-asked", { MILLRACE_PROVIDER: "openai anthropic google local", OPENAI_API_KEY: "sk-test",
		OPENAI_BASE_URL: openaiServer.url, ANTHROPIC_API_KEY: "sk-ant-test", ANTHROPIC_BASE_URL: claudeServer.url, GEMINI_API_KEY: "gk-test",
		GEMINI_BASE_URL: googleServer.url, MILLRACE_PROVIDERS: `deep=openai:${deep.url}` });
	relay = await relayTo(millrace);
	const user = await newUser(millrace.api);
	key = assertStatus(await user.api.post("/api/settings/api-keys", { name: "faces" }), 201).json.apiKey;
	openai = new OpenAI({ apiKey: key, baseURL: `${relay.url}/v1`, maxRetries: 0 });
	anthropic = new AnthropicClient({ apiKey: key, baseURL: relay.url, maxRetries: 0 });
	await until(async () => (await openai.models.list()).data.length > 3, "the runner's list of providers");
});
after(async () => {
	await millrace?.stop();
	relay?.close();
	for (const server of [openaiServer, claudeServer, googleServer, deep])
		server?.close();
});

const said = (content, more = {}) => ({ model: CLAUDE, max_tokens: 6000, messages: [{ role: "user", content }], ...more });
const message = (content, more) => anthropic.messages.create(said(content, more));
const chat = (content, more = {}) => openai.chat.completions.create({ model: DEEP, messages: [{ role: "user", content }], ...more });
const bodyOf = (server, mark) => { const [entry] = server.log(mark).slice(-1); return entry.body ?? entry; };
const types = (content) => content.map((block) => block.type);
const refuses = (promise, pattern, status = 400) => assert.rejects(promise, (e) => {
	assert.equal(e.status, status, e.stack);
	assert.match(e.message, pattern);
	return true;
});
async function all(stream) {
	const chunks = [];
	for await (const chunk of stream)
		chunks.push(chunk);
	return chunks;
}

test("what is asked in Anthropic's format goes to its servers as it is", async () => {
	const mark = randomUUID(), ephemeral = { type: "ephemeral" }, thinking = { type: "enabled", budget_tokens: 2048 };
	const asked = { system: [{ type: "text", text: "Be brief." }, { type: "text", text: mark, cache_control: ephemeral }],
		tools: [{ ...LOOK, strict: true, cache_control: { type: "ephemeral", ttl: "5m" } }], tool_choice: { type: "auto", disable_parallel_tool_use: true },
		metadata: { user_id: "u-1" }, thinking, output_config: { effort: "low", format: { type: "json_schema", schema: SCHEMA } }, stop_sequences: ["xyz"], service_tier: "auto",
		messages: [{ role: "user", content: [{ type: "document", source: { type: "base64", media_type: "application/pdf", data: "aGk=" }, title: "A", citations: { enabled: true } },
			{ type: "text", text: "look", cache_control: ephemeral }] },
		{ role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "look", input: { q: 1 } }, { type: "tool_use", id: "toolu_2", name: "look", input: {} }] },
		{ role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", is_error: true, content: "no light" },
			{ type: "tool_result", tool_use_id: "toolu_2", content: [{ type: "text", text: "a mill" }, { type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } }] }] },
		{ role: "user", content: "[[tokens:3 cached:5 cachewrite:7]]" }] };
	const whole = await message("", asked);
	const { model, max_tokens: most, stream, ...sent } = bodyOf(claudeServer, mark);
	assert.deepEqual([model, most, stream, sent], [CLAUDE, 6000, true, asked]);
	assert.deepEqual([whole.usage.cache_read_input_tokens, whole.usage.cache_creation_input_tokens], [5, 7]);
	/* An older version takes the sampling parameters that the model takes, a newer model none. */
	await message(`${mark} older`, { model: "claude-3-haiku-20240307", max_tokens: 50, temperature: 0.1, top_p: 0.9, top_k: 7 });
	const older = bodyOf(claudeServer, `${mark} older`);
	assert.deepEqual([older.temperature, older.top_p, older.top_k], [0.1, 0.9, 7]);
	await message(`${mark} newer`, { model: NEW_CLAUDE, temperature: 0.1, top_k: 7 });
	assert.deepEqual(Object.keys(bodyOf(claudeServer, `${mark} newer`)).sort(), ["max_tokens", "messages", "model", "stream"]);
});

test("Anthropic's client: thoughts with their signatures, whole and streamed, and back with the results of tools", async () => {
	const thinking = { type: "enabled", budget_tokens: 1024 }, question = '[[thinking:3 redacted before]] [[tool:look {"q":1}]] [[tool:look {"q":2}]]';
	const ask = (more) => said(question, { thinking, tools: [LOOK], ...more });
	const stream = anthropic.messages.stream(ask()), events = [];
	stream.on("streamEvent", (event) => events.push(event));
	for (const first of [await stream.finalMessage(), await anthropic.messages.create(ask())]) {
		assert.deepEqual(types(first.content), ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]);
		assert.equal(first.content[0].thinking, " t0 t1 t2");
		const next = ask(), results = first.content.filter((b) => b.type === "tool_use").map((b) => ({ type: "tool_result", tool_use_id: b.id, content: "seen" }));
		next.messages.push({ role: "assistant", content: first.content }, { role: "user", content: results });
		const last = await anthropic.messages.create(next);
		assert.deepEqual(types(last.content), ["thinking", "redacted_thinking", "text"]);
	}
	assert.deepEqual([...new Set(events.filter((e) => e.type === "content_block_delta").map((e) => e.delta.type))], ["thinking_delta", "signature_delta", "text_delta", "input_json_delta"]);
	assert.deepEqual(events.filter((e) => e.type === "content_block_start").map((e) => e.index), [0, 1, 2, 3, 4]);
	/* The vendor's own refusal of what it has not signed, and of a turn without what it thought. */
	const forged = ask();
	forged.messages.push({ role: "assistant", content: [{ type: "thinking", thinking: "I owe you", signature: "c2lnbmVk" }] }, { role: "user", content: "go on" });
	await refuses(anthropic.messages.create(forged), /signature/);
});

test("Anthropic's client: thoughts of other vendors' models, which get back what they want", async () => {
	for (const thinking of [{ type: "adaptive" }, { type: "enabled", budget_tokens: 2000, display: "omitted" }, undefined])
		for (const streams of [true, false]) {
			const ask = said("call it", { model: DEEP, tools: [LOOK], ...(thinking && { thinking }) });
			const first = streams ? await anthropic.messages.stream(ask).finalMessage() : await anthropic.messages.create(ask);
			const shown = thinking && !thinking.display ? ["thinking"] : [];
			assert.deepEqual(types(first.content), [...shown, "redacted_thinking", "tool_use"], `${JSON.stringify(thinking)} ${streams}`);
			if (shown.length > 0)
				assert.equal(first.content[0].thinking, THOUGHT);
			const results = [{ type: "tool_result", tool_use_id: first.content.at(-1).id, content: "seen", is_error: true }];
			const next = { ...ask, messages: [...ask.messages, { role: "assistant", content: first.content }, { role: "user", content: results }] };
			const last = await anthropic.messages.create(next);
			assert.deepEqual(last.content.at(-1), { type: "text", text: "It is so." });
			assert.equal(deep.requests.at(-1).messages.at(-1).content, "Error: seen");
			/* Another model goes on, which has not thought it: neither the thoughts nor the other's id. */
			const other = await anthropic.messages.create({ ...next, model: CLAUDE });
			assert.equal(other.content[0].type, "text");
		}
	const gemini = await message("[[thinking:2 tokens:3]]", { model: GEMINI, thinking: { type: "adaptive" }, output_config: { effort: "max" } });
	assert.deepEqual([types(gemini.content), gemini.content[0].thinking], [["thinking", "text"], " t0 t1"]);
	assert.deepEqual(types((await message("[[thinking:2 tokens:3]]", { model: GEMINI })).content), ["text"]);
});

test("Anthropic's client: why an answer has ended", async () => {
	const stopped = [["[[tokens:3 finish:stop_sequence]]", CLAUDE], ["stop", DEEP]];
	for (const [content, model] of stopped) {
		const ask = said(content, { model, stop_sequences: ["END"] });
		for (const answer of [await anthropic.messages.create(ask), await anthropic.messages.stream(ask).finalMessage()])
			assert.deepEqual([answer.stop_reason, answer.stop_sequence], ["stop_sequence", "END"], model);
	}
	assert.equal((await message("refuse", { model: DEEP })).stop_reason, "refusal");
	const withheld = await message("[[tokens:0 finish:refusal]]");
	assert.deepEqual([withheld.content, withheld.stop_reason, withheld.stop_sequence], [[], "refusal", null]);
	assert.equal((await anthropic.messages.stream(said("[[blocked]]", { model: GEMINI })).finalMessage()).stop_reason, "refusal");
});

test("OpenAI's client: thoughts in pieces, and back; logprobs; a refusal", async () => {
	for (const model of [DEEP, CLAUDE]) {
		const question = model === DEEP ? "call it" : '[[thinking:2]] [[tool:look {"q":1}]]', thought = model === DEEP ? THOUGHT : " t0 t1";
		const ask = { model, tools: [LOOKS], messages: [{ role: "user", content: question }] };
		const chunks = await all(await openai.chat.completions.create({ ...ask, stream: true })), first = (await openai.chat.completions.create(ask)).choices[0].message;
		assert.equal(chunks.map((c) => c.choices[0]?.delta.reasoning_content ?? "").join(""), thought, model);
		assert.ok(chunks.filter((c) => c.choices[0]?.delta.reasoning_content).length > 1);
		assert.equal(first.reasoning_content, thought);
		/* OpenAI's own helper keeps the last piece of the thought alone; what goes back is whole all the same. */
		const helped = await openai.chat.completions.stream(ask).finalMessage();
		const again = { ...ask, messages: [...ask.messages, helped, { role: "tool", tool_call_id: helped.tool_calls[0].id, content: "seen" }] };
		assert.ok((await openai.chat.completions.create(again)).choices[0].message.content.length > 0, model);
		const next = { ...ask, messages: [...ask.messages, first, { role: "tool", tool_call_id: first.tool_calls[0].id, content: "seen" }] };
		assert.ok((await openai.chat.completions.create(next)).choices[0].message.content.length > 0, model);
	}
	const likely = { content: ["It ", "is ", "so."].map((token) => ({ token, logprob: -0.5, bytes: null, top_logprobs: [] })), refusal: null };
	const whole = await chat("plain", { logprobs: true, top_logprobs: 2, top_k: 40, min_p: 0.1 });
	assert.deepEqual(whole.choices[0].logprobs, likely);
	assert.deepEqual([deep.requests.at(-1).top_logprobs, deep.requests.at(-1).top_k, deep.requests.at(-1).min_p], [2, 40, 0.1]);
	assert.deepEqual((await openai.chat.completions.stream({ model: DEEP, messages: [{ role: "user", content: "plain" }], logprobs: true }).finalChatCompletion()).choices[0].logprobs.content, likely.content);
	assert.equal((await chat("plain")).choices[0].logprobs, null);
	await refuses(chat("x", { model: CLAUDE, logprobs: true }), /logprobs/);
	const respond = (more) => ({ model: DEEP, input: "plain", include: ["message.output_text.logprobs"], top_logprobs: 3, ...more });
	const part = (response) => response.output.find((item) => item.type === "message").content[0];
	assert.deepEqual(part(await openai.responses.create(respond())).logprobs, likely.content);
	assert.deepEqual([deep.requests.at(-1).logprobs, deep.requests.at(-1).top_logprobs], [true, 3]);
	const events = await all(await openai.responses.create(respond({ stream: true }))), of = (type) => events.filter((e) => e.type === type);
	assert.deepEqual(of("response.output_text.delta").map((e) => [e.delta, e.logprobs]), likely.content.map((l) => [l.token, [l]]));
	assert.deepEqual(of("response.content_part.added")[0].part.logprobs, []);
	for (const logprobs of [of("response.output_text.done")[0].logprobs, of("response.content_part.done")[0].part.logprobs, part(of("response.completed")[0].response).logprobs])
		assert.deepEqual(logprobs, likely.content);
	assert.deepEqual(part(await openai.responses.create(respond({ include: [] }))).logprobs, []);
	assert.equal(deep.requests.at(-1).logprobs, undefined);
	await refuses(openai.responses.create(respond({ model: CLAUDE })), /logprobs/);
	const refused = (await chat("refuse")).choices[0].message;
	assert.deepEqual([refused.content, refused.refusal], [null, "It is so."]);
	assert.equal((await openai.chat.completions.stream({ model: DEEP, messages: [{ role: "user", content: "refuse" }] }).finalMessage()).refusal, "It is so.");
	const withheld = (await chat("[[tokens:0 finish:refusal]]", { model: CLAUDE })).choices[0];
	assert.deepEqual([withheld.message.content, withheld.finish_reason], ["", "content_filter"]);
});

test("how hard a model is to think is said in its vendor's words, or not at all where it does not think", async () => {
	const sent = async (server, model, more, face = "chat") => {
		const mark = randomUUID();
		await (face === "chat" ? chat(mark, { model, max_tokens: 6000, ...more }) : message(mark, { model, ...more }));
		const { thinking, output_config: output, reasoning_effort: effort, generationConfig: config } = bodyOf(server, mark);
		return { ...(thinking && { thinking }), ...(output && { output }), ...(effort && { effort }), ...(config?.thinkingConfig && { config: config.thinkingConfig }) };
	};
	assert.deepEqual(await sent(claudeServer, CLAUDE, { reasoning_effort: "high" }), { thinking: { type: "enabled", budget_tokens: 3000 } });
	assert.deepEqual(await sent(claudeServer, CLAUDE, { reasoning_effort: "high", max_tokens: 500 }), {});
	assert.deepEqual(await sent(claudeServer, CLAUDE, { reasoning_effort: "low", tools: [LOOKS], tool_choice: "required" }), {});
	assert.deepEqual(await sent(claudeServer, NEW_CLAUDE, { reasoning_effort: "minimal" }), { thinking: { type: "adaptive", display: "summarized" }, output: { effort: "low" } });
	assert.deepEqual(await sent(claudeServer, NEW_CLAUDE, { reasoning_effort: "none" }), {});
	assert.deepEqual(await sent(claudeServer, "claude-3-haiku-20240307", { reasoning_effort: "low" }), {});
	assert.deepEqual(await sent(googleServer, GEMINI, { reasoning_effort: "medium" }), { config: { includeThoughts: true, thinkingLevel: "medium" } });
	assert.deepEqual(await sent(googleServer, "gemini-2.5-flash", { reasoning_effort: "low" }), { config: { includeThoughts: true, thinkingBudget: 1024 } });
	const thinking = { type: "enabled", budget_tokens: 2000 };
	assert.deepEqual(await sent(googleServer, "gemini-2.5-flash", { thinking }, "messages"), { config: { includeThoughts: true, thinkingBudget: 2000 } });
	assert.deepEqual(await sent(openaiServer, "o4-mini", { thinking }, "messages"), { effort: "low" });
	assert.deepEqual(await sent(openaiServer, "o4-mini", { output_config: { effort: "max" } }, "messages"), { effort: "high" });
	assert.deepEqual(await sent(openaiServer, "gpt-4o-mini", { thinking }, "messages"), {});
	assert.deepEqual(await sent(openaiServer, "o4-mini", { reasoning_effort: "medium" }), { effort: "medium" });
	await refuses(chat("x", { reasoning_effort: 7 }), /think/);
});

test("OpenAI's responses: thoughts as items, packed ones back, and what was asked", async () => {
	for (const model of [DEEP, CLAUDE])
		for (const include of [["reasoning.encrypted_content"], undefined]) {
			const question = model === DEEP ? "call it" : '[[thinking:2]] [[tool:look {"q":1}]]', thought = model === DEEP ? THOUGHT : " t0 t1";
			const ask = { model, input: question, tools: [{ ...LOOKS.function, type: "function", strict: false }], reasoning: { summary: "auto" }, include, metadata: { a: "b" } };
			const events = await all(await openai.responses.create({ ...ask, stream: true })), whole = await openai.responses.create(ask);
			assert.equal(events.filter((e) => e.type === "response.reasoning_summary_text.delta").map((e) => e.delta).join(""), thought);
			assert.deepEqual([events.map((e) => e.sequence_number), whole.metadata], [events.map((_, i) => i), { a: "b" }]);
			const streamed = await openai.responses.stream(ask).finalResponse();
			for (const first of [events.at(-1).response, streamed, whole]) {
				assert.deepEqual(types(first.output), ["reasoning", "reasoning", "function_call"]);
				assert.deepEqual([first.output[0].summary[0].text, "encrypted_content" in first.output[1]], [thought, Boolean(include)]);
				const call = first.output.at(-1), result = { type: "function_call_output", call_id: call.call_id, output: [{ type: "input_text", text: "seen" }] };
				const items = include ? first.output : first.output.map(({ id }) => ({ type: "item_reference", id }));
				const next = await openai.responses.create({ ...ask, input: [{ role: "user", content: question }, ...items, result] });
				assert.equal(next.output.at(-1).type, "message", model);
				assert.ok(next.output_text.length > 0);
			}
		}
	assert.deepEqual(types((await openai.responses.create({ model: DEEP, input: "hm" })).output), ["message"]);
	const refused = await openai.responses.stream({ model: DEEP, input: "plain refuse" }).finalResponse();
	assert.deepEqual(refused.output[0].content.map((part) => [part.type, part.refusal]), [["refusal", "It is so."]]);
	const withheld = await openai.responses.create({ model: CLAUDE, input: "[[tokens:0 finish:refusal]]" });
	assert.deepEqual([withheld.status, withheld.incomplete_details, withheld.output], ["incomplete", { reason: "content_filter" }, []]);
	/* What another server has packed, or nobody, is left aside. */
	const strange = ["gAAAAABstrange", "millrace.", "millrace.bm8", "millrace.eyJtZXNzYWdlIjp7InJvbGUiOiJzeXN0ZW0ifX0"].map((packed) => ({ type: "reasoning", id: "rs_x", summary: [], encrypted_content: packed }));
	const input = [{ role: "user", content: "plain" }, ...strange, { role: "assistant", content: "hm" }, { role: "user", content: "plain" }];
	assert.equal((await openai.responses.create({ model: DEEP, input, include: [null, 7] })).output_text, "It is so.");
	assert.deepEqual(deep.requests.at(-1).messages[1], { role: "assistant", content: "hm" });
});

test("Vercel's AI SDK: thoughts, and tools behind them", async () => {
	const settings = { apiKey: key, baseURL: `${relay.url}/v1` }, looks = tool({ description: "Looks", inputSchema: jsonSchema(SCHEMA), execute: () => "seen" });
	const claude = '[[thinking:2]] [[tool:look {"q":1}]]';
	for (const [model, prompt, providerOptions] of [
		[createAnthropic(settings)(CLAUDE), claude, { anthropic: { thinking: { type: "enabled", budgetTokens: 2000 } } }],
		[createAnthropic(settings)(DEEP), "call it", { anthropic: { thinking: { type: "enabled", budgetTokens: 2000 } } }],
		[createOpenAI(settings)(DEEP), "call it", { openai: { reasoningSummary: "auto", forceReasoning: true } }],
		[createOpenAI(settings)(DEEP), "call it", { openai: { reasoningSummary: "auto", forceReasoning: true, store: false, include: ["reasoning.encrypted_content"] } }],
		[createOpenAI(settings)(CLAUDE), claude, { openai: { reasoningSummary: "auto", forceReasoning: true } }]]) {
		const ask = { model, prompt, providerOptions, tools: { look: looks }, stopWhen: stepCountIs(3), maxRetries: 0, maxOutputTokens: 5000 };
		const whole = await generateText(ask), failures = [], streamed = streamText({ ...ask, onError: ({ error }) => { failures.push(error); } });
		const what = `${model.provider} ${model.modelId} ${JSON.stringify(providerOptions)}`;
		assert.deepEqual([whole.steps.length, whole.steps[0].reasoningText.trim()], [2, model.modelId === DEEP ? THOUGHT : "t0 t1"], what);
		assert.ok(whole.text.length > 0);
		assert.equal(await streamed.text.catch(() => failures), whole.text, what);
		assert.equal((await streamed.steps)[0].reasoningText.trim(), whole.steps[0].reasoningText.trim(), what);
	}
});

test("documents reach every vendor that reads them", async () => {
	const pdf = "data:application/pdf;base64,aGk=", sent = (server, mark) => bodyOf(server, mark);
	const parts = (mark) => [{ type: "text", text: mark }, { type: "file", file: { filename: "a.pdf", file_data: pdf } }];
	for (const model of ["gpt-4o-mini", CLAUDE, GEMINI]) {
		const marks = [randomUUID(), randomUUID(), randomUUID()];
		await chat(parts(marks[0]), { model });
		await openai.responses.create({ model, input: [{ role: "user", content: [{ type: "input_text", text: marks[1] }, { type: "input_file", filename: "a.pdf", file_data: pdf }] }] });
		await message([{ type: "text", text: marks[2] }, { type: "document", title: "a.pdf", source: { type: "base64", media_type: "application/pdf", data: "aGk=" } }], { model });
		for (const mark of marks)
			if (model === CLAUDE)
				assert.deepEqual(sent(claudeServer, mark).messages[0].content[1].source, { type: "base64", media_type: "application/pdf", data: "aGk=" });
			else if (model === GEMINI)
				assert.deepEqual(sent(googleServer, mark).contents[0].parts[1], { inlineData: { mimeType: "application/pdf", data: "aGk=" } });
			else
				assert.deepEqual(sent(openaiServer, mark).messages[0].content[1], parts(mark)[1]);
	}
	const mark = randomUUID();
	await message([{ type: "document", title: "T", source: { type: "text", media_type: "text/plain", data: mark } }, { type: "text", text: "?" }], { model: "gpt-4o-mini" });
	assert.match(bodyOf(openaiServer, mark).messages[0].content, new RegExp(`^T\n\n${mark}`));
});

test("Anthropic's client: what an answer quotes of documents, with the text that quotes it", async () => {
	const source = { type: "text", media_type: "text/plain", data: "The mill is red." };
	for (const whole of ["", " whole"]) {
		const ask = said([{ type: "document", source, citations: { enabled: true } }, { type: "text", text: `[[tokens:3 cited${whole}]]` }]);
		for (const answer of [await anthropic.messages.create(ask), await anthropic.messages.stream(ask).finalMessage()])
			assert.deepEqual(answer.content, [{ type: "text", text: "w0" }, { type: "text", text: " w1 w2", citations: [CITATION] }], whole);
	}
	assert.equal((await chat("[[tokens:3 cited]]", { model: CLAUDE })).choices[0].message.content, "w0 w1 w2");
	const { sources } = await generateText({ model: createAnthropic({ apiKey: key, baseURL: `${relay.url}/v1` })(CLAUDE), maxRetries: 0, messages: [{ role: "user", content: [
		{ type: "file", mediaType: "text/plain", data: Buffer.from("The mill is red."), filename: "mill.txt", providerOptions: { anthropic: { citations: { enabled: true } } } },
		{ type: "text", text: "[[tokens:3 cited]]" }] }] });
	assert.equal(sources.length, 1);
});

test("Anthropic's client: instructions amid the messages, results of a search and documents of blocks, to every vendor", async () => {
	const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } }, result = (text) => ({ type: "search_result", source: "https://x.example", title: "A page", content: [{ type: "text", text }] });
	for (const [model, server] of [[CLAUDE, claudeServer], [GEMINI, googleServer], ["gpt-4o-mini", openaiServer]]) {
		const [mark, found, inside, later, seen] = Array.from({ length: 5 }, () => randomUUID());
		const messages = [{ role: "user", content: [{ type: "text", text: mark }, result(found), { type: "document", title: "Blocks", source: { type: "content", content: [{ type: "text", text: inside }, image] } }] },
			{ role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "look", input: {} }, { type: "tool_use", id: "toolu_2", name: "look", input: {} }] },
			{ role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: [result(seen)] }, { type: "tool_result", tool_use_id: "toolu_2" }] },
			{ role: "system", content: [{ type: "text", text: later }] }];
		await message("", { model, messages, tools: [LOOK] });
		const body = bodyOf(server, mark);
		if (model === CLAUDE)
			assert.deepEqual(body.messages, messages);
		for (const text of [found, inside, later, seen])
			assert.ok(JSON.stringify(body).includes(text), `${model} ${[found, inside, later, seen].indexOf(text)}`);
		assert.equal(JSON.stringify(body).split("aGk=").length, 2, `${model}: the image`);
	}
	await refuses(message("", { messages: [{ role: "user", content: [{ type: "document", source: { type: "file", file_id: "f" } }] }] }), /source/);
});

test("OpenAI's responses: images and files that tools give are shown behind all results", async () => {
	const pdf = "data:application/pdf;base64,aGk=", png = "data:image/png;base64,aGk=", tools = [{ ...LOOKS.function, type: "function", strict: false }];
	for (const [model, server] of [[CLAUDE, claudeServer], [GEMINI, googleServer], ["gpt-4o-mini", openaiServer]])
		for (const after of [[], [{ role: "user", content: "and?" }]]) {
			const mark = randomUUID(), calls = ["c1", "c2"].map((call_id) => ({ type: "function_call", call_id, name: "look", arguments: "{}" }));
			const outputs = [["c2", [{ type: "input_text", text: "two" }, { type: "input_image", image_url: png }, { type: "input_file", filename: "a.pdf", file_data: pdf }]], ["c1", "one"]];
			await openai.responses.create({ model, tools, input: [{ role: "user", content: mark }, ...calls, ...outputs.map(([call_id, output]) => ({ type: "function_call_output", call_id, output })), ...after] });
			const body = bodyOf(server, mark), turns = (body.messages ?? body.contents).slice(2).map((m) => m.content ?? m.parts), shown = turns.length - 1 - after.length;
			assert.match(JSON.stringify(turns.slice(0, shown)), /"two"/);
			assert.ok(!JSON.stringify(turns.slice(0, shown)).includes("aGk="), model);
			assert.equal(turns[shown].length, 2, model);
			assert.equal(JSON.stringify(turns[shown]).split("aGk=").length, 3, model);
		}
	await refuses(openai.responses.create({ model: CLAUDE, input: [{ role: "assistant", content: [{ type: "input_image", image_url: png }] }] }), /images/);
});

test("what OpenAI's format allows and other vendors' do not: instructions alone, an assistant that begins, texts that are empty, results in any order", async () => {
	const call = (id, name) => ({ id, type: "function", function: { name, arguments: "{}" } }), given = (id) => ({ role: "tool", tool_call_id: id, content: `of ${id}` });
	const other = { type: "function", function: { ...LOOKS.function, name: "other" } };
	for (const [model, server] of [[CLAUDE, claudeServer], [NEW_CLAUDE, claudeServer], [GEMINI, googleServer], ["gpt-4o-mini", openaiServer]])
		for (const messages of [[{ role: "system", content: "Say hello." }], [{ role: "developer", content: "Say" }, { role: "system", content: "hello." }],
			[{ role: "assistant", content: "Welcome!" }, { role: "user", content: "hi" }], [{ role: "user", content: "" }], [{ role: "user", content: null }], [{ role: "user", content: [] }],
			[{ role: "user", content: [{ type: "text", text: "" }, { type: "text", text: "hi" }, { type: "text", text: " " }] }], [{ role: "user", content: "a" }, { role: "assistant", content: "" }, { role: "user", content: "b" }],
			[{ role: "user", content: "a" }, { role: "assistant", content: null, tool_calls: [call("c1", "look"), call("c2", "other")] }, given("c2"), given("c1")]]) {
			const seen = server.log("").length, reply = await openai.chat.completions.create({ model, messages, tools: [LOOKS, other] });
			assert.equal(reply.choices[0].finish_reason, "stop");
			assert.equal(server.log("").length, seen + 1, `${model} ${JSON.stringify(messages)}: at the first try`);
		}
	await openai.chat.completions.create({ model: GEMINI, messages: [{ role: "system", content: "Say hello." }] });
	assert.deepEqual(googleServer.log("").at(-1).body.contents, [{ role: "user", parts: [{ text: "Say hello." }] }]);
	assert.equal(googleServer.log("").at(-1).body.systemInstruction, undefined);
});

test("a picture's bytes are not counted as words", async () => {
	const data = Buffer.alloc(600000, 1).toString("base64"), count = async (content) => (await anthropic.messages.countTokens({ model: CLAUDE, messages: [{ role: "user", content }] })).input_tokens;
	const picture = await count([{ type: "image", source: { type: "base64", media_type: "image/png", data } }, { type: "text", text: "what is it?" }]);
	assert.ok(picture > 500 && picture < 5000, `${picture}`);
	assert.ok(await count("word ".repeat(4000)) > 4000);
});

test("what cannot be had is refused in words, and costs nothing", async () => {
	const mark = randomUUID(), user = { role: "user", content: mark };
	const long = { type: "ephemeral", ttl: "1h" };
	for (const [more, pattern] of [[{ functions: [LOOKS.function] }, /functions/], [{ function_call: "auto" }, /function_call/], [{ audio: { voice: "alloy", format: "wav" } }, /audio/],
		[{ modalities: ["text", "audio"] }, /modalities/], [{ web_search_options: {} }, /web_search_options/], [{ n: 2 }, /n must be 1/], [{ service_tier: "priority" }, /service_tier/],
		[{ tools: [LOOKS], tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [] } } }, /tool_choice/], [{ tools: [{ type: "custom", custom: { name: "x" } }] }, /tools/],
		[{ messages: [{ role: "user", content: [{ type: "text", text: mark }, { type: "file", file: { file_id: "file-1" } }] }] }, /file_data/],
		[{ messages: [{ role: "user", content: [{ type: "file", file: { file_data: "data:x;base64,aGk=", file_id: "file-1" } }] }] }, /file_data/],
		[{ messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "aGk=", format: "wav" } }] }] }, /part/]])
		await refuses(openai.chat.completions.create({ model: "gpt-4o-mini", messages: [user], ...more }), pattern);
	for (const [more, pattern] of [[{ background: true }, /background/], [{ prompt: { id: "pmpt_1" } }, /prompt/], [{ metadata: { a: "x".repeat(17000) } }, /metadata/],
		[{ tools: [{ type: "web_search" }] }, /tools/], [{ tools: [{ ...LOOKS.function, type: "function" }], tool_choice: { type: "mcp", server_label: "x" } }, /tool_choice/],
		[{ input: [{ role: "user", content: [{ type: "input_file", file_id: "file-1" }] }] }, /input_file/],
		[{ input: [{ role: "user", content: [{ type: "input_image", file_id: "file-1" }] }] }, /image_url/]])
		await refuses(openai.responses.create({ model: "gpt-4o-mini", input: mark, ...more }), pattern);
	for (const [more, pattern] of [[{ container: "c" }, /container/], [{ mcp_servers: [{ type: "url", url: "https://x.example", name: "x" }] }, /mcp_servers/], [{ inference_geo: "us" }, /inference_geo/],
		[{ speed: "fast" }, /speed/], [{ service_tier: "priority" }, /service_tier/], [{ tools: [{ type: "web_search_20250305", name: "web_search" }] }, /tools/],
		[{ cache_control: long }, /ttl/], [{ system: [{ type: "text", text: "x", cache_control: long }] }, /ttl/], [{ tools: [{ ...LOOK, cache_control: long }] }, /ttl/],
		[{ messages: [{ role: "user", content: [{ type: "text", text: mark, cache_control: long }] }] }, /ttl/], [{ thinking: { type: "enabled", budget_tokens: "many" } }, /budget_tokens/],
		[{ messages: [{ role: "user", content: [{ type: "container_upload", file_id: "f" }] }] }, /block/], [{ temperature: "hot" }, /temperature/]])
		await refuses(message(mark, more), pattern);
	assert.deepEqual([openaiServer, claudeServer].map((server) => server.log(mark).length), [0, 0]);
	assert.equal((await millrace.psql("SELECT count(*) FROM charge WHERE state = 'reserved'")).trim(), "0");
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/m);
});
