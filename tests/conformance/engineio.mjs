/*
 * Engine.IO, protocol 4, against a server at /engine.io/ that echoes messages. The
 * cases p are those of the protocol's own test suite; the others are ours, after
 * the published protocol: u upgrades, b heartbeats, l limits, e errors, m messages.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { CONNECT_TIMEOUT, HEARTBEAT, MAX_PAYLOAD, Polling, Socket, checkOpen, fetch, isRefused, packets, payload, query } from "./engine.mjs";
import { QUIET, SOON, Suite, sleep } from "./suite.mjs";
import { PING, TEXT, readHead } from "./wire.mjs";

const PATH = "/engine.io/";
const BINARY = Buffer.from([1, 2, 3, 4]);
const suite = new Suite("engineio");
export default suite;

/*
 * The part of the protocol's test suite that Socket.IO's has as well, on the path
 * given. `settle` makes a session one that stays (Socket.IO: with a namespace).
 */
export function shared(suite, path, settle = async () => {}) {
	const status = async (t, parameters, how) => (await fetch(t, `${path}?${new URLSearchParams(parameters)}`, how)).status;
	const polling = async (t) => {
		const session = await Polling.open(t, path);
		await settle(session);
		return session;
	};

	suite.case("p.1.1", "polling: a session is opened", (t) => Polling.open(t, path));
	suite.case("p.1.2", "polling: no EIO, or one that is no version", async (t) => {
		for (const EIO of [undefined, "abc", "", "5", "44"])
			assert.equal(await status(t, { transport: "polling", ...(EIO === undefined ? {} : { EIO }) }), 400, `EIO=${EIO}`);
	});
	suite.case("p.1.3", "polling: no transport, or an unknown one", async (t) => {
		for (const transport of [undefined, "abc", "", "__proto__"])
			assert.equal(await status(t, { EIO: 4, ...(transport === undefined ? {} : { transport }) }), 400, `transport=${transport}`);
	});
	suite.case("p.1.4", "polling: a session is opened by GET alone", async (t) => {
		for (const method of ["POST", "PUT", "DELETE", "PATCH"])
			assert.equal(await status(t, { EIO: 4, transport: "polling" }, { method }), 400, method);
	});
	suite.case("p.2.1", "WebSocket: a session is opened", (t) => Socket.open(t, path));
	suite.case("p.2.2", "WebSocket: no EIO, or one that is no version", async (t) => {
		for (const EIO of [undefined, "abc"])
			await isRefused(t, path, { transport: "websocket", ...(EIO === undefined ? {} : { EIO }) });
	});
	suite.case("p.2.3", "WebSocket: no transport, or an unknown one", async (t) => {
		for (const transport of [undefined, "abc"])
			await isRefused(t, path, { EIO: 4, ...(transport === undefined ? {} : { transport }) });
	});

	suite.case("p.3.1", "polling: pings, which pongs answer", async (t) => {
		const session = await polling(t);
		for (let i = 0; i < 3; i++) {
			assert.deepEqual(packets((await session.get()).text), ["2"]);
			await session.send("3");
		}
	});
	suite.case("p.3.2", "polling: a session without pongs is closed", async (t) => {
		const session = await polling(t);
		await sleep(HEARTBEAT.interval + HEARTBEAT.timeout + 60);
		await session.isClosed();
	});
	suite.case("p.3.3", "WebSocket: pings, which pongs answer", async (t) => {
		const socket = await Socket.open(t, path);
		await settle(socket);
		for (let i = 0; i < 3; i++) {
			assert.equal(await socket.any(), "2");
			await socket.send("3");
		}
	});
	suite.case("p.3.4", "WebSocket: a session without pongs is closed", async (t) => {
		const socket = await Socket.open(t, path);
		await settle(socket);
		assert.deepEqual(await socket.isClosed(), ["2"]);
	});

	suite.case("p.4.1", "polling: a close packet ends the session, and the poll that waits", async (t) => {
		const session = await polling(t);
		const [poll] = await Promise.all([session.get(), sleep(20).then(() => session.post("1"))]);
		assert.deepEqual([poll.status, poll.text], [200, "6"]);
		await session.isClosed();
	});
	suite.case("p.4.2", "WebSocket: a close packet ends the session", async (t) => {
		const socket = await Socket.open(t, path);
		await settle(socket);
		await socket.send("1");
		const from = Date.now();
		await socket.isClosed();
		if (Date.now() - from > HEARTBEAT.interval)
			t.nonStrict("ended only for want of pongs");
	});

	suite.case("p.5.1", "an upgrade from polling to WebSocket", async (t) => {
		const session = await polling(t), socket = await Socket.connect(t, path, { sid: session.sid });
		await socket.send("2probe");
		assert.equal(await socket.packet(), "3probe");
		const poll = await session.get();
		assert.deepEqual([poll.status, poll.text], [200, "6"], "a poll during the upgrade is not ended by a noop");
		await socket.send("5");
		assert.equal(await socket.any(), "2", "no heartbeat after the upgrade");
		await socket.send("3");
	});
	suite.case("p.5.2", "an upgraded session takes no HTTP requests", async (t) => {
		const session = await polling(t), socket = await Socket.upgrade(session);
		assert.equal(await socket.any(), "2");
		await socket.send("3");
		assert.equal((await session.get()).status, 400);
		assert.equal((await session.post("4lost")).status, 400);
		assert.equal(await socket.any(), "2", "the session did not outlive the refused requests");
	});
	suite.case("p.5.3", "an upgraded session takes no second WebSocket", async (t) => {
		const session = await polling(t), socket = await Socket.upgrade(session);
		assert.equal(await socket.any(), "2");
		await socket.send("3");
		await isRefused(t, path, { EIO: 4, transport: "websocket", sid: session.sid });
		assert.equal(await socket.any(), "2", "the session did not outlive the second");
	});
}

shared(suite, PATH);

function pollingMessages() {
	/* What is sent in one payload comes back in one, or in several, in order. */
	const echoed = (id, title, list) => suite.case(id, title, async (t) => {
		const session = await Polling.open(t, PATH);
		await session.send(...list);
		assert.deepEqual(await session.receive(list.length), list);
	}, { alone: list[0].length > 10000 });
	echoed("p.6.1", "polling: a text message", ["4hello"]);
	echoed("p.6.2", "polling: several text messages in one payload", ["4test1", "4test2", "4test3"]);
	echoed("p.6.3", "polling: text and binary in one payload", ["4hello", BINARY]);
	echoed("m.1", "polling: an empty message", ["4"]);
	echoed("m.2", "polling: text beyond ASCII, controls, and what looks like a packet", ["4€ \u{1f600} ÿ\u0000\u001f\r\n", "4bAQID", "41", "4\ufeffx"]);
	echoed("m.3", "polling: binary of every length modulo three, and of every octet",
		[Buffer.from([0]), Buffer.from([0, 255]), Buffer.from([1, 2, 3]), Buffer.from(Array.from({ length: 256 }, (_, i) => i))]);
	echoed("m.4", "polling: 500 messages in one payload", Array.from({ length: 500 }, (_, i) => (i % 7 ? `4message ${i}` : Buffer.from(`binary ${i}`))));
	echoed("m.5", "polling: 600 KiB of text", [`4${"x".repeat(600 << 10)}`]);
	echoed("m.6", "polling: 300 KiB of binary", [Buffer.alloc(300 << 10, 0xa5)]);

	suite.case("p.6.4", "polling: what is no packet ends the session", async (t) => {
		const session = await Polling.open(t, PATH);
		const { status } = await session.post("abc");
		assert([0, 200, 400].includes(status), `got ${status}`);
		await session.isClosed();
	});
	suite.case("p.6.5", "polling: two polls at once end the session", async (t) => {
		const session = await Polling.open(t, PATH);
		const [first, second] = await Promise.all([session.get(), sleep(30).then(() => session.get())]);
		assert.deepEqual([first.status, first.text], [200, "1"], "the first poll is not told of the close");
		assert([400, 500].includes(second.status), `the second poll got ${second.status}`);
		await session.isClosed();
	});
	suite.case("p.6.6", "polling: a poll that is given up ends the session", async (t) => {
		const session = await Polling.open(t, PATH), abort = new AbortController();
		const poll = session.get({ signal: abort.signal });
		await sleep(30);
		abort.abort();
		await poll;
		await sleep(30);
		await session.isClosed();
	});
	suite.case("m.7", "polling: two POSTs at once end the session", async (t) => {
		const session = await Polling.open(t, PATH), socket = await halfPost(t, session, "4unfinished", 100);
		const second = await session.post("4second");
		/* Who is told of a request when it is whole does not see the overlap. */
		if (second.status === 200) {
			t.nonStrict("a POST counts from its last byte on");
		} else {
			assert.equal(second.status, 400);
			await session.isClosed();
		}
		socket.destroy();
	});
	suite.case("m.8", "polling: a message ends the poll that waits", async (t) => {
		const session = await Polling.open(t, PATH), poll = session.get(), from = Date.now();
		await sleep(30);
		await session.send("4now");
		assert.deepEqual(packets((await poll).text), ["4now"]);
		assert(Date.now() - from < HEARTBEAT.interval, "it came with the ping");
	});
	suite.case("m.9", "polling: the replies' headers", async (t) => {
		const session = await Polling.open(t, PATH);
		assert.match(session.reply.headers["content-type"], /^text\/plain; ?charset=utf-8$/i);
		assert.match(session.reply.headers["cache-control"] ?? "", /no-store/);
		const reply = await session.post("4x");
		assert.equal(reply.text, "ok");
		assert.match(reply.headers["cache-control"] ?? "", /no-store/);
	});
	suite.case("m.10", "polling: a POST in chunks (Transfer-Encoding)", async (t) => {
		const session = await Polling.open(t, PATH);
		const reply = await session.post("4in chunks", { "Transfer-Encoding": "chunked" });
		assert.deepEqual([reply.status, reply.text], [200, "ok"]);
		assert.deepEqual(await session.receive(1), ["4in chunks"]);
	});
}

/* A POST whose body stays unfinished: its head says `length`, and `body` is sent. */
async function halfPost(t, session, body, length) {
	const socket = net.connect({ host: t.target.host, port: t.target.port });
	socket.on("error", () => {});
	t.atEnd(() => socket.destroy());
	await once(socket, "connect");
	socket.write(`POST ${session.url} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n${body}`);
	await sleep(50);
	return socket;
}

function socketMessages() {
	const echoed = (id, title, list, how = {}) => suite.case(id, title, async (t) => {
		const socket = await Socket.open(t, PATH, how);
		await socket.send(...list);
		assert.deepEqual(await socket.receive(list.length), list);
		await socket.send("1");
		await socket.isClosed();
	}, { alone: list[0].length > 10000 });
	echoed("p.7.1", "WebSocket: a text message", ["4hello"]);
	echoed("p.7.2", "WebSocket: a binary message", [BINARY]);
	echoed("m.11", "WebSocket: text and binary in order, empty ones among them", ["4", Buffer.alloc(0), "4a", BINARY, "4b\x1e4c", Buffer.from("4d")]);
	echoed("m.12", "WebSocket: 900,000 octets of text, and of binary", [`4${"y".repeat(900_000)}`, Buffer.alloc(900_000, 0x5a)]);
	echoed("m.13", "WebSocket: with an offer of permessage-deflate, taken or not", [`4${"z".repeat(5000)}`, BINARY], { offers: "permessage-deflate" });

	suite.case("p.7.3", "WebSocket: what is no packet ends the session", async (t) => {
		const socket = await Socket.open(t, PATH);
		await socket.send("abc");
		await socket.isClosed({ ms: HEARTBEAT.interval });
	});
	suite.case("m.14", "WebSocket: fragments are one packet", async (t) => {
		const socket = await Socket.open(t, PATH);
		await socket.wire.message(TEXT, `4${"fragments ".repeat(50)}`, { size: 7 });
		assert.equal(await socket.packet(), `4${"fragments ".repeat(50)}`);
	});
	suite.case("m.15", "WebSocket: WebSocket's own pings are answered too", async (t) => {
		const socket = await Socket.open(t, PATH);
		await socket.wire.send(PING, "both");
		await socket.wire.expectPong("both");
	});
	suite.case("m.16", "sessions do not see each other's messages", async (t) => {
		const sessions = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? Socket.open(t, PATH) : Polling.open(t, PATH))));
		assert.equal(new Set(sessions.map((s) => s.sid)).size, 10);
		await Promise.all(sessions.map(async (session, i) => {
			const list = Array.from({ length: 20 }, (_, n) => `4${i}.${n}`);
			for (let n = 0; n < 20; n += 5)
				await session.send(...list.slice(n, n + 5));
			assert.deepEqual(await session.receive(20), list);
		}));
	});
}

function errors() {
	for (const [i, packet] of ["7", "8hello", "9", "x", "\u00e9", "-1", " 4hello"].entries()) {
		suite.case(`e.1.${i + 1}`, `the unknown packet type ${JSON.stringify(packet)} ends a WebSocket's session`, async (t) => {
			const socket = await Socket.open(t, PATH);
			await socket.send(packet);
			assert.deepEqual(await socket.isClosed({ ms: HEARTBEAT.interval }), []);
		});
		suite.case(`e.2.${i + 1}`, `the unknown packet type ${JSON.stringify(packet)} ends a polling session`, async (t) => {
			const session = await Polling.open(t, PATH);
			assert([0, 200, 400].includes((await session.post(packet)).status));
			await session.isClosed();
		});
	}
	suite.case("e.3.1", "a ping from the client ends the session: only the server sends them (WebSocket)", async (t) => {
		const socket = await Socket.open(t, PATH);
		await socket.send("2");
		assert.deepEqual(await socket.isClosed({ ms: HEARTBEAT.interval }), []);
	});
	suite.case("e.3.2", "a ping from the client ends the session: only the server sends them (polling)", async (t) => {
		const session = await Polling.open(t, PATH);
		assert([0, 200, 400].includes((await session.post("2")).status));
		await session.isClosed();
	});
	suite.case("e.4", "an empty payload, and one with an empty packet, end the session", async (t) => {
		for (const body of ["", "4a\x1e", "\x1e", "4a\x1e\x1e4b"]) {
			const session = await Polling.open(t, PATH);
			assert([0, 200, 400].includes((await session.post(body)).status), JSON.stringify(body));
			await session.isClosed();
		}
	});
	for (const [i, sid] of ["unknown", "__proto__", "constructor", "a".repeat(2000), "../../x", "\0", "AAAAAAAAAAAAAAAAAAAA"].entries())
		suite.case(`e.5.${i + 1}`, `the session id ${JSON.stringify(sid.slice(0, 24))}, which nobody has`, async (t) => {
			for (const transport of ["polling", "websocket"])
				for (const how of [{}, { method: "POST", body: "4x" }])
					assert.equal((await fetch(t, query(PATH, { transport, sid }), how)).status, 400);
			await isRefused(t, PATH, { EIO: 4, transport: "websocket", sid });
		});
	for (const [i, [code, message, parameters, how]] of [
		[0, "Transport unknown", { EIO: "4", transport: "abc" }],
		[1, "Session ID unknown", { EIO: "4", transport: "polling", sid: "abc" }],
		[2, "Bad handshake method", { EIO: "4", transport: "polling" }, { method: "POST" }],
		[3, "Bad request", { EIO: "4", transport: "websocket" }],
		[5, "Unsupported protocol version", { EIO: "3", transport: "polling" }],
	].entries())
		suite.case(`e.6.${i + 1}`, `the error ${code}, ${message}`, async (t) => {
			const reply = await fetch(t, `${PATH}?${new URLSearchParams(parameters)}`, how);
			assert.equal(reply.status, 400);
			assert.match(reply.headers["content-type"], /^application\/json/);
			assert.deepEqual(JSON.parse(reply.text), { code, message });
		});
	suite.case("e.7", "a session's version does not change", async (t) => {
		const session = await Polling.open(t, PATH);
		assert.equal((await fetch(t, session.url.replace("EIO=4", "EIO=3"))).status, 400);
		assert.deepEqual(await session.isOpen(), ["4still here"]);
	});
	suite.case("e.8", "a session of a WebSocket cannot be polled", async (t) => {
		const socket = await Socket.open(t, PATH);
		assert.equal((await fetch(t, query(PATH, { transport: "polling", sid: socket.sid }))).status, 400);
		assert.equal((await fetch(t, query(PATH, { transport: "polling", sid: socket.sid }), { method: "POST", body: "4x" })).status, 400);
		await socket.send("4here");
		assert.equal(await socket.packet(), "4here");
	});
	suite.case("e.9", "a polling session takes no PUT or DELETE", async (t) => {
		const session = await Polling.open(t, PATH);
		for (const method of ["PUT", "DELETE"])
			assert([400, 404, 405, 500, 501].includes((await session.get({ method })).status));
		assert.deepEqual(await session.isOpen(), ["4still here"]);
	});
	suite.case("e.10", "a WebSocket handshake with transport=polling opens nothing", async (t) => {
		await isRefused(t, PATH, { EIO: 4, transport: "polling" });
	});
	suite.case("e.11", "a session that is closed does not come back", async (t) => {
		const session = await Polling.open(t, PATH);
		await session.post("1");
		await session.isClosed();
		assert.equal((await session.post("4x")).status, 400);
		await isRefused(t, PATH, { EIO: 4, transport: "websocket", sid: session.sid });
	});
	suite.case("e.12", "a WebSocket that ends without a word ends its session", async (t) => {
		const socket = await Socket.open(t, PATH);
		socket.wire.socket.destroy();
		await sleep(QUIET);
		await isRefused(t, PATH, { EIO: 4, transport: "websocket", sid: socket.sid });
		assert.equal((await fetch(t, query(PATH, { transport: "polling", sid: socket.sid }))).status, 400);
	});
}

function heartbeats() {
	suite.case("b.1", "WebSocket: a session with pongs lives, pings come at their interval", async (t) => {
		const socket = await Socket.open(t, PATH), times = [Date.now()];
		for (let i = 0; i < 5; i++) {
			assert.equal(await socket.any(), "2");
			times.push(Date.now());
			await socket.send("3");
		}
		const gaps = times.slice(1).map((at, i) => at - times[i]);
		t.note(`gaps of ${gaps.join(", ")} ms`);
		assert(gaps.every((gap) => gap > HEARTBEAT.interval * 0.8), `gaps of ${gaps}`);
		assert(gaps.some((gap) => gap < HEARTBEAT.interval * 1.5), `gaps of ${gaps}`);
	}, { alone: true });
	suite.case("b.2", "WebSocket: the session ends after interval and timeout, not before", async (t) => {
		const socket = await Socket.open(t, PATH), from = Date.now();
		await socket.isClosed();
		const ms = Date.now() - from;
		t.note(`after ${ms} ms`);
		assert(ms > HEARTBEAT.interval + HEARTBEAT.timeout * 0.8 && ms < 3 * (HEARTBEAT.interval + HEARTBEAT.timeout), `${ms} ms`);
	}, { alone: true });
	suite.case("b.3", "polling: the session ends, and the poll that waits for it", async (t) => {
		const session = await Polling.open(t, PATH);
		assert.equal((await session.get()).text, "2");
		const poll = await session.get();
		assert((poll.status === 200 && packets(poll.text).every((p) => p === "1" || p === "6")) || poll.status === 400, `${poll.status} ${poll.text}`);
		await session.isClosed();
	}, { alone: true });
	suite.case("b.4", "polling: pongs keep a session for ten intervals", async (t) => {
		const session = await Polling.open(t, PATH), until = Date.now() + 10 * HEARTBEAT.interval;
		while (Date.now() < until)
			assert.deepEqual(await session.poll(), []);
		assert(session.pings >= 8, `${session.pings} pings`);
		assert.deepEqual(await session.isOpen(), ["4still here"]);
	}, { alone: true });
	suite.case("b.5", "a pong that was not asked for harms nobody", async (t) => {
		const socket = await Socket.open(t, PATH);
		await socket.send("3", "3", "4here");
		assert.equal(await socket.packet(), "4here");
	});
	suite.case("b.6", "a session without Socket.IO's connect timeout stays", async (t) => {
		const socket = await Socket.open(t, PATH), until = Date.now() + 2 * CONNECT_TIMEOUT;
		while (Date.now() < until) {
			assert.equal(await socket.any(), "2");
			await socket.send("3");
		}
	});
}

function upgrades() {
	suite.case("u.1", "messages after the upgrade go by WebSocket", async (t) => {
		const session = await Polling.open(t, PATH);
		await session.send("4before");
		assert.deepEqual(await session.receive(1), ["4before"]);
		const socket = await Socket.upgrade(session);
		await socket.send("4after", BINARY);
		assert.deepEqual(await socket.receive(2), ["4after", BINARY]);
		await socket.send("1");
		await socket.isClosed();
	});
	suite.case("u.2", "a poll that waits is ended by a noop when the probe comes", async (t) => {
		const session = await Polling.open(t, PATH), poll = session.get(), from = Date.now();
		await sleep(20);
		const socket = await Socket.connect(t, PATH, { sid: session.sid });
		await socket.send("2probe");
		assert.equal(await socket.packet(), "3probe");
		const reply = await poll;
		assert.deepEqual([reply.status, reply.text], [200, "6"]);
		assert(Date.now() - from < HEARTBEAT.interval, "it came with the ping");
		await socket.send("5", "4hello");
		assert.equal(await socket.packet(), "4hello");
	});
	suite.case("u.3", "messages that wait at the upgrade come by WebSocket, once", async (t) => {
		const session = await Polling.open(t, PATH), list = Array.from({ length: 50 }, (_, i) => (i % 5 ? `4${i}` : Buffer.from([i])));
		const socket = await Socket.connect(t, PATH, { sid: session.sid });
		await socket.send("2probe");
		assert.equal(await socket.packet(), "3probe");
		await session.send(...list);
		await socket.send("5");
		assert.deepEqual(await socket.receive(50), list);
		await socket.send("4the last");
		assert.equal(await socket.packet(), "4the last", "something came twice");
	});
	suite.case("u.4", "messages during the upgrade come once each, in order, by either way", async (t) => {
		for (let round = 0; round < 5; round++) {
			const session = await Polling.open(t, PATH), got = [];
			let sent = 0;
			const more = () => session.send(`4${sent++}`, `4${sent++}`);
			const poll = async () => got.push(...(await session.poll()).filter((p) => p !== "6"));
			await more();
			await poll();
			const socket = await Socket.connect(t, PATH, { sid: session.sid });
			await more();
			await socket.send("2probe");
			assert.equal(await socket.packet(), "3probe");
			await more();
			await poll();
			await more();
			await socket.send("5");
			while (got.length < sent)
				got.push(await socket.packet());
			for (let i = 0; i < 5; i++)
				await socket.send(`4${sent++}`);
			while (got.length < sent)
				got.push(await socket.packet());
			assert.deepEqual(got, Array.from({ length: sent }, (_, i) => `4${i}`));
		}
	});
	suite.case("u.5", "a wrong probe closes the WebSocket, and leaves the session to polling", async (t) => {
		for (const wrong of ["2wrong", "2", "4hello", "x", "3probe"]) {
			const session = await Polling.open(t, PATH), socket = await Socket.connect(t, PATH, { sid: session.sid });
			await socket.send(wrong);
			await socket.isClosed({ ms: HEARTBEAT.interval });
			assert.deepEqual(await session.isOpen(), ["4still here"], JSON.stringify(wrong));
		}
	});
	suite.case("u.6", "a WebSocket that ends after its probe leaves the session to polling", async (t) => {
		const session = await Polling.open(t, PATH), socket = await Socket.connect(t, PATH, { sid: session.sid });
		await socket.send("2probe");
		assert.equal(await socket.packet(), "3probe");
		socket.wire.socket.destroy();
		await sleep(QUIET);
		await session.send("4still here");
		const list = await session.receive(1);
		assert.deepEqual(list[0] === "6" ? await session.receive(1) : list, ["4still here"]);
		const second = await Socket.upgrade(session);
		await second.send("4upgraded");
		assert.equal(await second.packet(), "4upgraded");
	});
	suite.case("u.7", "a second WebSocket during an upgrade is refused, the first goes on", async (t) => {
		const session = await Polling.open(t, PATH), socket = await Socket.connect(t, PATH, { sid: session.sid });
		await socket.send("2probe");
		assert.equal(await socket.packet(), "3probe");
		await isRefused(t, PATH, { EIO: 4, transport: "websocket", sid: session.sid });
		await socket.send("5", "4hello");
		assert.equal(await socket.packet(), "4hello");
	});
	suite.case("u.8", "a second WebSocket with the id of a WebSocket's own session is refused", async (t) => {
		const socket = await Socket.open(t, PATH), second = await Socket.connect(t, PATH, { sid: socket.sid }).catch((e) => e);
		if (!(second instanceof Error)) {
			const event = await second.any(QUIET);
			if (event === null)
				t.nonStrict("it is kept, as an upgrade that may come");
			else
				assert(["close", "end"].includes(event.type), `got ${event.type}`);
		}
		await socket.send("4here");
		assert.equal(await socket.packet(), "4here");
	});
	suite.case("u.9", "a session that ends during the upgrade takes the WebSocket with it", async (t) => {
		const session = await Polling.open(t, PATH), socket = await Socket.connect(t, PATH, { sid: session.sid });
		await socket.send("2probe");
		assert.equal(await socket.packet(), "3probe");
		await session.post("1");
		await session.isClosed();
		await socket.isClosed();
	});
	suite.case("u.10", "pongs by WebSocket count after the upgrade, for ten intervals", async (t) => {
		const session = await Polling.open(t, PATH), socket = await Socket.upgrade(session), until = Date.now() + 10 * HEARTBEAT.interval;
		while (Date.now() < until) {
			assert.equal(await socket.any(), "2");
			await socket.send("3");
		}
		await socket.send("4here");
		assert.equal(await socket.packet(), "4here");
	});
}

function limits() {
	suite.case("l.1", "polling: a payload of maxPayload is taken", async (t) => {
		const session = await Polling.open(t, PATH), packet = `4${"x".repeat(MAX_PAYLOAD - 1)}`;
		await session.send(packet);
		assert.deepEqual(await session.receive(1), [packet]);
	}, { alone: true });
	suite.case("l.2", "polling: a payload of one octet more is refused", async (t) => {
		const session = await Polling.open(t, PATH);
		const { status } = await session.post(`4${"x".repeat(MAX_PAYLOAD)}`);
		assert([413, 400].includes(status), `got ${status}`);
	}, { alone: true });
	suite.case("l.3", "polling: octets count, not characters", async (t) => {
		const session = await Polling.open(t, PATH);
		const { status } = await session.post(`4${"€".repeat(MAX_PAYLOAD / 3 + 1)}`);
		assert([413, 400].includes(status), `got ${status}`);
	}, { alone: true });
	suite.case("l.4", "polling: a Content-Length of 1 TB is not waited for", async (t) => {
		const session = await Polling.open(t, PATH), socket = await halfPost(t, session, "4x", 1e12), reply = readHead(socket);
		const chunk = Buffer.alloc(64 << 10, "x"), until = Date.now() + SOON;
		let answer;
		reply.then((head) => { answer = head; });
		while (!answer && Date.now() < until) {
			socket.write(chunk);
			await sleep(5);
		}
		assert([0, 400, 413].includes(answer?.status), `got ${answer?.status}`);
	}, { alone: true });
	suite.case("l.5", "WebSocket: a message of maxPayload is taken", async (t) => {
		const socket = await Socket.open(t, PATH), packet = `4${"x".repeat(MAX_PAYLOAD - 1)}`;
		await socket.send(packet);
		assert.equal(await socket.packet(), packet);
	}, { alone: true });
	suite.case("l.6", "WebSocket: a message of one octet more closes with 1009", async (t) => {
		const socket = await Socket.open(t, PATH);
		await socket.send(`4${"x".repeat(MAX_PAYLOAD)}`);
		await socket.isClosed({ codes: [1009] });
	}, { alone: true });
	suite.case("l.7", "WebSocket: so does one in fragments", async (t) => {
		const socket = await Socket.open(t, PATH);
		await socket.wire.message(TEXT, `4${"x".repeat(MAX_PAYLOAD)}`, { size: 50_000 });
		await socket.isClosed({ codes: [1009] });
	}, { alone: true });
	suite.case("l.8", "100 sessions have ids of their own, in which nothing repeats", async (t) => {
		const sids = await Promise.all(Array.from({ length: 100 }, async () => {
			const reply = await fetch(t, query(PATH, { transport: "polling" }));
			return checkOpen(packets(reply.text)[0], ["websocket"]).sid;
		}));
		assert.equal(new Set(sids).size, 100);
		assert.equal(new Set(sids.map((sid) => sid.slice(0, 10))).size, 100, "the ids begin alike");
	}, { alone: true });
	suite.case("l.9", "polling: 200 messages of 4 KB that wait are all there", async (t) => {
		const session = await Polling.open(t, PATH), list = Array.from({ length: 200 }, (_, i) => `4${String(i).padStart(4000, "0")}`);
		for (let i = 0; i < 200; i += 50)
			assert.equal((await session.post(payload(list.slice(i, i + 50)))).status, 200);
		assert.deepEqual(await session.receive(200), list);
	}, { alone: true });
}

pollingMessages();
socketMessages();
errors();
heartbeats();
upgrades();
limits();
