/* The stand-in against the official client, and against bytes that no client sends. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import http from "node:http";
import OpenAI from "openai";
import { until } from "../js/expect.mjs";
import { directives, permit, start } from "./openai.mjs";

const TOOL = { type: "function", function: { name: "lookup", description: "x",
	parameters: { type: "object", properties: { q: { type: "string" } }, required: ["q"] } } };
let server, client;

before(async () => {
	server = await start({ key: "sk-test" });
	client = new OpenAI({ apiKey: "sk-test", baseURL: server.url, maxRetries: 0 });
});
after(() => server.close());

const ask = (content, more = {}) => ({ model: "gpt-4o-mini", messages: [{ role: "user", content }], ...more });
const streamed = (content, more = {}) => client.chat.completions.create(
    { ...ask(content), stream: true, stream_options: { include_usage: true }, ...more });

async function collect(stream) {
	const out = { text: "", usage: null, finish: null, calls: [] };
	for await (const chunk of stream) {
		out.usage = chunk.usage ?? out.usage;
		const [choice] = chunk.choices;
		out.text += choice?.delta.content ?? "";
		out.finish = choice?.finish_reason ?? out.finish;
		for (const call of choice?.delta.tool_calls ?? []) {
			out.calls[call.index] ??= { id: call.id, name: call.function.name, arguments: "" };
			out.calls[call.index].arguments += call.function.arguments;
		}
	}
	return out;
}
const words = (from, to, tail = "") => Array.from({ length: to - from }, (_, i) => `w${from + i}${tail}`).join(" ");

test("directives are read", () => {
	assert.deepEqual(directives('[[tokens:3 delay:4]] [[tool:f {"a":[[1]]}]] [[nousage]]'),
	    { tools: [["f", '{"a":[[1]]}']], loop: false, tokens: "3", delay: "4", nousage: "" });
	assert.equal(directives("x [[say:cited [1]]] y").say, "cited [1]");
});

test("an answer streams with its usage", async () => {
	const out = await collect(await streamed("[[tokens:20 delay:0 cached:4]]"));
	assert.equal(out.text, words(0, 20));
	assert.equal(out.finish, "stop");
	assert.equal(out.usage.completion_tokens, 20);
	assert.equal(out.usage.prompt_tokens_details.cached_tokens, 4);
	assert.equal((await collect(await streamed("[[nousage]]"))).usage, null);
	assert.equal((await collect(await streamed("[[tokens:20]]", { max_tokens: 5 }))).finish, "length");
});

test("an answer without a stream is the same", async () => {
	const reply = await client.chat.completions.create(ask("[[tokens:4]]"));
	assert.equal(reply.choices[0].message.content, words(0, 4));
	assert.equal(reply.usage.completion_tokens, 4);
});

test("cut characters, CRLF and comments are still an event stream", async () => {
	const out = await collect(await streamed("[[tokens:10 delay:0 utf8 crlf comments]]"));
	assert.equal(out.text, words(0, 10, "·é語😀"));
});

test("a character really is cut over two writes", async () => {
	const body = JSON.stringify({ ...ask("[[tokens:1 utf8]]"), stream: true, stream_options: { include_usage: true } });
	const chunks = await new Promise((resolve) => {
		http.request(server.url + "/chat/completions", { method: "POST",
			headers: { authorization: "Bearer sk-test", "content-type": "application/json" } }, async (res) => {
			const all = [];
			for await (const chunk of res)
				all.push(chunk);
			resolve(all);
		}).end(body);
	});
	assert.ok(chunks.some((c) => c.toString("utf8").includes("\ufffd")), "no chunk ends inside a character");
	assert.ok(Buffer.concat(chunks).toString("utf8").includes("w0·é語😀"));
});

test("tools: called in pieces, answered, and checked for their pairs", async () => {
	const text = '[[tool:lookup {"q":"größe"}]] [[tool:lookup {"q":"b"}]] [[tokens:3]]';
	const out = await collect(await streamed(text, { tools: [TOOL] }));
	assert.equal(out.finish, "tool_calls");
	assert.deepEqual(out.calls.map((c) => JSON.parse(c.arguments).q), ["größe", "b"]);
	const calls = out.calls.map((c) => ({ id: c.id, type: "function", function: { name: c.name, arguments: c.arguments } }));
	const history = [{ role: "user", content: text }, { role: "assistant", content: null, tool_calls: calls }];
	const results = calls.map((c) => ({ role: "tool", tool_call_id: c.id, content: "found" }));
	const more = await collect(await streamed("", { messages: [...history, ...results], tools: [TOOL] }));
	assert.equal(more.text, words(0, 3));
	await assert.rejects(streamed("", { messages: [...history, results[0]], tools: [TOOL] }), { status: 400 });
	await assert.rejects(streamed("", { messages: [...results] }), { status: 400 });
});

test("a continuation goes on after the partial answer", async () => {
	const user = { role: "user", content: "[[tokens:9]] [[cut:4]]" };
	let text = "";
	await assert.rejects(async () => {
		for await (const c of await streamed("", { messages: [user] }))
			text += c.choices[0]?.delta.content ?? "";
	});
	assert.equal(text, words(0, 3));
	const rest = await collect(await streamed("", { messages: [user, { role: "assistant", content: text },
		{ role: "user", content: "Continue exactly where you stopped." }] }));
	assert.equal(text + rest.text, words(0, 9));
});

test("statuses: 429 twice with Retry-After, then the answer; 500 always", async () => {
	for (let i = 0; i < 2; i++)
		await assert.rejects(streamed("a [[429:2]]"), (e) => e.status === 429 && e.headers.get("retry-after") === "1"
		    && e.code === "rate_limit_exceeded");
	assert.equal((await collect(await streamed("a [[429:2]]"))).finish, "stop");
	await assert.rejects(streamed("[[500]]"), { status: 500 });
	await assert.rejects(streamed("[[500]]"), { status: 500 });
});

test("faults: reset, eof, garbage, error chunk, too much", async () => {
	await assert.rejects(streamed("[[reset]]"));
	await assert.rejects(async () => collect(await streamed("[[reset:3]]")));
	assert.equal((await collect(await streamed("[[eof:3]]"))).finish, null);
	const { error } = console;
	console.error = () => {};
	await assert.rejects(async () => collect(await streamed("[[garbage:3]]")));
	console.error = error;
	await assert.rejects(async () => collect(await streamed("[[errorchunk:3]]")), /overloaded/);
	assert.equal((await collect(await streamed("[[long:1000000]]", { max_tokens: 10 }))).text.length, 1000000);
});

test("a client's leaving is noticed", async () => {
	const stream = await streamed("leave [[tokens:1000 delay:20]]");
	for await (const chunk of stream)
		if (chunk.choices[0]?.delta.content)
			break;
	const [entry] = server.log("leave [[");
	await until(() => entry.disconnectedAt, "the stand-in notices");
	assert.equal(server.open, 0);
});

test("wrong requests get OpenAI's errors", async () => {
	const cases = [
		[{ model: "no-such" }, 404, "model_not_found"],
		[{ model: undefined }, 400], [{ messages: [] }, 400], [{ messages: undefined }, 400],
		[{ colour: "red" }, 400], [{ temperature: 3 }, 400], [{ temperature: "1" }, 400], [{ max_tokens: 0 }, 400],
		[{ stream: true }, 400], [{ stream_options: { include_usage: true } }, 400],
		[{ messages: [{ role: "robot", content: "x" }] }, 400],
		[{ messages: [{ role: "constructor", content: "x" }] }, 400],
		[{ messages: [{ role: "user", content: null }] }, 400],
		[{ messages: [{ role: "user", content: "x", colour: 1 }] }, 400],
		[{ messages: [{ role: "assistant", content: null, tool_calls: [] }] }, 400],
		[{ tools: [] }, 400], [{ tools: [{ type: "function", function: { name: "a b" } }] }, 400],
		[{ tools: [{ type: "function", function: { name: "a", parameters: { type: "string" } } }] }, 400],
		[{ tool_choice: "auto" }, 400],
	];
	for (const [change, status, code] of cases)
		await assert.rejects(client.chat.completions.create({ ...ask("x"), ...change }), (e) => {
			assert.equal(e.status, status, JSON.stringify(change));
			assert.ok(e.error.message && e.error.type === "invalid_request_error");
			assert.ok(!code || e.code === code);
			return true;
		});
	await assert.rejects(new OpenAI({ apiKey: "other", baseURL: server.url, maxRetries: 0 }).models.list(), { status: 401 });
});

test("no JSON, no key, no such path", async () => {
	const post = (path, headers, body) => fetch(server.url + path, { method: "POST", headers, body });
	const auth = { authorization: "Bearer sk-test" }, json = { "content-type": "application/json" };
	assert.equal((await post("/chat/completions", { ...auth, ...json }, "{")).status, 400);
	assert.equal((await post("/chat/completions", { ...auth, ...json }, Buffer.from('{"model":"\xff"}', "latin1"))).status, 400);
	assert.equal((await post("/chat/completions", { ...auth, "content-type": "text/plain" }, JSON.stringify(ask("x")))).status, 400);
	assert.equal((await post("/chat/completions", json, JSON.stringify(ask("x")))).status, 401);
	assert.equal((await post("/chat/completions", { ...json, authorization: "sk-test" }, JSON.stringify(ask("x")))).status, 401);
	assert.equal((await post("/completions", auth, "{}")).status, 404);
});

test("models and embeddings", async () => {
	assert.ok((await client.models.list()).data.some((m) => m.id === "gpt-4o-mini"));
	const reply = await client.embeddings.create({ model: "text-embedding-3-small", input: ["red mill", "red mill", "sea"] });
	const [a, b, c] = reply.data.map((d) => d.embedding);
	assert.deepEqual(a, b);
	assert.notDeepEqual(a, c);
	assert.equal(a.length, 1536);
});

test("1,000 slow streams at once", async () => {
	server.clear();
	const payload = JSON.stringify({ ...ask("many [[tokens:20 delay:100 gate:many]]"), stream: true, stream_options: { include_usage: true } });
	const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\n`
	    + `Content-Type: application/json\r\nConnection: close\r\nContent-Length: ${payload.length}\r\n\r\n`;
	const one = () => new Promise((resolve, reject) => {
		let text = "";
		net.connect(server.port, "127.0.0.1", function () { this.write(head + payload); })
		    .on("data", (d) => { text += d; }).on("error", reject).on("close", () => resolve(text));
	});
	const replies = Promise.all(Array.from({ length: 1000 }, one));
	await Promise.race([replies, until(() => server.open === 1000, "all of them are there")]);
	permit("many");
	const all = await replies;
	assert.ok(all.every((t) => t.includes(" w19") && t.includes("[DONE]")));
	assert.equal(server.peak, 1000);
});
