/*
 * A WebSocket client over a bare TCP socket, for tests: it sends whatever bytes a
 * case asks for, legal or not, and takes nothing from the server that RFC 6455
 * and RFC 7692 do not allow. No WebSocket library has a part in it.
 */
import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import zlib from "node:zlib";
import { QUIET, SOON, within } from "./suite.mjs";

export const CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;
const NAMES = { [TEXT]: "text", [BINARY]: "binary", [CLOSE]: "close", [PING]: "ping", [PONG]: "pong" };
/* Codes that may stand in a close frame (RFC 6455, section 7.4, and IANA's registry). */
const CLOSE_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

export const bytes = (data) => (typeof data === "string" ? Buffer.from(data) : Buffer.from(data ?? []));

export function mask(data, key) {
	const out = Buffer.allocUnsafe(data.length);
	for (let i = 0; i < data.length; i++)
		out[i] = data[i] ^ key[i & 3];
	return out;
}

/*
 * One frame. rsv is the three bits as a number (4: RSV1). `key`: the mask, or
 * null for none. `form`: how the length is written (7, 16 or 64 bits) where it is
 * not to be the shortest; `claim`: a length other than the payload's own.
 */
export function frame(opcode, data, { fin = true, rsv = 0, key = randomBytes(4), form, claim } = {}) {
	const payload = bytes(data), length = claim ?? payload.length;
	const bits = form ?? (length <= 125 ? 7 : length <= 0xffff ? 16 : 64);
	const size = { 7: 2, 16: 4, 64: 10 }[bits];
	const head = Buffer.alloc(size);
	head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
	head[1] = (key ? 0x80 : 0) | (bits === 7 ? Number(length) : bits === 16 ? 126 : 127);
	if (bits === 16)
		head.writeUInt16BE(Number(length), 2);
	if (bits === 64)
		head.writeBigUInt64BE(BigInt(length), 2);
	return Buffer.concat(key ? [head, key, mask(payload, key)] : [head, payload]);
}

/* The payload of a close frame. */
export function closePayload(code, reason = "") {
	const head = Buffer.alloc(2);
	head.writeUInt16BE(code);
	return Buffer.concat([head, bytes(reason)]);
}

/*
 * Sends one HTTP request, byte for byte, and reads the reply's head. `lines` are
 * the request's lines without their ends. Gives { status, headers, socket, rest }:
 * headers as a map of lower-case names to lists, rest what came after the head;
 * status 0 where the server closed the connection without a reply.
 */
export async function request(target, lines, { body = "", ms = SOON } = {}) {
	const socket = net.connect({ host: target.host, port: target.port, noDelay: true });
	socket.on("error", () => {});
	await within(ms, "a TCP connection", once(socket, "connect"));
	socket.write(Buffer.concat([bytes(lines.map((line) => `${line}\r\n`).join("") + "\r\n"), bytes(body)]));
	return { socket, ...await within(ms, "an HTTP reply", readHead(socket)) };
}

export function readHead(socket) {
	return new Promise((done) => {
		let got = Buffer.alloc(0);
		const finish = (value) => {
			socket.off("data", onData).off("close", onClose);
			socket.pause();
			done(value);
		};
		const onClose = () => finish({ status: 0, headers: new Map(), rest: got });
		const onData = (data) => {
			got = Buffer.concat([got, data]);
			const end = got.indexOf("\r\n\r\n");
			if (end < 0)
				return;
			const [first, ...lines] = got.subarray(0, end).toString("latin1").split("\r\n");
			const headers = new Map();
			for (const line of lines) {
				const name = line.slice(0, line.indexOf(":")).toLowerCase();
				headers.set(name, [...headers.get(name) ?? [], line.slice(line.indexOf(":") + 1).trim()]);
			}
			finish({ status: Number(/^HTTP\/1\.[01] (\d{3})( |$)/.exec(first)?.[1] ?? -1), headers, rest: got.subarray(end + 4) });
		};
		socket.on("data", onData).on("close", onClose);
	});
}

/* The lines of an opening handshake; `change` replaces (or, with null, leaves out) header fields, `more` adds lines. */
export function opening(target, path, { method = "GET", version = "1.1", change = {}, more = [], key } = {}) {
	const fields = {
		Host: `${target.host}:${target.port}`,
		Upgrade: "websocket",
		Connection: "Upgrade",
		"Sec-WebSocket-Key": key ?? randomBytes(16).toString("base64"),
		"Sec-WebSocket-Version": "13",
		...change,
	};
	const lines = Object.entries(fields).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
	return [`${method} ${path} HTTP/${version}`, ...lines, ...more];
}

/* Permessage-deflate's parameters as the server gave them; anything that RFC 7692 does not let it say fails. */
export function deflateAnswer(headers, offers) {
	const lines = headers.get("sec-websocket-extensions") ?? [];
	if (lines.length === 0)
		return null;
	assert.equal(lines.length, 1, "several Sec-WebSocket-Extensions fields");
	assert(offers, `an extension that was not offered: ${lines[0]}`);
	assert(!lines[0].includes(","), `several extensions: ${lines[0]}`);
	const [name, ...parts] = lines[0].split(";").map((part) => part.trim());
	assert.equal(name, "permessage-deflate");
	const given = {};
	for (const part of parts) {
		const [, key, , value] = /^([a-z_]+)(="?([^"]*)"?)?$/.exec(part) ?? assert.fail(`extension parameter: ${part}`);
		assert(!(key in given), `the parameter ${key} twice`);
		if (key.endsWith("_max_window_bits"))
			assert.match(value ?? "", /^([89]|1[0-5])$/, part);
		else
			assert(["server_no_context_takeover", "client_no_context_takeover"].includes(key) && value === undefined, part);
		given[key] = value === undefined ? true : Number(value);
	}
	if (given.client_max_window_bits !== undefined)
		assert(offers.includes("client_max_window_bits"), "client_max_window_bits was not offered");
	return given;
}

/* A raw deflate stream that ends each message as RFC 7692, section 7.2.1, says. zlib has no window of 8 bits for it. */
class Deflater {
	constructor(given) {
		this.options = { windowBits: Math.max(9, given.client_max_window_bits ?? 15) };
		this.fresh = Boolean(given.client_no_context_takeover);
	}

	async run(data) {
		if (this.fresh || !this.stream)
			this.restart();
		this.stream.write(data);
		await new Promise((done) => this.stream.flush(zlib.constants.Z_SYNC_FLUSH, done));
		const out = Buffer.concat(this.chunks.splice(0));
		assert(out.subarray(-4).equals(TAIL));
		return out.subarray(0, -4);
	}

	restart() {
		this.stream?.close();
		this.chunks = [];
		this.stream = zlib.createDeflateRaw(this.options).on("data", (chunk) => this.chunks.push(chunk));
	}

	close() { this.stream?.close(); }
}

/*
 * The other way. Where the server promised a window smaller than 15 bits, output
 * is taken in steps of 256 bytes: zlib then sees no further back than the window
 * and those, so a server that does not keep its promise is found out.
 */
class Inflater {
	constructor(given) {
		const bits = given.server_max_window_bits ?? 15;
		this.options = { windowBits: Math.max(9, bits), ...(bits < 15 ? { chunkSize: 256 } : {}) };
		this.fresh = Boolean(given.server_no_context_takeover);
	}

	async run(data) {
		if (this.fresh || !this.stream)
			this.restart();
		this.stream.write(data);
		this.stream.write(TAIL);
		await Promise.race([this.failed, new Promise((done) => this.stream.flush(done))]);
		return Buffer.concat(this.chunks.splice(0));
	}

	restart() {
		this.stream?.close();
		this.chunks = [];
		this.stream = zlib.createInflateRaw(this.options).on("data", (chunk) => this.chunks.push(chunk));
		this.failed = new Promise((_, fail) => this.stream.on("error", (e) => fail(new Error(`what the server deflated: ${e.message}`))));
		this.failed.catch(() => {});
	}

	close() { this.stream?.close(); }
}

/* Takes the server's bytes apart into frames, strictly. */
class Parser {
	constructor(deflate) {
		this.deflate = deflate;
		this.chunks = [];
		this.size = 0;
	}

	add(data) {
		this.chunks.push(data);
		this.size += data.length;
	}

	take(n) {
		if (this.chunks.length > 1 && this.chunks[0].length < n)
			this.chunks = [Buffer.concat(this.chunks)];
		const [first] = this.chunks, out = first?.subarray(0, n) ?? Buffer.alloc(0);
		if (first)
			this.chunks[0] = first.subarray(n);
		if (this.chunks[0]?.length === 0)
			this.chunks.shift();
		this.size -= out.length;
		return out;
	}

	/* The first n bytes, left in place. */
	peek(n) {
		if (this.chunks.length > 1 && this.chunks[0].length < n)
			this.chunks = [Buffer.concat(this.chunks)];
		return this.chunks[0];
	}

	/* The next frame { fin, rsv1, opcode, payload }, or null until more bytes are there. */
	frame() {
		if (!this.head) {
			if (this.size < 2)
				return null;
			const short = this.peek(2)[1] & 0x7f, size = short === 126 ? 4 : short === 127 ? 10 : 2;
			if (this.size < size)
				return null;
			this.head = this.readHead(Buffer.from(this.peek(size).subarray(0, size)), short);
			this.take(size);
		}
		if (this.size < this.head.length)
			return null;
		const { length, ...head } = this.head;
		this.head = null;
		return { ...head, payload: length > 0 ? this.take(length) : Buffer.alloc(0) };
	}

	readHead(b, short) {
		const fin = (b[0] & 0x80) !== 0, rsv = (b[0] >> 4) & 7, opcode = b[0] & 15, control = opcode >= 8;
		assert(opcode in NAMES || opcode === CONTINUATION, `the server sent the opcode ${opcode}`);
		assert((b[1] & 0x80) === 0, "the server masked a frame");
		assert(rsv === 0 || (rsv === 4 && this.deflate && !control && opcode !== CONTINUATION), `the server sent RSV ${rsv}`);
		const length = short < 126 ? short : short === 126 ? b.readUInt16BE(2) : Number(b.readBigUInt64BE(2));
		assert(short < 126 || length > (short === 126 ? 125 : 0xffff), "the server wrote a length longer than need be");
		assert(!control || (fin && length <= 125), "the server sent a control frame that is long or in fragments");
		return { fin, rsv1: rsv === 4, opcode, length };
	}
}

/*
 * An open connection. What comes from the server is read as events, in order:
 *   { type: "text" | "binary", data, frames, deflated }, { type: "ping" | "pong", data },
 *   { type: "close", code (null: none), reason }, { type: "end", reset }
 * The expectations below take the next event and fail if it is not the right one.
 */
export class Wire {
	constructor(socket, rest, { deflate = null, headers }) {
		Object.assign(this, { socket, deflate, headers, events: [], waiting: [], fragments: null, closed: false });
		this.parser = new Parser(deflate);
		if (deflate)
			Object.assign(this, { deflater: new Deflater(deflate), inflater: new Inflater(deflate) });
		socket.on("error", (e) => { this.reset = e.code; });
		socket.on("close", () => this.push({ type: "end", reset: this.reset }));
		socket.on("data", (data) => this.take(data));
		if (rest.length > 0)
			this.take(rest);
		socket.resume();
	}

	/* Opens a connection to `path`; `offers` is the text of Sec-WebSocket-Extensions. It is ended with the case. */
	static async open(t, path, { offers, ...how } = {}) {
		const key = randomBytes(16).toString("base64");
		const more = [...how.more ?? [], ...(offers ? [`Sec-WebSocket-Extensions: ${offers}`] : [])];
		const reply = await request(t.target, opening(t.target, path, { ...how, more, key }));
		t.atEnd(() => reply.socket.destroy());
		checkOpen(reply, key);
		const wire = new Wire(reply.socket, reply.rest, { deflate: deflateAnswer(reply.headers, offers), headers: reply.headers });
		t.atEnd(() => wire.end());
		return wire;
	}

	end() {
		this.socket.destroy();
		this.deflater?.close();
		this.inflater?.close();
	}

	/* -- sending -- */

	/* Writes bytes as they are, in pieces of `chop` if given, and waits until the kernel has them. */
	async raw(data, chop = data.length) {
		for (let at = 0; at < data.length && !this.socket.destroyed; at += chop) {
			if (this.closed && at > 0)
				return;                 /* the server has closed: the rest may only reset the connection */
			const more = this.socket.write(data.subarray(at, at + chop));
			if (chop < data.length)
				await new Promise(setImmediate);
			if (!more && !this.socket.destroyed)
				await Promise.race([once(this.socket, "drain"), once(this.socket, "close")]).catch(() => {});
		}
	}

	/* One frame; see frame() above. `chop`: in pieces of so many octets. */
	send(opcode, data, { chop, ...how } = {}) { return this.raw(frame(opcode, data, how), chop); }

	/* Several frames as [opcode, data, how] in one write, or each in pieces of `chop`; chop "frame": one write for each. */
	async sendAll(frames, chop) {
		const all = frames.map((f) => frame(...f));
		if (chop !== "frame")
			return this.raw(Buffer.concat(all), chop);
		for (const one of all) {
			await this.raw(one);
			await new Promise(setImmediate);
		}
	}

	/* A message in frames of `size` octets of payload (0: in one), deflated where that was agreed. */
	async message(opcode, data, { size = 0, chop, plain = false } = {}) {
		const deflated = this.deflate && !plain;
		const payload = deflated ? await this.deflater.run(bytes(data)) : bytes(data);
		const frames = [], step = size || Math.max(1, payload.length);
		for (let at = 0; at === 0 || at < payload.length; at += step) {
			const how = { fin: at + step >= payload.length, rsv: deflated && at === 0 ? 4 : 0 };
			frames.push(frame(at === 0 ? opcode : CONTINUATION, payload.subarray(at, at + step), how));
		}
		return this.raw(Buffer.concat(frames), chop);
	}

	/* A close frame; with null for the code, an empty one. */
	sendClose(code, reason) { return this.send(CLOSE, code === null ? "" : closePayload(code, reason)); }

	/* -- receiving -- */

	push(event) {
		const waiter = this.waiting.shift();
		if (waiter)
			waiter(event);
		else
			this.events.push(event);
	}

	take(data) {
		if (this.broken)
			return;
		try {
			assert(!this.closed, "the server sent bytes after its close frame");
			this.parser.add(data);
			for (let f; (f = this.parser.frame());)
				this.frame(f);
		} catch (e) {
			this.broken = true;
			this.push({ type: "violation", error: e });
		}
	}

	frame({ fin, rsv1, opcode, payload }) {
		if (opcode === CLOSE)
			return this.push(this.readClose(payload));
		if (opcode >= 8)
			return this.push({ type: NAMES[opcode], data: payload });
		if (opcode === CONTINUATION)
			assert(this.fragments, "the server continued a message that it had not begun");
		else
			assert(!this.fragments, "the server began a message within another");
		this.fragments ??= { type: NAMES[opcode], deflated: rsv1, parts: [] };
		this.fragments.parts.push(payload);
		if (!fin)
			return;
		const { parts, ...rest } = this.fragments;
		this.fragments = null;
		this.push({ ...rest, frames: parts.length, data: parts.length === 1 ? parts[0] : Buffer.concat(parts) });
	}

	readClose(payload) {
		this.closed = true;
		assert(payload.length !== 1, "the server's close frame has one octet");
		if (payload.length === 0)
			return { type: "close", code: null, reason: "" };
		const code = payload.readUInt16BE(0);
		assert(CLOSE_CODES.includes(code) || (code >= 3000 && code <= 4999), `the server closed with the code ${code}`);
		assert(isUtf8(payload.subarray(2)), "the reason of the server's close frame is not UTF-8");
		return { type: "close", code, reason: payload.subarray(2).toString() };
	}

	/* The next event; null when none comes within `ms`. A ping of the server's own is answered and passed over. */
	async next(ms = SOON) {
		const until = Date.now() + ms;
		for (;;) {
			const event = this.events.shift() ?? await this.wait(until - Date.now());
			if (event?.type === "violation")
				throw event.error;
			if (event?.type === "ping") {
				await this.send(PONG, event.data);
				continue;
			}
			if (event?.deflated)
				event.data = await this.inflater.run(event.data);
			if (event?.type === "text")
				assert(isUtf8(event.data), "the server sent text that is not UTF-8");
			return event;
		}
	}

	wait(ms) {
		return new Promise((done) => {
			const waiter = (event) => {
				clearTimeout(timer);
				done(event);
			};
			const timer = setTimeout(() => {
				this.waiting.splice(this.waiting.indexOf(waiter), 1);
				done(null);
			}, Math.max(0, ms));
			this.waiting.push(waiter);
		});
	}

	async expectMessage(opcode, data, ms = SOON) {
		const event = await this.next(ms), want = bytes(data);
		assert.equal(event?.type, NAMES[opcode], `expected a ${NAMES[opcode]} message of ${want.length} octets, got ${show(event)}`);
		if (!event.data.equals(want))
			assert.fail(`expected ${preview(want)}, got ${preview(event.data)}`);
		return event;
	}

	async expectPong(data) {
		const event = await this.next();
		assert.equal(event?.type, "pong", `expected a pong, got ${show(event)}`);
		assert(event.data.equals(bytes(data)), `the pong has ${preview(event.data)}`);
	}

	/* The server closes, with one of the codes (null: a close frame without a code). */
	async expectClose(codes, ms = SOON) {
		const event = await this.next(ms);
		assert.equal(event?.type, "close", `expected a close frame with ${[codes].flat()}, got ${show(event)}`);
		this.checkClose(event, codes);
		return event;
	}

	checkClose(event, codes) {
		assert([codes].flat().includes(event.code), `expected a close frame with ${[codes].flat()}, got ${event.code} ${event.reason}`);
	}

	/* The TCP connection is at its end, after a close frame: who has closed sends nothing more and does not keep it. */
	async expectEnd(ms = SOON) {
		const event = await this.next(ms);
		assert.equal(event?.type, "end", `expected the connection's end, got ${show(event)}`);
	}

	/* The connection is failed (section 7.1.7): a close frame with one of the codes, without an answer from us, and the end. */
	async fails(codes) {
		await this.expectClose(codes);
		await this.expectEnd();
	}

	/* Nothing comes for a while. */
	async silence(ms = QUIET) {
		const event = await this.next(ms);
		assert.equal(event, null, `expected nothing, got ${show(event)}`);
	}

	/* We close, the server answers with the same code (or the plain one), and ends the connection. Nothing comes between. */
	async goodbye(code = 1000, reason = "") {
		await this.sendClose(code, reason);
		await this.expectClose([code, 1000]);
		await this.expectEnd();
	}
}

/* A 101 that agrees with what was asked (RFC 6455, section 4.1). */
export function checkOpen({ status, headers }, key) {
	assert.equal(status, 101, `the handshake got ${status}`);
	assert.equal(headers.get("upgrade")?.join().toLowerCase(), "websocket");
	assert.match(headers.get("connection")?.join() ?? "", /(^|,)\s*upgrade\s*(,|$)/i);
	assert.deepEqual(headers.get("sec-websocket-accept"), [createHash("sha1").update(key + ACCEPT_GUID).digest("base64")]);
	assert(!headers.has("sec-websocket-protocol"), "a subprotocol that was not asked for");
}

export const preview = (data) =>
	`${data.length} octets (${data.subarray(0, 32).toString("hex")}${data.length > 32 ? "…" : ""})`;

function show(event) {
	if (!event)
		return "nothing";
	if (event.type === "close")
		return `a close frame with ${event.code} ${event.reason}`;
	if (event.type === "end")
		return `the connection's end${event.reset ? ` (${event.reset})` : ""}`;
	return `${event.type} with ${preview(event.data)}`;
}
