/*
 * A strict stand-in for Slack: the methods of the Web API that a bot needs (docs.slack.dev), which
 * it refuses what Slack refuses, in its words; and the sender of events, which signs them.
 *
 * startSlack() gives { url, token, signing, team, bot, calls, messages, … }. message() and mention()
 * say something and make its event, signed() makes a request of it. `faults` is a list of
 * { method, channel, status, error, retryAfter } that the next such calls are answered with, or
 * { method, until }: a promise that such a call's reply waits for; `hold` one that replies of
 * chat.postMessage wait for, after the message is there; `scopes` what the app may do; `bots` the
 * users of other bots by their tokens.
 */
import http from "node:http";
import { once } from "node:events";
import { createHmac, randomBytes, randomInt } from "node:crypto";

class SlackError extends Error {
	constructor(error, { status = 200, retryAfter } = {}) { super(error); Object.assign(this, { error, status, retryAfter }); }
}

/* The arguments of each method ("!": a required one), and the scope that it takes. */
const MESSAGE = { channel: "!", text: "", metadata: "", unfurl_links: "", unfurl_media: "", blocks: "" };
const METHODS = {
	"auth.test": [{}],
	"chat.postMessage": [{ ...MESSAGE, thread_ts: "" }, "chat:write"],
	"chat.update": [{ ...MESSAGE, ts: "!" }, "chat:write"],
	"conversations.history": [{ channel: "!", oldest: "", limit: "", include_all_metadata: "" }, "history"],
	"conversations.replies": [{ channel: "!", ts: "!", oldest: "", limit: "", include_all_metadata: "" }, "history"],
};

export const sign = (secret, at, body) => `v0=${createHmac("sha256", secret).update(`v0:${at}:${body}`).digest("hex")}`;
const now = () => Math.floor(Date.now() / 1000);
const id = (letter) => `${letter}${randomBytes(5).toString("hex").toUpperCase()}`;

class Slack {
	constructor() {
		Object.assign(this, { token: `xoxb-${randomInt(1e9)}-${randomBytes(12).toString("hex")}`, signing: randomBytes(16).toString("hex"), team: id("T"), bot: id("U"),
			app: id("A"), isBot: true, calls: [], messages: [], faults: [], bots: new Map(), hold: null, scopes: new Set(["chat:write", "history"]), count: 100000 });
	}

	async start() {
		this.server = http.createServer((req, res) => this.serve(req, res).catch(() => res.destroy())).listen(0, "127.0.0.1");
		await once(this.server, "listening");
		this.url = `http://127.0.0.1:${this.server.address().port}/api`;
		return this;
	}

	stop() {
		this.server.close();
		this.server.closeAllConnections();
	}

	async serve(req, res) {
		const chunks = [];
		for await (const chunk of req)
			chunks.push(chunk);
		const method = /^\/api\/([\w.]+)$/.exec(req.url)?.[1], text = Buffer.concat(chunks).toString();
		/* The token may be an argument; Bolt names the team, too. */
		const { token, team_id, ...args } = /json/.test(req.headers["content-type"]) ? JSON.parse(text || "{}") : Object.fromEntries(new URLSearchParams(text));
		this.calls.push({ method, args });
		try {
			const reply = await this.call(method, args, req.headers.authorization ?? (token && `Bearer ${token}`));
			res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ok: true, ...reply }));
		} catch (e) {
			if (!(e instanceof SlackError))
				throw e;
			res.writeHead(e.status, { "content-type": "application/json", ...(e.retryAfter && { "retry-after": String(e.retryAfter) }) })
			    .end(JSON.stringify({ ok: false, error: e.error }));
		}
	}

	async call(method, args, authorization) {
		if (!METHODS[method])
			throw new SlackError("unknown_method");
		if (!/^Bearer xox/.test(authorization ?? ""))
			throw new SlackError("not_authed");
		const bot = authorization === `Bearer ${this.token}` ? this.bot : this.bots.get(authorization.slice("Bearer ".length));
		if (!bot)
			throw new SlackError("invalid_auth");
		const i = this.faults.findIndex((f) => f.method === method && (!f.channel || f.channel === args.channel));
		if (i >= 0) {
			const [fault] = this.faults.splice(i, 1);
			if (!fault.until)
				throw new SlackError(fault.error, fault);
			await fault.until;
		}
		const [rules, scope] = METHODS[method];
		if (scope && !this.scopes.has(scope))
			throw new SlackError("missing_scope");
		const wrong = [...Object.keys(args).filter((name) => !(name in rules)), ...Object.keys(rules).filter((name) => rules[name] === "!" && !args[name])];
		if (wrong.length > 0)
			throw new SlackError("invalid_arguments");
		return this[method](args, bot);
	}

	"auth.test"(args, bot) {
		return { url: "https://mill.slack.com/", team: "Mill", user: "miller", team_id: this.team, user_id: bot, ...(this.isBot && { bot_id: "B0MILL" }) };
	}

	newTs() { return `${now()}.${String(++this.count).padStart(6, "0")}`; }

	async "chat.postMessage"({ channel, text, thread_ts, metadata }) {
		if (!text)
			throw new SlackError("no_text");
		if (thread_ts && !this.messages.some((m) => m.channel === channel && m.ts === thread_ts))
			throw new SlackError("thread_not_found");
		const message = { channel, ts: this.newTs(), user: this.bot, bot_id: "B0MILL", text: text.slice(0, 40000), ...(thread_ts && { thread_ts }),
			...(metadata && { metadata: JSON.parse(metadata) }) };
		this.messages.push(message);
		await this.hold;
		return { channel, ts: message.ts, message };
	}

	"chat.update"({ channel, ts, text }) {
		const message = this.messages.find((m) => m.channel === channel && m.ts === ts);
		if (!message)
			throw new SlackError("message_not_found");
		if (message.user !== this.bot)
			throw new SlackError("cant_update_message");
		if (text.length > 4000)
			throw new SlackError("msg_too_long");
		Object.assign(message, { text, updates: (message.updates ?? 0) + 1 });
		return { channel, ts, text };
	}

	list(args, isWanted) {
		const { channel, oldest = "0", include_all_metadata } = args;
		const messages = this.messages.filter((m) => m.channel === channel && isWanted(m, oldest))
		    .map(({ metadata, ...m }) => (include_all_metadata === "true" && metadata ? { ...m, metadata } : m));
		return { messages, has_more: false };
	}

	"conversations.history"(args) { return this.list(args, (m, oldest) => !m.thread_ts && m.ts > oldest); }
	"conversations.replies"(args) { return this.list(args, (m, oldest) => m.ts === args.ts || (m.thread_ts === args.ts && m.ts > oldest)); }

	/* Somebody writes; what the app is told of it. */
	envelope(event, more = {}) {
		return { token: "unused", team_id: this.team, api_app_id: this.app, type: "event_callback", event_id: `Ev${randomBytes(6).toString("hex").toUpperCase()}`, event_time: now(),
			authorizations: [{ enterprise_id: null, team_id: this.team, user_id: this.bot, is_bot: true, is_enterprise_install: false }], event, ...more };
	}

	message(channel, text, more = {}) {
		const event = { type: "message", channel, channel_type: channel.startsWith("D") ? "im" : "channel", user: "U0PERSON", text, ts: this.newTs(), ...more };
		this.messages.push({ channel, ts: event.ts, user: event.user, text, ...(event.thread_ts && { thread_ts: event.thread_ts }) });
		return this.envelope(event);
	}

	mention(channel, text, more = {}) { return this.message(channel, `<@${this.bot}> ${text}`, { type: "app_mention", channel_type: undefined, ...more }); }

	/* An event, or anything, as Slack posts it: { headers, body }; `secret: null` without a signature. */
	signed(envelope, { secret = this.signing, at = now(), body = JSON.stringify(envelope), signature = secret && sign(secret, at, body), retry } = {}) {
		const headers = { "content-type": "application/json", "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)" };
		if (secret !== null)
			Object.assign(headers, { "x-slack-request-timestamp": String(at), "x-slack-signature": signature });
		if (retry)
			Object.assign(headers, { "x-slack-retry-num": String(retry), "x-slack-retry-reason": "http_timeout" });
		return { headers, body };
	}

	/* What the bot has said in a channel. */
	texts(channel) { return this.said(channel).map((m) => m.text); }
	said(channel) { return this.messages.filter((m) => m.channel === channel && m.bot_id === "B0MILL"); }
	of(method) { return this.calls.filter((c) => c.method === method).map((c) => c.args); }
}

export const newChannel = (letter = "C") => id(letter);
export const startSlack = () => new Slack().start();
