/* Chat with Google's Gemini API: the strict stand-in behind us, and other vendors' behind that. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { LLMock } from "@copilotkit/aimock";
import { newUser, privateInstance } from "../js/instance.mjs";
import { Anthropic } from "../standin/anthropic.mjs";
import { Google } from "../standin/google.mjs";
import { permit } from "../standin/openai.mjs";
import { assertDone, assertOneEnd, contentOf } from "../js/events.mjs";

let millrace, user, server, claude, last, aimock;

before(async () => {
	[server, claude, last] = await Promise.all([new Google({ key: "AIza-test" }).start(), new Anthropic({ key: "sk-ant" }).start(),
		new Google({ key: "AIza-last", isWell: true }).start()]);
	aimock = new LLMock({ port: 0 });
	aimock.onMessage("hello mock", { content: "Hi there from the mock." });
	await aimock.start();
	/* Each is asked where those before cannot answer; of a kind there may be several. `auto` is the one that has a key. */
	millrace = await privateInstance("chat-google", { MILLRACE_PROVIDER: "auto, claude/claude-sonnet-5-5, mock/gemini-3.6-flash last/gemini-3.6-flash",
		MILLRACE_PROVIDERS: `claude=anthropic:${claude.url}/ last=google:${last.url} mock=google:${new URL(aimock.url).origin}/v1beta`,
		MILLRACE_PROVIDER_KEYS: "claude=sk-ant mock=x last=AIza-last",
		GEMINI_API_KEY: "AIza-test", GEMINI_BASE_URL: server.url });
	user = await newUser(millrace.api);
});
after(async () => {
	await millrace?.stop();
	[server, claude, last].forEach((s) => s?.close());
	await aimock?.stop();
});

const words = (n) => Array.from({ length: n }, (_, i) => `w${i}`).join(" ");
async function ask(message, more) {
	const mark = randomUUID(), stream = await user.api.chat(`${mark} ${message}`, more), events = await stream.all();
	assertOneEnd(events);
	return { events, end: events.at(-1), requests: server.log(mark), mark, conversation: stream.headers["x-conversation-id"] };
}
const TOOLS = '[[tool:write_file {"name":"a.md","content":"# é"}]] [[tool:read_file {"name":"a.md"}]]';

test("an answer, with what it used", async () => {
	const { end, events, requests: [request] } = await ask("[[tokens:30 thinking:5 cached:7]]");
	const done = assertDone(end);
	assert.equal(done.content, words(30));
	assert.equal(contentOf(events), done.content);
	assert.deepEqual([done.usage.provider, done.usage.model, done.usage.outputTokens], ["google", "gemini-3.6-flash", 35], "thoughts are output");
	assert.equal(request.path, "/v1beta/models/gemini-3.6-flash:streamGenerateContent?alt=sse");
	assert.ok(!request.headers.authorization && request.body.systemInstruction.parts[0].text.length > 0);
});

test("the conversation so far, and an answer that comes whole", async () => {
	const first = await ask("[[say:one]]"), { end, requests: [request] } = await ask("[[say:two words whole]]", { conversationId: first.conversation });
	assert.equal(assertDone(end).content, "two words whole");
	assert.deepEqual(request.body.contents.map((c) => c.role), ["user", "model", "user"]);
	assert.equal(assertDone((await ask("[[tokens:4 whole]]")).end).content, words(4));
});

test("functions are called, and their signatures go back", async () => {
	for (const ids of ["", "[[noids]] "]) {
		const { events, end, requests } = await ask(`${ids}[[thinking:2]] ${TOOLS}`);
		assert.equal(assertDone(end).content, words(12));
		const results = events.filter((e) => e.event === "activity" && e.data.type === "tool_result").map((e) => [e.data.name, e.data.status]);
		assert.deepEqual(results, [["write_file", "done"], ["read_file", "done"]]);
		const [turn, answers] = requests[1].body.contents.slice(-2).map((c) => c.parts);
		assert.deepEqual(turn.map((p) => Boolean(p.thoughtSignature)), [true, false]);
		assert.equal(answers[1].functionResponse.response.result, "# é");
	}
});

test("a runner that is killed behind a call: another goes on, with the signature", async () => {
	const mark = randomUUID();
	permit(mark, 6);
	const stream = await user.api.chat(`${mark} [[gate:${mark}]] [[tool:write_file {"name":"k.md","content":"k"}]]`);
	const events = await stream.takeUntil((e) => contentOf([e]).includes("w"));
	await millrace.replace("runner", { kill: true });
	permit(mark);
	events.push(...await stream.all());
	assertOneEnd(events);
	assert.equal(assertDone(events.at(-1)).content, words(12));
	assert.equal(events.filter((e) => e.event === "artifact").length, 1, "the file was written once");
});

test("an answer that breaks off is continued", async () => {
	for (const fault of ["cut:5", "reset:5", "eof:5", "garbage:5", "errorchunk:5"]) {
		const { end, requests } = await ask(`[[tokens:20 ${fault}]]`);
		assert.equal(assertDone(end).content, words(20), fault);
		assert.equal(requests.length, 2, fault);
	}
	assert.equal(assertDone((await ask("[[tokens:3 finish:MAX_TOKENS]]")).end).finishReason, "length");
});

test("a server that is busy says for how long in the error's details", async () => {
	const { end, requests } = await ask("[[429:1 wait:1.5]]");
	assert.equal(assertDone(end).content, words(12));
	assert.ok(requests[1].at - requests[0].at >= 1500, "retryDelay");
	assert.equal(assertDone((await ask("[[503:1]]")).end).content, words(12));
});

test("what is withheld is asked of nobody else", async () => {
	for (const what of ["[[blocked]]", "[[tokens:0 finish:SAFETY]]"]) {
		const { end, requests, mark } = await ask(what);
		assert.match(end.data.message, /content filter/);
		assert.deepEqual([requests.length, claude.log(mark).length], [1, 0]);
	}
});

test("where one vendor cannot go on, another's does, with calls that it has not made", async () => {
	const one = assertDone((await ask(`[[late:403]] ${TOOLS}`)).end);
	assert.deepEqual([one.usage.provider, one.content], ["claude", words(12)]);
	const { end, mark } = await ask(`[[403]] [[late:402]] [[thinking:2]] ${TOOLS}`), other = assertDone(end);
	assert.deepEqual([other.usage.provider, other.content], ["last", words(12)]);
	assert.equal(claude.log(mark).length, 2);
	assert.equal(last.log(mark).length, 1);
	/* A wait that nobody bears is no wait. */
	assert.equal(assertDone((await ask("[[429 wait:300]]")).end).usage.provider, "last");
});

test("aimock behind us", async () => {
	const done = assertDone((await ask("hello mock [[403 402]]")).end);
	assert.deepEqual([done.content, done.usage.provider], ["Hi there from the mock.", "mock"]);
});
