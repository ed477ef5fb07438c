#!/usr/bin/env node
/*
 * A strict stand-in for an OpenAI-compatible server.
 *
 * POST /v1/chat/completions, /v1/embeddings, /v1/images/generations and
 * /v1/audio/transcriptions, GET /v1/models[/ID]; requests are checked by check.mjs. GET /_log tells what was asked and when a client was
 * seen to leave; DELETE /_log forgets it. GET /_permit?gate=NAME&n=3 is permit().
 *
 * An answer is the tokens "w0 w1 w2 …", one a chunk, always the same. The last
 * user message steers it by directives, words in double square brackets:
 *
 *   [[tokens:200 delay:10]]   how many tokens (12), how many ms between them (2)
 *   [[gate:NAME]]             each token waits for a permit(NAME)
 *   [[slowfirst:1000]]        ms before the first byte of the reply
 *   [[say:any text]]          these words instead of numbered tokens
 *   [[long:1000000]]          that many characters, whatever max_tokens says
 *   [[tool:NAME {JSON}]]      calls a tool (several: in parallel), then answers
 *   [[toolloop:NAME {JSON}]]  calls it again each time, without end
 *   [[finish:length]]         another finish_reason
 *   [[nousage]] [[cached:5]]  no usage chunk; that many cached prompt tokens
 *   [[thought:5]]             that many of the answer's tokens were thought
 *   [[utf8]] [[crlf]] [[comments]]  multibyte tokens cut in the middle of a
 *                             character, CRLF line ends, comment lines
 *   [[429:2]] [[500]] [[503:1]]  this status so many times (always), then well;
 *                             429 and 503 come with Retry-After: 1
 *   [[cut:5]] [[reset:5]]     after 5 chunks closes, or resets, the connection
 *   [[eof:5]]                 after 5 chunks ends the reply properly, without a
 *                             reason and [DONE]
 *   [[hang:5]]                after 5 chunks says nothing more (without a
 *                             number: before the status line)
 *   [[garbage:5]]             after 5 chunks bytes that are no JSON
 *   [[errorchunk:5]]          after 5 chunks an error object, as servers do
 *   [[html]]                  200 with a web page
 *
 * How embeddings are answered `embedding` of start() says: `size` of the vectors,
 * whatever is asked for; `half` of a batch; a `status` with its `retryAfter`, of
 * one `model` or all; `refuses`, a word that no text may have; `means`, which says of words what others they mean. `say`
 * has directives for models that take none from questions.
 *
 * cut, reset, eof, hang, garbage and errorchunk take `times:N`: happen N times
 * for the same question (default 1), so that a retry or a continuation succeeds.
 * A request whose last messages are an assistant's partial answer and a user's
 * wish to continue goes on after the last token of that partial answer.
 */

import http from "node:http";
import { once } from "node:events";
import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { ApiError, checkAuth, checkChat, checkEmbeddings, checkImages, checkTranscription, parseBody } from "./check.mjs";

const CHAT_MODELS = ["gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-4.1-mini", "o4-mini"];
const EMBEDDING_MODELS = ["text-embedding-3-small", "text-embedding-3-large"];
const BODY_MAX = 16 << 20;
const LOG_MAX = 20000;
const FAULTS = ["cut", "reset", "eof", "hang", "garbage", "errorchunk"];

const textOf = (content) => typeof content === "string" ? content
    : (content ?? []).map((part) => part.text ?? "").join("");
const tokenCount = (text) => Math.ceil(Buffer.byteLength(text) / 4);

/* The directives in a text: { tokens: "200", tools: [[name, json], …], … }. */
export function directives(text) {
	const d = { tools: [] };
	const pattern = /\[\[(?:(tool|toolloop):([\w-]+)\s*(\{.*?\})?\]\]|say:(.*?)\]\](?!\])|([^[\]]+)\]\])/gs;
	for (const [, kind, name, json, say, inner] of text.matchAll(pattern)) {
		if (kind) {
			d.tools.push([name, json ?? "{}"]);
			d.loop ||= kind === "toolloop";
		} else if (say !== undefined) {
			d.say = say;
		} else {
			for (const word of inner.split(/\s+/)) {
				const [name, value] = word.split(":");
				d[name] = value ?? "";
			}
		}
	}
	return d;
}

/* What is asked: the directives, what was said already, whether tools answered. */
export function question(messages) {
	const last = messages.at(-1);
	let partial = "", users = messages.filter((m) => m.role === "user");
	const before = messages.at(-2);
	if (last.role === "assistant" && !last.tool_calls) {
		partial = textOf(last.content);
	} else if (last.role === "user" && before?.role === "assistant" && !before.tool_calls
	    && /continu/i.test(textOf(last.content)) && !textOf(last.content).includes("[[") && users.length > 1) {
		partial = textOf(before.content);
		users = users.slice(0, -1);
	}
	const text = textOf(users.at(-1)?.content ?? "");
	const asked = messages.indexOf(users.at(-1));
	return { text, d: directives(text), partial, answered: messages.slice(asked + 1).some((m) => m.role === "tool") };
}

/* The answer's tokens, those of `partial` left out. */
export function* tokens({ d, partial }) {
	const tail = d.utf8 !== undefined ? "·é語😀" : "";
	if (d.long !== undefined) {
		for (let left = Number(d.long); left > 0; left -= 1024)
			yield "x".repeat(Math.min(left, 1024));
		return;
	}
	const words = d.say?.match(/\s*\S+/g);
	const total = words ? words.length : Number(d.tokens ?? 12);
	const said = partial.match(/w(\d+)/g);
	const first = words ? (partial.match(/\S+/g) ?? []).length : said ? Number(said.at(-1).slice(1)) + 1 : 0;
	for (let i = first; i < total; i++)
		yield words ? words[i] : (i > 0 ? " w" : "w") + i + tail;
}

/* A text's vector: each word, or what it means, adds a direction of its own. */
export function vectorOf(input, n, means = {}) {
	const v = new Float32Array(n);
	for (const word of String(input).toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
		const bytes = createHash("sha512").update(means[word] ?? word).digest();
		for (let i = 0; i < n; i++)
			v[i] += (bytes[i % 64] >> (i >> 6) % 8 & 1 ? 1 : -1) * (1 + (i * 7919 + bytes[i * 31 % 64]) % 5);
	}
	const norm = Math.hypot(...v) || 1;
	return v.map((x) => x / norm);
}

/* One reply's lines, as bytes, to a client that may be slow or leave. */
class Reply {
	constructor(res, entry, d) {
		Object.assign(this, { res, entry, d });
		this.eol = d.crlf !== undefined ? "\r\n" : "\n";
		this.delay = Number(d.delay ?? 2);
		for (const event of ["drain", "close"])
			res.on(event, () => this.wake?.());
	}

	get gone() { return this.res.destroyed || this.res.writableEnded; }

	async raw(bytes) {
		if (this.gone)
			return;
		if (!this.res.write(bytes))
			await new Promise((resolve) => { this.wake = resolve; });
	}

	async data(text) {
		const comment = this.d.comments !== undefined ? ": OPENAI-LIKE PROCESSING" + this.eol + this.eol : "";
		const line = comment + "data: " + text + this.eol + this.eol;
		this.entry.chunks++;
		if (this.d.utf8 === undefined)
			return this.raw(line);
		const bytes = Buffer.from(line);
		let at = bytes.findLastIndex((b) => b >= 0xc0) + 1;     /* inside the last multibyte character */
		if (at === 0)
			at = bytes.length >> 1;
		await this.raw(bytes.subarray(0, at));
		await turn();
		return this.raw(bytes.subarray(at));
	}
}

/* What may still be said by name, and who waits to say it. */
const gates = new Map();
const gateOf = (name) => gates.get(name) ?? gates.set(name, { left: 0, waiting: [] }).get(name);

/* `n` more tokens, of all answers that have [[gate:NAME]]. */
export function permit(name, n = Infinity) {
	const gate = gateOf(name);
	gate.left += n;
	gate.waiting.splice(0).forEach((wake) => wake());
}

export async function pass(name) {
	const gate = gateOf(name);
	while (gate.left < 1)
		await new Promise((wake) => gate.waiting.push(wake));
	gate.left--;
}

class Server {
	constructor(options) {
		this.key = options.key ?? null;
		this.models = options.models ?? CHAT_MODELS;
		this.wantUsage = options.wantUsage ?? true;
		this.embedding = { means: {} };
		this.say = {};
		this.seen = new Map();
		this.clear();
		this.open = 0;
		this.http = http.createServer({ keepAliveTimeout: 60000 }, (req, res) => this.handle(req, res));
		this.http.on("connection", (socket) => socket.setNoDelay(true));
	}

	clear() {
		this.requests = [];
		this.peak = 0;
		this.total = 0;
	}

	/* Has this happened to the same question fewer than `limit` times? Counts it. */
	due(what, text, limit) {
		const key = what + "\0" + text;
		const n = this.seen.get(key) ?? 0;
		this.seen.set(key, n + 1);
		return n < limit;
	}

	async handle(req, res) {
		const { pathname: path, searchParams: query } = new URL(req.url, "http://x");
		if (path === "/_log")
			return this.log(req, res);
		if (path === "/_permit") {
			permit(query.get("gate"), Number(query.get("n") ?? Infinity));
			return res.end();
		}
		const entry = { id: ++this.total, at: Date.now(), method: req.method, path, headers: { ...req.headers },
			body: null, status: 0, chunks: 0, firstAt: null, endedAt: null, disconnectedAt: null, faults: [] };
		entry.headers.authorization &&= entry.headers.authorization.replace(/(?<=^Bearer .{3}).*/, "…");
		this.requests.push(entry);
		if (this.requests.length > LOG_MAX)
			this.requests.shift();
		this.peak = Math.max(this.peak, ++this.open);
		res.on("close", () => {
			this.open--;
			entry.endedAt = Date.now();
			if (!res.writableFinished && !entry.faults.some((f) => f === "cut" || f === "reset"))
				entry.disconnectedAt = entry.endedAt;
		});
		res.setHeader("x-request-id", "req_" + createHash("md5").update(String(entry.id)).digest("hex"));
		res.setHeader("openai-version", "2020-10-01");
		try {
			await this.route(req, res, path, entry);
		} catch (e) {
			if (!(e instanceof ApiError))
				console.error(e);
			this.json(res, entry, e.status ?? 500, e.body ?? { error: { message: String(e), type: "server_error",
				param: null, code: null } }, e.headers);
		}
	}

	json(res, entry, status, value, headers = {}) {
		if (res.headersSent || res.destroyed)
			return res.destroy();
		entry.status = status;
		const text = JSON.stringify(value);
		res.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...headers });
		res.end(text);
	}

	log(req, res) {
		if (req.method === "DELETE")
			this.clear();
		const contains = new URL(req.url, "http://x").searchParams.get("contains");
		const requests = contains ? this.requests.filter((r) => JSON.stringify(r.body)?.includes(contains)) : this.requests;
		res.writeHead(200, { "content-type": "application/json" });
		res.end(JSON.stringify({ open: this.open, peak: this.peak, total: this.total, requests }));
	}

	async route(req, res, path, entry) {
		const chunks = [];
		let size = 0;
		for await (const chunk of req) {
			chunks.push(chunk);
			if ((size += chunk.length) > BODY_MAX)
				throw new ApiError(413, "Request body too large.");
		}
		const post = { "/v1/chat/completions": "chat", "/v1/embeddings": "embeddings", "/v1/images/generations": "images",
			"/v1/audio/transcriptions": "transcriptions" }[path];
		if (!post && !(/^\/v1\/models(\/[^/]+)?$/.test(path) && req.method === "GET"))
			throw new ApiError(404, `Invalid URL (${req.method} ${path})`);
		if (post && req.method !== "POST")
			throw new ApiError(405, `Not allowed to ${req.method} on ${path}`, { code: "method_not_supported" });
		checkAuth(req.headers, this.key);
		if (!post)
			return this.list(res, entry, path.slice("/v1/models/".length));
		entry.body = post === "transcriptions" ? await checkTranscription(req.headers, Buffer.concat(chunks)) : parseBody(req.headers, Buffer.concat(chunks));
		return this[post](res, entry, entry.body);
	}

	list(res, entry, id) {
		const data = [...this.models, ...EMBEDDING_MODELS].map((m) => ({ id: m, object: "model", created: 1686935002,
			owned_by: "standin" }));
		const one = data.find((m) => m.id === id);
		if (id && !one)
			throw new ApiError(404, `The model '${id}' does not exist`, { param: "model", code: "model_not_found" });
		this.json(res, entry, 200, id ? one : { object: "list", data });
	}

	embeddings(res, entry, body) {
		const inputs = checkEmbeddings(body, EMBEDDING_MODELS), { status, retryAfter, model, size, half, refuses, means, places } = this.embedding;
		if (refuses && inputs.some((s) => String(s).includes(refuses)))
			throw new ApiError(400, "This model's maximum context length is 512 tokens", { param: "input" });
		if (status && [undefined, body.model].includes(model))
			throw Object.assign(new ApiError(status, "Rate limit reached for requests", { type: "requests", code: "rate_limit_exceeded" }),
			    { headers: { "retry-after": String(retryAfter ?? 1) } });
		const data = inputs.map((input, index) => {
			const v = vectorOf(input, size ?? body.dimensions ?? 1536, means);
			return { object: "embedding", index, embedding: body.encoding_format === "base64"
			    ? Buffer.from(v.buffer).toString("base64") : [...v] };
		});
		places?.(data);
		if (half)
			data.splice(Math.ceil(data.length / 2));
		const used = inputs.reduce((sum, s) => sum + (typeof s === "string" ? tokenCount(s) : s.length), 0);
		this.json(res, entry, 200, { object: "list", data, model: body.model,
			usage: { prompt_tokens: used, total_tokens: used } });
	}

	images(res, entry, body) {
		checkImages(body);
		this.json(res, entry, 200, { created: 1, data: Array.from({ length: body.n ?? 1 }, () => ({ b64_json: "aW1n".repeat(64) })) });
	}

	transcriptions(res, entry, { file, response_format: format }) {
		const duration = file.size / 1000;
		this.json(res, entry, 200, format === "verbose_json" ? { task: "transcribe", duration, text: "what was said", segments: [] }
		    : { text: "what was said", usage: { type: "duration", seconds: Math.ceil(duration) } });
	}

	/* Statuses asked for by a directive: [[429:2]]. */
	refuse({ d, text }) {
		for (const status of Object.keys(d).filter((k) => /^[45]\d\d$/.test(k))) {
			if (!this.due(status, text, d[status] === "" ? Infinity : Number(d[status])))
				continue;
			const [message, type, code] = status === "429"
			    ? ["Rate limit reached for requests", "requests", "rate_limit_exceeded"]
			    : ["The server had an error while processing your request. Sorry about that!", "server_error", null];
			const e = new ApiError(Number(status), message, { type, code });
			if (status === "429" || status === "503")
				e.headers = { "retry-after": "1" };
			throw e;
		}
	}

	async chat(res, entry, body) {
		checkChat(body, this);
		const q = question(body.messages);
		if (this.say[body.model])
			q.d = directives(this.say[body.model]);
		this.refuse(q);
		if (q.d.slowfirst)
			await sleep(Number(q.d.slowfirst));
		const fault = FAULTS.find((f) => q.d[f] !== undefined && this.due(f, q.text, Number(q.d.times ?? 1)));
		if (fault)
			entry.faults.push(fault);
		if (q.d.html !== undefined) {
			entry.status = 200;
			res.writeHead(200, { "content-type": "text/html" });
			return res.end("<!doctype html><title>Sign in to the network</title>");
		}
		if (fault === "reset" && q.d.reset === "")
			return res.socket.resetAndDestroy();
		if (fault === "hang" && q.d.hang === "")
			return undefined;
		const head = { id: "chatcmpl-" + createHash("md5").update(q.text + entry.id).digest("base64url"),
			created: Math.floor(entry.at / 1000), model: body.model };
		const calls = q.d.tools.length > 0 && (q.d.loop || !q.answered)
		    ? q.d.tools.map(([name, args], i) => ({ id: `call_${entry.id}_${i}`, type: "function", function: { name, arguments: args } }))
		    : null;
		const usage = (n) => {
			const prompt = body.messages.reduce((sum, m) => sum + 3 + tokenCount(textOf(m.content)), 3);
			return { prompt_tokens: prompt, completion_tokens: n, total_tokens: prompt + n,
				prompt_tokens_details: { cached_tokens: Number(q.d.cached ?? 0), audio_tokens: 0 },
				completion_tokens_details: { reasoning_tokens: Number(q.d.thought ?? 0), audio_tokens: 0,
					accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 } };
		};
		const max = q.d.long !== undefined ? Infinity : body.max_completion_tokens ?? body.max_tokens ?? Infinity;
		const say = calls ? [] : tokens(q);
		if (body.stream)
			return this.stream(res, entry, { q, head, calls, say, max, usage, fault, wantUsage: body.stream_options?.include_usage });
		const words = [...say];
		const finish = calls ? "tool_calls" : q.d.finish ?? (words.length > max ? "length" : "stop");
		const message = { role: "assistant", content: calls ? null : words.slice(0, max).join(""), refusal: null, annotations: [] };
		if (calls)
			message.tool_calls = calls;
		return this.json(res, entry, 200, { ...head, object: "chat.completion", service_tier: "default", system_fingerprint: null,
			choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
			usage: usage(calls ? calls.length * 8 : Math.min(words.length, max)) });
	}

	async stream(res, entry, { q, head, calls, say, max, usage, fault, wantUsage }) {
		const reply = new Reply(res, entry, q.d);
		const { id, created, model } = head;
		const prefix = JSON.stringify({ id, object: "chat.completion.chunk", created, model, service_tier: "default",
			system_fingerprint: null }).slice(0, -1);
		const nousage = wantUsage ? ',"usage":null' : "";
		const faultAt = fault ? Number(q.d[fault] || 2) : Infinity;
		const send = async (delta, finish = null) => {
			if (entry.chunks >= faultAt)
				return this.fail(fault, reply);
			await reply.data(`${prefix},"choices":[{"index":0,"delta":${JSON.stringify(delta)},"logprobs":null,`
			    + `"finish_reason":${JSON.stringify(finish)}}]${nousage}}`);
			return !reply.gone;
		};
		entry.status = 200;
		res.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache, must-revalidate",
			"openai-processing-ms": "1", "x-ratelimit-limit-requests": "10000", "x-ratelimit-remaining-requests": "9999" });
		res.flushHeaders();
		entry.firstAt = Date.now();

		let n = 0, finish = q.d.finish ?? "stop";
		if (!await send(calls ? { role: "assistant", content: null } : { role: "assistant", content: "", refusal: null }))
			return;
		for (const [index, call] of (calls ?? []).entries()) {
			finish = "tool_calls";
			n += 8;
			if (!await send({ tool_calls: [{ index, ...call, function: { name: call.function.name, arguments: "" } }] }))
				return;
			for (const part of call.function.arguments.match(/[^]{1,7}/gu) ?? [])
				if (!await send({ tool_calls: [{ index, function: { arguments: part } }] }))
					return;
		}
		for (const content of say) {
			if (n >= max) {
				finish = "length";
				break;
			}
			if (reply.delay > 0 && q.d.long === undefined)
				await sleep(reply.delay);
			if (q.d.gate)
				await pass(q.d.gate);
			if (!await send({ content }))
				return;
			n++;
		}
		if (!await send({}, finish))
			return;
		if (wantUsage && q.d.nousage === undefined)
			await reply.data(`${prefix},"choices":[],"usage":${JSON.stringify(usage(n))}}`);
		await reply.data("[DONE]");
		res.end();
	}

	/* The fault that a directive asked for; false, so that the stream ends here. */
	async fail(fault, reply) {
		const { res } = reply;
		const socket = res.socket;
		if (fault === "cut")
			await turn().then(() => socket?.destroy());
		else if (fault === "reset")
			await turn().then(() => socket?.resetAndDestroy());
		else if (fault === "eof")
			res.end();
		else if (fault === "errorchunk") {
			await reply.data(JSON.stringify({ error: { message: "The model is overloaded.", type: "server_error",
				param: null, code: "overloaded" } }));
			res.end();
		} else if (fault === "garbage") {
			await reply.raw(Buffer.from("data: {\"id\": \xff\xfe\x00 not json\n\ndata\n\nfoo: bar\n\n", "latin1"));
			res.end();
		}
		return false;
	}
}

/*
 * Starts a server on 127.0.0.1. Options: port (0: any), key (the only one taken),
 * models, wantUsage. Gives { url, port, embedding, say, log(contains), clear(), close() }.
 */
export async function start(options = {}) {
	const server = new Server(options);
	server.http.listen(options.port ?? 0, "127.0.0.1", 4096);
	await once(server.http, "listening");
	const { port } = server.http.address();
	return {
		port,
		url: `http://127.0.0.1:${port}/v1`,
		log: (contains) => contains
		    ? server.requests.filter((r) => JSON.stringify(r.body)?.includes(contains)) : server.requests,
		clear: () => server.clear(),
		embedding: server.embedding,
		say: server.say,
		get open() { return server.open; },
		get peak() { return server.peak; },
		async close() {
			server.http.close();
			server.http.closeAllConnections();
		},
	};
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const option = (name) => {
		const i = process.argv.indexOf("--" + name);
		return i > 0 ? process.argv[i + 1] : undefined;
	};
	const standin = await start({ port: Number(option("port") ?? 0), key: option("key"),
		wantUsage: !process.argv.includes("--lax") });
	console.log(standin.url);
	for (const signal of ["SIGINT", "SIGTERM"])
		process.once(signal, () => process.exit(0));
}
