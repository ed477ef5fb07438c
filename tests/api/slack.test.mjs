/* A chatbot in Slack, against a stand-in that signs its events. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { newUser, privateInstance } from "../js/instance.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { permit, start as startOpenai } from "../standin/openai.mjs";
import { newChannel, sign, startSlack } from "../standin/slack.mjs";

const APP_SECRET = randomBytes(16).toString("hex"), APP_SECRET_OLD = randomBytes(16).toString("hex");
let millrace, api, slack, openai, user;

before(async () => {
	[slack, openai] = await Promise.all([startSlack(), startOpenai({ key: "sk-test-key" })]);
	millrace = await privateInstance("slack", { SLACK_API_URL: slack.url, SLACK_SIGNING_SECRET: APP_SECRET, SLACK_SIGNING_SECRET_OLD: APP_SECRET_OLD,
		OPENAI_BASE_URL: openai.url, OPENAI_API_KEY: "sk-test-key", MILLRACE_LEASE_SECONDS: "5" });
	({ api } = millrace);
	user = await newUser(api);
});
after(async () => {
	await millrace?.stop();
	await openai?.close();
	slack?.stop();
});

const newBot = async (owner = user, settings = {}) => assertStatus(await owner.api.post("/api/chatbots", { name: "Miller", settings }), 201).json.id;
const integrate = async (owner, chatbotId) => assertStatus(await owner.api.post("/api/integrations/slack", { name: "Mill", chatbotId }), 201).json;
const give = (id, credentials, owner = user) => owner.api.post(`/api/integrations/slack/${id}/credentials`, credentials);
const show = async (id, owner = user) => assertStatus(await owner.api.get(`/api/integrations/${id}`), 200).json;
const events = (id) => `/api/integrations/slack/events${id ? `?integration=${id}` : ""}`;
/* What Slack was asked about, and did not take. */
const assertRefused = ({ status, json }, code, why) => {
	assert.deepEqual([status, json.code], [code === "BAD_REQUEST" ? 400 : 502, code]);
	assert.match(json.error, why);
};
async function deliver(path, envelope, how) {
	const { status, json } = await api.request("POST", path, slack.signed(envelope, how));
	return { status, json };
}
const said = (channel, pattern) => until(() => slack.texts(channel).find((text) => pattern.test(text)), `${pattern} in ${channel}`);
/* An integration that works, of an app of its own; the later of two with the same bot counts. */
async function working(settings) {
	const bot = await newBot(user, settings), { id } = await integrate(user, bot);
	assertStatus(await give(id, { bot_token: slack.token, signing_secret: slack.signing }), 200);
	return { bot, id, send: async (envelope, how) => assert.deepEqual(await deliver(events(id), envelope, how), { status: 200, json: { ok: true } }) };
}

test("an integration works when Slack takes its credentials, which nobody reads again", async () => {
	const bot = await newBot(), made = await integrate(user, bot), other = await newUser(api);
	assert.deepEqual([made.type, made.status, made.problem], ["slack", "error", "It has no credentials yet."]);
	assert.deepEqual(made.config, { eventsUrl: `${millrace.url}/api/integrations/slack/events?integration=${made.id}`, teamId: null, team: null, botUserId: null, botToken: null,
		signingSecret: null });
	/* A credential that nobody would look at is refused; what was read may be written back. */
	for (const config of [{ botToken: slack.token }, { bot_token: "x" }, { signingSecret: slack.signing }, { allowedOrigins: [], signing_secret: "" }])
		for (const reply of [await user.api.post("/api/integrations/slack", { name: "x", chatbotId: bot, config }), await user.api.put(`/api/integrations/${made.id}`, { config })]) {
			assertError(reply, "BAD_REQUEST", [`config.${Object.keys(config).at(-1)}`]);
			assert.match(reply.text, /integrations\/slack\/\{id\}\/credentials/);
		}
	assertStatus(await user.api.put(`/api/integrations/${made.id}`, { config: { ...made.config, botToken: "••••••••" } }), 200);
	const back = assertStatus(await user.api.put(`/api/integrations/${made.id}`, made), 200).json;
	assert.deepEqual({ ...back, updatedAt: made.updatedAt }, made);
	assertError(await give(made.id, {}), "BAD_REQUEST");
	for (const bot_token of ["xoxb-with a blank", "xoxb-\n", "xoxb-ü"])
		assertError(await give(made.id, { bot_token }), "BAD_REQUEST", ["bot_token"]);
	assertError(await give(made.id, { signing_secret: slack.signing }), "BAD_REQUEST");
	assertError(await give(made.id, { bot_token: slack.token }, other), "NOT_FOUND");
	assertError(await give(randomUUID(), { bot_token: slack.token }), "NOT_FOUND");
	assertRefused(await give(made.id, { bot_token: "xoxb-wrong" }), "BAD_REQUEST", /invalid_auth/);
	slack.isBot = false;
	assertRefused(await give(made.id, { bot_token: slack.token }), "BAD_REQUEST", /no bot/);
	slack.isBot = true;
	slack.faults.push({ method: "auth.test", status: 500, error: "internal_error" });
	assertRefused(await give(made.id, { bot_token: slack.token }), "UPSTREAM_FAILED", /shortly/);
	assert.equal((await show(made.id)).status, "error");
	const reply = assertStatus(await give(made.id, { bot_token: slack.token, signing_secret: slack.signing }), 200);
	assert.deepEqual([reply.json.status, reply.json.problem], ["active", null]);
	assert.deepEqual({ ...reply.json.config, eventsUrl: "" }, { eventsUrl: "", teamId: slack.team, team: "Mill", botUserId: slack.bot, botToken: "••••••••", signingSecret: "••••••••" });
	assert.deepEqual(await show(made.id), reply.json);
	assertStatus(await give(made.id, { signing_secret: "another" }), 200);
	const stored = await millrace.psql("SELECT b::text FROM slack_bot b UNION ALL SELECT r.input::text FROM run r WHERE kind = 'slack'");
	for (const secret of [slack.token, slack.signing, Buffer.from(slack.token).toString("hex"), Buffer.from(slack.signing).toString("hex"), "sealed"])
		assert.ok(!stored.includes(secret), stored);
	assert.equal(await millrace.grepLogs(slack.token), "");
});

test("events count by their signature over the raw body, made just now, with a secret that is in force", async () => {
	const bot = await newBot(), { id } = await integrate(user, bot), own = slack.signing, next = randomBytes(16).toString("hex");
	const challenge = { token: "x", challenge: "c \"1\" ü", type: "url_verification" };
	const verify = async (how, at = id) => (await deliver(events(at), challenge, how)).status;
	const good = { status: 200, json: { challenge: challenge.challenge } }, now = Math.floor(Date.now() / 1000);
	/* Nothing is known of it yet. */
	assert.equal(await verify({ secret: APP_SECRET }), 401);
	for (const secret of [APP_SECRET, APP_SECRET_OLD])
		assert.deepEqual(await deliver(events(), challenge, { secret }), good);
	for (const secret of [own, null, ""])
		assert.equal(await verify({ secret }, ""), 401);
	assertStatus(await give(id, { bot_token: slack.token }), 200);
	assert.equal(await verify({ secret: APP_SECRET }), 200);
	assertStatus(await give(id, { signing_secret: own }), 200);
	assert.deepEqual(await deliver(events(id), challenge, { secret: own }), good);
	assert.equal(await verify({ secret: APP_SECRET }), 401);
	assertStatus(await give(id, { signing_secret: next }), 200);
	assert.deepEqual([await verify({ secret: own }), await verify({ secret: next })], [200, 200]);
	await millrace.psql(`UPDATE slack_bot SET before_until = now() WHERE integration_id = '${id}'`);
	assert.deepEqual([await verify({ secret: own }), await verify({ secret: next })], [401, 200]);
	for (const at of [now - 400, now + 400, "", "now", `${now}.5`, -now])
		assert.equal(await verify({ secret: next, at }), 401, String(at));
	const body = JSON.stringify(challenge), signature = sign(next, now, body);
	assert.equal(await verify({ secret: next, at: now, body, signature }), 200);
	for (const how of [{ body: `${body} ` }, { at: now - 1 }, { signature: signature.slice(0, -1) }, { signature: signature.replace("v0=", "v1=") }, { signature: "v0=" },
		{ signature: `${signature}00` }])
		assert.equal(await verify({ secret: next, at: now, body, signature, ...how }), 401, JSON.stringify(how));
	assert.equal((await deliver(events(randomUUID()), challenge, { secret: next })).status, 401);
	/* Odd, and signed: nothing comes of it. */
	for (const odd of [{}, { event: [] }, { type: [] }, { type: "event_callback", event: "x" }, slack.envelope({}, { team_id: 1 })])
		assert.equal((await deliver(events(id), odd, { secret: next })).status, 400);
	for (const odd of [{ type: "event_callback" }, { type: "app_rate_limited" }, slack.envelope({ type: "message", channel: 1, ts: {} }),
		slack.envelope({ type: "message" }, { authorizations: [1, null, {}] }), slack.envelope({ type: [] }), slack.envelope({}, { authorizations: {} })])
		assert.deepEqual(await deliver(events(id), odd, { secret: next }), { status: 200, json: { ok: true } });
});

test("a mention is answered in its thread, in one message that grows; the thread is a conversation", async () => {
	const { bot, send } = await working(), channel = newChannel(), gate = randomUUID();
	const asked = slack.mention(channel, `[[gate:${gate} tokens:6]]`), thread_ts = asked.event.ts;
	await send(asked);
	permit(gate, 2);
	await said(channel, /w0 w1/);
	permit(gate);
	await said(channel, /w5/);
	assert.deepEqual(slack.said(channel).map((m) => [m.thread_ts, m.updates > 0]), [[thread_ts, true]]);
	/* Of others' talk only what stands in that thread is for it. */
	await send(slack.message(channel, "[[say:Unasked]] \ud83d \u0000"));
	await send(slack.message(channel, "[[say:**Bold** & [a link](https://mill.example/?a=1&b=2) <!channel>]]", { thread_ts }));
	await said(channel, /^\*Bold\* &amp; <https:\/\/mill\.example\/\?a=1&amp;b=2\|a link> &lt;!channel&gt;$/);
	assert.equal(slack.said(channel).length, 2);
	const sessions = assertStatus(await user.api.get(`/api/chat/sessions?chatbotId=${bot}`), 200).json;
	assert.deepEqual(sessions.map((s) => s.userId), [null]);
	const { messages } = assertStatus(await user.api.get(`/api/chat/sessions/${sessions[0].id}`), 200).json;
	assert.deepEqual(messages.map((m) => m.role), ["user", "assistant", "user", "assistant"]);
	assert.equal(messages[0].content, `[[gate:${gate} tokens:6]]`);
});

test("what an answer failed by is its owner's to know: Slack is told that there is none", async () => {
	const { bot, send } = await working(), channel = newChannel("D");
	await send(slack.message(channel, "[[401]]"));
	assert.equal(await said(channel, /answer/), "No answer could be given; please try again later.");
	const run = (await millrace.psql(`SELECT r.id FROM run r JOIN conversation c ON c.id = r.conversation_id WHERE r.kind = 'chat' AND c.chatbot_id = '${bot}'`)).trim();
	assert.match(assertStatus(await user.api.get(`/api/runs/${run}`), 200).json.error.message, /OPENAI_API_KEY/);
	assert.doesNotMatch(await millrace.psql(`SELECT data FROM stream_event WHERE topic = 'run:${run}'`), /OPENAI_API_KEY/);
});

test("a direct conversation goes on outside of threads; a thread there begins another", async () => {
	const { bot, send } = await working(), channel = newChannel("D");
	await send(slack.message(channel, "[[say:First]]"));
	await said(channel, /^First$/);
	const second = slack.message(channel, "[[say:Second]]");
	await send(second);
	await said(channel, /^Second$/);
	await send(slack.message(channel, "[[say:Third]]", { thread_ts: second.event.ts }));
	await said(channel, /^Third$/);
	await send(slack.message(channel, " ", { subtype: "file_share", files: [{ id: "F1" }] }));
	await said(channel, /text only/);
	assert.deepEqual(slack.said(channel).map((m) => m.thread_ts), [undefined, undefined, second.event.ts, undefined]);
	assert.equal(assertStatus(await user.api.get(`/api/chat/sessions?chatbotId=${bot}`), 200).json.length, 2);
});

test("once, however often and under whatever id it comes; and never what bots say", async () => {
	const { bot, send } = await working(), channel = newChannel();
	const mention = slack.mention(channel, "[[say:Once]]"), { event } = mention;
	await send(mention);
	await Promise.all([1, 2, 3].map((retry) => send(mention, { retry })));
	/* The same message, as the channel's. */
	await send(slack.envelope({ ...event, type: "message", channel_type: "channel" }));
	for (const bots of [{ bot_id: "B0OTHER" }, { user: slack.bot }, { subtype: "bot_message", bot_id: "B0OTHER", user: undefined }, { subtype: "message_changed" },
		{ subtype: "channel_join" }, { user: undefined }])
		await send(slack.mention(channel, "[[say:To a bot]]", bots));
	await send(slack.mention(channel, "[[say:Last]]"));
	await said(channel, /^Last$/);
	await said(channel, /^Once$/);
	assert.deepEqual(slack.texts(channel).sort(), ["Last", "Once"]);
	assert.equal(assertStatus(await user.api.get(`/api/chat/sessions?chatbotId=${bot}`), 200).json.length, 2);
	/* Of another workspace, of another bot there, of this server's app without being its. */
	for (const [more, how] of [[{ authorizations: [{ team_id: "T0OTHER", user_id: slack.bot }] }], [{ authorizations: [{ team_id: slack.team, user_id: "U0OTHER" }] }]])
		await send({ ...slack.mention(channel, "[[say:Elsewhere]]"), ...more }, how);
	assert.equal((await deliver(events(), slack.mention(channel, "[[say:Elsewhere]]"), { secret: APP_SECRET })).status, 200);
	await send(slack.mention(channel, "[[say:Here]]"));
	await said(channel, /^Here$/);
	assert.ok(!slack.texts(channel).includes("Elsewhere"));
});

test("this server's own app finds the integration by its bot; the later of two has it", async () => {
	const first = await integrate(user, await newBot()), second = await integrate(user, await newBot()), channel = newChannel();
	for (const { id } of [first, second])
		assertStatus(await give(id, { bot_token: slack.token }), 200);
	assert.deepEqual([(await show(first.id)).status, (await show(second.id)).status], ["error", "active"]);
	for (const secret of [APP_SECRET, APP_SECRET_OLD])
		assert.equal((await deliver(events(), slack.mention(channel, `[[say:By ${secret === APP_SECRET ? "the app" : "the one before"}]]`), { secret })).status, 200);
	await said(channel, /^By the app$/);
	await said(channel, /^By the one before$/);
});

test("who starts an integration again has nobody else's messages before Slack has taken the token", async () => {
	const others = await newUser(api), bots = [await newBot(user), await newBot(others)], channel = newChannel("D");
	const mine = await integrate(user, bots[0]), theirs = await integrate(others, bots[1]);
	assertStatus(await give(mine.id, { bot_token: slack.token }), 200);
	assertStatus(await give(theirs.id, { bot_token: slack.token }, others), 200);
	const sessions = async (owner, bot) => assertStatus(await owner.api.get(`/api/chat/sessions?chatbotId=${bot}`), 200).json.length;
	const deliverOwn = async (text) => assert.equal((await deliver(events(), slack.message(channel, `[[say:${text}]]`), { secret: APP_SECRET })).status, 200);
	let release;
	slack.faults.push({ method: "auth.test", until: new Promise((resolve) => { release = resolve; }) });
	assertStatus(await user.api.put(`/api/integrations/${mine.id}`, { status: "active" }), 200);
	await until(() => slack.faults.length === 0, "Slack to be asked");
	assert.deepEqual([(await show(mine.id)).status, (await show(theirs.id, others)).status], ["active", "active"]);
	await deliverOwn("To who has it");
	await said(channel, /^To who has it$/);
	assert.deepEqual([await sessions(user, bots[0]), await sessions(others, bots[1])], [0, 1]);
	release();
	await until(async () => (await show(theirs.id, others)).status === "error", "the token to be checked");
	await deliverOwn("To who is the later now");
	await said(channel, /^To who is the later now$/);
	assert.deepEqual([await sessions(user, bots[0]), await sessions(others, bots[1])], [1, 1]);
});

test("a check of the token that was there says nothing of one that was given meanwhile", async () => {
	const { id } = await integrate(user, await newBot()), token = `xoxb-${randomUUID()}`, bot = `U${randomBytes(5).toString("hex").toUpperCase()}`;
	const config = async () => { const { status, config: { botUserId } } = await show(id); return [status, botUserId]; };
	let release;
	slack.bots.set(token, bot);
	assertStatus(await give(id, { bot_token: slack.token }), 200);
	slack.faults.push({ method: "auth.test", until: new Promise((resolve) => { release = resolve; }) });
	const first = give(id, { signing_secret: slack.signing });
	await until(() => slack.faults.length === 0, "Slack to be asked");
	assertStatus(await give(id, { bot_token: token }), 200);
	release();
	const { status, json: { code } } = await first;
	assert.deepEqual([status, code], [409, "CONFLICT"]);
	assert.deepEqual(await config(), ["active", bot]);
	/* Nor does what a message's job is told of the one before. */
	await millrace.psql(`SELECT slack_problem('${id}', 'Of the token before', 1)`);
	assert.deepEqual(await config(), ["active", bot]);
	await millrace.psql(`SELECT slack_problem('${id}', 'Of this one', 2)`);
	assert.deepEqual(await config(), ["error", bot]);
	assertStatus(await give(id, { signing_secret: slack.signing }), 200);
	assert.deepEqual(await config(), ["active", bot]);
});

test("two integrations with one bot that are checked at once: one of them has it", async () => {
	const both = [await integrate(user, await newBot()), await integrate(user, await newBot())];
	for (let n = 0; n < 5; n++) {
		await Promise.all(both.map(async ({ id }) => assertStatus(await give(id, { bot_token: slack.token }), 200)));
		assert.deepEqual((await Promise.all(both.map(async ({ id }) => (await show(id)).status))).sort(), ["active", "error"]);
	}
});

test("a signing secret that is given while an event has the one before closed anew stays", async () => {
	const { id } = await working(), signing = () => millrace.psql(`SELECT encode(signing, 'hex') FROM slack_bot WHERE integration_id = '${id}'`);
	const event = (was, anew) => millrace.psql(`SELECT slack_event('${id}', '{}', '\\x${was}', '\\x${anew}', 1, 1, 1, 1, 1, 1, false)`), now = (await signing()).trim();
	await event("00", "01");
	assert.equal((await signing()).trim(), now);
	await event(now, "02");
	assert.equal((await signing()).trim(), "02");
});

test("a long answer comes in messages that Slack takes; a rate limit holds for its channel alone", async () => {
	const { id, send } = await working(), channel = newChannel(), other = newChannel();
	slack.faults.push({ method: "chat.postMessage", channel, status: 429, error: "ratelimited", retryAfter: 3000 });
	const calls = () => slack.of("chat.postMessage").filter((a) => a.channel === channel).length;
	await send(slack.mention(channel, "[[tokens:1200 delay:0]]"));
	await until(() => calls() === 1, "the call that is refused");
	await until(async () => await millrace.psql(`SELECT holds <> '{}' FROM slack_bot WHERE integration_id = '${id}'`) === "t\n", "the hold");
	await send(slack.mention(channel, "[[say:Held, too]]"));
	await send(slack.mention(other, "[[say:Elsewhere]]"));
	await said(other, /^Elsewhere$/);
	await until(async () => await millrace.psql(`SELECT count(*) FROM job j JOIN run r ON r.id = j.run_id WHERE j.kind = 'slack' AND j.state = 'queued'
	    AND r.input ->> 'channel' = '${channel}' AND j.run_at > now() + interval '10 minutes'`) === "2\n", "both to wait");
	assert.equal(calls(), 1);
	/* Slack's other way to say it, once more. */
	slack.faults.push({ method: "chat.postMessage", channel, error: "ratelimited", retryAfter: 1 });
	await millrace.psql(`UPDATE slack_bot SET holds = '{}'; UPDATE job SET run_at = now() WHERE kind = 'slack' AND state = 'queued'; NOTIFY millrace_job`);
	await said(channel, /w1199/);
	await said(channel, /^Held, too$/);
	const words = slack.texts(channel).filter((text) => text !== "Held, too").join(" ").trim().split(/\s+/);
	assert.deepEqual(words, Array.from({ length: 1200 }, (_, i) => `w${i}`));
});

test("what is refused is said, once an hour", async () => {
	const { send } = await working({ messagesPerDay: 1 }), channel = newChannel("D");
	for (const text of ["[[say:Within]]", "Beyond", "Beyond once more"])
		await send(slack.message(channel, text));
	await said(channel, /limit for today/);
	await said(channel, /^Within$/);
	await send(slack.message(channel, "x".repeat(20001)));
	await said(channel, /too long/);
	assert.equal(slack.texts(channel).length, 3);
});

test("a revoked token stops the integration, and a new one starts it; its owner stops it, too", async () => {
	const { id, send } = await working(), channel = newChannel("D"), token = slack.token;
	const status = async () => { const { status: now, problem } = await show(id); return [now, problem]; };
	slack.token = `xoxb-${randomUUID()}`;
	await send(slack.message(channel, "[[say:Unheard]]"));
	await until(async () => (await status())[0] === "error", "the integration not to work");
	assert.match((await status())[1], /invalid_auth/);
	/* Started again by its owner, it is checked, and does not work. */
	assertStatus(await user.api.put(`/api/integrations/${id}`, { status: "active" }), 200);
	await until(async () => (await status())[0] === "error", "the token to be checked");
	assertRefused(await give(id, { bot_token: token }), "BAD_REQUEST", /invalid_auth/);
	assertStatus(await give(id, { bot_token: slack.token }), 200);
	assert.deepEqual(await status(), ["active", null]);
	await send(slack.message(channel, "[[say:Heard]]"));
	await said(channel, /^Heard$/);
	assertStatus(await user.api.put(`/api/integrations/${id}`, { status: "inactive" }), 200);
	await send(slack.message(channel, "[[say:While stopped]]"));
	assertStatus(await user.api.put(`/api/integrations/${id}`, { status: "active" }), 200);
	await send(slack.message(channel, "[[say:Started]]"));
	await said(channel, /^Started$/);
	assert.deepEqual(slack.texts(channel), ["Heard", "Started"]);
	await send(slack.envelope({ type: "tokens_revoked", tokens: { oauth: ["U1"], bot: ["U0OTHER"] } }));
	assert.deepEqual(await status(), ["active", null]);
	/* Of the token before: Slack is asked, and takes the one that is there. */
	const revoked = () => slack.envelope({ type: "tokens_revoked", tokens: { oauth: [], bot: [slack.bot] } }), checks = () => slack.of("auth.test").length, asked = checks();
	await send(revoked());
	await until(() => checks() === asked + 1, "Slack to be asked");
	await send(slack.message(channel, "[[say:As before]]"));
	await said(channel, /^As before$/);
	assert.deepEqual(await status(), ["active", null]);
	slack.token = `xoxb-${randomUUID()}`;
	await send(revoked());
	await until(async () => (await status())[0] === "error", "the integration not to work");
	assertStatus(await give(id, { bot_token: slack.token }), 200);
	slack.token = `xoxb-${randomUUID()}`;
	await send(slack.envelope({ type: "app_uninstalled" }));
	await until(async () => (await status())[0] === "error", "the integration not to work");
	assertStatus(await user.api.delete(`/api/integrations/${id}`), 204);
	assert.equal((await deliver(events(id), slack.message(channel, "[[say:Gone]]"))).status, 401);
});

test("a new key of the vault: bot tokens are put under it and are good as before", async () => {
	const { id, send } = await working(), channel = newChannel(), keyFile = join(millrace.dir, "vault.key"), next = join(millrace.dir, "next.key");
	const key = () => millrace.psql(`SELECT key_id FROM slack_bot WHERE integration_id = '${id}'`), old = await key();
	await millrace.ctl("vault", "rotate", "--key-file", next);
	millrace.env.MILLRACE_VAULT_KEY_OLD = readFileSync(keyFile, "utf8").trim();
	renameSync(next, keyFile);
	await millrace.replace("runner");
	await until(async () => await key() !== old, "the token under the new key");
	const { keys } = JSON.parse((await millrace.ctl("vault", "status", "--json")).stdout);
	assert.ok(keys[0].secrets > 0 && keys[1].secrets === 0, JSON.stringify(keys));
	await send(slack.mention(channel, "[[say:Under the new key]]"));
	await said(channel, /^Under the new key$/);
});

test("a runner that is killed loses nothing, and answers once, also while Slack has taken a message", async () => {
	const { send } = await working(), channel = newChannel(), direct = newChannel("D"), gate = randomUUID();
	let release;
	slack.hold = new Promise((resolve) => { release = resolve; });
	await send(slack.mention(channel, `[[gate:${gate} tokens:8]]`));
	await send(slack.message(direct, "[[say:Taken, not told]]"));
	permit(gate, 2);
	/* As much as there was when each was posted. */
	await said(channel, /w0/);
	await said(direct, /Taken/);
	slack.hold = null;
	await millrace.replace("runner", { kill: true });
	release();
	permit(gate);
	await said(channel, /w7/);
	await until(() => slack.of("conversations.history").some((a) => a.channel === direct), "it is looked for");
	await said(direct, /^Taken, not told$/);
	await send(slack.message(direct, "[[say:The next]]"));
	await said(direct, /^The next$/);
	assert.deepEqual([slack.texts(direct), slack.said(channel).length], [["Taken, not told", "The next"], 1]);
});
