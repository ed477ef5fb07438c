/*
 * The faces: official clients of OpenAI, Anthropic and Vercel's AI SDK against us, with nothing changed but the base URL; behind us the strict
 * stand-ins of three vendors.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import AnthropicClient from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { Output, embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { ROOT, SANITIZED, newUser, privateInstance } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
import { relayTo } from "../js/relay.mjs";
import { start as startOpenAI, permit } from "../standin/openai.mjs";
import { Anthropic } from "../standin/anthropic.mjs";
import { Google } from "../standin/google.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";

const run = promisify(execFile);
const MODELS = ["gpt-4o-mini", "claude-sonnet-5-5", "gemini-3.6-flash"];
const LOOK = { type: "function", function: { name: "look", description: "Looks", parameters: { type: "object", properties: { q: { type: "number" } } } } };
let millrace, relay, servers, user, key, openai;

before(async () => {
	servers = await Promise.all([startOpenAI({ key: "sk-test" }), new Anthropic({ key: "sk-ant-test" }).start(), new Google({ key: "gk-test" }).start()]);
	millrace = await privateInstance("faces", { MILLRACE_PROVIDER: "openai anthropic google local", OPENAI_API_KEY: "sk-test",
		OPENAI_BASE_URL: `${servers[0].url}`, ANTHROPIC_API_KEY: "sk-ant-test", ANTHROPIC_BASE_URL: servers[1].url, GEMINI_API_KEY: "gk-test",
		GEMINI_BASE_URL: servers[2].url, MILLRACE_FALLBACKS: "gpt-4o=anthropic/claude-sonnet-5-5" });
	relay = await relayTo(millrace);
	user = await newUser(millrace.api);
	key = assertStatus(await user.api.post("/api/settings/api-keys", { name: "faces" }), 201).json.apiKey;
	openai = clientOf(key);
	await until(async () => (await openai.models.list()).data.length > 3, "the runner's list of providers");
});
after(async () => {
	await millrace?.stop();
	relay?.close();
	servers?.forEach((server) => server.close());
});

const sql = async (text) => (await millrace.psql(text)).trim();
const clientOf = (apiKey, defaultHeaders = {}) => new OpenAI({ apiKey, baseURL: `${relay.url}/v1`, maxRetries: 0, defaultHeaders });
const ask = (content, more = {}) => ({ model: MODELS[0], messages: [{ role: "system", content: "Be brief." }, { role: "user", content }], ...more });
const chat = (content, more, options) => openai.chat.completions.create(ask(content, more), options);
const words = (n) => Array.from({ length: n }, (_, i) => `w${i}`).join(" ");
const rejects = (promise, type, status, pattern) => assert.rejects(promise, (e) => {
	assert.ok(e instanceof type, e.stack);
	assert.equal(e.status, status);
	assert.match(e.message, pattern);
	return true;
});
async function all(stream) {
	const chunks = [];
	for await (const chunk of stream)
		chunks.push(chunk);
	return chunks;
}
/* A call that is passed on; `payload` in the vendor's format. */
const pass = (provider, endpoint, payload, more = {}, headers = {}, api = user.api) =>
	api.post(`/api/v1/providers/${provider}/call`, { endpoint, payload, ...more }, { headers });
const passes = async (...asked) => assertStatus(await pass(...asked), 200).json;
/* A stream's events, as [name, data]. */
const events = (reply) => reply.text.trim().split("\n\n").map((event) => [/^event: (.*)$/m.exec(event)?.[1], /^data: (.*)$/m.exec(event)[1]]);
const said = (content, more = {}) => ({ model: MODELS[0], messages: [{ role: "user", content }], ...more });
const logged = (mark) => servers.flatMap((server) => server.log(mark));
/* The charge of a call, once it has ended. */
const charge = (id) => until(async () => {
	const row = await sql(`SELECT state, amount_usd, tokens, model FROM charge WHERE request_id = '${id}' AND state <> 'reserved'`);
	return row && row.split("|");
}, "the charge's end");

test("OpenAI's client: an answer of each vendor, with its use and its charge", async () => {
	for (const model of MODELS) {
		const id = randomUUID();
		const { data, request_id: requestId } = await chat("[[tokens:9]]", { model, temperature: 0.5, max_tokens: 500, stop: ["xyz"] },
		    { headers: { "x-request-id": id } }).withResponse();
		assert.equal(requestId, id);
		assert.equal(data.choices[0].message.content, words(9), model);
		assert.deepEqual([data.object, data.model, data.choices[0].finish_reason], ["chat.completion", model, "stop"]);
		assert.ok(data.usage.prompt_tokens > 0 && data.usage.total_tokens === data.usage.prompt_tokens + data.usage.completion_tokens);
		const [state, amount, tokens, charged] = await charge(id);
		assert.deepEqual([state, Number(tokens), charged], ["settled", data.usage.total_tokens, model]);
		assert.ok(Number(amount) > 0, "what has a price costs");
	}
	assert.equal((await chat("[[tokens:50]]", { max_completion_tokens: 4 })).choices[0].finish_reason, "length");
	assert.match((await chat("hello", { model: "local" })).choices[0].message.content, /No language model|cannot answer/);
});

test("OpenAI's client: streams, with use where it is asked for", async () => {
	for (const model of MODELS) {
		const chunks = await all(await chat("[[tokens:40]]", { model, stream: true, stream_options: { include_usage: true } }));
		assert.equal(chunks[0].choices[0].delta.role, "assistant");
		assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? "").join(""), words(40), model);
		assert.deepEqual(chunks.map((c) => c.choices[0]?.finish_reason).filter(Boolean), ["stop"]);
		assert.deepEqual(chunks.at(-1).choices, []);
		assert.ok(chunks.at(-1).usage.completion_tokens > 0);
		assert.ok(chunks.length > 5, "it comes in pieces");
	}
	const chunks = await all(await chat("[[tokens:3]]", { stream: true }));
	assert.ok(chunks.every((c) => !c.usage));
	assert.equal(await openai.chat.completions.stream(ask("[[say:ünï wörds]]")).finalContent(), "ünï wörds");
});

test("OpenAI's client: tools, whole and streamed, of each vendor", async () => {
	for (const model of MODELS) {
		const question = 'please [[tool:look {"q":1}]] [[tool:look {"q":2}]]';
		const first = await chat(question, { model, tools: [LOOK], tool_choice: "auto" }), { message, finish_reason: reason } = first.choices[0];
		assert.equal(reason, "tool_calls", model);
		assert.deepEqual(message.tool_calls.map((c) => [c.type, c.function.name, JSON.parse(c.function.arguments).q]), [["function", "look", 1], ["function", "look", 2]]);
		const next = ask(question, { model, tools: [LOOK] });
		next.messages.push(message, ...message.tool_calls.map((c) => ({ role: "tool", tool_call_id: c.id, content: "seen" })));
		assert.equal((await openai.chat.completions.create(next)).choices[0].message.content, words(12), model);

		const asked = [];
		const runner = openai.chat.completions.runTools({ ...ask(question, { model }), stream: true, tools: [{ type: "function",
			function: { ...LOOK.function, parse: JSON.parse, function: ({ q }) => { asked.push(q); return "seen"; } } }] });
		assert.equal(await runner.finalContent(), words(12), model);
		assert.deepEqual(asked, [1, 2], model);
	}
});

test("OpenAI's client: images, schemas and what else a server of its format takes", async () => {
	const mark = randomUUID(), format = { type: "json_schema", json_schema: { name: "x", schema: { type: "object" }, strict: true } };
	const content = [{ type: "text", text: `${mark} what is this?` }, { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } }];
	for (const model of MODELS)
		await openai.chat.completions.create({ model, messages: [{ role: "user", content }], response_format: format, seed: 7 });
	const bodies = servers.flatMap((server) => server.log(mark)).map((entry) => entry.body);
	assert.deepEqual(bodies[0].messages.at(-1).content, content);
	assert.deepEqual([bodies[0].response_format, bodies[0].seed], [format, 7]);
	assert.deepEqual(bodies[1].messages.at(-1).content[1], { type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } });
	assert.deepEqual(bodies[2].contents.at(-1).parts[1], { inlineData: { mimeType: "image/png", data: "aGk=" } });
});

test("OpenAI's client: some of the tools are allowed, and several people speak", async () => {
	const named = (name) => ({ type: "function", function: { name } }), flat = ({ type, function: { name, parameters = {} } }) => ({ type, name, parameters, strict: false });
	const other = { type: "function", function: { name: "other", parameters: { type: "object", properties: {} } } };
	const toolsOf = ({ tools }) => tools.flatMap((t) => t.functionDeclarations ?? [t]).map((t) => t.function?.name ?? t.name);
	const modeOf = (body) => body.tool_choice?.type ?? body.tool_choice ?? body.toolConfig.functionCallingConfig.mode;
	for (const model of MODELS)
		for (const mode of ["auto", "required"]) {
			const [mark, second] = [randomUUID(), randomUUID()], text = (m) => `${m} [[tool:look {"q":1}]]`;
			const { choices: [{ message }] } = await chat(text(mark), { model, tools: [other, LOOK],
				tool_choice: { type: "allowed_tools", allowed_tools: { mode, tools: [named("look")] } } });
			assert.equal(message.tool_calls[0].function.name, "look");
			await openai.responses.create({ model, input: text(second), tools: [other, LOOK].map(flat), tool_choice: { type: "allowed_tools", mode, tools: [{ type: "function", name: "look" }] } });
			for (const m of [mark, second]) {
				const [{ body }] = logged(m);
				assert.deepEqual([toolsOf(body), modeOf(body).toLowerCase()], [["look"], mode === "auto" ? "auto" : model === MODELS[0] ? "required" : "any"], model);
			}
		}
	for (const allowed of [{ mode: "none", tools: [named("look")] }, { mode: "auto", tools: [] }, { mode: "auto", tools: [named("nobody")] }, { mode: "auto" }])
		await rejects(chat("x", { tools: [LOOK], tool_choice: { type: "allowed_tools", allowed_tools: allowed } }), OpenAI.BadRequestError, 400, /allowed_tools/);
	const mark = randomUUID();
	await openai.chat.completions.create({ model: MODELS[0], messages: [{ role: "user", name: "ann", content: mark }, { role: "assistant", name: "mill", content: "Yes?" },
		{ role: "user", name: "bob", content: [{ type: "text", text: "And I?" }] }] });
	assert.deepEqual(logged(mark)[0].body.messages.map((m) => m.name), ["ann", "mill", "bob"]);
});

test("OpenAI's client: errors in its shape", async () => {
	await rejects(clientOf("mr_nobodys").models.list(), OpenAI.AuthenticationError, 401, /./);
	await rejects(chat("x", { model: "" }), OpenAI.BadRequestError, 400, /model/);
	await rejects(openai.chat.completions.create({ model: MODELS[0], messages: [{ role: "king", content: "x" }] }), OpenAI.BadRequestError, 400, /role/);
	await rejects(openai.models.retrieve("no/such"), OpenAI.NotFoundError, 404, /./);
	await rejects(openai.get("/nothing"), OpenAI.NotFoundError, 404, /./);
	await rejects(chat("[[500 tokens:1]]", { stream: true }), OpenAI.InternalServerError, 502, /./);
	await rejects(chat("x", { model: "gpt-9-none" }), OpenAI.NotFoundError, 404, /does not know this model: .*gpt-9-none/);
	for (const fault of ["cut:5", "errorchunk:5"]) {
		const id = randomUUID(), stream = await chat(`[[tokens:20 ${fault}]]`, { stream: true }, { headers: { "x-request-id": id } });
		await assert.rejects(all(stream), OpenAI.APIError);
		assert.equal((await charge(id))[0], "settled", "what was said is charged");
	}
});

test("models, by their own names", async () => {
	const ids = (await openai.models.list()).data.map((m) => m.id);
	assert.ok(MODELS.every((m) => ids.includes(m)) && ids.includes("local"), ids.join(" "));
	assert.equal((await openai.models.retrieve(MODELS[1])).owned_by, "anthropic");
	assert.equal((await chat("[[say:hi]]", { model: `google/${MODELS[2]}` })).choices[0].message.content, "hi");
});

test("a budget is kept before a stream begins, and a request counts once", async () => {
	const id = randomUUID(), project = newName(), mine = { headers: { "x-request-id": id, "x-project-id": project } };
	const first = await chat("[[say:once]]", {}, mine), again = await chat("[[say:once]]", {}, mine);
	assert.equal(again.id, first.id);
	assert.equal((await all(await chat("[[say:once]]", { stream: true }, { headers: { ...mine.headers, "x-request-id": `${id}s` } }))).at(-1).object, "chat.completion.chunk");
	assert.equal((await all(await chat("[[say:once]]", { stream: true }, { headers: { ...mine.headers, "x-request-id": `${id}s` } }))).at(-1).object, "chat.completion.chunk");
	const budget = `/api/v1/users/${user.uid}/projects/${project}`;
	await until(async () => (await user.api.get(`${budget}/budget?reserved=true`)).json.reserved === 0, "the settlement");
	assert.equal(await sql(`SELECT requests FROM project WHERE name = '${project}'`), "2");
	assertStatus(await user.api.put(`${budget}/budget`, { daily_limit: 0.0000001 }), 200);
	await rejects(chat("hi", { stream: true }, { headers: { "x-project-id": project } }), OpenAI.APIError, 402, /daily_limit/);
	assertStatus(await user.api.put(`${budget}/budget`, {}), 200);
	for (const name of ["chat/completions", "/v1/chat/completions"]) {
		assertStatus(await user.api.put(`${budget}/policies`, { forbidden_operations: [name] }), 200);
		await rejects(chat("hi", {}, { headers: { "x-project-id": project } }), OpenAI.PermissionDeniedError, 403, /forbid/);
	}
	/* A refusal says for how long it stands; OpenAI's client does not come back for one that stands long. */
	for (const [limits, most, again] of [[{ requests_per_minute: 2 }, 60, null], [{ tokens_per_hour: 3 }, 3600, "false"]]) {
		assertStatus(await user.api.put(`${budget}/policies`, { rate_limits: limits }), 200);
		const refused = await chat("hi", {}, { headers: { "x-project-id": project } }).catch((e) => e), wait = Number(refused.headers.get("retry-after"));
		assert.equal(refused.status, 429);
		assert.ok(wait > most - 50 && wait <= most, `${wait}`);
		assert.equal(refused.headers.get("x-should-retry"), again);
	}
	assertError(await pass("openai", "/chat/completions", said("x"), { project_id: project }), "RATE_LIMITED");
	assertStatus(await user.api.put(`${budget}/policies`, {}), 200);
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/m);
});

test("100 calls at once against a budget for 7: 7 pass, to the cent", async () => {
	const project = newName(), budget = `/api/v1/users/${user.uid}/projects/${project}/budget`;
	const call = (gate) => chat(`[[tokens:5 gate:${gate}]]`, { max_tokens: 100 }, { headers: { "x-project-id": project } });
	const charged = (what) => until(() => sql(`SELECT ${what} FROM charge c JOIN project p ON p.id = c.project_id WHERE p.name = '${project}'`), what);
	/* What one reserves, and costs. */
	const [first, gate] = [randomUUID(), randomUUID()], one = call(first);
	const reserved = await charged("nullif(c.reserved_usd, 0)");
	permit(first);
	await one;
	const cost = await charged("nullif(c.amount_usd, 0)");
	assertStatus(await user.api.put(budget, { daily_limit: Number(await sql(`SELECT 7 * ${reserved} + ${cost}`)) }), 200);
	let refused = 0;
	const calls = Array.from({ length: 100 }, () => call(gate).catch((e) => { refused++; return e; }));
	await until(() => refused >= 93, "93 are refused");
	permit(gate);
	const ends = await Promise.all(calls), passed = ends.filter((e) => e.choices);
	assert.deepEqual([...new Set(ends.filter((e) => !e.choices).map((e) => `${e.status} ${e.code}`))], ["402 BUDGET_EXCEEDED"]);
	assert.deepEqual(passed.map((e) => e.choices[0].message.content), Array(7).fill(words(5)));
	await until(async () => (await user.api.get(`${budget}?reserved=true`)).json.reserved === 0, "the settlements");
	assert.equal(await sql(`SELECT day_usd = 8 * ${cost} AND requests = 8 FROM project WHERE name = '${project}'`), "t");
});

test("a client that is lost: the call is settled by what was used", async () => {
	const id = randomUUID(), gate = randomUUID();
	permit(gate, 3);
	const stream = await chat(`[[tokens:9 gate:${gate}]]`, { stream: true }, { headers: { "x-request-id": id } });
	for await (const chunk of stream)
		if (chunk.choices[0].delta.content)
			break;
	permit(gate);
	const [state, , tokens] = await charge(id);
	assert.equal(state, "settled");
	assert.ok(Number(tokens) > 9);
});

test("a service account calls for its users", async () => {
	const { stdout } = await millrace.ctl("key", "create", `${newName()}@example.org`, "--service");
	const service = /mr_[\w-]+/.exec(stdout)[0], name = newName(), client = clientOf(service, { "x-user-id": name, "x-project-id": "app" });
	await client.chat.completions.create(ask("[[say:hi]]"));
	const mine = millrace.api.fresh().as(service);
	await until(async () => (await mine.get(`/api/v1/users/${name}`)).json.total_requests === 1, "the settlement");
	await rejects(clientOf(key, { "x-user-id": name }).chat.completions.create(ask("hi")), OpenAI.PermissionDeniedError, 403, /./);
});

test("OpenAI's responses: plain, streamed, tools and parts of earlier answers", async () => {
	for (const model of MODELS) {
		const whole = await openai.responses.create({ model, instructions: "Be brief.", input: "[[tokens:5]]", max_output_tokens: 100 });
		assert.deepEqual([whole.status, whole.output_text], ["completed", words(5)], model);
		assert.ok(whole.usage.total_tokens > 5);
		const events = await all(await openai.responses.create({ model, input: [{ role: "user", content: [{ type: "input_text", text: "[[tokens:20]]" }] }], stream: true }));
		assert.deepEqual(events.map((e) => e.sequence_number), events.map((_, i) => i));
		assert.equal(events[0].type, "response.created");
		assert.equal(events.filter((e) => e.type === "response.output_text.delta").map((e) => e.delta).join(""), words(20));
		assert.equal(events.at(-1).type, "response.completed");

		const question = 'please [[tool:look {"q":1}]]', tools = [{ ...LOOK.function, type: "function", strict: false }];
		const first = await openai.responses.stream({ model, input: question, tools }).finalResponse();
		const [call] = first.output.filter((item) => item.type === "function_call");
		assert.deepEqual([call.name, JSON.parse(call.arguments).q], ["look", 1]);
		for (const said of [call, { type: "item_reference", id: call.id }]) {
			const input = [{ role: "user", content: question }, said, { type: "function_call_output", call_id: call.call_id, output: "seen" }];
			assert.equal((await openai.responses.create({ model, input, tools })).output_text, words(12), model);
		}
	}
	assert.equal((await openai.responses.create({ model: MODELS[0], input: "[[tokens:50]]", max_output_tokens: 4 })).incomplete_details.reason, "max_output_tokens");
	await rejects(openai.responses.create({ model: MODELS[0], input: "x", previous_response_id: "resp_x" }), OpenAI.BadRequestError, 400, /send all/);
	await rejects(openai.responses.create({ model: MODELS[0], input: [{ type: "item_reference", id: `msg_${randomUUID()}` }] }), OpenAI.BadRequestError, 400, /no such item/);
	await assert.rejects(all(await openai.responses.create({ model: MODELS[0], input: "[[tokens:9 cut:3]]", stream: true })), OpenAI.APIError);
});

/* How many MB more the runner had, at most, while this was asked. */
async function growth(path, body) {
	const [pid] = millrace.pids("runner");
	const now = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
	writeFileSync(`/proc/${pid}/clear_refs`, "5");
	const before = now("VmRSS"), reply = await user.api.post(path, body);
	return { mb: now("VmHWM") - before, reply };
}
const many = (n, one) => Array.from({ length: n }, (_, i) => one(i));
const MOST_MB = SANITIZED ? 1000 : 100;   /* a sanitizer keeps what was freed */

test("a request of very many pieces costs the runner no more memory than it brings, several times over", async () => {
	const hello = { role: "user", content: "x" }, url = "https://example.org/a.png";
	for (const model of MODELS)
		for (const [path, more] of [
			["/v1/responses", { input: [hello, ...many(9000, (i) => ({ type: "function_call", call_id: `c${i}`, name: "look", arguments: "{}" }))] }],
			["/v1/chat/completions", { messages: many(9000, () => hello) }],
			["/v1/chat/completions", { messages: [{ role: "user", content: many(4000, () => ({ type: "image_url", image_url: { url } })) }] }],
			["/v1/messages", { max_tokens: 10, messages: [{ role: "user", content: many(4000, () => ({ type: "image", source: { type: "url", url } })) }] }],
			["/v1/messages", { max_tokens: 10, messages: [hello, { role: "assistant", content: many(4000, (i) => ({ type: "tool_use", id: `c${i}`, name: "look", input: {} })) },
				{ role: "user", content: many(4000, (i) => ({ type: "tool_result", tool_use_id: `c${i}`, content: "y" })) }] }]]) {
			const { mb, reply } = await growth(path, { model, ...more });
			assert.ok(mb < MOST_MB, `${model} ${path} ${JSON.stringify(more).slice(0, 80)}: ${mb} MB`);
			assert.ok([200, 400].includes(reply.status), reply.text);
		}
});

test("of earlier answers a request names 8 MiB at most, however often one of them", async () => {
	const model = MODELS[0], first = await openai.responses.create({ model, input: "[[tokens:5]]" });
	const { id } = first.output.find(({ type }) => type === "message"), names = (n) => many(n, () => ({ type: "item_reference", id }));
	await sql(`UPDATE run SET outcome = replace(outcome::text, 'w1', repeat('w', 300000))::json WHERE id = '${id.slice(4, 40)}'`);
	const { mb, reply } = await growth("/v1/responses", { model, input: names(2000) });
	assert.ok(mb < MOST_MB, `${mb} MB`);
	assert.equal(reply.status, 400, reply.text);
	assert.match(reply.json.error.message, /8 MiB/);
	assert.equal((await openai.responses.create({ model, input: [...names(20), { role: "user", content: "[[tokens:5]]" }] })).output_text, words(5));
});

test("what an earlier answer reserves is read once, however often it is named", async () => {
	const { output } = await openai.responses.create({ model: MODELS[0], input: "[[tokens:5]]" }), run = output.find(({ type }) => type === "message").id.slice(4, 40);
	await sql(`UPDATE run SET outcome = replace(outcome::text, 'w1', (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 1000) g))::json
		WHERE id = '${run}'`);
	/* Pieces of rows that are too long for a page: those of the answer. */
	const read = `SELECT 'read ' || sum(s.idx_tup_fetch) FROM pg_stat_xact_all_tables s JOIN pg_class c ON c.reltoastrelid = s.relid WHERE c.relname = 'run';`;
	const reads = async (n) => {
		const said = await sql(`BEGIN; SET LOCAL millrace.caller = '${user.uid}'; ${read}
			SELECT 'bytes ' || call_earlier('${JSON.stringify(many(n, () => `msg_${run}_0`))}'); ${read} COMMIT`);
		const [before, after] = said.match(/^read \d+$/gm).map((l) => Number(l.slice(5)));
		return { bytes: Number(/^bytes (\d+)$/m.exec(said)[1]), pieces: after - before };
	};
	const once = await reads(1), often = await reads(500);
	assert.ok(once.pieces > 5 && once.bytes > 30000, JSON.stringify(once));
	assert.deepEqual(often, { bytes: 500 * once.bytes, pieces: once.pieces });
});

test("OpenAI's client: embeddings as numbers and in base64, of each provider that has some", async () => {
	const id = randomUUID(), input = ["a red mill", "the sea", "a red mill"], [vendor] = servers;
	const reply = await openai.embeddings.create({ model: "text-embedding-3-small", input }, { headers: { "x-request-id": id } });
	assert.deepEqual(reply.data.map((d) => [d.index, d.embedding.length]), [[0, 1536], [1, 1536], [2, 1536]]);
	assert.deepEqual(reply.data[0].embedding, reply.data[2].embedding);
	assert.notDeepEqual(reply.data[0].embedding, reply.data[1].embedding);
	assert.deepEqual([reply.object, reply.model, reply.usage.prompt_tokens, reply.usage.total_tokens], ["list", "text-embedding-3-small", 8, 8]);
	const [state, amount, tokens, model] = await charge(id);
	assert.deepEqual([state, Number(amount), Number(tokens), model], ["settled", 8 * 0.02 / 1e6, 8, "text-embedding-3-small"]);

	const ask = async (more) => (await openai.embeddings.create({ model: "text-embedding-3-small", input: "a red mill", ...more })).data.map((d) => d.embedding);
	assert.deepEqual((await ask({ encoding_format: "float" })).flat().map(Math.fround), reply.data[0].embedding, "digits lose nothing");
	assert.deepEqual(Buffer.from((await ask({ encoding_format: "base64" }))[0], "base64"), Buffer.from(Float32Array.from(reply.data[0].embedding).buffer));
	assert.equal((await ask({ dimensions: 256 }))[0].length, 256);
	assert.deepEqual((await ask({ input: [[1, 2], [3], [1, 2]] })).map((v) => v.length), [1536, 1536, 1536]);
	assert.equal((await ask({ input: [7, 8, 9] })).length, 1);
	assert.deepEqual(vendor.log("[7,8,9]").at(-1).body.input, [[7, 8, 9]]);
	assert.deepEqual((await ask({ model: "gemini-embedding-001", input, dimensions: 768 })).map((v) => v.length), [768, 768, 768]);
	const many = await ask({ input: Array.from({ length: 200 }, (_, i) => `number ${i % 150}`), dimensions: 8 });
	assert.deepEqual([many.length, many[199]], [200, many[49]], "several batches, in order");

	vendor.embedding.half = true;
	const halves = await ask({ input });
	delete vendor.embedding.half;
	assert.deepEqual(halves.map((v) => v.map(Math.fround)), reply.data.map((d) => d.embedding), "what a reply lacks is asked for again");
	vendor.embedding.size = 100;
	await rejects(ask({ dimensions: 256 }), OpenAI.InternalServerError, 502, /100 numbers/);
	delete vendor.embedding.size;
	for (const wrong of [{ input: [] }, { input: "" }, { input: [""] }, { input: [1.5] }, { input: ["x", 1] }, { input: 7 }, { encoding_format: "hex" }, { dimensions: 9999 }, { dimensions: 0 },
		{ input: Array(2049).fill("x") }])
		await rejects(ask({ encoding_format: "float", ...wrong }), OpenAI.BadRequestError, 400, /./);
	await rejects(ask({ model: "local" }), OpenAI.BadRequestError, 400, /local has no embeddings/);
	await rejects(ask({ model: "claude-sonnet-5-5" }), OpenAI.BadRequestError, 400, /Anthropic has no embeddings/);
	await rejects(ask({ model: "gemini-embedding-001", input: [1, 2] }), OpenAI.BadRequestError, 400, /texts, not tokens/);
	await rejects(ask({ model: "text-embedding-none" }), OpenAI.NotFoundError, 404, /./);
});

test("Anthropic's client: plain, streamed, tools, counts, errors", async () => {
	const clientAt = (options) => new AnthropicClient({ baseURL: relay.url, maxRetries: 0, ...options }), anthropic = clientAt({ apiKey: key });
	const say = (content, more) => ({ model: MODELS[0], max_tokens: 500, system: "Be brief.", messages: [{ role: "user", content }], ...more });
	const tools = [{ name: "look", description: "Looks", input_schema: LOOK.function.parameters }];
	for (const model of MODELS) {
		const whole = await anthropic.messages.create(say("[[tokens:6]]", { model }));
		assert.deepEqual([whole.content, whole.stop_reason, whole.role], [[{ type: "text", text: words(6) }], "end_turn", "assistant"], model);
		assert.ok(whole.usage.input_tokens > 0 && whole.usage.output_tokens > 0);
		const stream = anthropic.messages.stream(say("[[tokens:20]]", { model })), pieces = [];
		stream.on("text", (text) => pieces.push(text));
		const last = await stream.finalMessage();
		assert.deepEqual([pieces.join(""), last.stop_reason], [words(20), "end_turn"], model);
		assert.ok(last.usage.output_tokens > 0);

		const question = 'please [[tool:look {"q":1}]] [[tool:look {"q":2}]]';
		const first = await anthropic.messages.stream(say(question, { model, tools })).finalMessage();
		const calls = first.content.filter((block) => block.type === "tool_use");
		assert.deepEqual([calls.map((c) => [c.name, c.input]), first.stop_reason], [[["look", { q: 1 }], ["look", { q: 2 }]], "tool_use"], model);
		const next = say(question, { model, tools });
		next.messages.push({ role: "assistant", content: first.content }, { role: "user", content: calls.map((c) => ({ type: "tool_result", tool_use_id: c.id, content: "seen" })) });
		assert.equal((await anthropic.messages.create(next)).content[0].text, words(12), model);
	}
	assert.equal((await anthropic.messages.create(say("[[tokens:50]]", { max_tokens: 4 }))).stop_reason, "max_tokens");
	assert.ok((await anthropic.messages.countTokens({ model: MODELS[1], messages: [{ role: "user", content: "hello ".repeat(400) }] })).input_tokens > 500);
	assert.ok((await anthropic.models.list()).data.some((m) => m.id === MODELS[1]));
	const old = await fetch(`${relay.url}/v1/messages`, { method: "POST", headers: { "x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json" },
		body: JSON.stringify(say("[[say:hi]]")) });
	assert.equal((await old.json()).content[0].text, "hi");
	await rejects(clientAt({ apiKey: "mr_nobodys" }).messages.create(say("x")), AnthropicClient.AuthenticationError, 401, /authentication_error/);
	await rejects(anthropic.messages.create(say("x", { max_tokens: 0 })), AnthropicClient.BadRequestError, 400, /max_tokens/);
	await rejects(anthropic.messages.create(say("x", { model: "gpt-9-none" })), AnthropicClient.NotFoundError, 404, /not_found_error/);
	await assert.rejects(anthropic.messages.stream(say("[[tokens:9 cut:4]]")).finalMessage(), AnthropicClient.APIError);
});

test("Vercel's AI SDK by its providers of both vendors: plain, streamed, with tools", async () => {
	const settings = { apiKey: key, baseURL: `${relay.url}/v1` }, vercel = createOpenAI(settings), anthropic = createAnthropic(settings);
	for (const [i, named] of [vercel.chat, vercel, anthropic].entries()) {
		const model = named(MODELS[i]), { text, usage } = await generateText({ model, prompt: "[[tokens:7]]", maxRetries: 0 });
		assert.equal(text, words(7), `${i}`);
		assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0);
		const asked = [], { textStream } = streamText({ model, prompt: 'do [[tool:look {"q":3}]]', stopWhen: stepCountIs(3), maxRetries: 0,
			tools: { look: tool({ description: "Looks", inputSchema: jsonSchema(LOOK.function.parameters), execute: ({ q }) => { asked.push(q); return "seen"; } }) } });
		assert.equal((await all(textStream)).join(""), words(12), `${i}`);
		assert.deepEqual(asked, [3], `${i}`);
	}
	const { embeddings, usage } = await embedMany({ model: vercel.embedding("text-embedding-3-small"), values: ["a red mill", "the sea"], maxRetries: 0 });
	assert.deepEqual([embeddings.map((v) => v.length), usage.tokens], [[1536, 1536], 5]);
	await assert.rejects(generateText({ model: vercel.chat("gpt-9-none"), prompt: "x", maxRetries: 0 }), (e) => e.statusCode === 404 && e.message.length > 0);
});

test("a schema, and how much to think, reach a server of OpenAI's format from every client, others in words; no tier is asked for that costs more", async () => {
	const settings = { apiKey: key, baseURL: `${relay.url}/v1` }, schema = { type: "object", properties: { q: { type: "number" } }, required: ["q"], additionalProperties: false };
	const anthropic = new AnthropicClient({ apiKey: key, baseURL: relay.url, maxRetries: 0 }), vercel = createOpenAI(settings), claude = createAnthropic(settings);
	const of = (model) => ({
		messages: (mark) => anthropic.messages.create({ model, max_tokens: 100, messages: [{ role: "user", content: `${mark} [[say:{"q":1}]]` }],
			output_config: { format: { type: "json_schema", schema } } }).then((m) => JSON.parse(m.content[0].text)),
		responses: (mark) => openai.responses.create({ model, input: `${mark} [[say:{"q":1}]]`, reasoning: { effort: "low" },
			text: { format: { type: "json_schema", name: "q", schema, strict: true } } }).then((r) => JSON.parse(r.output_text)),
		vercel: (mark) => generateText({ model: vercel(model), prompt: `${mark} [[say:{"q":1}]]`, maxRetries: 0, output: Output.object({ schema: jsonSchema(schema) }) }).then((r) => r.output),
		"vercel's anthropic": (mark) => generateText({ model: claude(model), prompt: `${mark} [[say:{"q":1}]]`, maxRetries: 0, output: Output.object({ schema: jsonSchema(schema) }) }).then((r) => r.output),
	});
	for (const model of MODELS.slice(0, 2))
		for (const [name, said] of Object.entries(of(model))) {
			const mark = randomUUID();
			if (name === "vercel's anthropic" && model === MODELS[0])
				continue;                                         /* it asks for a tool of models that are not Claude's */
			assert.deepEqual(await said(mark), { q: 1 }, `${name} ${model}`);
			const [{ body }] = logged(mark), told = JSON.stringify(body.system ?? body.messages[0]);
			/* Anthropic's server has from its own clients what they have said. */
			if (body.output_config?.format)
				assert.deepEqual([body.output_config.format.schema, model], [schema, MODELS[1]], name);
			else
				assert.match(told, /fits this JSON Schema/, name);
			if (model === MODELS[0])
				assert.deepEqual(body.response_format?.json_schema.schema, schema, name);
			if (name === "responses" && model === MODELS[0])
				assert.equal(body.reasoning_effort, "low");
		}
	/* Google's gets it where there are no tools: what it refuses is asked for once more, in words alone. */
	const config = (mark) => logged(mark).map(({ body }) => body.generationConfig ?? {}), odd = { ...schema, $defs: { a: { const: 1 } }, title: "states" };
	const asks = (mark, model, of, more) => chat(`${mark} [[say:{"q":1}]]`, { model, response_format: of, ...more });
	const format = (of) => ({ type: "json_schema", json_schema: { name: "q", schema: of } });
	for (const [model, of, more, ...sent] of [[MODELS[2], format(schema), {}, schema], [MODELS[2], format(odd), {}, odd, undefined], [MODELS[2], format(schema), {}, schema],
		["google/gemini-2.5-flash", format(schema), { tools: [LOOK] }, undefined], ["google/gemma-3-27b-it", format(schema), {}, schema, undefined]]) {
		const mark = randomUUID(), reply = await asks(mark, model, of, more);
		assert.equal(reply.choices[0].message.content, '{"q":1}', model);
		assert.deepEqual(config(mark).map((c) => c.responseJsonSchema), sent, model);
		for (const { body } of logged(mark))
			assert.match(JSON.stringify(body.systemInstruction), /fits this JSON Schema/);
		assert.deepEqual(config(mark).map((c) => c.responseMimeType), sent.map((s) => s && "application/json"));
	}
	const mark = randomUUID();
	await asks(mark, MODELS[2], { type: "json_object" });
	assert.deepEqual(config(mark), [{ responseMimeType: "application/json" }]);
	for (const tier of ["priority", "scale"]) {
		await rejects(chat("x", { service_tier: tier }), OpenAI.BadRequestError, 400, /service_tier/);
		await rejects(openai.responses.create({ model: MODELS[0], input: "x", service_tier: tier }), OpenAI.BadRequestError, 400, /service_tier/);
	}
	assert.ok((await chat("[[say:hi]]", { service_tier: "flex" })).choices[0].message.content);
	await rejects(openai.responses.create({ model: MODELS[0], input: [{ role: "user", content: [{ type: "input_image", file_id: "file-1" }] }] }), OpenAI.BadRequestError, 400, /image_url/);
});

/* Prices of its own for a provider's model, by the million tokens. */
const price = (provider, model, input, output, more = "NULL, NULL, NULL, NULL") => sql(`INSERT INTO provider_price (provider, model, input_usd, output_usd,
	cached_usd, cache_write_usd, reasoning_usd, unit_usd) VALUES ('${provider}', '${model}', ${input}, ${output}, ${more})`);
const near = (got, want) => assert.ok(Math.abs(got - want) < 1e-12, `${got}, not ${want}`);

test("where a model cannot answer, another does as it is set up, and is named; unless policies forbid it", async () => {
	const mark = randomUUID(), failing = `[[404]] [[say:${mark}]]`, { data, response } = await chat(failing, { model: "gpt-4o" }).withResponse();
	assert.equal(data.model, "gpt-4o");
	assert.equal(response.headers.get("x-answered-by"), "anthropic/claude-sonnet-5-5");
	assert.deepEqual(logged(mark).map((entry) => entry.body.model), ["gpt-4o", "claude-sonnet-5-5"]);
	const stream = await chat("[[404 tokens:5]]", { model: "gpt-4o", stream: true }).withResponse();
	assert.equal(stream.response.headers.get("x-answered-by"), "anthropic/claude-sonnet-5-5");
	assert.equal((await all(stream.data)).map((c) => c.choices[0]?.delta.content ?? "").join(""), words(5));
	assert.equal((await chat("[[say:hi]]", { model: "gpt-4o" }).withResponse()).response.headers.get("x-answered-by"), null);
	const project = newName();
	assertStatus(await user.api.put(`/api/v1/users/${user.uid}/projects/${project}/policies`, { allowed_providers: ["openai"] }), 200);
	await rejects(chat("[[404]]", { model: "gpt-4o" }, { headers: { "x-project-id": project } }), OpenAI.NotFoundError, 404, /./);
});

test("images of some megabytes are taken, once an Idempotency-Key; other long bodies are not", async () => {
	const mark = randomUUID(), big = (byte) => `data:image/png;base64,${Buffer.alloc(4 << 20, byte).toString("base64")}`;
	const content = (byte) => [{ type: "text", text: `${mark} [[say:seen]]` }, { type: "image_url", image_url: { url: big(byte) } }];
	const one = { headers: { "idempotency-key": mark } };
	for (let i = 0; i < 2; i++)
		assert.equal((await openai.chat.completions.create({ model: MODELS[0], messages: [{ role: "user", content: content(1) }] }, one)).choices[0].message.content, "seen");
	await rejects(openai.chat.completions.create({ model: MODELS[0], messages: [{ role: "user", content: content(2) }] }, one), OpenAI.ConflictError, 409, /Idempotency-Key/);
	assert.deepEqual(logged(mark).map((entry) => entry.body.messages[0].content[1].image_url.url === big(1)), [true]);
	const source = { type: "base64", media_type: "image/png", data: Buffer.alloc(2 << 20, 3).toString("base64") };
	const { data } = await passes("anthropic", "messages", { model: "claude-sonnet-4-5", max_tokens: 50, messages: [{ role: "user", content: [{ type: "text", text: "[[say:seen]]" }, { type: "image", source }] }] });
	assert.equal(data.content[0].text, "seen");
	await until(async () => await sql("SELECT count(*) FROM blob WHERE sha256 IS NULL AND deleted_at IS NULL") === "0", "the bodies' end");
	assert.equal((await chat(`${"words and ".repeat(150000)} [[say:long]]`)).choices[0].message.content, "long");
	await rejects(openai.chat.completions.create({ model: MODELS[0], messages: Array(20).fill({ role: "user", content: "x".repeat(60000) }) }), OpenAI.APIError, 413, /1 MiB/);
	await rejects(openai.embeddings.create({ model: "text-embedding-3-small", input: "x".repeat(2 << 20) }), OpenAI.APIError, 413, /1 MiB/);
	await rejects(chat("x".repeat(21 << 20)), OpenAI.APIError, 413, /./);
});

test("a call is passed on as it is, and its reply says what it has cost, to the last token", async () => {
	await price("openai", MODELS[0], 10, 100, "1, NULL, 1000, NULL");
	const id = randomUUID();
	const { status, data, cost, ...rest } = await passes("openai", "/chat/completions", said("[[tokens:9 cached:3 thought:2]]", { max_tokens: 50 }), { request_id: id });
	assert.deepEqual([status, data.choices[0].message.content, data.model, rest], ["success", words(9), MODELS[0], {}]);
	near(cost.input_cost, (data.usage.prompt_tokens - 3) * 10e-6 + 3 * 1e-6);
	near(cost.output_cost, 7 * 100e-6 + 2 * 1000e-6);
	near(cost.total_cost, cost.input_cost + cost.output_cost);
	const [state, amount] = await charge(id);
	assert.deepEqual([state, Number(amount)], ["settled", cost.total_cost]);
	assert.equal(await sql(`SELECT cached_tokens, reasoning_tokens FROM usage_event u JOIN charge c USING (run_id) WHERE c.request_id = '${id}'`), "3|2");

	await price("anthropic", "claude-sonnet-4-5", 10, 100, "1, 20, NULL, NULL");
	const claude = await passes("anthropic", "/v1/messages", said("[[tokens:4 cached:5 cachewrite:7]]", { model: "claude-sonnet-4-5", max_tokens: 50 }));
	assert.equal(claude.data.content[0].text, words(4));
	near(claude.cost.input_cost, claude.data.usage.input_tokens * 10e-6 + 5 * 1e-6 + 7 * 20e-6);

	await price("google", "gemini-2.5-flash", 10, 100, "1, NULL, NULL, NULL");
	const contents = [{ role: "user", parts: [{ text: "[[tokens:5 cached:2 thinking:3]]" }] }];
	for (const asked of [["/models/gemini-2.5-flash:generateContent", { contents }], ["generateContent", { model: "gemini-2.5-flash", contents }]]) {
		const gemini = await passes("google", ...asked), usage = gemini.data.usageMetadata;
		assert.equal(gemini.data.candidates[0].content.parts.filter((p) => !p.thought).map((p) => p.text).join(""), words(5));
		near(gemini.cost.input_cost, (usage.promptTokenCount - 2) * 10e-6 + 2 * 1e-6);
		near(gemini.cost.output_cost, (usage.candidatesTokenCount + 3) * 100e-6);
	}
	const own = await passes("local", "chat/completions", said("hello", { model: "local" }));
	assert.deepEqual([own.data.object, own.cost], ["chat.completion", { input_cost: 0, output_cost: 0, total_cost: 0 }]);
});

test("a call's other meters: embeddings, images, seconds of sound", async () => {
	const { data: { data: [vector] }, cost } = await passes("openai", "/embeddings", { model: "text-embedding-3-small", input: "a mill" });
	assert.ok(vector.embedding.length === 1536 && cost.input_cost > 0 && cost.output_cost === 0);
	await price("openai", "dall-e-3", 0, 0, "NULL, NULL, NULL, 0.04");
	const images = await passes("openai", "images/generations", { model: "dall-e-3", prompt: "a mill", n: 3 });
	assert.deepEqual([images.data.data.length, images.cost.total_cost], [3, 0.12]);
	await price("openai", "whisper-1", 0, 0, "NULL, NULL, NULL, 0.0001");
	const file = `data:audio/mpeg;base64,${Buffer.alloc(61500).toString("base64")}`;
	for (const format of ["json", "verbose_json"]) {
		const heard = await passes("openai", "/v1/audio/transcriptions", { model: "whisper-1", file, response_format: format, temperature: 0, timestamp_granularities: ["segment"] });
		assert.deepEqual([heard.data.text, heard.cost.total_cost], ["what was said", 0.0062]);
	}
	assertError(await pass("openai", "/audio/transcriptions", { model: "whisper-1", file, response_format: "srt" }), "BAD_REQUEST");
	assertError(await pass("openai", "/audio/transcriptions", { model: "whisper-1", file: "/etc/passwd" }), "BAD_REQUEST");
});

test("a call that streams: the provider's events, then the cost", async () => {
	const chunks = async (payload) => events(assertStatus(await pass("openai", "/chat/completions", said("[[tokens:6]]", { stream: true, ...payload })), 200));
	const plain = await chunks({}), counted = await chunks({ stream_options: { include_usage: true } });
	assert.deepEqual(plain.slice(-2).map(([name, data]) => [name, data.slice(0, 7)]), [[undefined, "[DONE]"], ["cost", '{"statu']]);
	assert.equal(plain.slice(0, -2).map(([, data]) => JSON.parse(data).choices[0].delta.content ?? "").join(""), words(6));
	assert.deepEqual([counted.length, JSON.parse(counted.at(-3)[1]).choices], [plain.length + 1, []]);
	assert.ok(JSON.parse(plain.at(-1)[1]).cost.total_cost > 0);
	const claude = events(assertStatus(await pass("anthropic", "messages", said("[[tokens:6]]", { model: "claude-sonnet-4-5", max_tokens: 50, stream: true })), 200));
	assert.deepEqual([claude[0][0], claude.at(-2)[0], claude.at(-1)[0]], ["message_start", "message_stop", "cost"]);
	const gemini = events(assertStatus(await pass("google", "/models/gemini-2.5-flash:streamGenerateContent", { contents: [{ role: "user", parts: [{ text: "[[tokens:6]]" }] }] }), 200));
	assert.ok(gemini.length > 6 && JSON.parse(gemini[0][1]).candidates);
	/* Refused before it begins, broken off, stopped. */
	assert.equal((await pass("openai", "chat/completions", said("[[500 tokens:2]]", { stream: true }))).status, 502);
	const cut = randomUUID(), broken = events(await pass("openai", "chat/completions", said("Passed on [[tokens:20 cut:5]]", { stream: true }), { request_id: cut }));
	assert.equal(JSON.parse(broken.at(-1)[1]).error.code, "UPSTREAM_FAILED");
	assert.ok((await charge(cut))[1] > 0, "what was said is charged");
	const half = randomUUID();
	events(await pass("anthropic", "messages", said("[[tokens:20 cut:9]]", { model: "claude-sonnet-4-5", max_tokens: 50, stream: true }), { request_id: half }));
	assert.ok(await sql(`SELECT output_tokens FROM usage_event u JOIN charge c USING (run_id) WHERE c.request_id = '${half}'`) >= 9, "so is what Anthropic had not counted");
});

test("what a call may not ask for costs nothing, and reaches no provider", async () => {
	const mark = randomUUID(), chat = said(mark), [charges, asked] = [await sql("SELECT count(*) FROM charge"), servers.map((server) => server.log().length)];
	const tools = (tool) => ({ ...chat, tools: [tool] });
	for (const [code, ...call] of [
		["FORBIDDEN", "openai", "/files", chat], ["FORBIDDEN", "openai", "/v1/chat/completions/x", chat], ["FORBIDDEN", "anthropic", "/chat/completions", chat],
		["FORBIDDEN", "google", "/models/gemini-2.5-flash:delete", {}], ["FORBIDDEN", "openai", "../chat/completions", chat],
		["FORBIDDEN", "openai", "/chat/completions", { ...chat, model: "gpt-9-none" }], ["NOT_FOUND", "nobody", "/chat/completions", chat],
		["BAD_REQUEST", "anthropic", "/messages", { ...chat, model: "claude-sonnet-4-5", max_tokens: 5, inference_geo: "us" }],
		...[{ system: [{ type: "text", text: "x", cache_control: { type: "ephemeral", ttl: "1h" } }] }, { tools: [{ name: "x", input_schema: {}, cache_control: { ttl: "1h" } }] },
			{ cache_control: { type: "ephemeral", ttl: "1h" } }, { messages: [{ role: "user", content: [{ type: "text", text: mark, cache_control: { ttl: "1h" } }] }] }]
		    .map((more) => ["BAD_REQUEST", "anthropic", "/messages", { ...chat, model: "claude-sonnet-4-5", max_tokens: 5, ...more }]),
		...[{ model: undefined }, { model: "" }, { model: 7 }, { model: null }, { Model: "o1" }, { models: ["o1"] }, { model_id: "o1" }, { fallback_models: ["o1"] }, { engine: "o1" },
			{ deployment: "o1" }, { route: "fallback" }, { provider: { order: ["x"] } }, { service_tier: "priority" }, { background: true }, { web_search_options: {} },
			{ n: 0 }, { n: -1 }, { n: 1e9 }, { n: "2" }, { max_tokens: -5 }, { max_tokens: 1e30 }, { stream: "yes" }].map((more) => ["BAD_REQUEST", "openai", "/chat/completions", { ...chat, ...more }]),
		["BAD_REQUEST", "openai", "/chat/completions", tools({ type: "web_search" })], ["BAD_REQUEST", "openai", "/responses", tools({ type: "image_generation", model: "o1" })],
		["BAD_REQUEST", "google", "/models/gemini-2.5-flash:generateContent", { model: "models/gemini-3-pro" }],
		["BAD_REQUEST", "google", "/models/gemini-2.5-flash:generateContent", { tools: [{ googleSearch: {} }] }],
		["BAD_REQUEST", "google", "/models/gemini-2.5-flash:generateContent", { serviceTier: "priority" }],
		["BAD_REQUEST", "google", "/models/gemini-2.5-flash:batchEmbedContents", { requests: [{ model: "models/other" }] }],
		["BAD_REQUEST", "openai", "/embeddings", { model: "text-embedding-3-small", input: mark, stream: true }],
		["BAD_REQUEST", "openai", "/", chat], ["BAD_REQUEST", "openai", "", chat], ["BAD_REQUEST", "openai", "/chat/completions", []],
		["FORBIDDEN", "openai", "/chat/completions", chat, { user_id: randomUUID() }], ["BAD_REQUEST", "openai", "/chat/completions", chat, { request_id: "x".repeat(201) }],
		["TOO_LARGE", "openai", "/chat/completions", said(mark, { metadata: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, "y".repeat(60000)])) })]])
		assertError(await pass(...call), code, undefined, JSON.stringify(call).slice(0, 200));
	for (const body of ['{"endpoint":"/chat/completions","payload":{"model":"gpt-4o-mini","max_tokens":NaN,"messages":[]}}', '{"endpoint":"/chat/completions"}'])
		assertError(await user.api.request("POST", "/api/v1/providers/openai/call", { body, headers: { "content-type": "application/json" } }), "BAD_REQUEST");
	assert.deepEqual([await sql("SELECT count(*) FROM charge"), servers.map((server) => server.log().length)], [charges, asked]);
	/* Of a member that comes twice the last counts, here and there. */
	const twice = await user.api.request("POST", "/api/v1/providers/openai/call", { headers: { "content-type": "application/json" },
		body: `{"endpoint":"/chat/completions","payload":{"model":"gpt-4o","model":"gpt-4o-mini","messages":[{"role":"user","content":"${mark}"}]}}` });
	assertStatus(twice, 200);
	assert.equal(logged(mark)[0].body.model, MODELS[0]);
	assert.equal((await passes("openai", "/models/gpt-4o-mini:chat/completions", { messages: [{ role: "user", content: "[[say:hi]]" }] })).data.model, MODELS[0]);
});

test("calls: a project's policies and budget, an approval, a repeat", async () => {
	const project = newName(), at = (what) => `/api/v1/users/${user.uid}/projects/${project}/${what}`, here = { project_id: project };
	const policies = (json) => user.api.put(at("policies"), json).then((reply) => assertStatus(reply, 200));
	await policies({ forbidden_operations: ["/chat/completions"], allowed_models: { openai: ["gpt-4o"] } });
	assertError(await pass("openai", "/chat/completions", said("x", { model: "gpt-4o" }), here), "FORBIDDEN");
	assertError(await pass("openai", "/embeddings", { model: "text-embedding-3-small", input: "x" }, here), "FORBIDDEN");
	await policies({ allowed_providers: ["anthropic"] });
	assertError(await pass("openai", "/chat/completions", said("x"), here), "FORBIDDEN");
	await policies({});
	assertStatus(await user.api.put(at("budget"), { per_request_limit: 0.00001 }), 200);
	assertError(await pass("openai", "/chat/completions", said("x", { stream: true }), here), "BUDGET_EXCEEDED");
	assertStatus(await user.api.put(at("budget"), {}), 200);

	const admin = await newAdmin(millrace), mark = randomUUID(), [yes, no] = [randomUUID(), randomUUID()], key = { "idempotency-key": randomUUID() };
	const ask = (id, headers = {}, more = {}) => pass("openai", "/chat/completions", said(`[[say:${mark}]]`, more), { ...here, request_id: id }, headers);
	await policies({ require_approval_above: 0.000001 });
	for (const id of [yes, no])
		assertError(await ask(id, id === yes ? key : {}), "APPROVAL_REQUIRED");
	const of = async (id) => (await admin.api.get("/api/v1/approvals?status=pending")).json.find((a) => a.request_id === id);
	const waits = await of(yes);
	assert.deepEqual([waits.provider, waits.model, waits.operation, waits.kind], ["openai", MODELS[0], "chat/completions", "call"]);
	assertStatus(await admin.api.post(`/api/v1/approvals/${waits.id}/approve`), 200);
	assertError(await ask(yes, {}, { model: "gpt-4o" }), "APPROVAL_REQUIRED");
	assertStatus(await admin.api.post(`/api/v1/approvals/${(await of(yes)).id}/approve`), 200);
	assertError(await ask(yes, key), "APPROVAL_REQUIRED");
	assertStatus(await admin.api.post(`/api/v1/approvals/${(await of(yes)).id}/approve`), 200);
	assertStatus(await admin.api.post(`/api/v1/approvals/${(await of(no)).id}/reject`), 200);
	const first = assertStatus(await ask(yes, key), 200).json;
	assert.deepEqual([assertStatus(await ask(yes), 200).json, assertStatus(await ask(yes, key), 200).json], [first, first]);
	assertError(await ask(no), "FORBIDDEN");
	await policies({});
	assert.equal(logged(mark).length, 1);
	const twin = randomUUID(), twins = await Promise.all([1, 2].map(() => pass("openai", "/chat/completions", said(`[[say:${twin}]]`), here, { "idempotency-key": twin })));
	assert.deepEqual(assertStatus(twins[0], 200).json, assertStatus(twins[1], 200).json);
	assert.equal(logged(twin).length, 1);
	const { json: budget } = await user.api.get(`${at("budget")}?reserved=true`);
	assert.equal(budget.reserved, 0);
	near(budget.current_daily_spending, first.cost.total_cost + twins[0].json.cost.total_cost);
	/* A spending that is told of the same request adds nothing. */
	assertStatus(await user.api.post(at("spending"), { amount: 5, request_id: yes }), 200);
	assert.equal((await user.api.get(at("budget"))).json.current_daily_spending, budget.current_daily_spending);
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/m);
});

test("a backend's client, as its documentation has it, by httpx", async () => {
	const { stdout: made } = await millrace.ctl("key", "create", `${newName()}@example.org`, "--service"), service = /mr_[\w-]+/.exec(made)[0];
	const mine = millrace.api.fresh().as(service), at = "/api/v1/users/user_001/projects/app";
	assertStatus(await mine.put(`${at}/budget`, { daily_limit: 100, monthly_limit: 1000, per_request_limit: 10 }), 200);
	const policies = { allowed_providers: ["openai"], allowed_models: { openai: ["gpt-4o"] }, rate_limits: { requests_per_minute: 60, tokens_per_hour: 1000000 },
		forbidden_operations: ["delete"], require_approval_above: 5 };
	assertStatus(await mine.put(`${at}/policies`, policies), 200);
	const { stdout } = await run("/usr/bin/python3", [join(ROOT, "tests/api/backend_client/run.py"), relay.url, service, "user_001", "app", "gpt-4o"], { env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } });
	const got = JSON.parse(stdout);
	assert.deepEqual([got.cost.input_cost_per_1k, got.cost.output_cost_per_1k], [0.0025, 0.01]);
	assert.deepEqual([got.call.status, got.call.data.choices[0].message.content], ["success", "hello"]);
	near(got.call.cost.total_cost, got.call.data.usage.prompt_tokens * 2.5e-6 + got.call.data.usage.completion_tokens * 10e-6);
	assert.deepEqual([got.spending, got.again, got.audit, got.policies], [true, true, true, policies]);
	assert.deepEqual([got.budget.daily_limit, got.budget.current_daily_spending, got.user.total_requests], [100, 0.0234, 1]);
});

test("the README's examples, as they stand there", async () => {
	const examples = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/```mjs\n(.*?)```/gs)].map(([, code]) => code)
	    .filter((code) => !code.includes("socket.io"));
	assert.ok(examples.length === 3);
	for (const code of examples) {
		assert.ok(code.trim().split("\n").length <= 10, "ten lines");
		const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code.replaceAll("https://localhost:8443", relay.url)],
		    { cwd: join(ROOT, "tests"), env: { ...process.env, API_KEY: key } });
		assert.match(stdout, /^I cannot answer this: I am no model, .*POST \/api\/chat does\./, code);
	}
});
