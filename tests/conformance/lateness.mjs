/*
 * How late the machine was: this process' own timers, and the server's answers to
 * a ping every 20 ms on a connection of its own.
 */
import { PING, Wire } from "./wire.mjs";

const EVERY = 20;

export class Lateness {
	static async start(target) {
		const lateness = new Lateness();
		lateness.wire = await Wire.open({ target, atEnd: () => {} }, "/echo");
		lateness.list = [];
		lateness.watchTimers();
		lateness.watchServer();
		return lateness;
	}

	/* The longest delay, in ms, that ended after `at` (performance.now()). */
	since(at) {
		const open = this.asked ? [[performance.now(), performance.now() - this.asked]] : [];
		return Math.round(Math.max(0, ...[...this.list, ...open].filter(([when]) => when >= at).map(([, ms]) => ms)));
	}

	add(ms) {
		if (ms > EVERY)
			this.list.push([performance.now(), ms]);
	}

	watchTimers() {
		let due = performance.now() + EVERY;
		this.timer = setInterval(() => {
			this.add(performance.now() - due);
			due = performance.now() + EVERY;
		}, EVERY);
	}

	async watchServer() {
		while (!this.ended) {
			this.asked = performance.now();
			await this.wire.send(PING, "");
			const event = await this.wire.next(60000);
			if (event?.type !== "pong")
				break;
			this.add(performance.now() - this.asked);
			this.asked = undefined;
			await new Promise((done) => setTimeout(done, EVERY));
		}
	}

	end() {
		this.ended = true;
		clearInterval(this.timer);
		this.wire.end();
	}
}
