/* Socket.IO clients for tests: the official one, and Engine.IO by hand. */
import { io } from "socket.io-client";
import WebSocket from "ws";

export const PATH = "/api/socket.io";

/* What the socket hears, from now on: [name, …arguments] each. */
export function hear(socket) {
	const heard = [];
	socket.onAny((...args) => heard.push(args));
	return heard;
}

/* The next such event's arguments. */
export const next = (socket, name, ms = 120000) => new Promise((resolve, reject) => {
	const timer = setTimeout(() => reject(new Error(`no ${name} within ${ms} ms`)), ms);
	socket.once(name, (...args) => {
		clearTimeout(timer);
		resolve(args);
	});
});

const open = new Set();

/* A client of the instance, not connected yet; closeAll ends it. */
export function client(millrace, { nsp = "", ...options } = {}) {
	const socket = io(millrace.url + nsp, { path: PATH, rejectUnauthorized: false, forceNew: true, reconnectionDelay: 50,
		reconnectionDelayMax: 200, ...options });
	open.add(socket);
	/* Why one was lost is not in the error that a pending call ends with. */
	socket.on("disconnect", (reason, details) => {
		if (reason === "transport error")
			console.log(`# ${new Date().toISOString()} lost: ${details?.message}, ${details?.description}, ${details?.context?.responseText ?? ""}`);
	});
	return socket;
}

/* The same, connected as `user`. */
export async function connected(millrace, user, options = {}) {
	const socket = client(millrace, { auth: { token: user.token }, ...options });
	await next(socket, "connect");
	return socket;
}

export function closeAll() {
	for (const socket of open) {
		socket.io.reconnection(false);
		socket.close();
		socket.io.engine.close();       /* with whatever other namespaces it carries */
	}
	open.clear();
}

/* Engine.IO by hand. */
export class Engine {
	constructor(api) { this.api = api; }

	query(more = "") { return `${PATH}/?EIO=4&transport=polling${this.sid ? `&sid=${this.sid}` : ""}${more}`; }

	async open() {
		const reply = await this.api.get(this.query());
		if (reply.status !== 200)
			throw new Error(`no session: ${reply.status} ${reply.text}`);
		this.hello = JSON.parse(reply.text.slice(1));
		this.sid = this.hello.sid;
		return this;
	}

	poll(options) { return this.api.get(this.query(), options); }
	post(body, headers = {}) { return this.api.request("POST", this.query(), { body, headers }); }

	/* A WebSocket for the session, or for a new one, with what it hears in `said`. */
	async socket() {
		const headers = this.api.token ? { authorization: `Bearer ${this.api.token}` } : {};
		const ws = new WebSocket(`${this.api.base.href.replace(/^http/, "ws").replace(/\/$/, "")}${this.query().replace("=polling", "=websocket")}`,
		    { rejectUnauthorized: false, headers });
		ws.said = [];
		ws.on("message", (data, binary) => ws.said.push(binary ? data : data.toString()));
		ws.on("error", () => {});
		ws.ended = new Promise((resolve) => { ws.on("close", (...args) => resolve(args)); });
		await new Promise((resolve) => ws.on("open", resolve).on("close", resolve));
		return ws;
	}
}
