/*
 * What a stranger may send. Each case expects the right close code or status, and
 * that during it others are served: a neighbour's echo comes back soon, new
 * connections are taken. Where the server's process id is known, its memory
 * (proportional set size) stays within what --memory allows.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import zlib from "node:zlib";
import { HEARTBEAT, Polling, Socket, fetch, isRefused, query } from "./engine.mjs";
import { Certain, SOON, Suite, sleep, within } from "./suite.mjs";
import { BINARY, CLOSE, CONTINUATION, PING, TEXT, Wire, bytes, closePayload, frame, opening, readHead } from "./wire.mjs";

const MIB = 1 << 20, ECHO_LIMIT = 32 * MIB;
/* How long a neighbour may wait for his echo, and for a new connection, while somebody else misbehaves. */
const PATIENCE = 2000;
const suite = new Suite("hostile");
export default suite;

const inOctets = (pid, file, field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))[1]) * 1024;

/*
 * Watches the server's memory: its proportional set size, sampled, and its peak,
 * which the kernel keeps, where it may be reset. The function that it gives ends
 * that and says how far it was, at most, above what it was before the first case.
 */
function watchMemory(target) {
	const { pid } = target, size = () => inOctets(pid, "smaps_rollup", "Pss");
	target.baseline ??= size();
	let most = 0, peak = () => 0;
	try {
		writeFileSync(`/proc/${pid}/clear_refs`, "5");
		const shared = inOctets(pid, "status", "VmRSS") - size();
		peak = () => inOctets(pid, "status", "VmHWM") - shared;
	} catch {
		/* another user's process: the samples have to do */
	}
	const sample = () => { most = Math.max(most, size()); };
	const timer = setInterval(() => {
		try {
			sample();
		} catch {
			clearInterval(timer);           /* it has ended, which the case notices */
		}
	}, 50);
	return () => {
		clearInterval(timer);
		sample();
		return Math.max(most, peak()) - target.baseline;
	};
}

/* Somebody well-behaved: one connection that echoes all the time, and a new one now and then. */
class Neighbour {
	static async start(t) {
		const neighbour = new Neighbour();
		neighbour.wire = await Wire.open(t, "/echo");
		Object.assign(neighbour, { t, worst: 0, n: 0, work: neighbour.run() });
		neighbour.work.catch(() => {});
		return neighbour;
	}

	async run() {
		while (!this.ended) {
			const from = performance.now(), text = `neighbour ${this.n}`;
			await this.wire.send(TEXT, text);
			await this.wire.expectMessage(TEXT, text);
			if (this.n++ % 10 === 0)
				await this.another();
			this.worst = Math.max(this.worst, performance.now() - from);
			await sleep(20);
		}
	}

	async another() {
		const wire = await Wire.open(this.t, "/echo");
		await wire.send(TEXT, "new");
		await wire.expectMessage(TEXT, "new");
		wire.end();
	}

	async end() {
		this.ended = true;
		await within(SOON, "the neighbour's echo", this.work);
		await this.another();
		return Math.round(this.worst);
	}
}

/* A case: `run` misbehaves while others are watched. `allow`: what it may cost in memory beyond --memory. */
function attack(id, title, run, { allow = 0 } = {}) {
	suite.case(id, title, async (t) => {
		const neighbour = await Neighbour.start(t), grown = t.target.pid ? watchMemory(t.target) : null;
		let worst, growth;
		try {
			await run(t);
			worst = await neighbour.end();
			growth = grown?.();
		} finally {
			neighbour.ended = true;
		}
		t.note(`the neighbour waited ${worst} ms${grown ? `, memory was ${(growth / MIB).toFixed(1)} MiB above its first` : ""}`);
		assert(worst < PATIENCE, `a neighbour waited ${worst} ms`);
		if (growth >= t.target.memory + allow)
			throw new Certain(`the memory grew by ${(growth / MIB).toFixed(1)} MiB, beyond ${(t.target.memory + allow) / MIB}`);
	}, { alone: true, limit: 90000 });
}

const echo = (t, how) => Wire.open(t, "/echo", how);

/* Writes without reading until the server takes no more for a second, the connection is closed, or all is sent. Gives how much was. */
async function pour(socket, pieces) {
	let sent = 0;
	for (const piece of pieces) {
		if (socket.destroyed)
			return { sent, end: "closed" };
		sent += piece.length;
		if (socket.write(piece))
			continue;
		const waited = new AbortController(), { signal } = waited;
		const held = await Promise.race([
			once(socket, "drain", { signal }).then(() => false), once(socket, "close", { signal }).then(() => false), sleep(1000).then(() => true),
		]).catch(() => false);
		waited.abort();
		if (held)
			return { sent, end: "held back" };
	}
	return { sent, end: socket.destroyed ? "closed" : "all taken" };
}

function* times(n, piece) {
	for (let i = 0; i < n; i++)
		yield piece;
}

/* Bare TCP connections, as many as come about. */
async function connections(t, n) {
	const list = await Promise.all(Array.from({ length: n }, async () => {
		const socket = net.connect({ host: t.target.host, port: t.target.port });
		socket.on("error", () => {});
		t.atEnd(() => socket.destroy());
		await Promise.race([once(socket, "connect"), once(socket, "close")]);
		return socket;
	}));
	return list.filter((socket) => !socket.destroyed);
}

/* n times a MiB of zeros, deflated: the second MiB and all that follow are the same thousand octets, for what is before them is the same. */
async function bomb(n, extra = 0) {
	const stream = zlib.createDeflateRaw({ level: 9 }), chunks = [], out = [];
	stream.on("data", (chunk) => chunks.push(chunk));
	for (const size of [MIB, MIB, extra]) {
		stream.write(Buffer.alloc(size));
		await new Promise((done) => stream.flush(zlib.constants.Z_SYNC_FLUSH, done));
		out.push(Buffer.concat(chunks.splice(0)));
	}
	stream.close();
	const whole = Buffer.concat([out[0], ...times(n - 1, out[1]), ...(extra ? [out[2]] : [])]);
	return whole.subarray(0, -4);
}

function frames() {
	const fails = (id, title, data, codes, offers) => attack(id, title, async (t) => {
		for (let i = 0; i < 20; i++) {
			const wire = await echo(t, { offers });
			await wire.raw(data);
			await wire.fails(codes);
		}
	});
	fails("f.1", "unmasked frames", frame(TEXT, "x".repeat(1000), { key: null }), 1002);
	fails("f.2", "every reserved bit", Buffer.concat([1, 2, 3, 4, 5, 6, 7].map((rsv) => frame(TEXT, "x", { rsv }))), 1002);
	fails("f.3", "text that is not UTF-8, 1 MiB of it", frame(TEXT, Buffer.alloc(MIB, 0xff)), 1007);
	fails("f.4", "a length of 2^63 octets", frame(BINARY, "", { form: 64, claim: 1n << 63n }), [1002, 1009]);
	fails("f.5", "a length of 2^64 - 1 octets, in text", frame(TEXT, "x", { form: 64, claim: (1n << 64n) - 1n }), [1002, 1009]);
	fails("f.6", "a length of 2^62 octets", frame(BINARY, "a", { form: 64, claim: 1n << 62n }), 1009);
	fails("f.7", "a close frame with an invalid code and bad UTF-8", frame(CLOSE, closePayload(1005, [0xff])), [1002, 1007]);
	attack("f.8", "a length that is too short: the rest is no frame", async (t) => {
		const wire = await echo(t);
		await wire.raw(frame(BINARY, Buffer.alloc(64, 0xff), { claim: 5, key: Buffer.alloc(4) }));
		await wire.expectMessage(BINARY, Buffer.alloc(5, 0xff));
		await wire.fails(1002);
	});
	attack("f.9", "a length that is too long: the rest is waited for, the connection's end ends it", async (t) => {
		const wires = await Promise.all(Array.from({ length: 50 }, () => echo(t)));
		for (const wire of wires)
			await wire.raw(frame(BINARY, "0123456789", { claim: 1 << 20 }));
		await wires[0].silence();
		wires.forEach((wire, i) => (i % 2 ? wire.socket.resetAndDestroy() : wire.socket.end()));
		await sleep(200);
	});
	attack("f.10", "50 claims of 32 MiB cost nothing before the octets come", async (t) => {
		for (let i = 0; i < 50; i++)
			await (await echo(t)).raw(frame(BINARY, "abc", { form: 64, claim: ECHO_LIMIT }));
		await sleep(200);
	});
	attack("f.11", "random octets", async (t) => {
		for (let i = 0; i < 100; i++) {
			const wire = await echo(t, { offers: i % 2 ? "permessage-deflate" : undefined });
			wire.socket.end(randomBytes(1 + i * 7));
			for (let event; (event = await wire.next());)
				if (event.type === "end")
					break;
		}
	});
}

function fragments() {
	attack("g.1", "fragments that add up to more than is taken", async (t) => {
		const wire = await echo(t), part = Buffer.alloc(64 << 10, 0x61);
		await pour(wire.socket, [frame(BINARY, part, { fin: false }), ...times(ECHO_LIMIT / part.length, frame(CONTINUATION, part, { fin: false }))]);
		await wire.fails(1009);
	}, { allow: 2 * ECHO_LIMIT });
	/* Where a server has no limit to their number they cost it nothing, and the message is one in the end. */
	const endless = (id, title, payload) => attack(id, title, async (t) => {
		const wire = await echo(t), piece = Buffer.concat([...times(10000, frame(CONTINUATION, payload, { fin: false }))]);
		await pour(wire.socket, [frame(BINARY, "begin", { fin: false }), ...times(200, piece)]);
		if (!wire.socket.destroyed && !wire.closed)
			await wire.raw(frame(CONTINUATION, "end"));
		const event = await wire.next(20000);
		if (event?.type === "close")
			return wire.checkClose(event, [1002, 1008, 1009]);
		assert.equal(event?.type, "binary", `got ${event?.type}`);
		assert.equal(event.data.length, 8 + 2_000_000 * payload.length);
	}, { allow: 32 * MIB });
	endless("g.2", "2,000,000 empty fragments", "");
	endless("g.3", "2,000,000 fragments of one octet", "x");
	attack("g.4", "100 connections, each with a message that never ends", async (t) => {
		const wires = await Promise.all(Array.from({ length: 100 }, () => echo(t)));
		await Promise.all(wires.map((wire) => wire.raw(frame(TEXT, "x".repeat(100_000), { fin: false }))));
		await wires[99].send(PING, "within");
		await wires[99].expectPong("within");
	}, { allow: 32 * MIB });
}

function bombs() {
	const offers = "permessage-deflate", RSV1 = { rsv: 4 };
	attack("z.1", "1 MiB of zeros in a thousand octets is a message like others", async (t) => {
		const wire = await echo(t, { offers });
		await wire.send(BINARY, await bomb(1), RSV1);
		await wire.expectMessage(BINARY, Buffer.alloc(MIB));
	});
	attack("z.2", "32 MiB are taken, an octet more is not", async (t) => {
		const wire = await echo(t, { offers });
		await wire.send(BINARY, await bomb(32), RSV1);
		await wire.expectMessage(BINARY, Buffer.alloc(ECHO_LIMIT));
		await wire.goodbye();
		const second = await echo(t, { offers });
		await second.send(BINARY, await bomb(32, 1), RSV1);
		await second.fails(1009);
	}, { allow: 4 * ECHO_LIMIT });
	attack("z.3", "1 GiB in a MiB is cut off at the limit", async (t) => {
		const data = await bomb(1024), wire = await echo(t, { offers });
		t.note(`${data.length} octets`);
		await wire.send(BINARY, data, RSV1);
		await wire.fails(1009);
	}, { allow: 2 * ECHO_LIMIT });
	attack("z.4", "1 GiB in fragments of 100 octets", async (t) => {
		const data = await bomb(1024), wire = await echo(t, { offers }), pieces = [];
		for (let at = 0; at < data.length; at += 100)
			pieces.push(frame(at ? CONTINUATION : BINARY, data.subarray(at, at + 100), { rsv: at ? 0 : 4, fin: at + 100 >= data.length }));
		await pour(wire.socket, pieces);
		await wire.expectClose([1008, 1009]);
	}, { allow: 2 * ECHO_LIMIT });
	attack("z.5", "four of 1 GiB at once", async (t) => {
		const data = await bomb(1024);
		await Promise.all(Array.from({ length: 4 }, async () => {
			const wire = await echo(t, { offers });
			await wire.send(BINARY, data, RSV1);
			await wire.expectClose(1009, 30000);
		}));
	}, { allow: 6 * ECHO_LIMIT });
	attack("z.6", "text that inflates to 15 MiB of what is not UTF-8", async (t) => {
		const wire = await echo(t, { offers }), data = zlib.deflateRawSync(Buffer.alloc(15 * MIB, 0xff), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
		await wire.send(TEXT, data.subarray(0, -4), RSV1);
		await wire.fails(1007);
	}, { allow: 4 * ECHO_LIMIT });
	attack("z.7", "at Engine.IO's and Socket.IO's, whose limit is smaller", async (t) => {
		for (const path of ["/engine.io/", "/socket.io/"]) {
			const socket = await Socket.connect(t, path, { offers });
			await socket.packet();
			await socket.wire.send(BINARY, await bomb(100), RSV1);
			const event = await socket.any();
			assert.equal(event?.type, "close");
			socket.wire.checkClose(event, socket.wire.deflate ? 1009 : 1002);
		}
	});
	attack("z.8", "100 connections with deflate contexts that are used", async (t) => {
		const wires = await Promise.all(Array.from({ length: 100 }, () => echo(t, { offers })));
		for (const wire of wires) {
			await wire.message(TEXT, "context ".repeat(1000));
			await wire.expectMessage(TEXT, "context ".repeat(1000));
		}
	}, { allow: 64 * MIB });
}

function readers() {
	attack("r.1", "echoes of 256 MiB that nobody reads", async (t) => {
		const wire = await echo(t), message = frame(BINARY, Buffer.alloc(MIB, 7));
		wire.socket.pause();
		const { sent, end } = await pour(wire.socket, times(256, message));
		t.note(`${end} after ${Math.round(sent / MIB)} MiB`);
	}, { allow: 2 * ECHO_LIMIT });
	attack("r.2", "pongs to 2,000,000 pings that nobody reads", async (t) => {
		const wire = await echo(t), pings = Buffer.concat([...times(5000, frame(PING, Buffer.alloc(125, 1)))]);
		wire.socket.pause();
		const { sent, end } = await pour(wire.socket, times(400, pings));
		t.note(`${end} after ${Math.round(sent / MIB)} MiB`);
	}, { allow: 2 * ECHO_LIMIT });
	attack("r.3", "an Engine.IO client that sends, pongs and never polls", async (t) => {
		const session = await Polling.open(t, "/engine.io/"), body = `4${"x".repeat(899_000)}\x1e3`;
		let n = 0, reply;
		do
			reply = await session.post(body);
		while (++n < 150 && reply.status === 200);
		t.note(`${n} of 150 POSTs of 900 KB, the last got ${reply.status}`);
	});
	attack("r.4", "an Engine.IO client by WebSocket that does not read", async (t) => {
		const socket = await Socket.open(t, "/engine.io/"), message = frame(BINARY, Buffer.alloc(900_000, 7));
		socket.wire.socket.pause();
		const { sent, end } = await pour(socket.wire.socket, times(200, message));
		t.note(`${end} after ${Math.round(sent / MIB)} MiB`);
	});
}

function engine() {
	const PATH = "/engine.io/";
	attack("e.1", "200 sessions with packets of unknown types", async (t) => {
		for (let i = 0; i < 100; i++) {
			const type = String.fromCharCode([0x37, 0x38, 0x39, 0x2f, 0x3a, 0x00, 0x41, 0x7f][i % 8]);
			const session = await Polling.open(t, PATH);
			assert([0, 200, 400].includes((await session.post(`${type}x`)).status));
			await session.isClosed();
			const socket = await Socket.open(t, PATH);
			await socket.send(`${type}x`);
			await socket.isClosed({ ms: HEARTBEAT.interval });
		}
	});
	attack("e.2", "two pollers on each of 50 sessions", async (t) => {
		/* A poll that was answered by the server's own ping met no other: that session says nothing. */
		const meet = async () => {
			const session = await Polling.open(t, PATH), polls = [session.get(), sleep(30).then(() => session.get())];
			const [first, second] = await Promise.all(polls);
			if (first.text === "2")
				return meet();
			assert.deepEqual([first.status, first.text], [200, "1"]);
			assert([400, 500].includes(second.status));
			await session.isClosed();
		};
		await Promise.all(Array.from({ length: 50 }, meet));
	});
	attack("e.3", "300 guesses at session ids", async (t) => {
		const { sid } = await Polling.open(t, PATH);
		for (let i = 0; i < 150; i++) {
			const guess = i % 3 ? randomBytes(15).toString("base64url") : sid.slice(0, -1) + String.fromCharCode(0x41 + (i % 26));
			if (guess === sid)
				continue;
			assert.equal((await fetch(t, query(PATH, { transport: "polling", sid: guess }))).status, 400);
			await isRefused(t, PATH, { EIO: 4, transport: "websocket", sid: guess });
		}
	});
	attack("e.4", "1,000 sessions that nobody polls are gone when their time is over", async (t) => {
		const sids = [];
		for (let i = 0; i < 1000; i += 50)
			sids.push(...await Promise.all(Array.from({ length: 50 }, async () => JSON.parse((await fetch(t, query(PATH, { transport: "polling" }))).text.slice(1)).sid)));
		await sleep(HEARTBEAT.interval + HEARTBEAT.timeout + 300);
		for (const sid of [sids[0], sids[500], sids[999]])
			assert.equal((await fetch(t, query(PATH, { transport: "polling", sid }))).status, 400);
	});
	attack("e.5", "a payload of a million separators", async (t) => {
		const session = await Polling.open(t, PATH);
		assert([0, 200, 400].includes((await session.post("\x1e".repeat(999_999))).status));
		await session.isClosed();
	});
	attack("e.6", "a payload of 200,000 messages", async (t) => {
		const session = await Polling.open(t, PATH), body = Array.from(times(200_000, "4")).join("\x1e");
		const reply = await session.post(body);
		if (reply.status !== 200)
			return t.note(`refused with ${reply.status}`);
		const list = await session.receive(200_000).catch(() => null);
		if (list)
			assert.equal(list.length, 200_000);
		else
			t.note("the session was over before they were read");
	}, { allow: 64 * MIB });
	attack("e.7", "base64 that is none", async (t) => {
		for (const body of ["b!!!!", "b\u20ac", "bA", "b====", `b${"A".repeat(99_999)}=A`]) {
			const session = await Polling.open(t, PATH);
			assert([0, 200, 400].includes((await session.post(body)).status));
		}
	});
}

function storms() {
	const PATH = "/engine.io/";
	attack("s.1", "1,000 upgrades that never finish their request", async (t) => {
		const list = await connections(t, 1000), head = opening(t.target, "/echo").join("\r\n");
		t.note(`${list.length} connected`);
		list.forEach((socket, i) => socket.write(head.slice(0, head.length - (i % 40))));
		await sleep(1000);
	}, { allow: 32 * MIB });
	attack("s.2", "1,000 WebSockets at once on one session", async (t) => {
		const session = await Polling.open(t, PATH), list = await connections(t, 1000);
		const line = opening(t.target, query(PATH, { transport: "websocket", sid: session.sid })).join("\r\n");
		const heads = list.map((socket) => Promise.race([readHead(socket), sleep(SOON).then(() => ({ status: 0 }))]));
		list.forEach((socket) => socket.write(`${line}\r\n\r\n`));
		const statuses = (await Promise.all(heads)).map((head) => head.status);
		t.note(`${statuses.filter((s) => s === 101).length} of ${list.length} got 101`);
		assert(statuses.every((s) => [0, 101, 400, 503].includes(s)), `got ${[...new Set(statuses)]}`);
	}, { allow: 64 * MIB });
	attack("s.3", "300 sessions whose upgrades stop after the probe", async (t) => {
		for (let i = 0; i < 300; i += 50)
			await Promise.all(Array.from({ length: 50 }, async () => {
				const session = await Polling.open(t, PATH), socket = await Socket.connect(t, PATH, { sid: session.sid });
				await socket.send("2probe");
			}));
		await sleep(HEARTBEAT.interval + HEARTBEAT.timeout);
	}, { allow: 32 * MIB });
	attack("s.4", "1,000 connections that come and go", async (t) => {
		for (let i = 0; i < 10; i++)
			for (const socket of await connections(t, 100))
				socket.resetAndDestroy();
	});
	attack("s.5", "300 connections that send an octet a second", async (t) => {
		const list = await connections(t, 300), session = await Polling.open(t, PATH);
		const head = bytes(`${opening(t.target, "/echo").join("\r\n")}\r\n\r\n`), message = frame(TEXT, "slow");
		const post = bytes(`POST ${session.url} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`);
		list.forEach((socket, i) => socket.write(i % 3 === 0 ? "" : i % 3 === 1 ? head : post));
		for (let second = 0; second < 4; second++) {
			list.forEach((socket, i) => socket.destroyed || socket.write((i % 3 === 0 ? head : i % 3 === 1 ? message : bytes("xxxxx")).subarray(second, second + 1)));
			await sleep(1000);
		}
	});
	attack("s.6", "1,000 requests at once on a connection", async (t) => {
		const [socket] = await connections(t, 1);
		socket.resume();
		await pour(socket, times(1000, bytes(`GET ${query(PATH, { transport: "polling" })} HTTP/1.1\r\nHost: x\r\n\r\n`)));
		await sleep(1000);
	}, { allow: 32 * MIB });
	attack("s.7", "heads without end", async (t) => {
		const list = await connections(t, 10), statuses = [];
		for (const socket of list) {
			readHead(socket).then((head) => statuses.push(head.status));
			socket.write("GET /echo HTTP/1.1\r\nHost: x\r\nX-A: ");
			await pour(socket, times(64, Buffer.alloc(64 << 10, 0x61)));
		}
		await sleep(300);
		assert.equal(statuses.length, list.length, "a head of 4 MiB is still being read");
		assert(statuses.every((s) => [0, 400, 413, 431].includes(s)), `got ${statuses}`);
	});
	attack("s.8", "lengths that contradict each other", async (t) => {
		for (const fields of ["Content-Length: -1", "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 99999999999999999999", "Content-Length: 5x",
			"Transfer-Encoding: chunked\r\nContent-Length: 5", "Transfer-Encoding: nothing"]) {
			const session = await Polling.open(t, PATH), [socket] = await connections(t, 1), reply = readHead(socket);
			socket.write(`POST ${session.url} HTTP/1.1\r\nHost: x\r\n${fields}\r\n\r\n4abcd`);
			const { status } = await within(SOON, fields, reply);
			assert([0, 400, 411, 413, 501].includes(status), `${fields}: ${status}`);
		}
	});
}

function socketIo() {
	const open = async (t) => {
		const socket = await Socket.open(t, "/socket.io/");
		await socket.send("40");
		await socket.receive(2);
		return socket;
	};
	/* Answered, or the connection closed: nothing else, and nobody else notices. */
	const survives = (id, title, ...sent) => attack(id, title, async (t) => {
		const socket = await open(t);
		await socket.send(...sent);
		const packet = await socket.any();
		if (packet?.type === "close" || packet?.type === "end")
			return t.note("closed");
		assert(typeof packet === "string" && /^(2$|4)/.test(packet), `got ${packet?.type ?? packet}`);
		t.note(`answered with ${packet.length} characters`);
	});
	survives("i.1", "JSON of 400,000 brackets", `42${"[".repeat(400_000)}`);
	survives("i.2", "JSON that is 5,000 lists deep", `42["message",${"[".repeat(5000)}${"]".repeat(5000)}]`);
	survives("i.3", "JSON that is 100,000 objects deep", `42["message",${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}]`);
	survives("i.4", "the name of a namespace of 500,000 characters", `40/${"n".repeat(500_000)},`);
	survives("i.5", "an id of 500,000 digits", `42${"9".repeat(500_000)}["message-with-ack",1]`);
	survives("i.6", "a number of attachments of 500,000 digits", `45${"9".repeat(500_000)}-["message",{"_placeholder":true,"num":0}]`);
	survives("i.7", "one attachment in 20,000 places", `451-["message",${Array.from(times(20_000, '{"_placeholder":true,"num":0}')).join()}]`, Buffer.from([1]));
	survives("i.8", "an attachment of 900,000 octets in 20,000 places", `451-["message",${Array.from(times(20_000, '{"_placeholder":true,"num":0}')).join()}]`, Buffer.alloc(900_000));
	survives("i.9", "a key __proto__", '42["message",{"__proto__":{"x":1},"constructor":{"prototype":{}}}]');
	survives("i.10", "numbers beyond all bounds", `42["message",1e400,-1e400,${"9".repeat(10_000)},1e-999999]`);
	survives("i.11", "surrogates alone, as escapes", '42["message","\\ud800","\\udc00\\ud800"]');
	attack("i.12", "2,000 namespaces that are not there", async (t) => {
		const socket = await open(t);
		for (let i = 0; i < 2000; i++)
			await socket.send(`40/no-${i},`);
		for (let i = 0; i < 2000; i++)
			assert.equal(await socket.packet(), `44/no-${i},{"message":"Invalid namespace"}`);
	});
	attack("i.13", "attachments that never come, 90 times ten of 90 KB", async (t) => {
		for (let i = 0; i < 90; i++) {
			const socket = await open(t);
			await socket.send('4510-["message",{"_placeholder":true,"num":0}]', ...times(1, Buffer.alloc(90_000)));
		}
	}, { allow: 16 * MIB });
}

frames();
fragments();
bombs();
readers();
engine();
storms();
socketIo();
