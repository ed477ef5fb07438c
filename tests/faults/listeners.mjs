/*
 * Clients that listen for good, each by one of the three protocols, and come back as their kind does: a WebSocket by ?since=, an event
 * stream by Last-Event-ID, Socket.IO by its connection state recovery. Each keeps the numbers of the events that it was given.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { io } from "socket.io-client";
import { until } from "../js/expect.mjs";

const pause = () => sleep(100 + Math.random() * 400);

class Listener {
	got = [];               /* the events' numbers */
	connections = 0;
	open = false;
	ended = false;

	last() { return this.got.at(-1) ?? 0; }

	/* Once and in order up to `head`, from `first` on. */
	assertWhole(head, what) {
		const expected = Array.from({ length: head }, (_, i) => i + 1);
		assert.deepEqual(this.got, expected, `${what}: ${this.got.length} of ${head}, the last ${this.last()}`);
	}
}

export class WsListener extends Listener {
	constructor(millrace, user) {
		super();
		this.address = `${millrace.url.replace("https", "wss")}/api/ws/notifications?token=${user.token}`;
		this.connect();
	}

	connect() {
		this.ws = new WebSocket(`${this.address}&since=${this.last()}`, { rejectUnauthorized: false });
		this.ws.on("open", () => { this.open = true; this.connections++; });
		this.ws.on("message", (text) => this.got.push(JSON.parse(text).seq));
		this.ws.on("error", () => {});
		this.ws.on("close", async () => {
			this.open = false;
			await pause();
			if (!this.ended)
				this.connect();
		});
	}

	end() {
		this.ended = true;
		this.ws.terminate();
	}
}

export class SseListener extends Listener {
	constructor(user, run) {
		super();
		Object.assign(this, { api: user.api, run });
		this.listen();
	}

	async listen() {
		while (!this.ended) {
			try {
				this.stream = await this.api.resume(this.run, this.last());
				this.open = true;
				this.connections++;
				for await (const event of this.stream)
					this.got.push(Number(event.id));
			} catch { /* cut off, or refused for now */ }
			this.open = false;
			if (!this.ended)
				await pause();
		}
	}

	end() {
		this.ended = true;
		this.stream?.response?.destroy();
	}
}

export class SioListener extends Listener {
	unrecovered = 0;        /* comings back that did not go on where they were */

	constructor(millrace, user, transports) {
		super();
		this.socket = io(millrace.url, { path: "/api/socket.io", transports, rejectUnauthorized: false, forceNew: true,
			auth: { token: user.token }, reconnectionDelay: 100, reconnectionDelayMax: 500 });
		this.socket.on("connect", () => {
			this.connections++;
			if (this.connections > 1 && !this.socket.recovered)
				this.unrecovered++;
			if (this.connections === 1)
				this.socket.emit("join", { room: `user_${user.uid}` }, (said) => { this.open = said.ok; });
			else
				this.open = true;
		});
		this.socket.on("disconnect", () => { this.open = false; });
		this.socket.on("notification_created", (data) => this.got.push(data.n));
	}

	end() { this.socket.disconnect(); }
}

/* `n` of them, a third by each protocol; half of Socket.IO's by polling. All are there when it returns. */
export async function listeners(millrace, user, run, n) {
	const all = Array.from({ length: n }, (_, i) => i % 3 === 0 ? new WsListener(millrace, user)
	    : i % 3 === 1 ? new SseListener(user, run)
	    : new SioListener(millrace, user, i % 2 ? ["polling"] : ["websocket"]));
	await until(() => all.every((l) => l.open), "all listen");
	return all;
}

/* Publishes to the user's topic and the run's, a few events at a time, until it is stopped; what fails is tried again. */
export function publisher(millrace, user, run) {
	let on = true;
	const one = (topic, type) => `SELECT publish('${topic}', '${type}', json_build_object('n', coalesce((SELECT seq FROM topic WHERE name = '${topic}'), 0) + 1));`;
	const batch = `${one(`user:${user.uid}`, "notification_created")} ${one(`run:${run}`, "token")}`.repeat(5);
	const done = (async () => {
		while (on) {
			await millrace.psql(batch).catch(() => {});
			await sleep(100);
		}
	})();
	return { stop() { on = false; return done; } };
}
