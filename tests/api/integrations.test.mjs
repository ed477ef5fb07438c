/* Integrations: where a chatbot answers beside the API. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newUser, shared } from "../js/instance.mjs";
import { UUID7, assertError, assertKeys, assertStatus } from "../js/expect.mjs";

const SITE = "https://shop.example";
let millrace, api, user;

before(async () => {
	millrace = await shared();
	({ api } = millrace);
	user = await newUser(api);
});

const newBot = async (owner = user) => assertStatus(await owner.api.post("/api/chatbots", { name: "Miller" }), 201).json.id;
const integrate = async (chatbotId, more = {}) => assertStatus(await user.api.post("/api/integrations/website",
    { type: "website", name: "Shop", chatbotId, config: { allowedOrigins: [SITE] }, ...more }), 201).json;
const put = (id, json) => user.api.put(`/api/integrations/${id}`, json);

test("a site's integration is made, read, listed, changed and deleted", async () => {
	const bot = await newBot(), made = await integrate(bot);
	assertKeys(made, ["id", "userId", "type", "name", "chatbotId", "status", "problem", "config", "createdAt", "updatedAt"]);
	assert.match(made.id, UUID7);
	assert.deepEqual([made.userId, made.type, made.name, made.chatbotId, made.status, made.problem],
	    [user.uid, "website", "Shop", bot, "active", null]);
	assert.deepEqual(made.config.allowedOrigins, [SITE]);
	assert.equal(made.config.snippet, `<script src="${millrace.url}/widget.js" data-chatbot="${bot}" async></script>`);
	assert.deepEqual(assertStatus(await user.api.get(`/api/integrations/${made.id}`), 200).json, made);
	assert.deepEqual(assertStatus(await user.api.get("/api/integrations?limit=1"), 200).json, [made]);
	const other = await newBot(), changed = assertStatus(await put(made.id, { name: "Store", chatbotId: other, config: { allowed_origins: [] } }), 200).json;
	assert.deepEqual([changed.name, changed.chatbotId, changed.config.allowedOrigins, changed.status], ["Store", other, [], "active"]);
	assert.ok(changed.config.snippet.includes(other));
	assert.deepEqual(assertStatus(await put(made.id, { status: "inactive" }), 200).json.config.allowedOrigins, []);
	assertStatus(await user.api.delete(`/api/integrations/${made.id}`), 204);
	assertError(await user.api.get(`/api/integrations/${made.id}`), "NOT_FOUND");
	assertError(await user.api.delete(`/api/integrations/${made.id}`), "NOT_FOUND");
});

test("what is no integration is refused, and whose chatbot it is counts", async () => {
	const make = (json) => user.api.post("/api/integrations/website", { name: "x", ...json }), bot = await newBot();
	assertError(await make({}), "BAD_REQUEST", ["chatbotId"]);
	assertError(await make({ chatbotId: bot, status: "error" }), "BAD_REQUEST", ["status"]);
	for (const origin of ["https://shop.example/", "*", "null", "https://Shop.example"])
		assertError(await make({ chatbotId: bot, config: { allowedOrigins: [origin] } }), "BAD_REQUEST", ["config.allowedOrigins"], origin);
	const other = await newUser(api), theirs = await newBot(other);
	for (const chatbotId of [theirs, randomUUID()]) {
		assertError(await make({ chatbotId }), "NOT_FOUND");
		assertError(await put((await integrate(bot)).id, { chatbotId }), "NOT_FOUND");
	}
	assertError(await other.api.put(`/api/integrations/${(await integrate(bot)).id}`, { name: "mine" }), "NOT_FOUND");
	assertError(await user.api.post("/api/integrations/carrier-pigeon", { name: "x", chatbotId: bot }), "NOT_FOUND");
});

test("pages of a site embed the chatbot while the integration is active", async () => {
	const bot = await newBot(), made = await integrate(bot);
	const begin = (origin) => api.fresh().post(`/api/chat/widget/${bot}/session`, {}, { headers: { origin } });
	const begun = assertStatus(await begin(SITE), 200);
	assert.equal(begun.headers["access-control-allow-origin"], SITE);
	assertError(await begin("https://other.example"), "FORBIDDEN");
	assertStatus(await put(made.id, { status: "inactive" }), 200);
	assertError(await begin(SITE), "FORBIDDEN");
	assertStatus(await put(made.id, { status: "active", chatbotId: await newBot() }), 200);
	assertError(await begin(SITE), "FORBIDDEN");
	assertStatus(await put(made.id, { chatbotId: bot }), 200);
	assertStatus(await begin(SITE), 200);
	assertStatus(await user.api.delete(`/api/integrations/${made.id}`), 204);
	assertError(await begin(SITE), "FORBIDDEN");
});

test("an integration goes with its chatbot", async () => {
	const bot = await newBot(), { id } = await integrate(bot);
	assertStatus(await user.api.delete(`/api/chatbots/${bot}`), 204);
	assertError(await user.api.get(`/api/integrations/${id}`), "NOT_FOUND");
});

test("Telegram that is not set up is told as such, and not as a failure that passes", async () => {
	const reply = await user.api.post("/api/telegram/connect");
	assertError(reply, "CONFLICT");
	assert.match(reply.json.error, /TELEGRAM_BOT_TOKEN/);
});
