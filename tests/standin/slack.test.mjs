/* The stand-in for Slack, by Slack's own programs: its client calls it, and Bolt reads its events. */
import test from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { once } from "node:events";
import { WebClient } from "@slack/web-api";
import bolt from "@slack/bolt";
import { until } from "../js/expect.mjs";
import { newChannel, sign, startSlack } from "./slack.mjs";

test("the client posts, updates, finds its message, and reads refusals", async (t) => {
	const slack = await startSlack(), channel = newChannel();
	t.after(() => slack.stop());
	const client = new WebClient(slack.token, { slackApiUrl: `${slack.url}/`, retryConfig: { retries: 0 }, rejectRateLimitedCalls: true });
	const who = await client.auth.test();
	assert.deepEqual([who.team_id, who.user_id, who.bot_id], [slack.team, slack.bot, "B0MILL"]);
	const metadata = { event_type: "millrace_answer", event_payload: { run: "r", n: 0 } };
	const sent = await client.chat.postMessage({ channel, text: "Hello", metadata });
	await client.chat.update({ channel, ts: sent.ts, text: "Changed" });
	assert.deepEqual(slack.texts(channel), ["Changed"]);
	const { messages } = await client.conversations.history({ channel, oldest: "0", include_all_metadata: true });
	assert.deepEqual(messages.map((m) => [m.ts, m.metadata]), [[sent.ts, metadata]]);
	await assert.rejects(client.chat.update({ channel, ts: sent.ts, text: "x".repeat(4001) }), (e) => e.data.error === "msg_too_long");
	slack.faults.push({ method: "chat.postMessage", status: 429, error: "ratelimited", retryAfter: 7 });
	await assert.rejects(client.chat.postMessage({ channel, text: "x" }), (e) => e.retryAfter === 7);
	await assert.rejects(new WebClient("xoxb-other", { slackApiUrl: `${slack.url}/`, retryConfig: { retries: 0 } }).auth.test(), (e) => e.data.error === "invalid_auth");
});

test("Bolt takes its events, and no others", async (t) => {
	const slack = await startSlack(), channel = newChannel();
	t.after(() => slack.stop());
	const receiver = new bolt.HTTPReceiver({ signingSecret: slack.signing, endpoints: ["/events"], logLevel: "error" });
	const app = new bolt.App({ receiver, token: slack.token, clientOptions: { slackApiUrl: `${slack.url}/`, retryConfig: { retries: 0 } }, logLevel: "error" });
	app.event("app_mention", async ({ event, say }) => { await say({ text: `You said ${event.text}`, thread_ts: event.ts }); });
	const server = http.createServer((req, res) => receiver.requestListener(req, res)).listen(0, "127.0.0.1");
	t.after(() => server.close());
	await once(server, "listening");
	const url = `http://127.0.0.1:${server.address().port}/events`;
	const mention = slack.mention(channel, "hello");
	const post = async (how) => (await fetch(url, { method: "POST", ...slack.signed(mention, how) })).status;
	assert.equal(await post({}), 200);
	await until(() => slack.texts(channel).length > 0, "what it says");
	assert.deepEqual(slack.texts(channel), [`You said <@${slack.bot}> hello`]);
	assert.deepEqual([await post({ secret: "wrong" }), await post({ at: 1 }), await post({ signature: sign(slack.signing, Math.floor(Date.now() / 1000), "{}") })], [401, 401, 401]);
});
