/* Chatbots, their documents and sessions, previews, what visitors of a site may do, feedback. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newName } from "../js/accounts.mjs";
import { newUser, shared } from "../js/instance.mjs";
import { UUID7, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { assertOneEnd, contentOf } from "../js/events.mjs";

const SITE = "https://shop.example";
let millrace, api, user, mill, cheese;

const upload = async (name, text, from = user) => assertStatus(await from.api.upload("/api/documents/upload?wait=1",
    { name, file: { filename: `${name}.txt`, type: "text/plain", bytes: text } }), 200).json.id;

before(async () => {
	millrace = await shared();
	({ api } = millrace);
	user = await newUser(api);
	mill = await upload("Eling", "The tide mill at Eling grinds wheat. Its pond fills twice a day through sea hatches.");
	cheese = await upload("Cheese", "A wheel of Quoddington cheese ripens for ninety days in the cellar.");
});

const newBot = async (more = {}, settings = {}) => assertStatus(await user.api.post("/api/chatbots",
    { name: "Miller", documents: [mill], settings: { welcomeMessage: "Hello!", allowedOrigins: [SITE], ...settings }, ...more }), 201).json;
const newSession = async (bot) => assertStatus(await user.api.post("/api/chat/sessions", { chatbotId: bot.id }), 201).json;
const say = (session, content, options) => user.api.post(`/api/chat/sessions/${session.id}/messages`, { content }, options);
const QUESTION = "What does the tide mill at Eling grind?";

/* A visitor of a page of that origin. */
const visitor = (origin = SITE) => {
	const at = api.fresh(), headers = { origin };
	return { at, post: (path, json, more = {}) => at.post(path, json, { headers: { ...headers, ...more } }),
		get: (path) => at.get(path, { headers }), sse: (method, path, options) => at.sse(method, path, { headers, ...options }) };
};
const begin = async (bot, who = visitor()) => {
	const { json } = assertStatus(await who.post(`/api/chat/widget/${bot.id}/session`, {}), 200);
	return { ...json, who, say: (message, more) => who.post(`/api/chat/widget/${bot.id}/message`, { sessionId: json.sessionId, message }, more),
		path: `/api/chat/widget/${bot.id}/session/${json.sessionId}` };
};

test("a chatbot is made, read, listed, changed and deleted", async () => {
	const bot = await newBot({ description: "Knows the mill" }, { temperature: 0.2, top_k: 3, languages: ["en", "pt-BR"] });
	assertKeys(bot, ["id", "userId", "name", "description", "settings", "documents", "createdAt", "updatedAt"]);
	assert.match(bot.id, UUID7);
	assert.equal(bot.userId, user.uid);
	assert.deepEqual(bot.documents, [mill]);
	assert.deepEqual(bot.settings, { model: null, provider: null, temperature: 0.2, maxTokens: null, systemPrompt: null, welcomeMessage: "Hello!",
		allowedOrigins: [SITE], theme: {}, topK: 3, suggestedQuestions: [], languages: ["en", "pt-BR"], messagesPerDay: 1000, tokensPerDay: 2000000 });
	assert.deepEqual(assertStatus(await user.api.get(`/api/chatbots/${bot.id}`), 200).json, bot);
	assert.deepEqual(assertStatus(await user.api.get("/api/chatbots?limit=1"), 200).json, [bot]);
	const put = (json) => user.api.put(`/api/chatbots/${bot.id}`, json);
	const changed = assertStatus(await put({ name: "Baker", settings: { temperature: null, systemPrompt: "Be brief." }, description: null }), 200).json;
	assert.deepEqual([changed.name, changed.description, changed.settings.temperature, changed.settings.systemPrompt, changed.settings.topK, changed.documents],
	    ["Baker", null, null, "Be brief.", 3, [mill]]);
	assert.equal(assertStatus(await put({ settings: { system_prompt: null } }), 200).json.settings.systemPrompt, null);
	assert.deepEqual(assertStatus(await put({ documents: [cheese] }), 200).json.documents, [cheese]);
	assert.deepEqual(assertStatus(await put({ documents: [] }), 200).json.documents, []);
	assertStatus(await user.api.delete(`/api/chatbots/${bot.id}`), 204);
	assertError(await user.api.get(`/api/chatbots/${bot.id}`), "NOT_FOUND");
	assertError(await user.api.delete(`/api/chatbots/${bot.id}`), "NOT_FOUND");
});

test("documents are assigned and taken away, the caller's own alone", async () => {
	const bot = await newBot({ documents: [] }), path = `/api/chatbots/${bot.id}/documents`, other = await newUser(api);
	const theirs = await upload("Theirs", "Not yours.", other);
	assert.deepEqual(assertStatus(await user.api.post(path, { documentIds: [mill, cheese, mill] }), 200).json.documents, [mill, cheese].sort());
	assert.deepEqual(assertStatus(await user.api.delete(`${path}/${mill}`), 200).json.documents, [cheese]);
	assertError(await user.api.delete(`${path}/${mill}`), "NOT_FOUND");
	for (const id of [theirs, randomUUID()])
		assertError(await user.api.post(path, { documentIds: [id] }), "NOT_FOUND");
	assertError(await user.api.post(path, { documentIds: ["x"] }), "BAD_REQUEST", ["documentIds"]);
	assertError(await user.api.post("/api/chatbots", { name: "x", documents: [theirs] }), "NOT_FOUND");
	const gone = await upload("Gone", "Soon gone.");
	assertStatus(await user.api.post(path, { documentIds: [gone] }), 200);
	assertStatus(await user.api.delete(`/api/documents/${gone}`), 204);
	assert.deepEqual(assertStatus(await user.api.get(`/api/chatbots/${bot.id}`), 200).json.documents, [cheese]);
});

test("settings that are none are refused, each by its name", async () => {
	const make = (settings) => user.api.post("/api/chatbots", { name: "x", settings });
	for (const origin of ["https://shop.example/", "shop.example", "*", "null", "https://Shop.example", "https://shop.example:443", "ftp://shop.example",
	    "https://*.example", "https://", "http://a b", "https://a@b"])
		assertError(await make({ allowedOrigins: [origin] }), "BAD_REQUEST", ["settings.allowedOrigins"], origin);
	for (const origin of ["https://shop.example:8443", "http://localhost:3000", "http://[::1]:8080", "https://xn--mhle-0ra.example"])
		assertStatus(await make({ allowedOrigins: [origin] }), 201);
	assertError(await make({ languages: ["english please"] }), "BAD_REQUEST", ["settings.languages"]);
	for (const question of ["", " "])
		assertError(await make({ suggestedQuestions: [question] }), "BAD_REQUEST", ["settings.suggestedQuestions"]);
	for (const settings of [{ temperature: 3 }, { topK: 0 }, { provider: "oracle" }, { theme: [] }, { maxTokens: -1 }])
		assertError(await make(settings), "BAD_REQUEST");
});

test("a session's message is answered from the chatbot's documents, with the sentence that supports it", async () => {
	const session = await newSession(await newBot());
	assertKeys(session, ["id", "chatbotId", "userId", "title", "messages", "createdAt", "updatedAt"]);
	const { json } = assertStatus(await say(session, QUESTION), 200);
	assertKeys(json, ["id", "sessionId", "role", "content", "sources", "rating", "createdAt"]);
	assert.deepEqual([json.sessionId, json.role], [session.id, "assistant"]);
	assert.match(json.content, /wheat/);
	assert.doesNotMatch(json.content, /OPENAI/);
	assert.equal(json.sources[0].documentId, mill);
	assert.equal(json.sources[0].sentence, "The tide mill at Eling grinds wheat.");
	const messages = assertStatus(await user.api.get(`/api/chat/sessions/${session.id}/messages`), 200).json;
	assert.deepEqual(messages.map((m) => m.role), ["user", "assistant"]);
	assert.deepEqual(messages[1], json);
	const shown = assertStatus(await user.api.get(`/api/chat/sessions/${session.id}`), 200).json;
	assert.deepEqual([shown.title, shown.messages], [QUESTION, messages]);
	assert.deepEqual(assertStatus(await user.api.get(`/api/chat/sessions?chatbotId=${session.chatbotId}`), 200).json, [shown]);
	assert.ok(!assertStatus(await user.api.get("/api/conversations"), 200).json.some((c) => c.id === session.id));
});

test("the sentence is the one that is quoted, also where it runs over lines and the document's name is one, too", async () => {
	const old = await upload("The old mill", "The old mill\n\nIts race is long. In a flood the left gate is closed\nfirst, because the bank\nis weak. Few come here.\n");
	const { json } = assertStatus(await say(await newSession(await newBot({ documents: [old] })), "Which gate is closed first in a flood at the old mill?"), 200);
	assert.match(json.content, /left gate is closed first/);
	assert.equal(json.sources[0].sentence, "In a flood the left gate is closed\nfirst, because the bank\nis weak.");
	assertStatus(await user.api.delete(`/api/documents/${old}`), 204);
});

test("the answer comes as events to who asks for them", async () => {
	const session = await newSession(await newBot());
	const events = await (await user.api.sse("POST", `/api/chat/sessions/${session.id}/messages`, { json: { content: QUESTION } })).all();
	assertOneEnd(events);
	const done = events.at(-1).data;
	assert.equal(contentOf(events), done.content);
	assert.equal(done.conversationId, session.id);
	assert.equal(done.sources[0].sentence, "The tide mill at Eling grinds wheat.");
});

test("what other documents say is no chatbot's to tell, and it says so", async () => {
	const session = await newSession(await newBot());
	const { json } = assertStatus(await say(session, "How long does Quoddington cheese ripen?"), 200);
	assert.deepEqual(json.sources, []);
	assert.match(json.content, /found nothing/);
	assert.doesNotMatch(json.content, /ninety/);
});

test("a session is its owner's, and goes with its messages and runs", async () => {
	const bot = await newBot(), session = await newSession(bot), other = await newUser(api);
	assertStatus(await say(session, QUESTION), 200);
	assertError(await other.api.post("/api/chat/sessions", { chatbotId: bot.id }), "NOT_FOUND");
	assertError(await other.api.post(`/api/chat/sessions/${session.id}/messages`, { content: "x" }), "NOT_FOUND");
	assertError(await say({ id: randomUUID() }, "x"), "NOT_FOUND");
	assertError(await say(session, ""), "BAD_REQUEST", ["content"]);
	assertError(await user.api.post("/api/chat", { message: "x", conversationId: session.id }), "NOT_FOUND");
	assertStatus(await user.api.delete(`/api/chat/sessions/${session.id}`), 204);
	assertError(await user.api.get(`/api/chat/sessions/${session.id}`), "NOT_FOUND");
	await until(async () => await millrace.psql(`SELECT count(*) FROM run WHERE conversation_id = '${session.id}'`) === "0\n", "the runs to go");
});

test("a chatbot goes with its sessions, and its documents stay", async () => {
	const bot = await newBot(), session = await newSession(bot), visit = await begin(bot);
	assertStatus(await say(session, QUESTION), 200);
	assertStatus(await visit.say(QUESTION), 200);
	assertStatus(await user.api.delete(`/api/chatbots/${bot.id}`), 204);
	assertError(await visit.say(QUESTION), "NOT_FOUND");
	await until(async () => await millrace.psql(`SELECT (SELECT count(*) FROM chatbot WHERE id = '${bot.id}') + (SELECT count(*) FROM conversation WHERE chatbot_id = '${bot.id}')
	    + (SELECT count(*) FROM chatbot_use WHERE chatbot_id = '${bot.id}') + (SELECT count(*) FROM chatbot_document WHERE chatbot_id = '${bot.id}')`) === "0\n", "the chatbot to go");
	assertStatus(await user.api.get(`/api/documents/${mill}`), 200);
});

test("a preview answers as the chatbot would, and keeps nothing", async () => {
	/* What is looked for afterwards, and is no word of the question. */
	const mark = Array.from({ length: 40 }, () => Math.random() < 0.5 ? "!" : "?").join("");
	const json = { settings: { systemPrompt: mark }, message: `${QUESTION} ${mark}`, documents: [mill],
		chatHistory: [{ role: "user", content: mark }, { role: "assistant", content: "Yes?" }] };
	const shown = assertStatus(await user.api.post("/api/chatbots/preview", json), 200).json;
	assertKeys(shown, ["response", "sources"]);
	assert.match(shown.response, /wheat/);
	assert.equal(shown.sources[0].sentence, "The tide mill at Eling grinds wheat.");
	assertError(await user.api.post("/api/chatbots/preview", { ...json, documents: [randomUUID()] }), "NOT_FOUND");
	assertError(await user.api.post("/api/chatbots/preview", { ...json, chatHistory: [{ role: "wizard", content: "x" }] }), "BAD_REQUEST", ["chatHistory[0].role"]);
	assertError(await user.api.post("/api/chatbots/preview", { ...json, chatHistory: {} }), "BAD_REQUEST", ["chatHistory"]);
	/* A page sends what it shows: long answers, many turns, with members of its own. */
	const long = Array.from({ length: 201 }, (_, i) => ({ id: i, role: i % 2 ? "assistant" : "user", content: i === 1 ? "x".repeat(20000) : "Hm?", timestamp: null }));
	assert.match(assertStatus(await user.api.post("/api/chatbots/preview", { ...json, chatHistory: long }), 200).json.response, /wheat/);
	const anonymous = assertStatus(await api.fresh().post("/api/chatbots/preview", { ...json, settings: { provider: "openai" } }), 200).json;
	assert.deepEqual(anonymous.sources, []);
	assert.doesNotMatch(anonymous.response, /wheat/);
	await millrace.psql("UPDATE run SET ended_at = ended_at - interval '2 minutes' WHERE kind = 'preview'; SELECT sweep_old(24, 24, 30, 90, 90, 1000)");
	assert.equal(await millrace.psql(`SELECT (SELECT count(*) FROM run WHERE input::text LIKE '%${mark}%') + (SELECT count(*) FROM message WHERE content LIKE '%${mark}%')
	    + (SELECT count(*) FROM stream_event WHERE data::text LIKE '%${mark}%') + (SELECT count(*) FROM conversation WHERE title LIKE '%${mark}%')`), "0\n");
});

test("a page sees of a chatbot what it shows, and reads it where its origin is allowed", async () => {
	const bot = await newBot({}, { theme: { color: "teal" }, suggestedQuestions: ["What is ground?"], systemPrompt: "Secret." });
	const path = `/api/chatbots/widget-config/${bot.id}`, reply = assertStatus(await visitor().get(path), 200);
	assert.deepEqual(reply.json, { id: bot.id, name: "Miller", welcomeMessage: "Hello!", theme: { color: "teal" },
		suggestedQuestions: ["What is ground?"], languages: [] });
	assert.equal(reply.headers["access-control-allow-origin"], SITE);
	assert.equal(reply.headers["access-control-allow-credentials"], undefined);
	assert.equal(reply.headers["x-allowed-origin"], undefined);
	assert.equal(assertStatus(await visitor("https://evil.example").get(path), 200).headers["access-control-allow-origin"], undefined);
	assert.equal(assertStatus(await api.get(path), 200).headers["access-control-allow-origin"], undefined);
	assertError(await api.get(`/api/chatbots/widget-config/${randomUUID()}`), "NOT_FOUND");
});

test("a visitor's session: begun, asked in, read again", async () => {
	const bot = await newBot(), visit = await begin(bot);
	assert.equal(visit.welcomeMessage, "Hello!");
	assert.match(visit.sessionId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
	const reply = assertStatus(await visit.say(QUESTION), 200);
	assert.equal(reply.headers["access-control-allow-origin"], SITE);
	assertKeys(reply.json, ["response", "sources", "messageId"]);
	assert.match(reply.json.response, /wheat/);
	assert.equal(reply.json.sources[0].sentence, "The tide mill at Eling grinds wheat.");
	const history = assertStatus(await visit.who.get(visit.path), 200);
	assert.equal(history.headers["access-control-allow-origin"], SITE);
	assert.deepEqual(history.json.messages.map((m) => m.role), ["user", "assistant"]);
	assert.deepEqual([history.json.welcomeMessage, history.json.answering], ["Hello!", false]);
	/* The owner sees it as a visitor's; nobody gets the secret back. */
	const [session] = assertStatus(await user.api.get(`/api/chat/sessions?chatbotId=${bot.id}`), 200).json;
	assert.deepEqual([session.userId, session.messages.length], [null, 2]);
	assert.notEqual(session.id, visit.sessionId);
	assertError(await visit.who.get(`/api/chat/widget/${bot.id}/session/${session.id}`), "NOT_FOUND");
	assertError(await visit.who.get(`/api/chat/widget/${bot.id}/session/${randomUUID()}`), "NOT_FOUND");
	assertError(await visit.who.get(`/api/chat/widget/${(await newBot()).id}/session/${visit.sessionId}`), "NOT_FOUND");
	assert.equal(await millrace.grepLogs(visit.sessionId), "");
});

test("a visitor's answer comes as events, without the owner's costs, and is resumed", async () => {
	const bot = await newBot(), visit = await begin(bot);
	const stream = await visit.who.sse("POST", `/api/chat/widget/${bot.id}/message`, { json: { sessionId: visit.sessionId, message: QUESTION } });
	assert.equal(stream.headers["access-control-allow-origin"], SITE);
	assert.match(stream.headers["access-control-expose-headers"], /X-Run-Id/);
	const events = await stream.all();
	assertOneEnd(events);
	assert.match(events.at(-1).data.content, /wheat/);
	assert.deepEqual(events.at(-1).data.usage, { inputTokens: 0, outputTokens: 0, costUsd: 0, model: null, provider: null });
	const again = await visit.who.sse("GET", `${visit.path}/stream`);
	assert.equal(again.headers["access-control-allow-origin"], SITE);
	assert.deepEqual((await again.all()).map((e) => e.data), events.map((e) => e.data));
	const after = events.at(-3).id;
	assert.deepEqual((await (await visit.who.sse("GET", `${visit.path}/stream?after=${after}`)).all()).map((e) => e.id), events.slice(-2).map((e) => e.id));
	assert.deepEqual((await (await visit.who.sse("GET", `${visit.path}/stream`, { headers: { origin: SITE, "last-event-id": after } })).all()).map((e) => e.id),
	    events.slice(-2).map((e) => e.id));
	assert.equal((await visit.who.get(`${visit.path}/stream?after=${events.at(-1).id}`)).status, 204);
});

test("pages of other origins are refused, and preflights tell nothing", async () => {
	const bot = await newBot(), visit = await begin(bot);
	for (const origin of ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "https://shop.example:444", "null", undefined]) {
		const who = visitor(origin ?? "");
		const headers = origin === undefined ? {} : { origin };
		for (const [path, json] of [["session", {}], ["message", { sessionId: visit.sessionId, message: "x" }]]) {
			const reply = await who.at.post(`/api/chat/widget/${bot.id}/${path}`, json, { headers });
			assertError(reply, "FORBIDDEN", null, `${origin} ${path}`);
			assert.equal(reply.headers["access-control-allow-origin"], undefined);
		}
		if (origin)
			assertError(await who.get(visit.path), "FORBIDDEN");
	}
	assertStatus(await api.get(visit.path), 200);
	const preflight = assertStatus(await api.request("OPTIONS", `/api/chat/widget/${bot.id}/message`, { headers: { origin: SITE,
		"access-control-request-method": "POST", "access-control-request-headers": "content-type" } }), 204);
	assert.equal(preflight.headers["access-control-allow-origin"], SITE);
	assert.equal(preflight.headers["access-control-allow-credentials"], undefined);
	assert.match(preflight.headers["access-control-allow-headers"], /content-type/i);
});

test("a repeated Idempotency-Key asks once", async () => {
	const bot = await newBot(), visit = await begin(bot), key = { "idempotency-key": newName() };
	const first = assertStatus(await visit.say(QUESTION, key), 200).json;
	assert.deepEqual(assertStatus(await visit.say(QUESTION, key), 200).json, first);
	assert.equal(assertStatus(await visit.who.get(visit.path), 200).json.messages.length, 2);
});

test("200 visitors at once get no more than the chatbot's messages a day", async () => {
	const bot = await newBot({}, { messagesPerDay: 20 });
	const visits = await Promise.all(Array.from({ length: 200 }, () => begin(bot)));
	const replies = await Promise.all(visits.map((v) => v.say(QUESTION)));
	const good = replies.filter((r) => r.status === 200), limited = replies.filter((r) => r.status === 429);
	assert.deepEqual([good.length, limited.length], [20, 180], replies.map((r) => r.status).join());
	assertError(limited[0], "RATE_LIMITED");
	assert.equal(limited[0].headers["access-control-allow-origin"], SITE);
	/* The owner's own sessions are not visitors'. */
	assertStatus(await say(await newSession(bot), QUESTION), 200);
});

test("visitors at once get no more than the chatbot's tokens a day, and what was reserved gives way to what was used", async () => {
	const bot = await newBot({}, { tokensPerDay: 40000, maxTokens: 8000 });
	const visits = await Promise.all(Array.from({ length: 20 }, () => begin(bot)));
	const replies = await Promise.all(visits.map((v) => v.say(QUESTION)));
	assert.ok(replies.every((r) => [200, 429].includes(r.status)) && replies.some((r) => r.status === 429), replies.map((r) => r.status).join());
	const counted = await millrace.psql(`SELECT tokens, (SELECT sum(u.input_tokens + u.output_tokens) FROM usage_event u JOIN run r ON r.id = u.run_id
	    JOIN conversation c ON c.id = r.conversation_id WHERE c.chatbot_id = '${bot.id}') FROM chatbot_use WHERE chatbot_id = '${bot.id}' AND subject = ''`);
	const [tokens, used] = counted.trim().split("|").map(Number);
	assert.equal(tokens, used);
	assert.ok(used > 0 && used < 40000, counted);
});

test("a session and an address may do so much in a minute", async () => {
	const bot = await newBot(), visit = await begin(bot);
	const replies = await Promise.all(Array.from({ length: 25 }, () => visit.say(QUESTION)));
	/* Ten in a minute, and a minute may end meanwhile. */
	const good = replies.filter((r) => r.status === 200).length;
	assert.ok(good >= 10 && good <= 20 && replies.every((r) => [200, 429].includes(r.status)), replies.map((r) => r.status).join());
	const who = visitor(), begun = await Promise.all(Array.from({ length: 70 }, () => who.post(`/api/chat/widget/${bot.id}/session`, {})));
	assert.ok(begun.some((r) => r.status === 429) && begun.filter((r) => r.status === 200).length >= 30);
});

test("sessions in which nobody asked go after a day", async () => {
	const bot = await newBot();
	await begin(bot);
	await millrace.psql(`UPDATE conversation SET created_at = created_at - interval '25 hours', updated_at = updated_at - interval '25 hours' WHERE chatbot_id = '${bot.id}';
	    SELECT sweep_old(24, 24, 30, 90, 90, 1000)`);
	await until(async () => await millrace.psql(`SELECT count(*) FROM conversation WHERE chatbot_id = '${bot.id}'`) === "0\n", "the session to go");
});

test("feedback: by who has the session, listed for the owner", async () => {
	const bot = await newBot(), visit = await begin(bot), other = await newUser(api);
	const { messageId } = assertStatus(await visit.say(QUESTION), 200).json, path = `/api/messages/${messageId}/feedback`;
	const given = assertStatus(await visit.who.post(path, { rating: "down", comment: "Too short", sessionId: visit.sessionId }), 200);
	assert.equal(given.headers["access-control-allow-origin"], SITE);
	assert.deepEqual([given.json.messageId, given.json.chatbotId, given.json.rating, given.json.comment], [messageId, bot.id, "down", "Too short"]);
	assertError(await visit.who.post(path, { rating: "up" }), "NOT_FOUND");
	assertError(await visit.who.post(path, { rating: "up", sessionId: randomUUID() }), "NOT_FOUND");
	assertError(await visitor("https://evil.example").post(path, { rating: "up", sessionId: visit.sessionId }), "FORBIDDEN");
	assertError(await other.api.post(path, { rating: "up" }), "NOT_FOUND");
	assertError(await visit.who.post(path, { rating: "great", sessionId: visit.sessionId }), "BAD_REQUEST", ["rating"]);
	const shown = async () => assertStatus(await visit.who.get(`/api/chat/widget/${bot.id}/session/${visit.sessionId}`), 200).json.messages.map((m) => m.rating);
	assert.deepEqual(await shown(), [null, "down"]);
	const { json } = assertStatus(await user.api.post(path, { rating: "up" }), 200);
	assert.deepEqual(await shown(), [null, "up"]);
	assert.deepEqual(assertStatus(await user.api.get(`/api/chatbots/${bot.id}/feedback`), 200).json, [json]);
	assert.deepEqual([json.id, json.rating, json.comment], [given.json.id, "up", null]);
	assertError(await other.api.get(`/api/chatbots/${bot.id}/feedback`), "NOT_FOUND");
});
