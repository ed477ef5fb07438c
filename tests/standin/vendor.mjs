/*
 * What the stand-ins for Anthropic's and Google's servers share: requests that are read, kept and
 * refused, answers that are steered by the directives of openai.mjs, and faults. Beside those:
 *
 *   [[thinking:N]]       N pieces of thought before the answer, with a signature that is checked
 *   [[529:2]]            overloaded so many times (always); without Retry-After
 *   [[wait:SECONDS]]     what a 429 asks for (1)
 *   [[late:402]]         this status, always, once tools have answered
 *   [[whole]]            200 with a whole answer, where a stream was asked for
 *   [[cited]]            Anthropic's: behind the first word a block that quotes a document
 */
import http from "node:http";
import { once } from "node:events";
import { createHmac } from "node:crypto";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { pass, question, tokens } from "./openai.mjs";

export const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
export const counted = (value) => Math.ceil(Buffer.byteLength(JSON.stringify(value) ?? "") / 4);
export const signature = (text) => createHmac("sha256", "standin").update(text).digest("base64");

export class Refusal extends Error {
	constructor(status, body, headers = {}) {
		super(JSON.stringify(body));
		Object.assign(this, { status, body, headers });
	}
}

/* What is to be said: `messages` in OpenAI's form, as question() reads them. */
export function planOf(messages) {
	const q = question(messages);
	const calls = q.d.tools.length > 0 && (q.d.loop || !q.answered) ? q.d.tools.map(([name, args]) => ({ name, args })) : [];
	return { ...q, calls, words: calls.length > 0 ? [] : tokens(q), thoughts: Array.from({ length: Number(q.d.thinking ?? 0) }, (_, i) => ` t${i}`) };
}

/* A stand-in, which gives no status that is asked for where it `isWell`: `answer(request)` replies, refuses by throwing, `broken(text)` words a body that is no JSON. */
export class Vendor {
	constructor({ key = "key", isWell = false } = {}) {
		Object.assign(this, { key, isWell });
		this.requests = [];
		this.seen = new Map();
		this.http = http.createServer({ keepAliveTimeout: 60000 }, (req, res) => this.handle(req, res));
	}

	/* Has this happened to the same question fewer than `limit` times? Counts it. */
	due(what, text, limit) {
		const n = this.seen.get(what + text) ?? 0;
		this.seen.set(what + text, n + 1);
		return n < limit;
	}

	async handle(req, res) {
		const url = new URL(req.url, "http://x"), chunks = [];
		const entry = { method: req.method, path: url.pathname + url.search, headers: req.headers, at: Date.now(), body: null, n: this.requests.length };
		this.requests.push(entry);
		res.on("close", () => { entry.left = !res.writableFinished; });
		try {
			for await (const chunk of req)
				chunks.push(chunk);
			const text = Buffer.concat(chunks).toString();
			try {
				entry.body = text === "" ? null : JSON.parse(text);
			} catch {
				throw this.broken(text);
			}
			await this.answer({ req, res, url, entry, body: entry.body });
		} catch (e) {
			if (!(e instanceof Refusal))
				console.error(e);
			if (res.headersSent || res.destroyed)
				return res.destroy();
			this.json(res, e.status ?? 500, e.body ?? {}, e.headers);
		}
	}

	json(res, status, value, headers = {}) {
		res.writeHead(status, { "content-type": "application/json", ...headers });
		res.end(JSON.stringify(value));
	}

	/* The status that a directive asks for, of those given; undefined: none. */
	asked(plan, statuses) {
		if (this.isWell)
			return undefined;
		if (plan.answered && statuses.includes(plan.d.late))
			return plan.d.late;
		return statuses.find((s) => plan.d[s] !== undefined && this.due(s, plan.text, plan.d[s] === "" ? Infinity : Number(plan.d[s])));
	}

	/*
	 * Sends frames, one after the other, with the faults that directives ask for: after so many frames of
	 * content the connection is cut or reset, nothing more comes, it ends properly, or `frame` of an error is sent.
	 */
	async stream(res, plan, frames, error) {
		const fault = ["cut", "reset", "eof", "hang", "garbage", "errorchunk"].find((f) => plan.d[f] !== undefined
		    && this.due(f, plan.text, Number(plan.d.times ?? 1)));
		let left = fault ? Number(plan.d[fault]) : Infinity;
		res.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
		for await (const [frame, isContent] of frames) {
			if (isContent && left-- <= 0)
				return this.fail(fault, res, error);
			if (isContent && plan.d.gate)
				await pass(plan.d.gate);
			if (isContent && Number(plan.d.delay ?? 1) > 0)
				await sleep(Number(plan.d.delay ?? 1));
			if (res.destroyed)
				return undefined;
			const bytes = Buffer.from(frame);
			/* Characters and lines are cut between packets. */
			res.write(bytes.subarray(0, bytes.length >> 1));
			await turn();
			res.write(bytes.subarray(bytes.length >> 1));
		}
		return res.end();
	}

	fail(fault, res, error) {
		if (fault === "cut")
			return turn().then(() => res.socket?.destroy());
		if (fault === "reset")
			return turn().then(() => res.socket?.resetAndDestroy());
		if (fault === "errorchunk")
			res.write(error);
		if (fault === "garbage")
			res.write("data: {\"type\": not json\n\n");
		return fault === "hang" ? undefined : res.end();
	}

	async start(port = 0) {
		this.http.listen(port, "127.0.0.1", 1024);
		await once(this.http, "listening");
		this.origin = `http://127.0.0.1:${this.http.address().port}`;
		return this;
	}

	log(contains) { return this.requests.filter((r) => JSON.stringify(r.body)?.includes(contains)); }

	close() {
		this.http.close();
		this.http.closeAllConnections();
	}
}
