/* Socket.IO, /api/socket.io, with the official client, through nginx. */
import test, { after, afterEach, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import parser from "socket.io-msgpack-parser";
import { newUser, privateInstance } from "../js/instance.mjs";
import { SESSION, SESSION_OLD, signedIn } from "../js/accounts.mjs";
import { assertStatus, until } from "../js/expect.mjs";
import { relayTo } from "../js/relay.mjs";
import { client, closeAll, connected, hear, next } from "../js/sockets.mjs";

let millrace, api;
before(async () => {
	millrace = await privateInstance("socketio", { MILLRACE_SOCKETIO_NAMESPACES: "/admin, /shop", MILLRACE_SOCKETIO_PING_MS: "1000",
		MILLRACE_SOCKETIO_PING_TIMEOUT_MS: "20000" });
	({ api } = millrace);
});
afterEach(closeAll);
after(() => millrace.stop());

const TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]];
const room = (user) => `user_${user.uid}`;
const topic = (user) => `user:${user.uid}`;

/* One transaction for each event: its seq. */
async function publish(to, type, ...data) {
	let seq;
	for (const one of data)
		seq = await millrace.psql(`SELECT publish('${to}', '${type}', '${JSON.stringify(one)}')`);
	return Number(seq);
}

/* An agent of somebody's: its id. */
async function newAgent(user) {
	const id = randomUUID();
	await millrace.psql(`SELECT topic_own('agent:${id}', '${user.uid}')`);
	return id;
}

const join = (socket, name) => socket.timeout(120000).emitWithAck("join", { room: name });
const leave = (socket, name) => socket.timeout(120000).emitWithAck("leave", { room: name });
const numbers = (heard, type) => heard.filter(([name]) => name === type).map(([, data]) => data.n);

for (const transports of TRANSPORTS) {
	const how = transports.join(" to ");

	test(`${how}: joins, is told, leaves`, async () => {
		const user = await newUser(api);
		const socket = await connected(millrace, user, { transports });
		assert.match(socket.id, /^[\w-]{20}$/);
		const heard = hear(socket);
		assert.deepEqual(await join(socket, room(user)), { ok: true, room: room(user) });
		assert.deepEqual(heard.map((e) => e.slice(0, 2)), [["joined", { room: room(user) }]]);
		const agent = await newAgent(user);
		assert.deepEqual(await join(socket, `agent_${agent}`), { ok: true, room: `agent_${agent}` });
		heard.length = 0;
		const status = { agent_id: agent, status: "active", big: 1, text: "ä \"\u{1f600}" };
		await publish(`agent:${agent}`, "agent_status", status);
		await publish(topic(user), "task_update", { id: 1 });
		await until(() => heard.length >= 2, "two events");           /* of two topics, in any order */
		assert.deepEqual(heard.map(([name, data]) => [name, data]).sort(), [["agent_status", status], ["task_update", { id: 1 }]]);
		assert.ok(heard.every((e) => e.length === 3 && typeof e[2] === "string"));
		assert.deepEqual(await leave(socket, `agent_${agent}`), { ok: true, room: `agent_${agent}` });
		await publish(`agent:${agent}`, "agent_status", status);
		await publish(topic(user), "task_update", { id: 2 });
		await until(() => heard.length >= 4, "the event after leaving");
		assert.deepEqual(heard.slice(2).map(([name, data]) => [name, data]),
		    [["left", { room: `agent_${agent}` }], ["task_update", { id: 2 }]]);
		assert.equal(socket.io.engine.transport.name, transports.at(-1));
	});

	test(`${how}: comes back twice, and hears everything once and in order`, async () => {
		const user = await newUser(api);
		const socket = await connected(millrace, user, { transports });
		const heard = hear(socket), { id } = socket, agent = await newAgent(user);
		await join(socket, room(user));
		await join(socket, `agent_${agent}`);
		let n = 0;
		for (let round = 0; round < 2; round++) {
			await publish(topic(user), "task_update", { n: n++ });
			await until(() => numbers(heard, "task_update").length === n, "an event");
			const back = next(socket, "connect");
			socket.io.engine.close();
			await publish(topic(user), "task_update", { n: n++ }, { n: n++ });
			await publish(`agent:${agent}`, "agent_action", { n: round });
			await back;
			assert.equal(socket.recovered, true);
			assert.equal(socket.id, id);
			await publish(topic(user), "task_update", { n: n++ });
		}
		await until(() => numbers(heard, "task_update").length >= n, "all events");
		await sleep(300);
		assert.deepEqual(numbers(heard, "task_update"), [...Array(n).keys()]);
		assert.deepEqual(numbers(heard, "agent_action"), [0, 1]);
	});

	test(`${how}: comes back to a streamd that was killed or restarted`, async () => {
		const user = await newUser(api);
		const socket = await connected(millrace, user, { transports });
		const heard = hear(socket);
		await join(socket, room(user));
		let n = 0;
		for (const end of ["SIGKILL", "SIGTERM"]) {
			const back = next(socket, "connect");
			for (const pid of millrace.pids("streamd"))
				process.kill(pid, end);
			await publish(topic(user), "task_update", { n: n++ }, { n: n++ });
			await back;
			assert.equal(socket.recovered, true);
			await publish(topic(user), "task_update", { n: n++ });
			await until(() => numbers(heard, "task_update").length >= n, "all events");
		}
		assert.deepEqual(numbers(heard, "task_update"), [...Array(n).keys()]);
	});
}

test("a new streamd takes the sessions over: nobody is cut off, nothing is lost or told twice", async () => {
	const user = await newUser(api), agent = await newAgent(user);
	const sockets = await Promise.all(TRANSPORTS.map((transports) => connected(millrace, user, { transports })));
	const admin = sockets[0].io.socket("/admin", { auth: { token: user.token } });
	await next(admin, "connect");
	sockets.push(admin);
	await until(() => sockets[2].io.engine.transport.name === "websocket", "the upgrade");
	let lost = 0, n = 0;
	for (const socket of sockets) {
		socket.on("disconnect", () => lost++);
		await join(socket, room(user));
	}
	await join(sockets[1], `agent_${agent}`);
	const heard = sockets.map(hear);
	for (let round = 0; round < 3; round++) {
		await publish(topic(user), "task_update", { n: n++ });
		const { stdout } = await millrace.ctl("streamd", "handover");
		assert.match(stdout, /has taken over/);
		await publish(topic(user), "task_update", { n: n++ });
		await publish(`agent:${agent}`, "agent_status", { n: round });
	}
	await until(() => heard.every((h) => numbers(h, "task_update").length >= n), "all events");
	await sleep(2000);
	assert.equal(lost, 0);
	for (const h of heard)
		assert.deepEqual(numbers(h, "task_update"), [...Array(n).keys()]);
	assert.deepEqual(numbers(heard[1], "agent_status"), [0, 1, 2]);
	for (const socket of sockets)
		assert.equal((await leave(socket, room(user))).ok, true);
});

test("what comes while a client moves to a WebSocket is neither lost nor told twice", async () => {
	const user = await newUser(api);
	for (let round = 0; round < 3; round++) {
		const socket = client(millrace, { auth: { token: user.token } });
		const upgraded = new Promise((resolve) => { socket.io.engine.once("upgrade", resolve); });
		const heard = hear(socket);
		await next(socket, "connect");
		await join(socket, room(user));
		let n = 0;
		while (n < 30)
			await publish(topic(user), "task_update", { n: n++ });
		await upgraded;
		await until(() => numbers(heard, "task_update").length >= n, "all events");
		assert.deepEqual(numbers(heard, "task_update"), [...Array(n).keys()]);
		socket.close();
	}
});

test("who one is: a cookie, Authorization, auth.token, and nobody", async () => {
	const { session } = await signedIn(api), user = await newUser(api), other = await newUser(api);
	const uid = JSON.parse(Buffer.from(session.access.split(".")[1], "base64url")).sub;
	for (const transports of TRANSPORTS) {
		const byCookie = client(millrace, { transports, extraHeaders: { cookie: session.cookie } });
		await next(byCookie, "connect");
		assert.equal((await join(byCookie, `user_${uid}`)).ok, true);
		const byHeader = client(millrace, { transports, extraHeaders: { authorization: `Bearer ${user.token}` } });
		await next(byHeader, "connect");
		assert.equal((await join(byHeader, room(user))).ok, true);
		/* Which the POSTs of a polling client carry, too. */
		const byQuery = client(millrace, { transports, query: { token: user.token } });
		await next(byQuery, "connect");
		assert.equal((await join(byQuery, room(user))).ok, true);
		/* The token in CONNECT is worth more than the request's. */
		const byBoth = client(millrace, { transports, extraHeaders: { authorization: `Bearer ${user.token}` }, auth: { token: other.token } });
		await next(byBoth, "connect");
		assert.equal((await join(byBoth, room(other))).ok, true);
		assert.equal((await join(byBoth, room(user))).code, "FORBIDDEN");
		for (const options of [{}, { auth: { token: "x" } }, { extraHeaders: { authorization: `Bearer ${user.token}` }, auth: { token: "x" } },
			{ extraHeaders: { cookie: `${SESSION}=x` } }, { extraHeaders: { cookie: `${SESSION_OLD}=x` } }]) {
			const [error] = await next(client(millrace, { transports, ...options }), "connect_error");
			assert.equal(error.message, "Unauthorized");
			assert.deepEqual(error.data, { code: "UNAUTHORIZED" });
		}
		closeAll();
	}
});

test("a page of another origin does not open a session by cookie", async () => {
	const { session } = await signedIn(api);
	const headers = { cookie: session.cookie, origin: "https://evil.example" };
	assertStatus(await api.fresh().as(null).get("/api/socket.io/?EIO=4&transport=polling", { headers }), 403);
});

test("errors are told to the acknowledgement, else as an event", async () => {
	const user = await newUser(api), other = await newUser(api);
	const socket = await connected(millrace, user);
	const agent = await newAgent(other);
	for (const name of [room(other), `agent_${agent}`, `agent_${randomUUID()}`]) {
		assert.deepEqual(await join(socket, name), { ok: false, error: "This room is not yours.", code: "FORBIDDEN", room: name });
		const told = next(socket, "error");
		socket.emit("join", { room: name });
		assert.deepEqual((await told)[0], { message: "This room is not yours.", code: "FORBIDDEN", room: name });
	}
	for (const payload of [undefined, null, 7, "user", [], {}, { room: 7 }, { room: "" }, { room: "user" }, { room: "user_1" },
		{ room: `run_${user.uid}` }, { room: "x".repeat(5000) }]) {
		assert.equal((await socket.timeout(120000).emitWithAck("join", payload)).code, "BAD_REQUEST", JSON.stringify(payload));
		const told = next(socket, "error");
		socket.emit("leave", payload);
		assert.equal((await told)[0].code, "BAD_REQUEST");
	}
	assert.equal((await socket.timeout(120000).emitWithAck("nope", 1)).code, "NOT_FOUND");
	const told = next(socket, "error");
	socket.emit("nope");
	assert.equal((await told)[0].code, "NOT_FOUND");
	assert.equal((await join(socket, room(user))).ok, true);
	assert.equal((await join(socket, room(user))).ok, true);
	assert.equal((await leave(socket, room(user))).ok, true);
	assert.equal((await leave(socket, room(user))).ok, true);
});

test("at most 50 rooms", async () => {
	const user = await newUser(api);
	const socket = await connected(millrace, user);
	const agents = await Promise.all([...Array(50)].map(() => newAgent(user)));
	const answers = await Promise.all(agents.map((id) => join(socket, `agent_${id}`)));
	assert.ok(answers.every((a) => a.ok));
	assert.equal((await join(socket, room(user))).code, "BAD_REQUEST");
	const heard = hear(socket);
	const back = next(socket, "connect");
	socket.io.engine.close();
	await publish(`agent:${agents[7]}`, "agent_status", { n: 7 });
	await publish(`agent:${agents[49]}`, "agent_status", { n: 49 });
	await back;
	assert.equal(socket.recovered, true);
	await until(() => heard.length >= 2, "both events");
	assert.deepEqual(numbers(heard, "agent_status").sort(), [49, 7]);
	assert.equal((await leave(socket, `agent_${agents[0]}`)).ok, true);
	assert.equal((await join(socket, room(user))).ok, true);
});

test("a leave overtakes the join before it", async () => {
	const user = await newUser(api);
	const socket = await connected(millrace, user);
	const answers = await Promise.all([join(socket, room(user)), leave(socket, room(user))]);
	assert.equal(answers[1].ok, true);
	const heard = hear(socket);
	await publish(topic(user), "task_update", { n: 1 });
	await sleep(300);
	assert.deepEqual(heard, []);
});

test("what is nobody else's pid recovers nobody", async () => {
	const user = await newUser(api), other = await newUser(api);
	const socket = await connected(millrace, user);
	await join(socket, room(user));
	const pid = socket._pid, offset = `u${user.uid}.0`;
	await publish(topic(user), "task_update", { n: 1 });
	const tries = { "another user": [other, { pid, offset }], "a pid made up": [user, { pid: `${pid.slice(0, -1)}~`, offset }],
		"another id": [user, { pid: (pid[0] === "A" ? "B" : "A") + pid.slice(1), offset }], "no offset": [user, { pid }],
		"a foreign room": [user, { pid, offset: `u${other.uid}.0` }], "no offset at all": [user, { pid, offset: "x" }],
		"a number": [user, { pid, offset: `u${user.uid}.-1` }] };
	for (const [what, [who, auth]] of Object.entries(tries)) {
		const thief = client(millrace, { auth: { token: who.token, ...auth } });
		const heard = hear(thief);
		await next(thief, "connect");
		assert.notEqual(thief.id, socket.id, what);
		assert.notEqual(thief._pid, pid, what);
		await sleep(100);
		assert.deepEqual(heard, [], what);
		thief.close();
	}
	const own = client(millrace, { auth: { token: user.token, pid, offset } });
	const heard = hear(own);
	await next(own, "connect");
	assert.equal(own.id, socket.id);
	await until(() => heard.length === 1, "the missed event");
});

test("a gap that is no longer kept is no recovery", async () => {
	const user = await newUser(api);
	const socket = await connected(millrace, user);
	const pid = socket._pid, base = await publish(topic(user), "task_update", { n: 1 }, { n: 2 }, { n: 3 });
	await millrace.psql(`DELETE FROM stream_event WHERE topic = '${topic(user)}' AND seq < ${base}`);
	const back = (seq) => connected(millrace, user, { auth: { token: user.token, pid, offset: `u${user.uid}.${seq}` } });
	assert.notEqual((await back(base - 2)).id, socket.id);
	assert.equal((await back(base - 1)).id, socket.id);
	assert.equal((await back(base)).id, socket.id);
});

test("a room that changes hands is left", async () => {
	const user = await newUser(api), other = await newUser(api);
	const socket = await connected(millrace, user), agent = await newAgent(user);
	await join(socket, `agent_${agent}`);
	const told = next(socket, "error"), left = next(socket, "left");
	await millrace.psql(`SELECT topic_own('agent:${agent}', '${other.uid}')`);
	assert.equal((await told)[0].code, "FORBIDDEN");
	assert.deepEqual((await left)[0], { room: `agent_${agent}` });
	const heard = hear(socket);
	await publish(`agent:${agent}`, "agent_status", { n: 1 });
	await sleep(300);
	assert.deepEqual(heard, []);
});

test("a session that is over is told so, by every transport", async () => {
	for (const transports of TRANSPORTS) {
		const user = await newUser(api);
		const socket = await connected(millrace, user, { transports });
		const ended = next(socket, "disconnect");
		assertStatus(await user.api.post("/api/auth/logout"), 200);
		assert.equal((await ended)[0], "io server disconnect");
	}
});

test("a polling client whose poll comes late is told so, too, and stays away", async () => {
	const user = await newUser(api), relay = await relayTo(millrace);
	let release;
	try {
		const socket = client(relay, { auth: { token: user.token }, transports: ["polling"] }), ended = next(socket, "disconnect");
		await next(socket, "connect");
		const listens = await connected(millrace, user, { transports: ["websocket"] }), told = next(listens, "disconnect");
		const held = new Promise((resolve) => { release = resolve; });
		const first = relay.requests.length;
		relay.on = async ({ method }) => method === "GET" && held.then(() => ({}));
		assert.equal((await socket.timeout(120000).emitWithAck("nope", 1)).code, "NOT_FOUND");    /* the poll that waited is answered */
		await until(() => relay.requests.slice(first).some(({ method }) => method === "GET"), "the next poll");
		assertStatus(await user.api.post("/api/auth/logout"), 200);
		await told;
		release();
		assert.equal((await ended)[0], "io server disconnect");
		assert.equal(socket.active, false);
		socket.close();
	} finally {
		release?.();
		await relay.close();
	}
});

test("the MessagePack parser is refused in words, by every transport and in every namespace", async () => {
	const user = await newUser(api);
	for (const transports of TRANSPORTS)
		for (const nsp of ["/", "/admin"]) {
			const other = client(millrace, { nsp, transports, parser, auth: { token: user.token } });
			const [error] = await next(other, "connect_error");
			assert.match(error.message, /msgpack-parser.*default parser/);
			assert.equal(other.active, false);
			other.close();
		}
});

test("namespaces: those that are set, several on one connection", async () => {
	const user = await newUser(api);
	const socket = await connected(millrace, user), manager = socket.io;
	const admin = manager.socket("/admin", { auth: { token: user.token } });
	await next(admin, "connect");
	assert.notEqual(admin.id, socket.id);
	const shop = manager.socket("/shop", { auth: { token: user.token } });
	await next(shop, "connect");
	const [error] = await next(manager.socket("/nope", { auth: { token: user.token } }), "connect_error");
	assert.equal(error.message, "Invalid namespace");
	await join(socket, room(user));
	await join(admin, room(user));
	const here = hear(socket), there = hear(admin), nowhere = hear(shop);
	await publish(topic(user), "task_update", { n: 1 });
	await until(() => here.length && there.length, "the event in both");
	assert.deepEqual([here, there], [[["task_update", { n: 1 }, here[0][2]]], [["task_update", { n: 1 }, there[0][2]]]]);
	admin.disconnect();
	await publish(topic(user), "task_update", { n: 2 });
	await until(() => here.length === 2, "the event where it is still heard");
	assert.equal(there.length, 1);
	assert.deepEqual(nowhere, []);
	assert.equal(socket.connected, true);
});

test("binary data is taken like any other, by every transport", async () => {
	const user = await newUser(api);
	for (const transports of TRANSPORTS) {
		const socket = await connected(millrace, user, { transports });
		const answer = await socket.timeout(120000).emitWithAck("join", Buffer.alloc(1000, 1), { deep: [Buffer.from("x"), Buffer.alloc(0)] });
		assert.equal(answer.code, "BAD_REQUEST");
		assert.equal((await socket.timeout(120000).emitWithAck("join", { room: room(user) }, Buffer.from([1, 2]))).ok, true);
	}
});

test("pings keep a quiet client, by every transport", async () => {
	const user = await newUser(api);
	const sockets = await Promise.all(TRANSPORTS.map((transports) => connected(millrace, user, { transports })));
	const lost = [];
	for (const [i, socket] of sockets.entries())
		socket.on("disconnect", (reason, details) => lost.push([TRANSPORTS[i].join(), reason, details?.message, details?.description, details?.context?.responseText]));
	await sleep(5000);
	assert.deepEqual(lost, []);
	await Promise.all(sockets.map((socket) => join(socket, room(user))));
});
