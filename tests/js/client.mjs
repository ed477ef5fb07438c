/*
 * A small client of the API for tests: HTTPS to a self-signed certificate, from
 * an address of its own (127.x.y.z), so that limits per address do not mix.
 */
import https from "node:https";
import tls from "node:tls";
import { randomBytes, randomInt } from "node:crypto";
import { text as readText } from "node:stream/consumers";
import { once } from "node:events";
import { EventStream } from "./sse.mjs";

const ownAddress = () => `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;

/* A reply whose body is there. */
export class Reply {
	constructor(status, headers, bytes) {
		Object.assign(this, { status, headers, bytes });
	}

	get text() { return this.bytes.toString("utf8"); }
	get json() {
		try {
			return JSON.parse(this.text);
		} catch {
			throw new Error(`no JSON in the reply ${this.status}: ${this.text.slice(0, 300)}`);
		}
	}
}

export class Api {
	/* `check`, if given, is called with every reply: see schema.mjs. */
	constructor(base, { token = null, address = ownAddress(), agent, check = null } = {}) {
		this.base = new URL(base);
		this.token = token;
		this.address = address;
		this.check = check;
		/* What is not used is closed before the server does it, which may be while the next request is on its way. */
		this.agent = agent ?? new https.Agent({ keepAlive: true, timeout: 30000, maxSockets: 256, rejectUnauthorized: false });
	}

	/* The same server for another caller, or for none. */
	as(token) { return new Api(this.base, { ...this, token }); }

	/* From another client address. */
	fresh() { return new Api(this.base, { ...this, address: ownAddress() }); }

	/* Sends, gives node's own response with its body unread. */
	async open(method, path, { json, body, headers = {}, token = this.token, signal } = {}) {
		const all = { ...headers };
		if (token && all.authorization === undefined)
			all.authorization = `Bearer ${token}`;
		if (json !== undefined) {
			body = JSON.stringify(json);
			all["content-type"] ??= "application/json";
		}
		if (body !== undefined)
			all["content-length"] ??= Buffer.byteLength(body);
		const request = https.request({ host: this.base.hostname, port: this.base.port, method, path, headers: all,
			agent: this.agent, localAddress: this.address, rejectUnauthorized: false, signal });
		request.end(body);
		try {
			const [response] = await once(request, "response");
			return response;
		} catch (e) {
			/* as clients do with a kept connection that the server has just closed (RFC 9112, 9.3.1) */
			if (e.code !== "ECONNRESET" || !request.reusedSocket || method !== "GET")
				throw e;
			return this.open(method, path, { headers: all, token, signal });
		}
	}

	async request(method, path, options) {
		const response = await this.open(method, path, options);
		const parts = [];
		for await (const part of response)
			parts.push(part);
		const reply = new Reply(response.statusCode, response.headers, Buffer.concat(parts));
		this.check?.(method, path, reply.status, reply);
		return reply;
	}

	get(path, options) { return this.request("GET", path, options); }
	delete(path, options) { return this.request("DELETE", path, options); }
	post(path, json, options) { return this.request("POST", path, { json, ...options }); }
	put(path, json, options) { return this.request("PUT", path, { json, ...options }); }
	patch(path, json, options) { return this.request("PATCH", path, { json, ...options }); }

	/* multipart/form-data; a field is text, or { filename, type, bytes }. */
	upload(path, fields, options = {}) {
		const { type, body } = multipart(fields);
		return this.request("POST", path, { ...options, body, headers: { ...options.headers, "content-type": type } });
	}

	/* An event stream; a reply that is none is thrown, with its Reply as `reply`. */
	async sse(method, path, { lastEventId, headers = {}, ...options } = {}) {
		const all = { accept: "text/event-stream", ...headers };
		if (lastEventId !== undefined)
			all["last-event-id"] = String(lastEventId);
		const response = await this.open(method, path, { ...options, headers: all });
		if (!/^text\/event-stream\b/.test(response.headers["content-type"] ?? "")) {
			const text = await readText(response);
			const error = new Error(`no event stream: ${response.statusCode} ${text.slice(0, 300)}`);
			error.reply = new Reply(response.statusCode, response.headers, Buffer.from(text));
			throw error;
		}
		return new EventStream(response, { status: response.statusCode, headers: response.headers });
	}

	/* POST /api/chat as an event stream. */
	chat(message, more = {}, options = {}) {
		return this.sse("POST", "/api/chat", { json: { message, ...more }, ...options });
	}

	resume(runId, lastEventId, options = {}) {
		return this.sse("GET", `/api/runs/${runId}/stream`, { lastEventId, ...options });
	}

	/*
	 * Bytes as they are over TLS. `end`: close our side after them; `write`: what
	 * to send instead, as a function of the socket. Reads until the server
	 * closes, or one whole reply is there, or `timeout` ms are over.
	 */
	async raw(bytes, { timeout = 120000, end = false, write } = {}) {
		const socket = tls.connect({ host: this.base.hostname, port: this.base.port, localAddress: this.address,
			rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
		const parts = [];
		let failure = null;
		const timer = setTimeout(() => { failure = new Error("no whole reply in time"); socket.destroy(); }, timeout);
		socket.on("error", (e) => { failure ??= e; });
		const closed = new Promise((resolve) => { socket.on("close", resolve); });
		socket.on("data", (part) => {
			parts.push(part);
			if (parseReply(Buffer.concat(parts), false))
				socket.destroy();
		});
		await Promise.race([once(socket, "secureConnect"), closed]);
		if (write)
			write(socket);
		else
			socket.write(bytes);
		if (end)
			socket.end();
		await closed;
		clearTimeout(timer);
		const reply = parseReply(Buffer.concat(parts), true);
		if (!reply)
			throw failure ?? new Error("the server closed without a reply");
		return reply;
	}
}

/* A whole HTTP/1.1 reply in `bytes`, or null. */
function parseReply(bytes, closed) {
	const end = bytes.indexOf("\r\n\r\n");
	if (end < 0)
		return null;
	const [first, ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
	const headers = {};
	for (const line of lines) {
		const colon = line.indexOf(":");
		headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
	}
	let body = bytes.subarray(end + 4);
	if (headers["transfer-encoding"] === "chunked") {
		if (!closed && !body.toString("latin1").endsWith("0\r\n\r\n"))
			return null;
		body = dechunk(body);
	} else if (headers["content-length"] !== undefined && body.length < Number(headers["content-length"])) {
		return null;
	} else if (headers["content-length"] === undefined && !closed) {
		return null;
	}
	return new Reply(Number(first.split(" ")[1]), headers, body);
}

function dechunk(bytes) {
	const parts = [];
	for (let at = 0; at < bytes.length;) {
		const end = bytes.indexOf("\r\n", at);
		const size = parseInt(bytes.subarray(at, end).toString("latin1"), 16);
		if (!(size > 0))
			break;
		parts.push(bytes.subarray(end + 2, end + 2 + size));
		at = end + 2 + size + 2;
	}
	return Buffer.concat(parts);
}

/* { type, body } of a form; RFC 7578. */
export function multipart(fields, boundary = "mill" + randomBytes(12).toString("hex")) {
	const parts = [];
	for (const [name, value] of Object.entries(fields)) {
		const file = typeof value === "object" && !Buffer.isBuffer(value);
		parts.push(Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"`
		    + (file ? `; filename="${value.filename}"\r\nContent-Type: ${value.type ?? "application/octet-stream"}` : "")
		    + "\r\n\r\n"), Buffer.from(file ? value.bytes : value), Buffer.from("\r\n"));
	}
	parts.push(Buffer.from(`--${boundary}--\r\n`));
	return { type: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat(parts) };
}
