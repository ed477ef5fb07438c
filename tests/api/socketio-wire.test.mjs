/* Engine.IO 4 and Socket.IO 5 byte by byte, and everything that is not them, through nginx. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import msgpack from "notepack.io";
import { newUser, privateInstance } from "../js/instance.mjs";
import { assertStatus, until } from "../js/expect.mjs";
import { Engine, PATH } from "../js/sockets.mjs";

/* Long enough for what a test does meanwhile, on a busy machine, too. */
const PING = 2500, TIMEOUT = 10000, CONNECT = 12000;
let millrace, api, user;
before(async () => {
	millrace = await privateInstance("socketio-wire", { MILLRACE_SOCKETIO_PING_MS: String(PING), MILLRACE_SOCKETIO_PING_TIMEOUT_MS: String(TIMEOUT),
		MILLRACE_SOCKETIO_CONNECT_MS: String(CONNECT), MILLRACE_SOCKETIO_NAMESPACES: "/custom", MILLRACE_STREAM_CONNECTIONS: "40" });
	({ api } = millrace);
	user = await newUser(api);
});
after(() => millrace.stop());

const open = () => new Engine(user.api).open();
const refused = (reply, code, message) => {
	assertStatus(reply, 400);
	assert.match(reply.headers["content-type"], /^application\/json/);
	assert.deepEqual(reply.json, { code, message });
};
const unknown = (reply) => refused(reply, 1, "Session ID unknown");

/* A session in the main namespace: what its polls brought so far is gone. */
async function inNamespace() {
	const session = await open();
	assert.equal(assertStatus(await session.post("40"), 200).text, "ok");
	assert.match((await session.poll()).text, /^40\{"sid":"[\w-]{20}","pid":"[\w-]{63}"\}$/);
	return session;
}

/* A WebSocket that has said `40`; its handshakes are taken out. */
async function socket() {
	const ws = await new Engine(user.api).socket();
	ws.send("40");
	await until(() => ws.said.length >= 2, "both handshakes");
	ws.said.length = 0;
	return ws;
}

/* What a WebSocket says but for pings. */
const words = (ws) => ws.said.filter((w) => w !== "2");

test("the handshake by polling", async () => {
	const { hello } = await open();
	assert.match(hello.sid, /^[\w-]{20}$/);
	assert.deepEqual({ ...hello, sid: 0 }, { sid: 0, upgrades: ["websocket"], pingInterval: PING, pingTimeout: TIMEOUT, maxPayload: 1000000 });
});

test("who has signed out since the handshake does not connect by it", async () => {
	const other = await newUser(api), ws = await new Engine(other.api).socket();
	await until(() => ws.said.length, "the handshake");
	assertStatus(await other.api.post("/api/auth/logout"), 200);
	ws.send("40");
	assert.equal((await ws.ended)[0], 1008);
});

test("the handshake by WebSocket", async () => {
	const ws = await new Engine(user.api).socket();
	await until(() => ws.said.length, "the handshake");
	assert.equal(ws.said[0][0], "0");
	assert.deepEqual(JSON.parse(ws.said[0].slice(1)).upgrades, []);
	ws.close();
});

test("requests that are none are refused as the reference refuses them", async () => {
	const get = (query) => user.api.get(`${PATH}/?${query}`);
	refused(await get("transport=polling"), 5, "Unsupported protocol version");
	refused(await get("EIO=3&transport=polling"), 5, "Unsupported protocol version");
	refused(await get("EIO=abc&transport=polling"), 5, "Unsupported protocol version");
	refused(await get("EIO=4"), 0, "Transport unknown");
	refused(await get("EIO=4&transport=abc"), 0, "Transport unknown");
	refused(await get("EIO=4&transport=websocket"), 3, "Bad request");
	unknown(await get("EIO=4&transport=polling&sid=abc"));
	unknown(await get(`EIO=4&transport=polling&sid=${"a".repeat(20)}`));
	refused(await get(`EIO=4&transport=polling&sid=${"a".repeat(5000)}`), 3, "Bad request");
	refused(await get("EIO=4&transport=polling&sid=%00"), 3, "Bad request");
	refused(await user.api.request("POST", `${PATH}/?EIO=4&transport=polling`, { body: "40" }), 2, "Bad handshake method");
	const session = await open();
	refused(await get(`EIO=3&transport=polling&sid=${session.sid}`), 3, "Bad request");
});

test("packets of a payload, one by one and together", async () => {
	const session = await inNamespace();
	await session.post("420[\"nope\"]");
	assert.match((await session.poll()).text, /^430\[\{"ok":false,"error":"[^"]*","code":"NOT_FOUND"\}\]$/);
	await session.post("421[\"a\"]\x1e422[\"b\"]\x1e451-3[\"c\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA==");
	assert.deepEqual((await session.poll()).text.split("\x1e").map((p) => p.slice(0, 3)), ["431", "432", "433"]);
});

test("pings by polling", async () => {
	const session = await inNamespace();
	for (let i = 0; i < 2; i++) {
		assert.equal((await session.poll()).text, "2");
		assert.equal((await session.post("3")).text, "ok");
	}
});

test("pings by WebSocket, and nobody who answers them is closed", async () => {
	const ws = await socket();
	ws.on("message", (data) => data.toString() === "2" && ws.send("3"));
	await sleep(PING * 2 + TIMEOUT + 500);
	assert.ok(ws.said.length >= 2);
	assert.equal(ws.readyState, ws.OPEN);
	ws.close();
});

test("who does not answer a ping is closed, by every transport", async () => {
	const session = await inNamespace(), ws = await socket();
	await ws.ended;
	await until(async () => (await session.poll()).status === 400, "the session's end");
	unknown(await session.poll());
});

test("a session in no namespace is closed", async () => {
	const session = await open(), ws = await new Engine(user.api).socket(), start = Date.now();
	ws.on("message", (data) => data.toString() === "2" && ws.send("3"));
	const [code] = await ws.ended;
	assert.equal(code, 1008);
	assert.ok(Date.now() - start > CONNECT - 500, "too early");
	await until(async () => (await session.poll()).status === 400, "the session's end");
	unknown(await session.poll());
});

test("two polls at once end the session", async () => {
	const session = await inNamespace();
	const [first, second] = (await Promise.all([session.poll(), session.poll()])).sort((a, b) => a.status - b.status);
	assert.equal(first.text, "1");
	refused(second, 3, "Bad request");
	unknown(await session.poll());
});

test("the client's close ends the session, and its poll", async () => {
	await until(async () => {               /* unless the poll came after it */
		const session = await inNamespace(), poll = session.poll();
		await sleep(100);
		assert.equal((await session.post("1")).text, "ok");
		const { text } = await poll;
		unknown(await session.poll());
		return text === "6";
	}, "the poll's end");
	const ws = await socket();
	ws.send("1");
	await ws.ended;
});

test("who goes away while polling has gone", async () => {
	const session = await inNamespace(), gone = new AbortController();
	const poll = session.poll({ signal: gone.signal }).catch(() => {});
	await sleep(200);
	gone.abort();
	await poll;
	await until(async () => (await session.post("3")).status === 400, "the session's end");
});

test("DISCONNECT and the close after it come in payloads of their own, and in that order", async () => {
	const other = await newUser(api), listens = await new Engine(api.fresh()).socket();
	listens.send(`40${JSON.stringify({ token: other.token })}`);
	await until(() => listens.said.length >= 2, "both handshakes");
	const session = await new Engine(api.fresh()).open(), polls = await new Engine(api.fresh()).open();
	for (const one of [session, polls]) {
		assertStatus(await one.post(`40${JSON.stringify({ token: other.token })}`), 200);
		assert.match((await one.poll()).text, /^40\{/);
	}
	const poll = polls.poll();
	assertStatus(await other.api.post("/api/auth/logout"), 200);
	await listens.ended;
	assert.equal(listens.said.at(-1), "41");
	for (const [one, first] of [[session, await session.poll()], [polls, await poll]]) {
		assert.equal(assertStatus(first, 200).text, "41");
		assert.equal(assertStatus(await one.poll(), 200).text, "1");
		unknown(await one.poll());
	}
});

test("somebody else's session is not there", async () => {
	const session = await inNamespace(), other = await newUser(api);
	for (const thief of [other.api, api.as(null)]) {
		const stolen = new Engine(thief);
		stolen.sid = session.sid;
		unknown(await stolen.poll());
		unknown(await stolen.post("41"));
		const ws = await stolen.socket();
		assert.equal(ws.readyState, ws.CLOSED);
	}
	await session.post("420[\"nope\"]");
	assert.match((await session.poll()).text, /^430/);
});

test("the upgrade", async () => {
	const session = await inNamespace();
	const poll = session.poll();
	const ws = await session.socket();
	ws.send("2probe");
	await until(() => ws.said.length, "the probe's answer");
	assert.deepEqual(ws.said, ["3probe"]);
	assert.equal((await poll).text, "6");
	assert.equal((await session.poll()).text, "6");
	await session.post("420[\"nope\"]");
	ws.send("5");
	await until(() => words(ws).length === 2, "what was queued");
	assert.match(ws.said[1], /^430/);
	refused(await session.poll(), 3, "Bad request");
	refused(await session.post("3"), 3, "Bad request");
	const second = await session.socket();
	await second.ended;
	ws.send("421[\"nope\"]");
	await until(() => words(ws).length === 3, "an answer over the WebSocket");
	ws.close();
	await until(async () => (await session.poll()).json.code === 1, "the session's end");
});

test("an upgrade that goes wrong leaves the session where it is", async () => {
	const session = await inNamespace();
	for (const said of [["5"], ["2"], ["2probe", "2probe"], ["4x"], ["2probe", "420[\"nope\"]"], ["x"]]) {
		const ws = await session.socket();
		for (const word of said)
			ws.send(word);
		await ws.ended;
	}
	const probe = await session.socket(), rival = await session.socket();
	await rival.ended;
	probe.close();
	await probe.ended;
	await session.post("3\x1e420[\"nope\"]");
	assert.match((await session.poll()).text, /430\[/);
});

test("a payload that is none ends the session", async () => {
	for (const body of ["abc", "", "7", "40\x1e", "\x1e40", "bx", "40\x1e9", "2", "4", "4abc", "0", "42[\"a\"]", Buffer.from("4\xff", "latin1")]) {
		const session = await open();
		if (body === "0") {
			assertStatus(await session.post(body), 200);
			continue;
		}
		assert.ok([200, 400].includes((await session.post(body)).status));
		unknown(await session.poll());
	}
	const session = await inNamespace();
	refused(await session.post("3", { "content-type": "application/octet-stream" }), 3, "Bad request");
	unknown(await session.poll());
});

test("a message that is none closes the WebSocket", async () => {
	const deep = "[".repeat(40) + "]".repeat(40);
	const bad = ["", "abc", "7", "2", "4", "4abc", "42{}", "42", "42[]", "42[null]", "42[\"disconnect\"]", "42abc[\"a\"]", "42[\"a\",]", `42["a",${deep}]`,
		"42/custom,[\"a\"]", "41/custom", "40", "44{\"message\":\"x\"}", "451-[\"a\"", "450-[\"a\"]", "4511-[\"a\"]", "45-[\"a\"]", "451[\"a\"]",
		"451-[\"a\",{\"_placeholder\":true,\"num\":1}]", "451-[\"a\",{\"_placeholder\":true,\"num\":-1}]", "499[\"a\"]", "429999999999999999999[\"a\"]",
		`40/${"n".repeat(200)},`, Buffer.from([1, 2, 3])];
	for (const message of bad) {
		const ws = await socket();
		ws.send(message);
		await ws.ended;
	}
	const half = await socket();
	half.send("451-[\"a\",{\"_placeholder\":true,\"num\":0}]");
	half.send("42[\"b\"]");
	await half.ended;
});

test("binary data that never comes, comes too much, or for nobody", async () => {
	const place = "{\"_placeholder\":true,\"num\":0}";
	const waits = await socket();
	waits.on("message", (data) => data.toString() === "2" && waits.send("3"));
	waits.send(`452-1["a",${place}]`);
	waits.send(Buffer.from([1]));
	await waits.ended;
	const large = await socket();
	large.send(`452-1["a",${place}]`);
	large.send(Buffer.alloc(600000));
	large.send(Buffer.alloc(600000));
	await large.ended;
	const nobody = await socket();
	nobody.send(`451-/custom,1["a",${place}]`);
	await nobody.ended;
	const huge = await socket();
	huge.send("4" + "x".repeat(1000001));
	const [code] = await huge.ended;
	assert.equal(code, 1009);
	const session = await inNamespace();
	assertStatus(await session.post("4" + "x".repeat(1000001)), 413);
	const whole = await socket();
	whole.send(`452-1["a",${place},{"_placeholder":true,"num":1}]`);
	whole.send(Buffer.alloc(400000));
	whole.send(Buffer.alloc(400000));
	await until(() => words(whole).length, "the acknowledgement");
	assert.match(words(whole)[0], /^431\[/);
	whole.close();
});

test("leaving a namespace leaves the connection, for a while", async () => {
	const ws = await socket();
	ws.on("message", (data) => data.toString() === "2" && ws.send("3"));
	ws.send("40/custom,");
	await until(() => words(ws).length, "the namespace's handshake");
	assert.match(words(ws)[0], /^40\/custom,\{"sid":"/);
	ws.send("41/custom,");
	ws.send("421[\"nope\"]");
	await until(() => words(ws).length === 2, "the other's answer");
	ws.send("41");
	await sleep(500);
	assert.equal(ws.readyState, ws.OPEN);
	ws.send("40");
	await until(() => words(ws).length === 3, "a handshake again");
	ws.send("41");
	await ws.ended;
});

test("a packet of the MessagePack parser is refused in its own form; other bytes without a word", async () => {
	const connect = msgpack.encode({ type: 0, data: { token: user.token }, nsp: "/" });
	const polls = await open(), posts = await open(), poll = polls.poll();
	for (const session of [polls, posts])
		assertStatus(await session.post(`b${connect.toString("base64")}`), 200);
	for (const [session, first] of [[polls, await poll], [posts, await posts.poll()]]) {
		const { type, nsp, data } = msgpack.decode(Buffer.from(/^b(.*)$/.exec(first.text)[1], "base64"));
		assert.deepEqual([type, nsp, /msgpack-parser/.test(data.message)], [4, "/", true]);
		assert.equal((await session.poll()).text, "1");
		unknown(await session.poll());
	}
	const ws = await new Engine(user.api).socket();
	ws.send(connect);
	const [code, reason] = await ws.ended;
	assert.deepEqual([code, /msgpack-parser/.test(reason)], [1008, true]);
	assert.equal(msgpack.decode(ws.said.at(-1)).type, 4);
});

test("a payload of CONNECT that is none", async () => {
	for (const payload of ["{\"token\":7}", "{\"pid\":[]}", `{"token":"${"x".repeat(20000)}"}`, `{"x":"${"x".repeat(20000)}"}`]) {
		const ws = await new Engine(user.api).socket();
		ws.send(`40${payload}`);
		await until(() => words(ws).length === 2, "the refusal");
		assert.match(words(ws)[1], /^44\{"message":"Bad request"/);
		ws.close();
	}
});

test("tokens cannot be tried one after the other: each transport ends with the fourth that is not valid", async () => {
	const ws = await new Engine(api.fresh()).socket(), session = await new Engine(api.fresh()).open();
	const made = (i) => `40${JSON.stringify({ token: `mr_${"x".repeat(42)}${i}` })}`;
	for (let i = 0; i < 4; i++) {
		ws.send(made(i));
		await until(() => words(ws).length === i + 2, "the refusal");
		assert.match(words(ws).at(-1), /^44\{"message":"Unauthorized"/);
		assertStatus(await session.post(made(i)), 200);
		assert.match((await session.poll()).text, /^44\{"message":"Unauthorized"/);
	}
	const [code, reason] = await ws.ended;
	assert.deepEqual([code, /tokens/.test(reason)], [1008, true]);
	await until(async () => (await session.poll()).status === 400, "the session's end");
	assert.equal(await millrace.grepLogs("not valid"), "");
});

test("who asks a great deal and reads nothing is closed; others are not harmed", async () => {
	const session = await inNamespace(), quiet = await inNamespace();
	const many = Array.from({ length: 60000 }, (_, i) => `42${i}["x"]`).join("\x1e");
	assert.ok([200, 400].includes((await session.post(many)).status));
	unknown(await session.poll());
	await quiet.post("420[\"nope\"]");
	assert.match((await quiet.poll()).text, /^430/);
});

test("sessions of nobody give way to others, the oldest first, and not those that have said who they are", async () => {
	const nobody = () => new Engine(api.fresh()).open();
	const named = await nobody();
	assertStatus(await named.post(`40${JSON.stringify({ token: user.token })}`), 200);
	assert.match((await named.poll()).text, /^40/);
	const strangers = (n) => Promise.all(Array.from({ length: n }, nobody));
	const first = await strangers(20), last = await strangers(30);
	const session = await inNamespace(), ws = await socket();
	for (const one of [named, session]) {
		await one.post("42[\"x\"]");
		assert.match((await one.poll()).text, /error/);
	}
	const there = async (list) => (await Promise.all(list.map((one) => one.post("1")))).filter(({ status }) => status === 200).length;
	assert.equal(await there(last), last.length);
	const left = await there(first);
	assert.ok(left > 0 && left < 10, `${left} are left`);
	ws.close();
});

test("so do WebSockets that nobody speaks for, at once, and sessions of somebody that are in no namespace", async () => {
	const sockets = (n) => Promise.all(Array.from({ length: n }, () => new Engine(api.fresh()).socket()));
	const silent = async (n) => (await Promise.all(Array.from({ length: n }, open)));
	const first = await sockets(25), named = await silent(25), mine = await socket(), last = await sockets(30);
	assert.deepEqual([...new Set(await Promise.all(first.map(async (ws) => (await ws.ended)[0])))], [1013]);
	const over = await Promise.all(named.map(async (one) => (await one.post("1")).status));
	assert.ok(over.filter((status) => status === 200).length < 10, `${over}`);
	mine.send("420[\"nope\"]");
	await until(() => words(mine).length, "the answer");
	const connects = last.at(-1);
	connects.send(`40${JSON.stringify({ token: user.token })}`);
	await until(() => words(connects).length >= 2, "it is let in");
	assert.match(words(connects)[1], /^40\{/);
	[...last, mine].forEach((ws) => ws.close());
});

test("there are only so many sessions", async () => {
	await sleep(PING + TIMEOUT + 500);
	const sessions = [];
	let reply;
	while (!reply && sessions.length < 100)
		await Promise.all(Array.from({ length: 8 }, async () => {
			const opened = await user.api.get(`${PATH}/?EIO=4&transport=polling`);
			if (opened.status !== 200) {
				reply = opened;
				return;
			}
			const session = new Engine(user.api);
			session.sid = JSON.parse(opened.text.slice(1)).sid;
			assertStatus(await session.post("40"), 200);
			assert.match((await session.poll()).text, /^40\{/);
			sessions.push(session);
		}));
	assertStatus(reply, 503);
	assert.equal(reply.json.code, "OVERLOADED");
	assert.ok(sessions.length >= 30 && sessions.length <= 40, sessions.length);
	await sessions.at(-1).post("42[\"x\"]");
	assert.match((await sessions.at(-1).poll()).text, /error/);
	await until(() => open().then(() => true, () => false), "room for another");
});
