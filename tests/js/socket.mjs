/* A WebSocket to an instance, as a program has it: messages are kept and waited for. */
import WebSocket from "ws";
import { once } from "node:events";
import { until } from "./expect.mjs";

export class Socket {
	/* `address`: the client's, as in client.mjs; `options`: ws's own. */
	constructor(millrace, path, { token, query = {}, headers = {}, address = "127.0.0.1", ...options } = {}) {
		const url = new URL(path, millrace.url);
		url.protocol = "wss:";
		for (const [name, value] of Object.entries(query))
			url.searchParams.set(name, value);
		this.messages = [];
		this.ws = new WebSocket(url, { rejectUnauthorized: false, localAddress: address,
			headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers }, ...options });
		this.ws.on("message", (bytes, isBinary) => this.messages.push(isBinary ? bytes : JSON.parse(bytes.toString())));
		this.ws.on("close", (code, reason) => { this.closed = { code, reason: reason.toString() }; });
		this.ws.on("error", (e) => { this.error = e; });
		this.ws.on("unexpected-response", (request, response) => { this.status = response.statusCode; request.destroy(); });
	}

	async open() {
		await until(() => this.ws.readyState === WebSocket.OPEN || this.closed || this.error || this.status, "the handshake");
		if (this.error || this.status)
			throw this.error ?? new Error(`the handshake was answered with ${this.status}`);
		return this;
	}

	say(message) { this.ws.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message)); }

	/* The first message that fits, taken out; those before it stay. */
	async take(fits, what = "a message", ms) {
		let at = -1;
		await until(() => (at = this.messages.findIndex(fits)) >= 0 || this.closed, what, ms);
		if (at < 0)
			throw new Error(`${what}: the socket was closed with ${this.closed.code} ${this.closed.reason}`);
		return this.messages.splice(at, 1)[0];
	}

	type(type) { return this.take((m) => m.type === type, `a message of type ${type}`); }

	/* Everything that was said before this has been answered, and every event that was there has come. */
	async settled() {
		const mark = `mark ${Math.random()}`;
		this.say({ type: "heartbeat", timestamp: mark });
		await this.take((m) => m.timestamp === mark, "a heartbeat's echo");
	}

	async subscribe(topic, params) {
		this.say({ type: "subscribe", topic, ...(params && { params }) });
		return this.take((m) => m.topic === topic && ["subscribed", "error"].includes(m.type), `subscribed to ${topic}`);
	}

	async end() {
		await until(() => this.closed, "a close");
		return this.closed;
	}

	close() {
		this.ws.close();
		return this.closed ?? once(this.ws, "close");
	}
}
