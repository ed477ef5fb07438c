/*
 * Socket.IO, protocol 5, against a server at /socket.io/ whose namespaces / and
 * /custom emit "auth" with the CONNECT payload, answer "message" with
 * "message-back" and the same arguments, and acknowledge "message-with-ack" with
 * them. The cases e p and p are those of the protocol's own test suite; the
 * others are ours: c connecting, d disconnecting, m messages, a acknowledgements,
 * b binary, i what is invalid, t both transports.
 */
import assert from "node:assert/strict";
import { shared } from "./engineio.mjs";
import { CONNECT_TIMEOUT, HEARTBEAT, Polling, Socket, isRefused } from "./engine.mjs";
import { QUIET, Suite, sleep } from "./suite.mjs";

const PATH = "/socket.io/";
const suite = new Suite("socketio");
export default suite;

/* A session's packets as what they say: [head, arguments], the attachments in their places. */
async function receive(session) {
	const packet = await one(session), found = /^4([0-6])(?:(\d+)-)?(\/[^,]*,)?(\d+)?(.*)$/s.exec(packet);
	assert(found, `not a Socket.IO packet: ${packet}`);
	const [, type, count, namespace = "", id = "", data] = found, attachments = [];
	for (let i = 0; i < Number(count ?? 0); i++)
		attachments.push(await one(session));
	assert(attachments.every(Buffer.isBuffer), "an attachment that is text");
	const used = new Set();
	const whole = JSON.parse(data || "null", (_, value) => {
		if (!value?._placeholder)
			return value;
		used.add(value.num);
		return attachments[value.num];
	});
	assert.equal(used.size, attachments.length, "an attachment without its place");
	return [`${type}${namespace}${id}`, whole];
}

const backlog = new WeakMap();

/* The next packet of a session of either transport. */
async function one(session) {
	if (session instanceof Socket)
		return session.packet();
	const list = backlog.get(session) ?? [];
	while (list.length === 0)
		list.push(...await session.poll());
	backlog.set(session, list);
	return list.shift();
}

/* Connects to a namespace and reads what it says first. Gives the namespace's own session id. */
async function connect(session, { namespace = "", payload = "", auth = payload ? JSON.parse(payload) : {} } = {}) {
	await session.send(`40${namespace}${payload}`);
	const [head, open] = await receive(session);
	assert.equal(head, `0${namespace}`);
	assert.deepEqual(Object.keys(open), ["sid"]);
	assert.match(open.sid, /^[A-Za-z0-9_-]{16,}$/);
	assert.notEqual(open.sid, session.sid, "the namespace's session id is that of the connection");
	assert.deepEqual(await receive(session), [`2${namespace}`, ["auth", auth]]);
	return open.sid;
}

async function opened(t, how) {
	const socket = await Socket.open(t, PATH);
	await connect(socket, how);
	return socket;
}

/* Sends packets; these, exactly, come back. */
async function exchange(session, sent, expected) {
	await session.send(...sent);
	for (const packet of expected)
		assert.deepEqual(await one(session), packet);
}

const placeholder = (num) => ({ _placeholder: true, num });
const event = (...list) => JSON.stringify(list);

/* Every case of the protocol's suite that Engine.IO's has as well, here on sessions that have a namespace. */
const engine = { case: (id, ...rest) => suite.case(`e.${id}`, ...rest) };
shared(engine, PATH, (session) => connect(session));

function connecting() {
	const connects = (id, title, how) => suite.case(id, title, (t) => opened(t, how));
	connects("p.1.1", "the main namespace", {});
	connects("p.1.2", "the main namespace, with a payload", { payload: '{"token":"123"}' });
	connects("p.1.3", "a namespace of its own", { namespace: "/custom," });
	connects("p.1.4", "a namespace of its own, with a payload", { namespace: "/custom,", payload: '{"token":"abc"}' });
	connects("c.1", "a payload with everything JSON has", { payload: '{"a":[1,-2.5,null,true,"€ \\u0041\\n"],"b":{"c":{}}}' });
	connects("c.2", "an empty payload", { payload: "{}" });
	suite.case("p.1.5", "an unknown namespace is refused, with its name", async (t) => {
		const socket = await Socket.open(t, PATH);
		await exchange(socket, ["40/random"], ['44/random,{"message":"Invalid namespace"}']);
	});
	suite.case("p.1.6", "a first packet that is none closes the connection", async (t) => {
		const socket = await Socket.open(t, PATH);
		await socket.send("4abc");
		await socket.isClosed({ ms: HEARTBEAT.interval });
	});
	suite.case("p.1.7", "a client that connects to no namespace is closed in time", async (t) => {
		const socket = await Socket.open(t, PATH), from = Date.now();
		await socket.isClosed({ pong: true });
		const ms = Date.now() - from;
		assert(ms > CONNECT_TIMEOUT * 0.8 && ms < CONNECT_TIMEOUT * 3, `after ${ms} ms`);
	});
	suite.case("c.3", "a polling client that connects to no namespace is closed in time", async (t) => {
		const session = await Polling.open(t, PATH), from = Date.now();
		let reply;
		while ((reply = await session.get()).status === 200 && reply.text === "2" && Date.now() - from < CONNECT_TIMEOUT * 3)
			await session.post("3");
		assert(reply.status === 400 || reply.text === "1" || reply.text === "2\x1e1", `${reply.status} ${reply.text}`);
		await session.isClosed();
	});
	suite.case("c.4", "a refused namespace is no namespace: the client is closed in time", async (t) => {
		const socket = await Socket.open(t, PATH);
		await exchange(socket, ["40/random,"], ['44/random,{"message":"Invalid namespace"}']);
		await socket.isClosed({ pong: true, ms: CONNECT_TIMEOUT * 3 });
	});
	suite.case("c.5", "a client with a namespace stays beyond that time", async (t) => {
		const socket = await opened(t), until = Date.now() + 2 * CONNECT_TIMEOUT;
		while (Date.now() < until) {
			assert.equal(await socket.any(), "2");
			await socket.send("3");
		}
	});
	suite.case("c.6", "namespaces' names are whole: a part, a query or another case is another name", async (t) => {
		const socket = await opened(t);
		for (const name of ["/cust", "/custom2", "/custom?token=1", "/Custom", "/custom/", "/__proto__", "//"])
			await exchange(socket, [`40${name},`], [`44${name},{"message":"Invalid namespace"}`]);
	});
	suite.case("c.7", "several namespaces on a connection have ids of their own", async (t) => {
		const socket = await Socket.open(t, PATH), first = await connect(socket), second = await connect(socket, { namespace: "/custom," });
		assert.notEqual(first, second);
		await exchange(socket, ['42["message","main"]', '42/custom,["message","custom"]'], ['42["message-back","main"]', '42/custom,["message-back","custom"]']);
	});
	suite.case("c.8", "a namespace of its own without the main one", async (t) => {
		const socket = await opened(t, { namespace: "/custom," });
		await exchange(socket, ['42/custom,["message",1]'], ['42/custom,["message-back",1]']);
	});
	suite.case("c.9", "a CONNECT before the open packet is read", async (t) => {
		const socket = await Socket.connect(t, PATH);
		await socket.send("40");
		assert.equal((await socket.packet())[0], "0");
		assert.match(await socket.packet(), /^40\{"sid":"[^"]+"\}$/);
		assert.equal(await socket.packet(), '42["auth",{}]');
	});
	suite.case("c.10", "/engine.io/ and /socket.io/ do not share sessions", async (t) => {
		const session = await Polling.open(t, "/engine.io/");
		assert.equal((await Object.assign(new Polling(), { t, path: PATH, sid: session.sid }).get()).status, 400);
		await isRefused(t, PATH, { EIO: 4, transport: "websocket", sid: session.sid });
	});
}

function disconnecting() {
	suite.case("p.2.1", "leaving the main namespace leaves the connection", async (t) => {
		const socket = await opened(t);
		await socket.send("41");
		assert.equal(await socket.any(), "2");
	});
	suite.case("p.2.2", "leaving one namespace leaves the other", async (t) => {
		const socket = await opened(t);
		await connect(socket, { namespace: "/custom," });
		await exchange(socket, ["41/custom", '42["message","message to main namespace"]'], ['42["message-back","message to main namespace"]']);
	});
	suite.case("d.1", "a namespace that was left can be connected to again", async (t) => {
		const socket = await Socket.open(t, PATH), ids = new Set();
		for (const namespace of ["", "", "/custom,", "/custom,"]) {
			ids.add(await connect(socket, { namespace }));
			await socket.send(`41${namespace}`);
			await sleep(QUIET / 2);         /* the reference may take what follows at once for the past */
		}
		assert.equal(ids.size, 4);
	});
	suite.case("d.2", "a message to a namespace that was left closes the connection", async (t) => {
		const socket = await opened(t);
		await socket.send("41");
		await sleep(QUIET / 2);
		await socket.send('42["message","too late"]');
		assert.deepEqual(await socket.isClosed({ ms: HEARTBEAT.interval }), []);
	});
	suite.case("d.3", "Engine.IO's close packet ends it all", async (t) => {
		const session = await Polling.open(t, PATH);
		await connect(session);
		await session.post("1");
		await session.isClosed();
	});
}

function messages() {
	const back = (id, title, args) => suite.case(id, title, async (t) => {
		const socket = await opened(t);
		await exchange(socket, [`42${event("message", ...args)}`], [`42${event("message-back", ...args)}`]);
	});
	back("p.3.1", "text with arguments of several types", [1, "2", { 3: [true] }]);
	back("m.1", "no arguments", []);
	back("m.2", "every JSON type, and an argument that is none", [null, true, false, 0, -1, 1.5, 1e21, "", [], {}, [[[]]], { a: { b: { c: null } } }]);
	back("m.3", "text beyond ASCII, controls and what looks like syntax", ["€ \u{1f600}", "\u0000\n\r\t\u001e", '"quoted" \\ [{,', "42[\"message\"]", "/custom,"]);
	back("m.4", "an object that looks almost like a placeholder", [{ placeholder: true, num: 0 }, { _placeholder: false, num: 0 }]);
	back("m.5", "100 arguments", Array.from({ length: 100 }, (_, i) => i));
	suite.case("m.6", "400,000 octets of text", async (t) => {
		const socket = await opened(t), text = "x".repeat(400_000);
		await exchange(socket, [`42${event("message", text)}`], [`42${event("message-back", text)}`]);
	}, { alone: true });
	suite.case("m.7", "space within the JSON", async (t) => {
		const socket = await opened(t);
		await socket.send('42[ "message" , { "a" : 1 } ] ');
		assert.deepEqual(await receive(socket), ["2", ["message-back", { a: 1 }]]);
	});
	suite.case("m.8", "200 messages in order", async (t) => {
		const socket = await opened(t), list = Array.from({ length: 200 }, (_, i) => i);
		await exchange(socket, list.map((i) => `42["message",${i}]`), list.map((i) => `42["message-back",${i}]`));
	});
	suite.case("m.9", "events that nobody listens to are passed over", async (t) => {
		const socket = await opened(t);
		await exchange(socket, ['42["unknown",1]', "42[7,1]", '42[""]', '42["__proto__"]', '42["message","next"]'], ['42["message-back","next"]']);
	});
	suite.case("m.10", "clients do not hear each other", async (t) => {
		const [one, two] = await Promise.all([opened(t), opened(t)]);
		await exchange(one, ['42["message","for one"]'], ['42["message-back","for one"]']);
		await exchange(two, ['42["message","for two"]'], ['42["message-back","for two"]']);
	});
}

function acknowledgements() {
	const acks = (id, title, sent, expected) => suite.case(id, title, async (t) => exchange(await opened(t), [sent], [expected]));
	acks("p.4.1", "an acknowledgement with arguments", '42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]');
	acks("a.1", "an acknowledgement without arguments", '421["message-with-ack"]', "431[]");
	acks("a.2", "the id 0", '420["message-with-ack","zero"]', '430["zero"]');
	acks("a.3", "a large id", '424503599627370495["message-with-ack",1]', "434503599627370495[1]");
	suite.case("a.4", "an acknowledgement in a namespace", async (t) => {
		const socket = await opened(t, { namespace: "/custom," });
		await exchange(socket, ['42/custom,13["message-with-ack","bar"]'], ['43/custom,13["bar"]']);
	});
	suite.case("a.5", "each is answered by its id, whatever the order", async (t) => {
		const socket = await opened(t), ids = [7, 3, 3, 0, 100];
		await exchange(socket, ids.map((id) => `42${id}["message-with-ack",${id}]`), ids.map((id) => `43${id}[${id}]`));
	});
	suite.case("a.6", "an acknowledgement of what was not sent is passed over", async (t) => {
		const socket = await opened(t);
		await exchange(socket, ["430[]", '43999["x"]', '42["message",1]'], ['42["message-back",1]']);
	});
	suite.case("a.7", "an event with an id that is not acknowledged by its handler", async (t) => {
		const socket = await opened(t);
		await exchange(socket, ['425["unknown"]', '42["message","next"]'], ['42["message-back","next"]']);
	});
}

function binary() {
	const A = Buffer.from([1, 2, 3]), B = Buffer.from([4, 5, 6]);
	const two = [placeholder(0), placeholder(1)];
	suite.case("p.5.1", "a message with attachments", async (t) =>
		exchange(await opened(t), [`452-${event("message", ...two)}`, A, B], [`452-${event("message-back", ...two)}`, A, B]));
	suite.case("p.5.2", "an acknowledgement with attachments", async (t) =>
		exchange(await opened(t), [`452-789${event("message-with-ack", ...two)}`, A, B], [`462-789${event(...two)}`, A, B]));
	suite.case("b.1", "attachments in a namespace, with an id", async (t) =>
		exchange(await opened(t, { namespace: "/custom," }), [`451-/custom,12${event("message-with-ack", placeholder(0))}`, A], [`461-/custom,12${event(placeholder(0))}`, A]));
	const travels = (id, title, args, attachments, want) => suite.case(id, title, async (t) => {
		const socket = await opened(t);
		await socket.send(`45${attachments.length}-${event("message", ...args)}`, ...attachments);
		assert.deepEqual(await receive(socket), ["5", ["message-back", ...want]]);
		await exchange(socket, ['42["message","next"]'], ['42["message-back","next"]']);
	});
	travels("b.2", "attachments deep within objects and lists", [{ a: [{ b: placeholder(0) }] }, [placeholder(1), "x"]], [A, B], [{ a: [{ b: A }] }, [B, "x"]]);
	travels("b.3", "attachments in another order than their places", [placeholder(1), placeholder(0)], [A, B], [B, A]);
	travels("b.4", "an empty attachment", [placeholder(0)], [Buffer.alloc(0)], [Buffer.alloc(0)]);
	travels("b.5", "ten attachments", Array.from({ length: 10 }, (_, i) => placeholder(i)), Array.from({ length: 10 }, (_, i) => Buffer.of(i)), Array.from({ length: 10 }, (_, i) => Buffer.of(i)));
	suite.case("b.6", "an attachment of 900,000 octets", async (t) => {
		const data = Buffer.alloc(900_000, "attachment");
		await exchange(await opened(t), [`451-${event("message", placeholder(0))}`, data], [`451-${event("message-back", placeholder(0))}`, data]);
	}, { alone: true });
	suite.case("b.7", "attachments by long-polling", async (t) => {
		const session = await Polling.open(t, PATH);
		await connect(session);
		await session.send(`452-9${event("message-with-ack", ...two)}`, A, B);
		assert.deepEqual(await receive(session), ["69", [A, B]]);
	});
	suite.case("b.8", "attachments in POSTs of their own", async (t) => {
		const session = await Polling.open(t, PATH);
		await connect(session);
		for (const packet of [`452-${event("message", ...two)}`, A, B])
			await session.send(packet);
		assert.deepEqual(await receive(session), ["5", ["message-back", A, B]]);
	});
}

function invalid() {
	const closes = (id, title, ...sent) => suite.case(id, title, async (t) => {
		const socket = await opened(t);
		await socket.send(...sent);
		const list = await socket.isClosed();
		assert(!list.includes("2"), "closed only for want of pongs");
		assert(list.every((packet) => packet === "41"), `answered with ${list}`);
	});
	closes("p.6.1", "an unknown packet type", "4abc");
	closes("p.6.2", "a payload that is no list", "42{}");
	closes("p.6.3", "an id that is no number", '42abc["message-with-ack",1,"2",{"3":[false]}]');
	[
		["the packet type 7", '47["message",1]'], ["the packet type 9", "49"], ["an empty packet", "4"],
		["an empty list", "42[]"], ["JSON that ends early", '42["message",'], ["JSON and more", '42["message"]x'],
		["an event's name that is a list", '42[["message"]]'], ["an event's name that is null", "42[null]"], ["an event's name that is an object", "42[{}]"],
		["text for a payload", '42"message"'], ["JSON with a comma too many", '42["message",]'], ["NaN", '42["message",NaN]'], ["single quotes", "42['message']"],
		["an acknowledgement without a list", "431{}"], ["an acknowledgement with text", '431"x"'],
		["a second CONNECT to a namespace", "40"], ["CONNECT_ERROR from a client", '44{"message":"x"}'], ["a DISCONNECT with a payload", '41["x"]'],
		["an event in a namespace not connected to", '42/custom,["message",1]'], ["an event in an unknown namespace", '42/random,["message",1]'],
		["leaving a namespace not connected to", "41/custom,"], ["an acknowledgement in a namespace not connected to", "43/custom,1[]"],
		["the reserved event connect", '42["connect"]'], ["the reserved event connect_error", '42["connect_error","x"]'],
		["the reserved event disconnect", '42["disconnect","x"]'], ["the reserved event disconnecting", '42["disconnecting"]'],
	].forEach(([title, packet], i) => closes(`i.1.${i + 1}`, title, packet));
	const A = Buffer.from([1]);
	[
		["an attachment that was not announced", A],
		["text where an attachment is due", `451-${event("message", placeholder(0))}`, '42["message",1]'],
		["more attachments than announced", `451-${event("message", "x", placeholder(0))}`.replace('"message"', '"unknown"'), A, A],
		["a place without its attachment", `451-${event("message", placeholder(1))}`, A],
		["a place with a negative number", `451-${event("message", placeholder(-1))}`, A],
		["a place whose number is text", `451-${event("message", placeholder("0"))}`, A],
		["no number of attachments", `45-${event("message", placeholder(0))}`, A],
		["a number of attachments that is none", `45x-${event("message", placeholder(0))}`, A],
		["a negative number of attachments", `45-1-${event("message", placeholder(0))}`, A],
		["no hyphen", `451${event("message", placeholder(0))}`, A],
		["a billion attachments", `451000000000-${event("message", placeholder(0))}`, A],
		["attachments for a payload that is no list", "451-{}", A],
		["a reserved event with attachments", `451-${event("disconnect", placeholder(0))}`, A],
	].forEach(([title, ...sent], i) => closes(`i.2.${i + 1}`, title, ...sent));
	for (const [i, payload] of ["[1]", '"x"', "{", "null", "true", "{}x", "{'a':1}"].entries())
		suite.case(`i.3.${i + 1}`, `a CONNECT with the payload ${payload}`, async (t) => {
			const socket = await Socket.open(t, PATH);
			await socket.send(`40${payload}`);
			await socket.isClosed({ ms: HEARTBEAT.interval });
		});
	for (const [i, packet] of ['42["message",1]', "41", "430[]", `451-${event("message", placeholder(0))}`].entries())
		suite.case(`i.4.${i + 1}`, `${packet} before any CONNECT`, async (t) => {
			const socket = await Socket.open(t, PATH);
			await socket.send(packet, ...(packet.startsWith("45") ? [A] : []));
			await socket.isClosed({ ms: HEARTBEAT.interval });
		});
	suite.case("i.5", "an invalid packet by long-polling ends the session", async (t) => {
		const session = await Polling.open(t, PATH);
		await connect(session);
		assert([0, 200, 400].includes((await session.post("42{}")).status));
		const reply = await session.get();
		assert(reply.status === 400 || /(^|\x1e)1$/.test(reply.text), `${reply.status} ${reply.text}`);
		await session.isClosed();
	});
	suite.case("i.6", "a client whose attachments do not come is cut off by the heartbeat alone", async (t) => {
		const socket = await opened(t);
		await socket.send(`452-${event("message", placeholder(0), placeholder(1))}`, A);
		assert.equal(await socket.any(QUIET), null);
		await socket.send(Buffer.from([2]));
		assert.deepEqual(await receive(socket), ["5", ["message-back", A, Buffer.from([2])]]);
	});
}

function transports() {
	suite.case("t.1", "polling: connect, message, acknowledgement, leave", async (t) => {
		const session = await Polling.open(t, PATH);
		await connect(session, { payload: '{"token":"p"}' });
		await exchange(session, ['42["message","a"]', '421["message-with-ack","b"]'], ['42["message-back","a"]', '431["b"]']);
		await session.send("41");
		await connect(session);
	});
	suite.case("t.2", "a namespace lives on through the upgrade", async (t) => {
		const session = await Polling.open(t, PATH);
		await connect(session);
		await session.send('42["message","before"]');
		assert.equal(await one(session), '42["message-back","before"]');
		const socket = await Socket.upgrade(session);
		await exchange(socket, ['42["message","after"]'], ['42["message-back","after"]']);
	});
	suite.case("t.3", "what waits at the upgrade comes by WebSocket, attachments behind their packets", async (t) => {
		const session = await Polling.open(t, PATH), list = Array.from({ length: 20 }, (_, i) => i);
		await connect(session);
		const socket = await Socket.connect(t, PATH, { sid: session.sid });
		await socket.send("2probe");
		assert.equal(await socket.packet(), "3probe");
		await session.send(...list.flatMap((i) => [`451-${event("message", i, placeholder(0))}`, Buffer.of(i)]));
		await socket.send("5");
		for (const i of list)
			assert.deepEqual(await receive(socket), ["5", ["message-back", i, Buffer.of(i)]]);
	});
	suite.case("t.4", "an attachment may come by WebSocket where its packet came by polling", async (t) => {
		const session = await Polling.open(t, PATH), A = Buffer.from([9, 8, 7]);
		await connect(session);
		await session.send(`451-${event("message", placeholder(0))}`);
		const socket = await Socket.upgrade(session);
		await socket.send(A);
		assert.deepEqual(await receive(socket), ["5", ["message-back", A]]);
	});
	suite.case("t.5", "20 clients of both transports at once", async (t) => {
		await Promise.all(Array.from({ length: 20 }, async (_, i) => {
			const session = await (i % 2 ? Socket : Polling).open(t, PATH);
			await connect(session, { payload: `{"client":${i}}` });
			const ids = Array.from({ length: 10 }, (_, n) => n);
			await exchange(session, ids.map((n) => `42${n}["message-with-ack",${i}]`), ids.map((n) => `43${n}[${i}]`));
		}));
	}, { alone: true });
}

connecting();
disconnecting();
messages();
acknowledgements();
binary();
invalid();
transports();
