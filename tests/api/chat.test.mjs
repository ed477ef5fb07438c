/* Chat with the `local` provider: the stream, its resumption, conversations, runs. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import http2 from "node:http2";
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { text as readText } from "node:stream/consumers";
import { Stream } from "openai/core/streaming";
import { newUser, shared } from "../js/instance.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { assertDone, assertOneEnd, contentOf } from "../js/events.mjs";
import { SseParser } from "../js/sse.mjs";

let api, user, documentId;
before(async () => {
	({ api } = await shared());
	user = await newUser(api);
	documentId = assertStatus(await user.api.upload("/api/documents/upload?wait=1", { name: "Eling",
		file: { filename: "eling.txt", bytes: "The tide mill at Eling grinds wheat. Its pond fills twice a day through sea hatches." } }),
	    200).json.id;
});

const ask = async (message, more, options) => {
	const stream = await user.api.chat(message, more, options);
	const events = await stream.all();
	assertOneEnd(events);
	return { stream, events, run: stream.headers["x-run-id"], conversation: stream.headers["x-conversation-id"], done: events.at(-1).data };
};

test("an answer streams from the caller's documents, with its sources", async () => {
	const { stream, events, run, conversation, done } = await ask("What does the tide mill at Eling grind?");
	assert.match(run, UUID7);
	assert.match(conversation, UUID7);
	assert.match(stream.headers["cache-control"], /no-cache|no-store/);
	assert.equal(stream.headers["content-encoding"], undefined);
	assertDone(events.at(-1));
	assert.equal(done.conversationId, conversation);
	assert.equal(contentOf(events), done.content);
	assert.match(done.content, /wheat/);
	assert.equal(done.usage.provider, "local");
	assert.equal(done.usage.costUsd, 0);
	assert.ok(done.sources.length >= 1);
	assert.equal(done.sources[0].documentId, documentId);
	assert.ok(events.filter((e) => e.event === "token").length > 1, "the answer came in one piece");
});

test("without anything to answer from, it says so and how to configure a model", async () => {
	const nobody = await newUser(api);
	const events = await (await nobody.api.chat("Who won the regatta?")).all();
	const done = assertDone(events.at(-1));
	assert.match(done.content, /document/i);
	assert.match(done.content, /OPENAI_API_KEY|MILLRACE_PROVIDER/);
	assert.deepEqual(done.sources, []);
});

test("a conversation goes on by its id, in both spellings", async () => {
	const { conversation } = await ask("What fills the pond?");
	assert.equal((await ask("How often?", { conversationId: conversation })).conversation, conversation);
	assert.equal((await ask("Where?", { conversation_id: conversation })).conversation, conversation);
	const { json } = assertStatus(await user.api.get(`/api/conversations/${conversation}`), 200);
	assert.deepEqual(json.messages.map((m) => m.role), ["user", "assistant", "user", "assistant", "user", "assistant"]);
	assert.deepEqual(json.messages.filter((m) => m.role === "user").map((m) => m.content),
	    ["What fills the pond?", "How often?", "Where?"]);
	for (const m of json.messages) {
		assert.match(m.id, UUID7);
		assert.match(m.createdAt, TIME);
	}
});

test("what cannot be asked is refused before the stream starts", async () => {
	const post = (json, from = user.api) => from.post("/api/chat", json, { headers: { accept: "text/event-stream" } });
	assertError(await post({}), "BAD_REQUEST", ["message"]);
	assertError(await post({ message: "" }), "BAD_REQUEST", ["message"]);
	assertError(await post({ message: 5, conversationId: 7 }), "BAD_REQUEST", ["message", "conversationId"]);
	assertError(await post({ message: "x", conversation_id: "not-a-uuid" }), "BAD_REQUEST", ["conversation_id"]);
	assertError(await post({ message: "x".repeat(500000) }), "BAD_REQUEST", ["message"]);
	assertError(await post({ message: "x", conversationId: randomUUID() }), "NOT_FOUND");
	assertError(await post({ message: "x" }, api), "UNAUTHORIZED");
});

test("a finished run is replayed whole, from any event, and by ?after=", async () => {
	const { run, events } = await ask("What does the mill grind?");
	const plain = (list) => list.map(({ id, event, data }) => ({ id, event, data }));
	assert.deepEqual(plain(await (await user.api.resume(run)).all()), plain(events));
	for (const n of [1, events.length - 1]) {
		const id = events[n - 1].id;
		assert.deepEqual(plain(await (await user.api.resume(run, id)).all()), plain(events.slice(n)));
		const after = await user.api.sse("GET", `/api/runs/${run}/stream?after=${id}`);
		assert.deepEqual(plain(await after.all()), plain(events.slice(n)));
	}
	/* 204 is what tells an EventSource not to come back */
	assertStatus(await user.api.get(`/api/runs/${run}/stream`, { headers: { "last-event-id": events.at(-1).id } }), 204);
});

test("a run tells its outcome", async () => {
	const { run, conversation, done } = await ask("What grinds wheat?");
	const { json } = assertStatus(await user.api.get(`/api/runs/${run}`), 200);
	assert.equal(json.id, run);
	assert.equal(json.status, "completed");
	assert.equal(json.conversationId ?? json.result?.conversationId, conversation);
	assert.ok(JSON.stringify(json).includes(done.messageId));
	assertStatus(await user.api.post(`/api/runs/${run}/cancel`), 200);
	assert.equal(assertStatus(await user.api.get(`/api/runs/${run}`), 200).json.status, "completed");
});

test("conversations: list, rename, delete", async () => {
	const own = await newUser(api);
	const ids = [];
	for (const message of ["first question", "\n\t second  question\n"]) {
		const stream = await own.api.chat(message);
		await stream.all();
		ids.unshift(stream.headers["x-conversation-id"]);
	}
	const list = assertStatus(await own.api.get("/api/conversations"), 200).json;
	assert.deepEqual(list.map((c) => c.id), ids);
	assert.deepEqual(list.map((c) => c.title), ["second question", "first question"]);
	for (const c of list) {
		assert.match(c.createdAt, TIME);
		assert.match(c.updatedAt, TIME);
	}
	const path = `/api/conversations/${ids[0]}`;
	const renamed = assertStatus(await own.api.patch(path, { title: "Über Mühlen" }), 200).json;
	assert.deepEqual([renamed.id, renamed.title], [ids[0], "Über Mühlen"]);
	assert.equal((await own.api.get(path)).json.title, "Über Mühlen");
	assertError(await own.api.patch(path, { title: 5 }), "BAD_REQUEST", ["title"]);
	assertStatus(await own.api.delete(path), 204);
	assertError(await own.api.get(path), "NOT_FOUND");
	assertError(await own.api.delete(path), "NOT_FOUND");
	assert.deepEqual((await own.api.get("/api/conversations")).json.map((c) => c.id), [ids[1]]);
});

test("another user's conversation, run and stream are not there", async () => {
	const { run, conversation } = await ask("What is mine?");
	const { api: other } = await newUser(api);
	assertError(await other.get(`/api/conversations/${conversation}`), "NOT_FOUND");
	assertError(await other.patch(`/api/conversations/${conversation}`, { title: "theirs" }), "NOT_FOUND");
	assertError(await other.delete(`/api/conversations/${conversation}`), "NOT_FOUND");
	assertError(await other.get(`/api/runs/${run}`), "NOT_FOUND");
	assertError(await other.get(`/api/runs/${run}/stream`), "NOT_FOUND");
	assertError(await other.post(`/api/runs/${run}/cancel`), "NOT_FOUND");
	assertError(await other.post("/api/chat", { message: "x", conversationId: conversation }), "NOT_FOUND");
	assertError(await other.get(`/api/artifacts/${randomUUID()}`), "NOT_FOUND");
	assert.deepEqual((await other.get("/api/conversations")).json, []);
	assertError(await api.get(`/api/runs/${run}/stream`), "UNAUTHORIZED");
	assertStatus(await user.api.get(`/api/conversations/${conversation}`), 200);
});

test("nobody reaches a stream without a worker's grant", async () => {
	const { run } = await ask("Whose stream?");
	const grant = Buffer.from(JSON.stringify({ topic: `run:${run}`, user: user.uid })).toString("base64url");
	for (const path of [`/_stream/run/${run}`, `/_stream/reply/${run}`, "/_stream/ws/x"])
		assertError(await user.api.get(path, { headers: { "x-grant": grant } }), "NOT_FOUND");
	const { api: other } = await newUser(api);
	assertError(await other.get(`/api/runs/${run}/stream`, { headers: { "x-grant": grant } }), "NOT_FOUND");
});

test("a stream's reply has every header that other replies have", async () => {
	const { origin } = await shared();
	const stream = await user.api.chat("Which headers?", {}, { headers: { origin, "x-request-id": "stream-1" } });
	const { headers } = stream;
	assert.deepEqual([headers["x-request-id"], headers["access-control-allow-origin"], headers["x-content-type-options"]],
	    ["stream-1", origin, "nosniff"]);
	assert.match(headers["access-control-expose-headers"], /X-Run-Id/);
	assert.ok(Number(headers["x-ratelimit-limit"]) > 0);
	assert.equal(headers["x-grant"], undefined);
	await stream.all();
	const again = `/api/runs/${headers["x-run-id"]}/stream`;
	const head = assertStatus(await user.api.request("HEAD", again), 200);
	assert.match(head.headers["content-type"], /^text\/event-stream/);
	assert.equal(head.bytes.length, 0);
	assertOneEnd(await (await user.api.sse("GET", again + "/")).all());
	const search = await user.api.get("/api/documents/search?q=mill", { headers: { origin, "x-request-id": "search-1" } });
	assert.deepEqual([search.status, search.headers["x-request-id"], search.headers["access-control-allow-origin"]], [200, "search-1", origin]);
	assert.match(search.headers["x-run-id"], UUID7);
	assert.equal((await user.api.request("HEAD", "/api/documents/search?q=mill")).status, 200);
});

test("HTTP/2: requests and a stream over one connection", async () => {
	const session = http2.connect(api.base.href, { rejectUnauthorized: false });
	const request = async (headers, body) => {
		const stream = session.request({ authorization: `Bearer ${user.token}`, "content-type": "application/json", ...headers });
		stream.end(body);
		const [head] = await once(stream, "response");
		return { status: head[":status"], headers: head, text: await readText(stream) };
	};
	const [one, two, three] = await Promise.all([
		request({ ":path": "/api/chat", ":method": "POST" }, JSON.stringify({ message: "What fills the pond at Eling?" })),
		request({ ":path": "/api/user" }), request({ ":path": "/api/nope" })]);
	session.close();
	const events = new SseParser().feed(Buffer.from(one.text)).map((e) => ({ ...e, data: JSON.parse(e.data) }));
	assertOneEnd(events);
	assert.equal(contentOf(events), events.at(-1).data.content);
	assert.deepEqual([two.status, JSON.parse(two.text).id, three.status], [200, user.uid, 404]);
});

test("a conversation's messages come in pages", async () => {
	const own = await newUser(api);
	let conversationId;
	for (const message of ["one", "two", "three"]) {
		const stream = await own.api.chat(message, conversationId ? { conversationId } : {});
		await stream.all();
		conversationId = stream.headers["x-conversation-id"];
	}
	const path = `/api/conversations/${conversationId}`;
	const all = (await own.api.get(path)).json.messages;
	assert.equal(all.length, 6);
	const last = assertStatus(await own.api.get(`${path}?limit=2`), 200).json.messages;
	assert.deepEqual(last, all.slice(4));
	const before = assertStatus(await own.api.get(`${path}?limit=3&before=${last[0].id}`), 200).json.messages;
	assert.deepEqual(before, all.slice(1, 4));
	const page = await own.api.get("/api/conversations?limit=1");
	assert.equal(page.headers.link, undefined);
});

test("a message of 100,000 characters is taken, and comes back as it was", async () => {
	const message = "ü\u0001\t\n\r\u2028😀\\\"' ".repeat(9090);
	const { conversation } = await ask(message);
	assert.equal((await user.api.get(`/api/conversations/${conversation}`)).json.messages[0].content, message);
	assertError(await user.api.post("/api/chat", { message: "x".repeat(100001) }), "BAD_REQUEST", ["message"]);
});

test("the official client's own reader takes the stream", async () => {
	const response = await user.api.open("POST", "/api/chat", { json: { message: "What fills the pond at Eling?" } });
	const controller = new AbortController();
	const seen = [];
	for await (const item of Stream.fromSSEResponse(new Response(Readable.toWeb(response)), controller, undefined, true))
		seen.push(item);
	assert.equal(seen.at(-1).event, "done");
	assert.equal(contentOf(seen), seen.at(-1).data.content);
});

test("usage of a run is stored with what it was made of", async () => {
	const { run, done } = await ask("What is a sea hatch?");
	const millrace = await shared();
	const rows = await until(() => millrace.psql(`select provider, input_tokens, output_tokens, cost_usd from usage_event where run_id = '${run}'`),
	    "usage is stored");
	const [provider, input, output, cost] = rows.trim().split("|");
	assert.deepEqual([provider, Number(input), Number(output), Number(cost)],
	    ["local", done.usage.inputTokens, done.usage.outputTokens, 0]);
});
