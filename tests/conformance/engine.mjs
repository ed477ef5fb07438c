/*
 * What the Engine.IO and Socket.IO cases share: sessions by HTTP long-polling and
 * by WebSocket, without their client libraries. Text packets are strings, binary
 * ones Buffers.
 */
import assert from "node:assert/strict";
import http from "node:http";
import { SOON, within } from "./suite.mjs";
import { BINARY, TEXT, Wire } from "./wire.mjs";

export const HEARTBEAT = { interval: 300, timeout: 200 };
export const MAX_PAYLOAD = 1_000_000;
export const CONNECT_TIMEOUT = 1000;
const SEPARATOR = "\x1e";

/* One HTTP request on a connection of its own: { status, headers, text }; status 0 where the connection ended without a whole reply. */
export function fetch(t, path, { method = "GET", body, headers = {}, signal } = {}) {
	const reply = new Promise((done) => {
		const request = http.request({ host: t.target.host, port: t.target.port, path, method, headers, agent: false, signal }, (response) => {
			const chunks = [];
			response.on("data", (chunk) => chunks.push(chunk));
			response.on("end", () => done({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }));
			response.on("error", () => done({ status: 0, headers: {}, text: "" }));
		});
		request.on("error", () => done({ status: 0, headers: {}, text: "" }));
		request.end(body);
		t.atEnd(() => request.destroy());
	});
	return within(SOON, `${method} ${path.slice(0, 100)}`, reply);
}

export const query = (path, parameters) => `${path}?${new URLSearchParams({ EIO: "4", ...parameters })}`;

/* The packets of a payload; a binary one is a Buffer. */
export function packets(payload) {
	return payload === "" ? [] : payload.split(SEPARATOR).map((p) => (p.startsWith("b") ? Buffer.from(p.slice(1), "base64") : p));
}

export const payload = (list) => list.map((p) => (Buffer.isBuffer(p) ? `b${p.toString("base64")}` : p)).join(SEPARATOR);

/* What the open packet says (published protocol, "Handshake"). */
export function checkOpen(packet, upgrades) {
	assert.equal(packet[0], "0");
	const open = JSON.parse(packet.slice(1));
	const { sid, ...rest } = open;
	assert.equal(typeof sid, "string");
	assert.match(sid, /^[A-Za-z0-9_-]{16,}$/, "a session id that is short, or not safe in a URL");
	assert.deepEqual(rest, { upgrades, pingInterval: HEARTBEAT.interval, pingTimeout: HEARTBEAT.timeout, maxPayload: MAX_PAYLOAD });
	return open;
}

/* A session by long-polling. */
export class Polling {
	static async open(t, path) {
		const session = new Polling();
		const reply = await fetch(t, query(path, { transport: "polling" }));
		assert.equal(reply.status, 200, `the handshake got ${reply.status} ${reply.text}`);
		Object.assign(session, { t, path, reply, sid: checkOpen(packets(reply.text)[0], ["websocket"]).sid, pings: 0 });
		return session;
	}

	get url() { return query(this.path, { transport: "polling", sid: this.sid }); }

	get(how) { return fetch(this.t, this.url, how); }

	post(body, headers) { return fetch(this.t, this.url, { method: "POST", body, headers: { "Content-Type": "text/plain;charset=UTF-8", ...headers } }); }

	/* Sends packets, which are taken. */
	async send(...list) {
		const reply = await this.post(payload(list));
		assert.deepEqual([reply.status, reply.text], [200, "ok"]);
	}

	/* The packets of one poll, in which pings are answered and left out. */
	async poll() {
		const reply = await this.get();
		assert.equal(reply.status, 200, `a poll got ${reply.status} ${reply.text}`);
		const list = packets(reply.text), pings = list.filter((p) => p === "2").length;
		if (pings > 0)
			await this.send("3");
		this.pings += pings;
		return list.filter((p) => p !== "2");
	}

	/* Polls until there are n packets. */
	async receive(n) {
		const list = [], until = Date.now() + SOON;
		while (list.length < n && Date.now() < until)
			list.push(...await this.poll());
		return list;
	}

	/* The session is gone. */
	async isClosed() {
		const reply = await this.get();
		assert.equal(reply.status, 400, `a closed session's poll got ${reply.status} ${reply.text}`);
	}

	/* It is there: messages are taken. */
	async isOpen(message = "4still here") {
		await this.send(message);
		return this.receive(1);
	}
}

/* A session, or an upgrade, by WebSocket. */
export class Socket {
	/* `sid`: of the session that is upgraded. */
	static async connect(t, path, { sid, ...how } = {}) {
		const socket = new Socket();
		socket.wire = await Wire.open(t, query(path, { transport: "websocket", ...(sid ? { sid } : {}) }), how);
		socket.pings = 0;
		return socket;
	}

	/* A new session, with its open packet read. */
	static async open(t, path, how) {
		const socket = await Socket.connect(t, path, how);
		socket.sid = checkOpen(await socket.packet(), []).sid;
		return socket;
	}

	/* A session that began with polling, and has gone over to WebSocket. */
	static async upgrade(polling) {
		const socket = await Socket.connect(polling.t, polling.path, { sid: polling.sid });
		socket.sid = polling.sid;
		await socket.send("2probe");
		assert.equal(await socket.packet(), "3probe");
		await socket.send("5");
		return socket;
	}

	async send(...list) {
		for (const p of list)
			await this.wire.send(Buffer.isBuffer(p) ? BINARY : TEXT, p);
	}

	/* The next packet whatever it is; null where none comes in time, and an event that is no message where the connection closes. */
	async any(ms) {
		const event = await this.wire.next(ms);
		return event?.type === "text" ? event.data.toString() : event?.type === "binary" ? event.data : event;
	}

	/* The next packet, which must come. Pings are answered and passed over. */
	async packet(ms = SOON) {
		for (;;) {
			const packet = await this.any(ms);
			if (packet === "2") {
				this.pings++;
				await this.send("3");
				continue;
			}
			assert(typeof packet === "string" || Buffer.isBuffer(packet), `expected a packet, got ${packet?.type ?? "nothing"} ${packet?.code ?? ""}`);
			return packet;
		}
	}

	async receive(n) {
		const list = [];
		while (list.length < n)
			list.push(await this.packet());
		return list;
	}

	/*
	 * The server ends the connection, within `ms`. Packets before that are given;
	 * a close frame, where there is one, has a code that fits. Pings stay unanswered
	 * unless `pong`.
	 */
	async isClosed({ ms = SOON, codes = [null, 1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1011], pong = false } = {}) {
		const list = [], until = Date.now() + ms;
		for (;;) {
			const packet = await this.any(until - Date.now());
			if (packet === "2" && pong)
				await this.send("3");
			if (typeof packet === "string" || Buffer.isBuffer(packet)) {
				list.push(packet);
				continue;
			}
			assert(packet, `still open after ${ms} ms`);
			if (packet.type === "end")
				return list;
			this.wire.checkClose(packet, codes);
			await this.wire.sendClose(packet.code);
		}
	}
}

/* The handshake of a WebSocket is refused, or what it opens is closed at once. Gives how. */
export async function isRefused(t, path, parameters) {
	let wire;
	try {
		wire = await Wire.open(t, `${path}?${new URLSearchParams(parameters)}`);
	} catch (e) {
		const status = Number(/got (\d+)/.exec(e.message)?.[1]);
		assert(status >= 400 && status < 500, e.message);
		return status;
	}
	const event = await wire.next().catch(() => {
		t.nonStrict("an HTTP reply within the WebSocket");
		return wire.next();
	});
	assert(event?.type === "close" || event?.type === "end", `expected the connection's end, got ${event?.type}`);
	return "closed";
}
