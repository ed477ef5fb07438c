/* An account's assistant in a chat with Telegram, against a stand-in. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { createHash, randomInt, randomUUID } from "node:crypto";
import { newUser, privateInstance } from "../js/instance.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { permit, start as startOpenai } from "../standin/openai.mjs";
import { startTelegram } from "../standin/telegram.mjs";

let millrace, api, telegram, openai;

before(async () => {
	[telegram, openai] = await Promise.all([startTelegram(), startOpenai({ key: "sk-test-key" })]);
	millrace = await privateInstance("telegram", { TELEGRAM_BOT_TOKEN: telegram.token, TELEGRAM_API_URL: telegram.url, OPENAI_BASE_URL: openai.url,
		OPENAI_API_KEY: "sk-test-key" });
	({ api } = millrace);
	await until(() => telegram.polled > 0, "the bot is asked for updates");
});
after(async () => {
	await millrace?.stop();
	await openai?.close();
	telegram?.stop();
});

const newChat = () => randomInt(1e6, 1e9);
const linkOf = async (user) => assertStatus(await user.api.post("/api/telegram/connect"), 200).json.botUrl;
const codeOf = (link) => new URL(link).searchParams.get("start");
const isConnected = async (user) => assertStatus(await user.api.get("/api/telegram/connect"), 200).json.connected;
const said = (chat, pattern) => until(() => telegram.texts(chat).find((text) => pattern.test(text)), `${pattern} in ${chat}`);
/* Somebody whose account is connected with a chat. */
async function connected() {
	const user = await newUser(api), chat = newChat();
	telegram.send(chat, { text: `/start ${codeOf(await linkOf(user))}` });
	await said(chat, /You are connected/);
	return { ...user, chat };
}
const answers = (chat) => telegram.texts(chat).filter((text) => /w0 w1/.test(text));

test("a link connects a chat, once, and is drawn; the assistant answers there, and remembers", async () => {
	const user = await newUser(api), chat = newChat(), other = newChat();
	assertError(await user.api.get("/api/telegram/connect/qr.svg"), "NOT_FOUND");
	const void_ = await linkOf(user), link = await linkOf(user);
	assert.match(link, /^https:\/\/t\.me\/MillBot\?start=[A-Za-z0-9_-]{32}$/);
	const { text, headers } = assertStatus(await user.api.get("/api/telegram/connect/qr.svg"), 200);
	assert.match(headers["content-type"], /^image\/svg\+xml/);
	assert.match(text, /^<svg [^>]*viewBox="0 0 (\d+) \1".*<path d="(M\d+ \d+h\d+v1h-\d+z)+"\/><\/svg>\n$/);
	assert.equal(await isConnected(user), false);
	telegram.send(chat, { text: `/start ${codeOf(void_)}` });
	await said(chat, /not connected/);
	telegram.send(chat, { text: `/start ${codeOf(link)}` });
	await said(chat, /You are connected/);
	assert.equal(await isConnected(user), true);
	assertError(await user.api.get("/api/telegram/connect/qr.svg"), "NOT_FOUND");
	telegram.send(other, { text: `/start ${codeOf(link)}` });
	await said(other, /not connected/);
	telegram.send(chat, { text: "[[say:The first answer.]]" });
	await said(chat, /^The first answer\.$/);
	telegram.send(chat, { text: "[[say:The second answer.]]" });
	await said(chat, /^The second answer\.$/);
	const conversations = assertStatus(await user.api.get("/api/conversations"), 200).json;
	assert.equal(conversations.length, 1);
	telegram.send(chat, { text: "/new" });
	await said(chat, /new conversation/);
	telegram.send(chat, { text: "[[say:The third answer.]]" });
	await said(chat, /^The third answer\.$/);
	assert.equal(assertStatus(await user.api.get("/api/conversations"), 200).json.length, 2);
	assertStatus(await user.api.delete("/api/telegram/connect"), 204);
	assert.equal(await isConnected(user), false);
	assertError(await user.api.delete("/api/telegram/connect"), "NOT_FOUND");
});

test("who presses Start is told whose account it is, and leaves it by /stop", async () => {
	const user = await newUser(api), other = await newUser(api), chat = newChat();
	for (const { email, api: own } of [user, other]) {
		telegram.send(chat, { text: `/start ${codeOf(assertStatus(await own.post("/api/telegram/connect"), 200).json.botUrl)}` });
		await until(() => telegram.texts(chat).find((text) => text.includes(`connected to the account ${email},`)), `the account ${email}`);
	}
	assert.deepEqual([await isConnected(user), await isConnected(other)], [false, true]);
	telegram.send(chat, { text: "/stop" });
	await said(chat, /not connected any more/);
	assert.equal(await isConnected(other), false);
});

test("a draft shows the answer while it grows; its stop button ends it, and what was said is kept", async () => {
	const { chat } = await connected(), gate = randomUUID();
	const { update_id } = telegram.send(chat, { text: `[[gate:${gate} tokens:40]]` });
	const draft = (pattern) => until(() => telegram.of("sendMessageDraft").find((d) => d.chat_id === chat && pattern.test(d.text)), `a draft of ${pattern}`);
	assert.deepEqual(await draft(/^$/), { chat_id: chat, draft_id: update_id, can_stop: true, parse_mode: "HTML", text: "" });
	permit(gate, 3);
	await draft(/^w0 w1/);
	assert.deepEqual(answers(chat), []);
	telegram.update({ stopped_message_generation: { chat: { id: chat, type: "private" }, draft_id: update_id } });
	await said(chat, /^w0 w1/);
	permit(gate);
	assert.equal(answers(chat).length, 1);
	assert.doesNotMatch(answers(chat)[0], /w39/);
});

test("where there are no drafts, the bot types and changes one message", async (t) => {
	const { chat } = await connected(), gate = randomUUID();
	telegram.drafts = false;
	t.after(() => { telegram.drafts = true; });
	telegram.send(chat, { text: `[[gate:${gate} tokens:6]]` });
	await until(() => telegram.of("sendChatAction").some((a) => a.chat_id === chat && a.action === "typing"), "the bot types");
	permit(gate, 2);
	await said(chat, /^w0 w1/);
	permit(gate);
	await said(chat, /w5/);
	assert.equal(answers(chat).length, 1);
});

test("a long answer comes in messages that Telegram takes; a rate limit is waited out", async () => {
	const { chat } = await connected();
	telegram.faults.push({ method: "sendMessage", chat, code: 429, description: "Too Many Requests: retry after 1", parameters: { retry_after: 1 } });
	telegram.send(chat, { text: "[[tokens:1200 delay:0]]" });
	await said(chat, /w1199/);
	const words = telegram.texts(chat).slice(1).join("").trim().split(/\s+/);
	assert.deepEqual(words, Array.from({ length: 1200 }, (_, i) => `w${i}`));
});

test("an answer's Markdown is shown as what it means, and as it is written where Telegram cannot read it", async (t) => {
	t.after(() => { telegram.faults.length = 0; });
	const { chat } = await connected(), shown = () => telegram.messages.filter((m) => m.chat.id === chat).at(-1);
	telegram.send(chat, { text: "[[say:**Bold** <b> & `code`, [a link](https://a.example/?x=1&y=2)]]" });
	await said(chat, /^Bold <b> & code, a link$/);
	assert.deepEqual(shown().entities.map(({ type, offset, length, url }) => [type, offset, length, url]),
		[["bold", 0, 4, undefined], ["code", 11, 4, undefined], ["text_link", 17, 6, "https://a.example/?x=1&y=2"]]);
	/* The message that was sent may be changed once more when the answer has ended. */
	for (const method of ["sendMessage", "editMessageText"])
		telegram.faults.push({ method, chat, code: 400, description: "Bad Request: can't parse entities: Unsupported start tag" });
	telegram.send(chat, { text: "[[say:**As** it is]]" });
	await said(chat, /^\*\*As\*\* it is$/);
	assert.deepEqual(shown().entities, []);
	/* What the bot itself says is no Markdown. */
	telegram.send(chat, { document: { file_id: "gone", file_unique_id: "g", file_name: "_a_.txt", mime_type: "text/plain", file_size: 3 } });
	await said(chat, /send it again/);
	assert.ok(telegram.of("sendMessage").filter((m) => m.chat_id === chat).at(-1).parse_mode === undefined);
});

test("a document is taken in; voice is refused politely; a file that is gone is said", async () => {
	const { chat, api: own } = await connected();
	telegram.files.set("documents/mill", Buffer.from("The mill at Eling grinds wheat."));
	const document = { file_id: "mill", file_unique_id: "mill", file_name: "mill.txt", mime_type: "text/plain", file_size: 31 };
	telegram.send(chat, { document });
	await said(chat, /“mill\.txt”/);
	await until(async () => assertStatus(await own.get("/api/documents"), 200).json.some((d) => d.name === "mill.txt" && d.status === "ready"), "the document is read");
	telegram.send(chat, { voice: { file_id: "v", file_unique_id: "v", duration: 3 } });
	await said(chat, /voice/);
	telegram.send(chat, { document: { ...document, file_id: "gone" } });
	await said(chat, /send it again/);
	telegram.send(chat, { document: { ...document, file_size: 30 << 20 } });
	await said(chat, /too large/);
});

test("bots, groups and strangers make no work; who blocks the bot is disconnected", async () => {
	const user = await connected(), { chat } = user, stranger = newChat(), group = -newChat();
	telegram.send(chat, { text: "[[say:To a bot]]", from: { id: 1, is_bot: true, first_name: "B" } });
	telegram.send(group, { text: "[[say:To a group]]", chat: { id: group, type: "group", title: "G" } });
	telegram.send(stranger, { text: "Who are you?" });
	telegram.send(stranger, { text: "Are you there?" });
	await said(stranger, /not connected/);
	telegram.send(chat, { text: "[[say:To a person]]" });
	await said(chat, /^To a person$/);
	assert.deepEqual([telegram.texts(stranger).length, telegram.texts(group), telegram.texts(chat).length], [1, [], 2]);
	telegram.blocked.add(chat);
	telegram.send(chat, { text: "[[say:Unheard]]" });
	await until(async () => !await isConnected(user), "the chat is disconnected");
});

test("a runner that is killed loses nothing, and answers once", async () => {
	const { chat } = await connected(), gate = randomUUID();
	telegram.send(chat, { text: `[[gate:${gate} tokens:8]]` });
	await until(() => telegram.of("sendMessageDraft").some((d) => d.chat_id === chat), "a draft");
	permit(gate, 2);
	await until(() => telegram.of("sendMessageDraft").some((d) => d.chat_id === chat && /w1/.test(d.text)), "some of it");
	await millrace.replace("runner", { kill: true });
	/* While none was there to ask. */
	telegram.send(chat, { text: "[[say:And this one.]]" });
	permit(gate);
	await said(chat, /^And this one\.$/);
	await said(chat, /w7/);
	assert.deepEqual([telegram.texts(chat).filter((t) => t === "And this one.").length, answers(chat).length], [1, 1]);
});

test("a message whose reply a killed runner has not seen comes again, without a sound", async () => {
	const { chat } = await connected();
	let release;
	telegram.hold = new Promise((resolve) => { release = resolve; });
	telegram.send(chat, { text: "[[say:Taken, not told.]]" });
	await said(chat, /^Taken, not told\.$/);
	telegram.hold = null;
	await millrace.replace("runner", { kill: true });
	release();
	const sent = () => telegram.of("sendMessage").filter((m) => m.chat_id === chat && m.text === "Taken, not told.");
	await until(() => sent().length > 1, "the message again");
	assert.deepEqual(sent().map((m) => m.disable_notification), [undefined, true]);
});

test("a text with half a character, or NUL, holds up nothing", async () => {
	const { chat } = await connected();
	telegram.send(chat, { text: "[[say:Half \ud83d and \u0000.]]" });
	telegram.send(chat, { text: "[[say:Behind it.]]" });
	await said(chat, /^Half \ufffd and \ufffd\.$/);
	await said(chat, /^Behind it\.$/);
});

test("a webhook is set, and again where it has vanished; its secret counts, and an update counts once", async () => {
	const { chat } = await connected();
	await until(() => telegram.waiting.size > 0, "the bot is asked for updates");
	millrace.env.MILLRACE_TELEGRAM_UPDATES = "webhook";
	millrace.env.MILLRACE_PUBLIC_URL = millrace.url;
	await millrace.replace("runner");
	const isSet = () => until(() => telegram.webhook.url, "the webhook");
	assert.equal(await isSet(), `${millrace.url}/api/telegram/webhook`);
	telegram.webhook = { url: "" };
	await until(async () => (await millrace.psql("SELECT pg_notify('millrace_periodic', 'telegram')"), telegram.webhook.url), "the webhook again");
	const post = (update, secret = telegram.webhook.secret_token) => api.fresh().post("/api/telegram/webhook", update,
	    { headers: secret === null ? {} : { "x-telegram-bot-api-secret-token": secret } });
	const update = telegram.send(chat, { text: "[[say:By the webhook.]]" });
	for (const secret of [null, "", "wrong", createHash("sha256").update(telegram.webhook.secret_token).digest("hex")])
		assertError(await post(update, secret), "UNAUTHORIZED");
	assertStatus(await post(update), 200);
	assertStatus(await post(update), 200);
	await said(chat, /^By the webhook\.$/);
	for (const odd of [{}, { update_id: "1" }, { update_id: 1e300 }])
		assertError(await post(odd), "BAD_REQUEST");
	for (const odd of [{ message: 1 }, { message: { chat: { id: 1e99, type: "private" } } }, { message: { chat: [], text: {} } }, { stopped_message_generation: [] }])
		assertStatus(await post({ update_id: telegram.lastUpdate += 1, ...odd }), 200);
	const last = telegram.send(chat, { text: "[[say:The last.]] \udc00\u0000" });
	assertStatus(await post(last), 200);
	await said(chat, /^The last\.$/);
	assert.equal(telegram.texts(chat).filter((t) => t === "By the webhook.").length, 1);
});

test("a token that was revoked is told, and connects nobody", async () => {
	const user = await newUser(api);
	telegram.token = "42:another";
	await until(async () => (await millrace.psql("SELECT pg_notify('millrace_periodic', 'telegram')"),
	    (await user.api.post("/api/telegram/connect")).status === 503), "the bot is known not to work");
	assert.match(await millrace.psql("SELECT problem FROM telegram_bot"), /TELEGRAM_BOT_TOKEN/);
});

test("where the token is taken out of the settings there is no bot; chats are connected again when it is back", async () => {
	const token = millrace.env.TELEGRAM_BOT_TOKEN, periodic = () => millrace.psql("SELECT pg_notify('millrace_periodic', 'telegram')");
	telegram.token = token;
	const works = async (user) => (await periodic(), (await user.api.post("/api/telegram/connect")).status === 200);
	const user = await newUser(api), chat = newChat();
	await until(() => works(user), "the bot works again");
	const update = telegram.send(chat, { text: `/start ${codeOf(await linkOf(user))}` });
	const post = (it) => api.fresh().post("/api/telegram/webhook", it, { headers: { "x-telegram-bot-api-secret-token": telegram.webhook.secret_token } });
	assertStatus(await post(update), 200);
	await said(chat, /You are connected/);
	await linkOf(user);
	await millrace.psql("UPDATE telegram_bot SET poller_until = NULL");
	millrace.env.TELEGRAM_BOT_TOKEN = "";
	await millrace.replace("runner");
	await until(async () => (await periodic(), (await user.api.post("/api/telegram/connect")).status === 409), "the bot is forgotten");
	assert.equal(await isConnected(user), false);
	assertError(await user.api.get("/api/telegram/connect/qr.svg"), "NOT_FOUND");
	assertError(await post(telegram.send(chat, { text: "Hello?" })), "UNAUTHORIZED");
	millrace.env.TELEGRAM_BOT_TOKEN = token;
	await millrace.replace("runner");
	await until(() => works(user), "the bot is back");
	assert.equal(await isConnected(user), true);
	/* One that a runner asks for updates of is not forgotten by another one without a token, nor for long by one whose updates come by themselves. */
	const forgets = async () => (await millrace.psql("SELECT telegram_bot_forget()")).trim();
	await millrace.psql("UPDATE telegram_bot SET poller_until = now() + interval '1 minute'");
	assert.equal(await forgets(), "t");
	await millrace.psql("UPDATE telegram_bot SET poller_until = now() - interval '1 minute'");
	assert.equal(await forgets(), "f");
	await until(() => works(user), "the bot that is looked after");
	assertStatus(await post(telegram.send(chat, { text: "[[say:Here again.]]" })), 200);
	await said(chat, /^Here again\.$/);
});
