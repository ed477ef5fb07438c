/* Clients that ask for a long stream and then take nothing of it. */
import assert from "node:assert/strict";
import tls from "node:tls";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { assertOneEnd } from "../js/events.mjs";
import { SANITIZED } from "../js/instance.mjs";
import { halt, kill, revived, rss, sleep, until } from "./faults.mjs";

const READER_MAX_KIB = SANITIZED ? 16384 : 1024;
const RUNS = 2, EVENTS = 140, EVENT_LEN = 60000;        /* more than all sockets and buffers on the way hold */

/* Runs with long logs: what an assistant says is bounded, so the large events are put in before the runner begins. */
async function longRuns({ millrace, users: [user] }) {
	const resume = await halt(millrace, "runner", { missed: false });
	const streams = await Promise.all(Array.from({ length: RUNS }, () => user.api.chat("[[tokens:5]]")));
	const runs = streams.map((s) => s.headers["x-run-id"]);
	for (const run of runs)
		await millrace.psql(`select max(publish('run:${run}', 'artifact', json_build_object('id', '', 'name', repeat('x', ${EVENT_LEN}),
		    'mimeType', '', 'size', 0, 'url', '', 'version', n))) from generate_series(1, ${EVENTS}) n`);
	await resume();
	const whole = await Promise.all(streams.map((s) => s.all()));
	for (const events of whole) {
		assertOneEnd(events);
		assert.ok(events.length > EVENTS);
	}
	return { runs, whole };
}

/* Asks for a run's stream over a connection that reads only the reply's first bytes. */
async function silent(base, user, run) {
	const { hostname: host, port } = new URL(base);
	const socket = tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"], highWaterMark: 16384 });
	await once(socket, "secureConnect");
	socket.on("error", () => {});
	socket.write(`GET /api/runs/${run}/stream HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${user.token}\r\n\r\n`);
	const [first] = await once(socket, "data");
	socket.pause();
	assert.match(first.toString("latin1"), /^HTTP\/1\.1 200 /);
	return socket;
}

/* How many descriptors a process has open. */
const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

/*
 * `n` readers of long streams take nothing for `seconds`, the time after which
 * streamd closes them. Resolves once all of them wait; `done` of what it gives
 * once they have been closed and have resumed, with the KiB that each cost.
 */
export async function stall({ millrace, users: [user] }, n, seconds) {
	const { runs, whole } = await longRuns({ millrace, users: [user] });
	/* a fresh process, so that memory which is free inside it hides nothing */
	await revived(millrace, "streamd", await kill(millrace, "streamd"));
	await until(() => user.api.resume(runs[0], EVENTS).then(async (s) => (await s.all()).length > 0, () => false), "streamd serves");
	const [pid] = millrace.pids("streamd");
	await sleep(300);
	const before = rss(pid), free = descriptors(pid);
	const readers = await Promise.all(Array.from({ length: n }, (_, i) => silent(millrace.url, user, runs[i % RUNS])));
	const at = Date.now();
	assert.ok(descriptors(pid) > free + n - 3, `${descriptors(pid)} descriptors, ${free} before: they are not held`);
	const wait = async () => {
		let most = 0;
		while (Date.now() - at < seconds * 1000 + 1500) {       /* as long as they are held, and a little more */
			assert.equal(millrace.pids("streamd")[0], pid, "streamd died of them");
			most = Math.max(most, rss(pid) - before);
			await sleep(200);
		}
		assert.ok(most / n < READER_MAX_KIB, `${most} KiB for ${n} readers`);
		await until(() => descriptors(pid) < free + n / 2, "streamd closes them");
		await Promise.all(readers.map((socket, i) => resumed(socket, user, runs[i % RUNS], whole[i % RUNS], i < RUNS)));
		return most / n;
	};
	const done = wait();
	done.catch(() => {});                   /* looked at when it is awaited */
	return { done };
}

/* What was on its way when the connection was closed, then the rest by Last-Event-ID (`fully`: to its end): all of it, once. */
async function resumed(socket, user, run, whole, fully) {
	const parts = [];
	socket.on("data", (part) => parts.push(part));
	socket.resume();
	await once(socket, "close");
	const seen = [...Buffer.concat(parts).toString("latin1").matchAll(/(?:(?:event|data):[^\n]*\n)+id: ?(\d+)\n\n/g)];
	const last = Number(seen.at(-1)?.[1] ?? 0);
	assert.ok(last < whole.length, "it was not closed in the middle");
	const stream = await user.api.resume(run, last);
	const rest = fully ? await stream.all() : await stream.take(1);
	stream.close();
	if (fully)
		assertOneEnd(rest, last);
	const part = whole.slice(last, last + rest.length);
	assert.deepEqual(rest.map((e) => [e.id, e.text]), part.map((e) => [e.id, e.text]));
}
