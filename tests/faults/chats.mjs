/*
 * Chats as a careful client has them: a request that gets no answer is repeated
 * with the same Idempotency-Key, a stream that ends early is resumed by
 * Last-Event-ID; and what has to be true of them afterwards, whatever happened.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { column, sleep } from "./faults.mjs";
import { assertDone, assertOneEnd, contentOf, isEnd } from "../js/events.mjs";
import { assertError } from "../js/expect.mjs";
import { permit } from "../standin/openai.mjs";

const PATIENCE_MS = 120000;
const CODES = { 502: "UPSTREAM_FAILED", 503: "OVERLOADED", 504: "UPSTREAM_TIMEOUT" };
let count = 0;
const pause = () => sleep(50 + 100 * Math.random());

/* May this be tried again? Anything but a lost connection or a 502 to 504 in the error shape is thrown. */
function excuse(error) {
	if (!error.reply && (error.code || /aborted|socket hang up|closed/.test(error.message)))
		return;
	const code = CODES[error.reply?.status];
	if (!code)
		throw error;
	const { json, headers } = error.reply;
	assert.equal(json.code, code, error.message);
	assert.ok(json.error && json.detail && json.request_id, error.message);
	if (code === "OVERLOADED")
		assertError(error.reply, code);
}

export class Chat {
	/* `words` words, each its own, `delay` ms between them; `held`: of these three, until go(). */
	constructor(user, { words = 50, delay = 100, extra = "", held = false } = {}) {
		this.user = user;
		this.mark = `q${++count}-${randomUUID().slice(0, 8)}`;
		this.text = Array.from({ length: words }, (_, i) => `${this.mark}.${i}`).join(" ");
		this.message = `[[say:${this.text}]] [[delay:${delay} gate:${this.mark}]]${extra}`;
		permit(this.mark, held ? 3 : Infinity);
		this.events = [];
		this.cuts = 0;                          /* streams that ended early */
		this.refusals = [];                     /* requests that had to be repeated */
	}

	async insist(send) {
		for (const end = Date.now() + PATIENCE_MS; ;) {
			try {
				return await send();
			} catch (e) {
				excuse(e);
				this.refusals.push(e.reply?.status ?? e.code ?? e.message);
				if (Date.now() > end)
					throw new Error(`no stream within ${PATIENCE_MS} ms; last: ${e.message}`, { cause: e });
				await pause();
			}
		}
	}

	async open() {
		const options = { headers: { "idempotency-key": this.mark } };
		const stream = await this.insist(() => this.user.api.chat(this.message, {}, options));
		this.run = stream.headers["x-run-id"];
		this.conversation = stream.headers["x-conversation-id"];
		return stream;
	}

	/* Reads until the terminal event, over as many streams as that takes. */
	async follow(stream) {
		for (const end = Date.now() + PATIENCE_MS; ;) {
			this.streaming = true;
			try {
				for await (const event of stream)
					this.events.push(event);
			} catch (e) {
				excuse(e);
			}
			this.streaming = false;
			if (this.events.some(isEnd))
				return this;
			if (Date.now() > end)
				throw new Error(`${this.run}: no terminal event within ${PATIENCE_MS} ms, ${this.events.length} events`);
			this.cuts++;
			await pause();                  /* the stream may also have refused, within itself */
			stream = await this.insist(() => this.user.api.resume(this.run, this.events.at(-1)?.id));
		}
	}

	/* `n` more words. */
	go(n) { permit(this.mark, n); }

	async complete() { return this.follow(await this.open()); }

	get end() { return this.events.at(-1); }
}

/* Starts `n` chats and waits until each has said something; then all go on. Await `ended` for their ends. */
export async function running(users, n, options) {
	const chats = Array.from({ length: n }, (_, i) => new Chat(users[i % users.length], { ...options, held: true }));
	const ended = Promise.all(chats.map((c) => c.complete()));
	ended.catch(() => {});                          /* looked at when it is awaited */
	const end = Date.now() + PATIENCE_MS;
	while (!chats.every((c) => c.events.some((e) => e.event === "token"))) {
		if (Date.now() > end)
			throw new Error("not every chat began");
		await Promise.race([sleep(20), ended]);
	}
	if (!options?.held)
		chats.forEach((c) => c.go());
	return { chats, ended };
}

/* A GET, repeated where nginx closed the kept connection under it, as browsers do, and while a worker is not connected to the server again. */
async function get(chat, path) {
	for (let tries = 0, end = Date.now() + PATIENCE_MS; ; tries++) {
		try {
			const reply = await chat.user.api.get(path);
			if (reply.status !== 503 || Date.now() > end)
				return reply.json;
			await sleep(200);
		} catch (e) {
			if (e.code !== "ECONNRESET" || tries > 3)
				throw e;
		}
	}
}

/* What this chat's reader has seen, and what is stored of it. */
async function assertWhole(chat) {
	assertOneEnd(chat.events);
	const done = assertDone(chat.end);
	assert.equal(contentOf(chat.events), chat.text, "the tokens are not what the provider said");
	assert.equal(done.content, chat.text);
	assert.equal(done.finishReason, "stop");
	assert.equal(done.usage.provider, "openai");
	const { messages } = await get(chat, `/api/conversations/${chat.conversation}`);
	assert.deepEqual(messages.map((m) => [m.role, m.content, m.status]),
	    [["user", chat.message, "complete"], ["assistant", chat.text, "complete"]]);
	assert.equal(done.messageId, messages[1].id);
	const run = await get(chat, `/api/runs/${chat.run}`);
	assert.equal(run.status, "completed");
	assert.equal(run.lastEventId, chat.events.length);
}

/* All of them, one by one and in the database as a whole. */
export async function assertAllWhole(millrace, chats) {
	assert.equal(new Set(chats.map((c) => c.run)).size, chats.length);
	await Promise.all(chats.map(assertWhole));
	assert.deepEqual(await column(millrace, `select id, status from run where ended_at is null`), [], "runs without an end");
	assert.deepEqual(await column(millrace, `select run_id, state from job where state in ('queued', 'running')`), []);
	assert.deepEqual(await column(millrace, `select topic, count(*) from stream_event where type in ('done', 'error')
	    group by topic having count(*) <> 1`), [], "not one terminal event");
	assert.deepEqual(await column(millrace, `select topic from stream_event group by topic
	    having max(seq) <> count(*) or count(distinct seq) <> count(*)`), [], "the log has gaps");
	const ids = chats.map((c) => `'${c.run}'`).join(",");
	const use = await column(millrace, `select r.id, coalesce(sum(u.output_tokens), 0), coalesce(sum(u.cost_usd), 0) > 0
	    from run r left join usage_event u on u.run_id = r.id where r.id in (${ids}) group by r.id`);
	assert.equal(use.length, chats.length);
	for (const line of use) {
		const [run, tokens, costs] = line.split("|");
		assert.ok(Number(tokens) > 0 && costs === "t", `the use of ${run} was not recorded: ${line}`);
	}
	const marks = chats.map((c) => c.mark);
	assert.equal(Number((await column(millrace, `select count(*) from message
	    where role = 'user' and substring(content from 'q[0-9]+-[0-9a-f]{8}') = any ('{${marks}}')`))[0]), chats.length,
	    "a question is missing or there twice");
}
