/* Event streams, as the clients that people use read them: whatever is cut, each event comes once; whoever is refused for now comes back. */
import test, { after, afterEach, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { getLines, getMessages } from "@microsoft/fetch-event-source/lib/cjs/parse.js";
import { EventSource } from "eventsource";
import ReconnectingEventSource from "reconnecting-eventsource";
import OpenAI from "openai";
import { newUser, privateInstance } from "../js/instance.mjs";
import { assertStatus, until } from "../js/expect.mjs";
import { relayTo } from "../js/relay.mjs";

const MOST = 2;
let millrace, api, relay;
const open = new Set();
before(async () => {
	/* fetch-event-source is for pages */
	globalThis.window ??= globalThis;
	globalThis.document ??= { hidden: false, addEventListener() {}, removeEventListener() {} };
	millrace = await privateInstance("clients", { MILLRACE_USER_STREAMS: String(MOST), MILLRACE_STREAM_PING_SECONDS: "1" });
	({ api } = millrace);
	relay = await relayTo(millrace);
});
afterEach(() => {
	open.forEach((source) => source.close());
	open.clear();
	relay.on = null;
	relay.requests.length = 0;
});
after(async () => {
	await relay?.close();
	await millrace?.stop();
});

/* A run of somebody's that goes on, and its events. */
async function runOf(user) {
	const run = randomUUID();
	await millrace.psql(`INSERT INTO run (id, owner_id, kind, status, input) VALUES ('${run}', '${user.uid}', 'chat', 'running', '{}')`);
	return { run, path: `/api/runs/${run}/stream`,
		say: (type, data = {}) => millrace.psql(`SELECT publish('run:${run}', '${type}', '${JSON.stringify(data)}')`) };
}

/* A chat that is answered, and its request. */
async function answered(user) {
	const headers = { authorization: `Bearer ${user.token}`, "content-type": "application/json", "idempotency-key": randomUUID() };
	const body = JSON.stringify({ message: "Who grinds?" });
	const stream = await user.api.sse("POST", "/api/chat", { body, headers });
	const events = (await stream.all()).map(({ id, event, text }) => ({ id, event, data: text }));
	assert.ok(events.length >= 3);
	return { request: { method: "POST", headers, body }, run: stream.headers["x-run-id"], events };
}

/* fetch-event-source until it is done: its messages. */
async function fetched(path, init) {
	const messages = [];
	await fetchEventSource(relay.url + path, { ...init, openWhenHidden: true, onerror: () => 10,
		onmessage: ({ id, event, data }) => messages.push({ id, event, data }) });
	return messages;
}

/* What is heard by an EventSource of either make. */
function heard(source, types = ["token", "done"]) {
	const events = [];
	open.add(source);
	types.forEach((type) => source.addEventListener(type, (e) => events.push([e.lastEventId, type, e.data])));
	return events;
}

/* `eventsource`, with a token in a header. */
const withToken = ({ token }) => class extends EventSource {
	constructor(url) {
		super(url, { fetch: (to, init) => fetch(to, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }) });
	}
};

const refusals = () => relay.requests.filter(({ body }) => /^: [A-Z_]+ "[^\n]*"\nretry: \d+\n$/.test(body));

test("fetch-event-source: cut at any byte, it has seen every event whose id it has taken", async () => {
	const user = await newUser(api), chat = await answered(user);
	const response = await user.api.open("GET", `/api/runs/${chat.run}/stream`);
	const parts = [];
	for await (const part of response)
		parts.push(part);
	const bytes = Buffer.concat(parts), ends = new Set();
	/* A line of an id is all that it needs: of each event one byte is left in which it can be cut behind that. */
	for (const end of bytes.toString("latin1").matchAll(/id: \d+\n(?=\n)/g))
		ends.add(end.index + end[0].length);
	assert.equal(ends.size, chat.events.length);
	for (let cut = 0; cut <= bytes.length; cut++) {
		const seen = [];
		let last = "";
		getLines(getMessages((id) => { last = id; }, () => {}, (message) => seen.push(message)))(bytes.subarray(0, cut));
		assert.ok(seen.every(({ data }) => data !== ""), `an empty message before ${cut}`);
		if (!ends.has(cut))
			assert.equal(last, seen.at(-1)?.id ?? "", `cut at ${cut}`);
	}
});

test("fetch-event-source: a chat that is cut goes on by its Idempotency-Key where it was", async () => {
	const user = await newUser(api), { request, events } = await answered(user);
	await fetched("/api/chat", request);
	const whole = relay.requests.at(-1).body;
	for (const within of ["event: ", "data: ", "id: "])
		for (const { index } of [...whole.matchAll(new RegExp(`(?<=\n)${within}`, "g"))].slice(0, 5)) {
			relay.requests.length = 0;
			relay.on = () => relay.requests.length === 1 ? { cut: index + 3 } : {};
			assert.deepEqual(await fetched("/api/chat", request), events, `cut after ${index + 3} bytes`);
			assert.equal(relay.requests.length, 2);
		}
	/* All of it has been seen: the stream just ends, and the client with it. */
	assert.deepEqual(await fetched("/api/chat", { ...request, headers: { ...request.headers, "last-event-id": events.at(-1).id } }), []);
});

test("fetch-event-source: a chat that is cut is not asked, and paid, once more without an Idempotency-Key", async () => {
	const user = await newUser(api), { request: { headers: { "idempotency-key": _, ...headers } } } = await answered(user);
	const body = JSON.stringify({ message: "Who grinds at night?" }), request = { method: "POST", headers, body };
	const runs = () => millrace.psql(`SELECT count(*) FROM run WHERE owner_id = '${user.uid}'`).then((said) => said.trim());
	relay.on = () => relay.requests.length === 1 ? { cut: 200 } : {};
	const events = await fetched("/api/chat", request);
	const seenThen = [...relay.requests[0].body.matchAll(/\nid: (\d+)\n/g)].at(-1)[1];
	assert.deepEqual([relay.requests.length, relay.requests[1].headers["last-event-id"], await runs()], [2, seenThen, "2"]);
	assert.deepEqual(events.map(({ id }) => Number(id)), events.map((_, i) => i + 1));
	assert.equal(events.at(-1).event, "done");
	const { conversationId } = JSON.parse(events.at(-1).data), seen = { ...headers, "last-event-id": "1" };
	const again = (of, more) => user.api.sse("POST", "/api/chat", { body: JSON.stringify(of), headers: more }).then((stream) => stream.all());
	/* In its conversation, too; all of it, and more than there was, has been seen: that is another question. */
	assert.deepEqual((await again({ message: "Who grinds at night?", conversationId }, seen)).map((e) => e.id), events.slice(1).map((e) => e.id));
	assert.deepEqual(await again({ message: "Who grinds at night?" }, { ...headers, "last-event-id": events.at(-1).id }), []);
	assert.equal(await runs(), "2");
	for (const [of, more, n] of [[{ message: "Who grinds at night?" }, { ...headers, "last-event-id": "1000" }, "3"], [{ message: "Who grinds at noon?" }, seen, "4"],
		[{ message: "Who grinds at night?" }, seen, "5"], [{ message: "Who grinds at night?" }, headers, "6"], [{ message: "Who grinds at night?" }, { ...headers, "last-event-id": "0" }, "7"],
		[{ message: "Who grinds at night?" }, { ...seen, "idempotency-key": randomUUID() }, "8"]]) {
		assert.equal((await again(of, more)).at(-1).event, "done");
		assert.equal(await runs(), n, JSON.stringify([of, more]));
	}
	const other = await newUser(api);
	assert.equal((await other.api.sse("POST", "/api/chat", { body, headers: { ...seen, authorization: `Bearer ${other.token}` } }).then((stream) => stream.all())).at(-1).event, "done");
	assert.equal(await millrace.psql(`SELECT count(*) FROM run WHERE owner_id = '${other.uid}'`).then((said) => said.trim()), "1");
});

test("fetch-event-source: what keeps the connection alive is no message", async () => {
	const user = await newUser(api), { path, say } = await runOf(user);
	const messages = fetched(path, { headers: { authorization: `Bearer ${user.token}` } });
	await until(() => relay.requests.at(-1)?.body.split(": ping\n").length > 2, "two pings");
	await say("token", { content: "1" });
	await until(() => /id: 1\n\n: ping\n/.test(relay.requests.at(-1).body), "another");
	await say("done");
	assert.deepEqual((await messages).map(({ id, event }) => [id, event]), [["1", "token"], ["2", "done"]]);
});

test("an EventSource that is refused comes back by itself, and stops where all is over", async () => {
	const user = await newUser(api), other = await runOf(user), { run, path, say } = await runOf(user);
	const held = [await user.api.resume(other.run), await user.api.resume(other.run)];
	const source = new (withToken(user))(relay.url + path), events = heard(source);
	await until(() => refusals().length > 0, "a refusal");
	assert.deepEqual([source.readyState === source.CLOSED, relay.requests[0].status], [false, 200]);
	held.pop().close();
	await say("token", { content: "1" });
	await until(() => events.length === 1, "the event");
	held.pop().close();
	await millrace.psql(`UPDATE run SET status = 'completed', ended_at = now(), last_seq = 2 WHERE id = '${run}'`);
	await say("done");
	await until(() => source.readyState === source.CLOSED, "it stops");
	assert.deepEqual(events.map(([id, type]) => [id, type]), [["1", "token"], ["2", "done"]]);
	assert.equal(relay.requests.at(-1).status, 204);
});

test("reconnecting-eventsource goes on by ?lastEventId= where it has made another EventSource", async () => {
	const user = await newUser(api), { path, say } = await runOf(user);
	await say("token", { content: "1" });
	await say("token", { content: "2" });
	/* The first is cut in the second event, the one after that fails for good. */
	relay.on = () => relay.requests.length === 1 ? { cut: 70 } : relay.requests.length === 2 ? { status: 500 } : {};
	const events = heard(new ReconnectingEventSource(relay.url + path, { eventSourceClass: withToken(user), max_retry_time: 100 }));
	await until(() => events.length >= 2, "what was there");
	await say("token", { content: "3" });
	await until(() => events.length >= 3, "what came then");
	assert.deepEqual(events.map(([id]) => id), ["1", "2", "3"]);
	assert.match(relay.requests[2].path, /\?lastEventId=1$/);
	assert.equal(relay.requests[2].headers["last-event-id"], undefined);
});

test("openai's client does not come back at once from a wait that it does not obey", async () => {
	const user = await newUser(api);
	await millrace.psql(`INSERT INTO login_failure SELECT login_subject_from('network', '${user.email}', '127.0.0.1'), 20, now()`);
	const client = new OpenAI({ baseURL: relay.url, apiKey: "x", maxRetries: 2 });
	const error = await client.post("/api/auth/login", { body: { email: user.email, password: "wrong password" } }).then(() => null, (e) => e);
	assert.equal(error.status, 429);
	assert.ok(Number(error.headers.get("retry-after")) > 60);
	assert.equal(error.headers.get("x-should-retry"), "false");
	assert.equal(relay.requests.length, 1);
});

test("?lastEventId=, Last-Event-ID and ?after=: the later counts, and what is no number is none", async () => {
	const user = await newUser(api), { run, events } = await answered(user), ids = events.map(({ id }) => Number(id));
	const after = async (query, id) => {
		const reply = await user.api.get(`/api/runs/${run}/stream${query}`, { headers: id === undefined ? {} : { "last-event-id": id } });
		return reply.status === 204 ? ids.length : Number(/^id: (\d+)$/m.exec(assertStatus(reply, 200).text)[1]) - 1;
	};
	assert.equal(await after("?lastEventId=2"), 2);
	assert.equal(await after("?after=1&lastEventId=2"), 2);
	assert.equal(await after("?after=1&lastEventId=2", "1"), 1);
	assert.equal(await after(`?lastEventId=${ids.at(-1)}`), ids.length);
	for (const none of ["", "x", "-1", "+1", "1.0", "0x1", "1 2", "1e0", "99999999999999999999", "undefined", "null", "\xff"]) {
		assert.equal(await after("", none), 0, `the header ${none}`);
		assert.equal(await after("?after=1", none), 1, `the header ${none}, and ?after=1`);
		assert.equal(await after("?lastEventId=2", none), 2);
		assert.equal(await after(`?after=1&lastEventId=${encodeURIComponent(none)}`), 1, `?lastEventId=${none}`);
	}
});
