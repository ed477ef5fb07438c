/*
 * A strict stand-in for Telegram's Bot API: the methods that a bot in private chats needs, by
 * https://core.telegram.org/bots/api. It refuses what Telegram refuses, in its words.
 *
 * start() gives { url, token, username, calls, send(chat, message), update(fields), texts(chat),
 * … }. What comes from people is put in by send() and update(), and goes out by getUpdates or to
 * the webhook. `faults` is a list of { method, chat, code, description, parameters } that the next
 * calls of a method, in that chat or any, are answered with; `hold` a promise that replies of sendMessage wait for, after the
 * message is there.
 */
import http from "node:http";
import { once } from "node:events";
import { randomBytes } from "node:crypto";

class ApiError extends Error {
	constructor(code, description, parameters) { super(description); Object.assign(this, { code, description, parameters }); }
}
const bad = (text) => new ApiError(400, `Bad Request: ${text}`);

const TYPES = { integer: Number.isSafeInteger, string: (v) => typeof v === "string", boolean: (v) => typeof v === "boolean", array: Array.isArray,
	object: (v) => v && typeof v === "object" && !Array.isArray(v) };
/* The parameters of each method; "!" is a required one. */
const METHODS = {
	getMe: {}, deleteWebhook: { drop_pending_updates: "boolean" }, getWebhookInfo: {},
	setWebhook: { url: "string!", secret_token: "string", allowed_updates: "array" },
	getUpdates: { offset: "integer", limit: "integer", timeout: "integer", allowed_updates: "array" },
	sendMessage: { chat_id: "integer!", text: "string!", parse_mode: "string", link_preview_options: "object", disable_notification: "boolean" },
	sendMessageDraft: { chat_id: "integer!", draft_id: "integer!", text: "string", parse_mode: "string", can_stop: "boolean" },
	sendChatAction: { chat_id: "integer!", action: "string!" },
	editMessageText: { chat_id: "integer!", message_id: "integer!", text: "string!", parse_mode: "string", link_preview_options: "object" },
	getFile: { file_id: "string!" },
};

const ELEMENTS = { b: "bold", i: "italic", s: "strikethrough", code: "code", pre: "pre", a: "text_link", blockquote: "blockquote" };
const CHARACTERS = { lt: "<", gt: ">", amp: "&", quot: '"' };

/* What a reader sees of a text in Telegram's HTML, and its entities; a tag that is not nested, closed and known is refused. */
function parseHtml(html) {
	const wrong = (what, at) => bad(`can't parse entities: ${what} at byte offset ${Buffer.byteLength(html.slice(0, at))}`);
	const open = [], entities = [];
	let text = "";
	for (let at = 0; at < html.length;) {
		const rest = html.slice(at), tag = /^<(\/?)([a-z]+)(?: href="([^"<>]*)")?>/.exec(rest), character = /^&([a-z]+);/.exec(rest);
		if (rest[0] !== "<") {
			text += CHARACTERS[character?.[1]] ?? rest[0];
			at += character?.[1] in CHARACTERS ? character[0].length : 1;
			continue;
		}
		if (!tag || !(tag[2] in ELEMENTS) || (tag[2] === "a" && !tag[1] && tag[3] === undefined))
			throw wrong(`Unsupported start tag "${rest.slice(1, 10)}"`, at);
		if (!tag[1])
			open.push({ tag: tag[2], offset: text.length, url: tag[3]?.replaceAll("&amp;", "&") });
		else if (open.at(-1)?.tag !== tag[2])
			throw wrong(`Unmatched end tag, expected "</${open.at(-1)?.tag}>", found "${tag[0]}"`, at);
		else {
			const { tag: name, offset, url } = open.pop();
			entities.push({ type: ELEMENTS[name], offset, length: text.length - offset, ...(url && { url }) });
		}
		at += tag[0].length;
	}
	if (open.length > 0)
		throw wrong(`Can't find end tag corresponding to start tag "${open.at(-1).tag}"`, html.length);
	return { text, entities };
}

class Telegram {
	constructor({ token, username }) {
		Object.assign(this, { token, username, calls: [], pending: [], messages: [], files: new Map(), faults: [], blocked: new Set(), waiting: new Set(),
			webhook: { url: "" }, lastUpdate: 1000, lastMessage: 1, drafts: true, hold: null, polled: 0 });
	}

	async start() {
		this.server = http.createServer((req, res) => this.serve(req, res).catch(() => res.destroy())).listen(0, "127.0.0.1");
		await once(this.server, "listening");
		this.url = `http://127.0.0.1:${this.server.address().port}`;
		return this;
	}

	stop() {
		this.server.close();
		this.server.closeAllConnections();
	}

	check(method, body) {
		const rules = METHODS[method];
		if (!rules)
			throw new ApiError(404, "Not Found");
		for (const [name, rule] of Object.entries(rules)) {
			if (body[name] === undefined && rule.endsWith("!"))
				throw bad(`${name} is empty`);
			if (body[name] !== undefined && !TYPES[rule.replace("!", "")](body[name]))
				throw bad(`${name} is no ${rule}`);
		}
		const unknown = Object.keys(body).filter((name) => !(name in rules));
		if (unknown.length > 0)
			throw bad(`unknown parameters ${unknown}`);
		if (body.parse_mode !== undefined && body.parse_mode !== "HTML")
			throw bad("unsupported parse_mode");
		const { text } = this.seen(body);
		if (body.text !== undefined && method !== "sendMessageDraft" && text.trim() === "")
			throw bad("message text is empty");
		if (text.length > 4096)
			throw bad("message is too long");
		if (this.blocked.has(body.chat_id))
			throw new ApiError(403, "Forbidden: bot was blocked by the user");
	}

	seen({ text = "", parse_mode: mode }) { return mode ? parseHtml(text) : { text, entities: [] }; }

	async serve(req, res) {
		const chunks = [];
		for await (const chunk of req)
			chunks.push(chunk);
		const [, file, token, rest] = /^\/(file\/)?bot([^/]+)\/(.*)$/.exec(req.url) ?? [];
		const reply = (status, json) => res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
		try {
			if (token !== this.token)
				throw new ApiError(401, "Unauthorized");
			if (file) {
				const bytes = this.files.get(rest);
				return bytes ? res.writeHead(200, { "content-type": "application/octet-stream" }).end(bytes) : reply(404, { ok: false, error_code: 404, description: "Not Found" });
			}
			const text = Buffer.concat(chunks).toString();
			const body = text === "" ? {} : JSON.parse(text);
			this.calls.push({ method: rest, body });
			const i = this.faults.findIndex((f) => f.method === rest && (f.chat ?? body.chat_id) === body.chat_id);
			if (i >= 0) {
				const [{ code, description, parameters }] = this.faults.splice(i, 1);
				throw new ApiError(code, description, parameters);
			}
			this.check(rest, body);
			reply(200, { ok: true, result: await this[rest](body) });
		} catch (e) {
			if (!(e instanceof ApiError))
				throw e;
			reply(e.code, { ok: false, error_code: e.code, description: e.description, ...(e.parameters && { parameters: e.parameters }) });
		}
	}

	getMe() { return { id: 42, is_bot: true, first_name: "Mill", username: this.username }; }
	getWebhookInfo() { return { url: this.webhook.url, has_custom_certificate: false, pending_update_count: this.pending.length }; }

	setWebhook(body) {
		if (body.secret_token !== undefined && !/^[A-Za-z0-9_-]{1,256}$/.test(body.secret_token))
			throw bad("secret token contains unallowed characters");
		this.webhook = body;
		return true;
	}

	deleteWebhook() { this.webhook = { url: "" }; return true; }

	async getUpdates({ offset = 0, timeout = 0 }) {
		if (this.webhook.url)
			throw new ApiError(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first");
		/* The later one goes on, the earlier one is ended. */
		for (const end of this.waiting)
			end(new ApiError(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"));
		this.polled++;
		this.pending = this.pending.filter((u) => u.update_id >= offset);
		if (this.pending.length === 0 && timeout > 0)
			await new Promise((resolve, reject) => {
				const end = (error) => { clearTimeout(timer); this.waiting.delete(end); error ? reject(error) : resolve(); };
				const timer = setTimeout(end, timeout * 1000);
				this.waiting.add(end);
			});
		return this.pending.slice(0, 100);
	}

	async sendMessage(body) {
		const message = { message_id: ++this.lastMessage, date: 1, chat: { id: body.chat_id, type: "private", first_name: "P" }, ...this.seen(body) };
		this.messages.push(message);
		await this.hold;
		return message;
	}

	sendMessageDraft({ draft_id }) {
		if (!this.drafts)
			throw bad("drafts are not to be had");
		if (draft_id === 0)
			throw bad("draft_id is empty");
		return true;
	}

	sendChatAction() { return true; }

	editMessageText({ chat_id, message_id, ...body }) {
		const seen = this.seen(body);
		const message = this.messages.find((m) => m.message_id === message_id && m.chat.id === chat_id);
		if (!message)
			throw bad("message to edit not found");
		if (message.text === seen.text && JSON.stringify(message.entities) === JSON.stringify(seen.entities))
			throw bad("message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message");
		return Object.assign(message, seen);
	}

	getFile({ file_id }) {
		if (!this.files.has(`documents/${file_id}`))
			throw bad("wrong file_id or the file is temporarily unavailable");
		return { file_id, file_unique_id: file_id, file_size: this.files.get(`documents/${file_id}`).length, file_path: `documents/${file_id}` };
	}

	/* An update goes out; its body. */
	update(fields) {
		const update = { update_id: ++this.lastUpdate, ...fields };
		if (this.webhook.url)
			return update;
		this.pending.push(update);
		for (const end of this.waiting)
			end();
		return update;
	}

	/* A person writes in their private chat. */
	send(chat, message) {
		return this.update({ message: { message_id: ++this.lastMessage, date: 1, chat: { id: chat, type: "private", first_name: "P" },
			from: { id: chat, is_bot: false, first_name: "P" }, ...message } });
	}

	texts(chat) { return this.messages.filter((m) => m.chat.id === chat).map((m) => m.text); }
	of(method) { return this.calls.filter((c) => c.method === method).map((c) => c.body); }
}

export const startTelegram = (more = {}) => new Telegram({ token: `42:${randomBytes(16).toString("hex")}`, username: "MillBot", ...more }).start();
