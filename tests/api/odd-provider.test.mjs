/* Chat behind servers that are OpenAI-compatible only so far: what each case of the stand-in does is described there. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import OpenAI from "openai";
import { newUser, privateInstance } from "../js/instance.mjs";
import { relayTo } from "../js/relay.mjs";
import { start } from "../standin/odd.mjs";
import { assertStatus, until } from "../js/expect.mjs";
import { assertDone, assertOneEnd, contentOf } from "../js/events.mjs";

let millrace, api, user, odd, relay;

before(async () => {
	odd = await start();
	millrace = await privateInstance("odd-provider", { MILLRACE_PROVIDER: "openai", OPENAI_MODEL: "odd", OPENAI_BASE_URL: odd.url });
	({ api } = millrace);
	user = await newUser(api);
});
after(async () => {
	await millrace?.stop();
	relay?.close();
	odd?.close();
});

const marked = (name) => `${randomUUID()} [[odd:${name}]]`;
async function ask(name, conversation) {
	const question = marked(name);
	const stream = await user.api.chat(question, conversation ? { conversationId: conversation } : {});
	const events = await stream.all();
	assertOneEnd(events);
	return { events, end: events.at(-1), run: stream.headers["x-run-id"], conversation: stream.headers["x-conversation-id"],
		requests: odd.log(question.slice(0, 36)) };
}
const activities = (events, type) => events.filter((e) => e.event === "activity" && e.data.type === type).map((e) => e.data);
const artifacts = (events) => events.filter((e) => e.event === "artifact").map((e) => e.data);

/* The case says exactly this, once, in events and in the end. */
async function says(name, text) {
	const answer = await ask(name);
	assert.equal(assertDone(answer.end).content, text, name);
	assert.equal(contentOf(answer.events), text, name);
	return answer;
}
/* It ends in an error that says so. */
async function fails(name, pattern) {
	const { end, requests } = await ask(name);
	assert.equal(end.event, "error", `${name}: ${JSON.stringify(end.data)}`);
	assert.equal(end.data.code, "UPSTREAM_FAILED");
	assert.match(end.data.message, pattern, name);
	return requests;
}
/* The files are written, each with its content, and each step has an id of its own. */
async function writes(name, files) {
	const { events, end } = await ask(name);
	assert.equal(assertDone(end).content, "done with tools", name);
	const written = await Promise.all(artifacts(events).map(async ({ name: file, url }) =>
	    [file, assertStatus(await user.api.get(new URL(url, api.base).pathname), 200).text]));
	assert.deepEqual(Object.fromEntries(written), files, name);
	assert.equal(written.length, Object.keys(files).length, `${name}: ${JSON.stringify(written)}`);
	const [called, results] = [activities(events, "tool_call"), activities(events, "tool_result")];
	assert.deepEqual(results.map((r) => [r.id, r.name, r.status]), called.map((c) => [c.id, "write_file", "done"]), name);
	assert.equal(new Set(called.map((c) => c.id)).size, Object.keys(files).length, name);
	return called;
}
const ONE = { "one.txt": "1" }, BOTH = { "one.txt": "1", "two.txt": "2" };

test("calls without ids, or with the same in each round, are calls of their own", async () => {
	for (const [name, file] of [["noids", "round"], ["sameid", "round"]])
		await writes(name, { [`${file}1.txt`]: "text 1", [`${file}2.txt`]: "text 2" });
	const [a] = await writes("sametwice", BOTH), [b] = await writes("sametwice", BOTH);
	assert.notEqual(a.id, b.id, "not even of another run's");
});

test("calls with one index, none, or odd ones are told apart", async () => {
	for (const name of ["index0", "index0pieces", "index0noids", "piecesnoids", "piecesnull", "noindex", "nothing", "from1"])
		await writes(name, BOTH);
});

test("a name or an id in each piece is no other call", async () => {
	for (const name of ["newids", "repname", "repnamenoids", "splitname", "summary", "longid"])
		await writes(name, ONE);
});

test("a call without a name is none; an invented one is answered, and goes back as a name", async () => {
	await says("nameless", "plain answer");
	const { events, end } = await ask("fancyname");
	assert.equal(assertDone(end).content, "done with tools");
	assert.equal(activities(events, "tool_result")[0].status, "failed");
});

test("members of another type, or in another place, count", async () => {
	await says("parts", "answer in parts");
	await says("number", "42");
	await says("message", "in a message");
	await says("both", "said once");
	await says("partobject", "in an object");
	await says("choiceobject", "no list");
	await says("completion", "as a text is completed");
	for (const name of ["objectargs", "twiceargs", "onecall", "flatcall", "functioncall", "functionwhole"])
		await writes(name, ONE);
});

test("usage is counted as it comes", async () => {
	for (const name of ["floatusage", "choiceusage"]) {
		const { end, run } = await says(name, "u");
		assert.deepEqual([end.data.usage.inputTokens, end.data.usage.outputTokens], [11, 5], name);
		assert.equal((await millrace.psql(`SELECT estimated FROM usage_event WHERE run_id = '${run}'`)).trim(), "f", name);
	}
	const { end } = await says("nousage", "some words");
	assert.ok(end.data.usage.inputTokens > 0 && end.data.usage.outputTokens > 0, JSON.stringify(end.data.usage));
});

test("an empty answer is asked for again, and told where it stays so", async () => {
	for (const name of ["empty", "blank"])
		assert.equal((await says(name, "plain answer")).requests.length, 2, name);
	const requests = await fails("alwaysempty", /empty answer/);
	assert.ok(requests.length > 1 && requests.length <= 5, `${requests.length} requests`);
	assert.equal((await fails("filtered", /filter/)).length, 1);
});

test("a model that is done with its tools without another word has answered", async () => {
	const { end, events } = await ask("emptyafter");
	assert.equal(end.event, "done");
	assert.equal(artifacts(events).length, 1);
	assert.match(contentOf(events), /I write it\./);
});

test("what has to go back with a call or a message does", async () => {
	for (const name of ["signature", "reasoning", "details", "functionextra", "toomuch"])
		await says(name, "done with tools");
});

test("a later attempt has what has to go back, and no call twice; nothing of it is left", async () => {
	const question = marked("slowback");
	const stream = await user.api.chat(question);
	const events = await stream.takeUntil((e) => contentOf([e]).includes("w2"));
	const run = stream.headers["x-run-id"];
	assert.equal((await millrace.psql(`SELECT count(*) FROM chat_round WHERE run_id = '${run}'`)).trim(), "2");
	process.kill(millrace.pids("runner")[0], "SIGKILL");
	events.push(...await stream.all());
	assertOneEnd(events);
	const done = assertDone(events.at(-1));
	assert.match(done.content, /^w0 w1 w2 /);
	assert.equal(contentOf(events), done.content);
	assert.deepEqual(artifacts(events).map((a) => [a.name, a.version]), [["slow0.txt", 1], ["slow1.txt", 1]]);
	assert.equal((await millrace.psql(`SELECT attempts FROM job WHERE run_id = '${run}'`)).trim(), "2");
	assert.equal((await millrace.psql(`SELECT count(*) FROM chat_round WHERE run_id = '${run}'`)).trim(), "0");
	assert.ok(odd.log(question.slice(0, 36)).length >= 4, "the second attempt did not ask");
});

test("an error inside a reply with status 200 is that error", async () => {
	assert.ok((await fails("err200", /busy.*Rate limit exceeded/)).length > 1, "a rate limit is waited out");
	await says("err200once", "plain answer");
	await fails("err200sse", /busy.*upstream is rate-limited/);
	await says("plain", "plain answer");    /* the breaker counts only failures in a row */
	await fails("errstring", /the model crashed/);
	await says("plain", "plain answer");
	for (const [name, words] of [["errtop", /context is too long/], ["errfield", /prompt is too long/], ["errevent", /prompt is too long/]])
		assert.ok((await fails(name, words)).length <= 2, `${name}: asked for again`);
	await says("errchoice", "plain answer");
	await says("errmiddle", "begin and end");
	assert.equal((await says("errbehind", "all of it")).requests.length, 1);
	for (const [name, words] of [["errbase", /busy.*rate limit of the group/], ["errsuccess", /engine is overloaded/], ["errtrue", /busy.*Rate limited by the gateway/],
	    ["errcode", /busy.*Open api qps/], ["errstatus", /queue of the gateway is full/], ["errstatussse", /queue of the gateway is full/],
	    ["errreason", /the engine restarts/], ["errfault", /busy.*quota violation/], ["errproblem", /busy.*Too Many Requests/]]) {
		await fails(name, words);
		await says("plain", "plain answer");
	}
	await says("overlaps", "A mill. It turns at dawn, and it turns at noon, and it turns at dusk, when the river is high.");
});

test("a quota that is used up is not waited for", async () => {
	assert.equal((await fails("quota", /no credit left.*exceeded your current quota/)).length, 1);
});

test("a whole answer where a stream was asked for, and other types of content, are read", async () => {
	const { end } = await says("whole", "a whole answer");
	assert.deepEqual([end.data.usage.inputTokens, end.data.usage.outputTokens], [3, 4]);
	await says("wholeassse", "a whole answer");
	await says("sseasjson", "a stream");
	await writes("wholetools", ONE);
});

test("a stream's end is one without a blank line, a reason or [DONE], and is asked for once", async () => {
	for (const [name, text] of [["nofinalblank", "begin and end"], ["nofinalline", "begin and end"], ["noend", "all of it"], ["nodone", "all of it"],
	    ["finishempty", "all of it"], ["onenewline", "one newline"], ["lines", "a line each"],
	    ["pings", "ok"], ["quotedend", "ok"]])
		assert.equal((await says(name, text)).requests.length, 1, name);
	await writes("noendcall", ONE);
});

test("a continuation that begins again is not shown again, and ends what it cannot go on with", async () => {
	const text = "a long answer that is said in one piece and then breaks off, long before its end";
	await says("restarted", text);
	for (const name of ["restarts", "reworded"]) {
		const { end, events, requests } = await ask(name);
		assert.equal(contentOf(events), text.slice(0, 60), name);
		assert.equal(end.event, "error", name);
		assert.match(end.data.message, /broke off/);
		assert.equal(requests.length, 2, name);
	}
});

test("half characters are joined, and what is no character costs one character", async () => {
	for (const [name, text] of [["halves", "a😀b"], ["cutchar", "a😀b"], ["onehalf", "a\ufffdb"], ["lasthalf", "a\ufffd"], ["badbytes", "a\ufffdb"], ["nul", "a\ufffdb"],
	    ["bom", "ab"], ["bomwhole", "a whole answer"], ["nan", "ok"]])
		await says(name, text);
	await writes("halfargs", { "one.txt": "😀 \ufffd" });
});

test("a refusal's reason reaches the user and the log, whatever its shape", async () => {
	for (const [name, words] of [["errarray", "says the array"], ["errdetail", "says the detail"], ["errlist", "body.messages.0: The request is malformed, says the list"],
	    ["errframework", "Bad Request: model must be a string; max must be a number, says Nest"],
	    ["errspring", "Bad Request: No such model, says Spring"],
	    ["erroauth", "The scope is missing, says OAuth"], ["errnested", "says the inner one"], ["errhtml", "Blocked by the firewall"], ["errhtml502", "502 Bad Gateway"], ["errplain", "malformed, says plain text"]]) {
		await fails(name, new RegExp(words));
		assert.notEqual(await millrace.grepLogs(words), "", name);
	}
});

test("the user and the assistant speak in turn, also after a question without an answer", async () => {
	const { conversation, end } = await ask("errarray");
	assert.equal(end.event, "error");
	for (let turn = 0; turn < 2; turn++)
		assert.equal(assertDone((await ask("inturn", conversation)).end).content, "plain answer");
	const said = (await ask("inturn", conversation)).requests.at(-1).body.messages.slice(1);
	assert.deepEqual(said.map((m) => m.role), ["user", "assistant", "user", "assistant", "user"]);
	assert.match(said[0].content, /\[\[odd:errarray\]\]\n\n.*\[\[odd:inturn\]\]$/s);
});

test("what was right already stays so", async () => {
	await says("think", "<think>secret thoughts</think>\n\nvisible");
	const { end, events } = await ask("lengthtool");
	assert.equal(assertDone(end).content, "done with tools");
	assert.equal(activities(events, "tool_result")[0].status, "failed");
	await says("plain", "plain answer");
});

/* Calls as a client of /v1 has them, by a stream and whole, and what comes when each is answered. */
test("clients of the gateway have calls with ids and places of their own, and a server's oddities mended", async () => {
	const key = assertStatus(await user.api.post("/api/settings/api-keys", { name: "faces" }), 201).json.apiKey;
	relay = await relayTo(millrace);
	const openai = new OpenAI({ apiKey: key, baseURL: `${relay.url}/v1`, maxRetries: 0 });
	await until(async () => (await openai.models.list()).data.some((m) => m.id === "odd"), "the model is known");
	const tools = [{ type: "function", function: { name: "write_file", description: "Writes", parameters: { type: "object", properties: {} } } }];
	const asked = (name, more) => ({ model: "odd", tools, messages: [{ role: "user", content: marked(name) }], ...more });
	const ways = [(ask) => openai.chat.completions.stream(ask).finalMessage(), async (ask) => (await openai.chat.completions.create(ask)).choices[0].message];
	for (const way of ways) {
		for (const name of ["index0", "index0pieces", "index0noids", "piecesnoids", "noindex", "nothing", "from1", "sametwice"]) {
			const { tool_calls: calls } = await way(asked(name));
			assert.deepEqual(calls.map((c) => JSON.parse(c.function.arguments)), [{ name: "one.txt", content: "1" }, { name: "two.txt", content: "2" }], name);
			assert.ok(new Set(calls.map((c) => c.id)).size === 2 && calls.every((c) => c.id), `${name}: ${JSON.stringify(calls)}`);
		}
		for (const name of ["noids", "sameid"]) {
			const ask = asked(name), ids = [];
			for (let round = 1; ; round++) {
				const message = await way(ask);
				if (!message.tool_calls?.length) {
					assert.equal(message.content, "done with tools");
					break;
				}
				ids.push(...message.tool_calls.map((c) => c.id));
				ask.messages.push({ role: "assistant", content: null, tool_calls: message.tool_calls }, ...message.tool_calls.map((c) => ({ role: "tool", tool_call_id: c.id, content: "ok" })));
			}
			assert.equal(new Set(ids).size, 2, `${name}: ${ids}`);
		}
		/* The helper for streams drops what it does not know of a call's function. */
		for (const name of ["signature", "reasoning", "details", ...way === ways[1] ? ["functionextra"] : []]) {
			const ask = asked(name), message = await way(ask);
			ask.messages.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "ok" });
			assert.equal((await way(ask)).content, "done with tools", name);
		}
		for (const [name, text] of [["halves", "a😀b"], ["nul", "a\ufffdb"], ["parts", "answer in parts"], ["message", "in a message"], ["nofinalblank", "begin and end"],
			["noend", "all of it"], ["onenewline", "one newline"], ["completion", "as a text is completed"], ["wholeassse", "a whole answer"], ["bom", "ab"]])
			assert.equal((await way(asked(name, { tools: undefined }))).content, text, name);
		for (const [name, words] of [["errlist", /says the list/], ["errdetail", /says the detail/], ["errhtml", /Blocked by the firewall/], ["errstring", /the model crashed/]]) {
			await assert.rejects(way(asked(name)), words, name);
			await way(asked("plain"));
		}
	}
});

/* Last: what is learned about the model is believed until the runner starts anew. */
test("parts of a request that are refused are left out, and remembered", async () => {
	const parts = { notools: "tools", notoolflag: "tools", notooljinja: "tools", notoolroute: "tools", notool501: "tools", nostreamopts: "stream_options",
		nostreamopts2: "stream_options", nostream: "stream", nosystem: "system" };
	const has = ({ body }, part) => part === "system" ? body.messages[0].role === "system" : Boolean(body[part]);
	for (const [name, part] of Object.entries(parts)) {
		await millrace.replace("runner");
		const { requests, end } = await ask(name);
		assert.match(assertDone(end).content, /^(plain|a whole) answer$/, name);
		assert.deepEqual(requests.map((r) => has(r, part)), [true, false], name);
		const others = ["tools", "stream_options", "stream"].filter((p) => p !== part && !(part === "stream" && p === "stream_options"));
		assert.ok(others.every((p) => has(requests[1], p)), `${name}: more was left out`);
		assert.deepEqual((await ask(name)).requests.map((r) => has(r, part)), [false], `${name} was not remembered`);
	}
	await millrace.replace("runner");
	assert.deepEqual((await says("nonull", "done with tools")).requests.map((r) => r.body.messages.findLast((m) => m.tool_calls)?.content), [undefined, null, ""]);
	assert.deepEqual((await says("nonull", "done with tools")).requests.map((r) => Boolean(r.body.tools)), [true, true]);
	assert.match(odd.log("[[odd:nosystem]]").at(-1).body.messages[0].content, /^You are .*\n\n.*\[\[odd:nosystem\]\]$/s);
});

test("what a server sends, and does not take back, is not sent back", async () => {
	await millrace.replace("runner");
	assert.equal((await says("notback", "done with tools")).requests.length, 3);
	assert.equal((await says("notback", "done with tools")).requests.length, 2);
});

test("a refusal without a word is tried with less; what a model does wrong once is not remembered", async () => {
	for (const [name, again] of [["toolflake", 2], ["toolflakethought", 2], ["toolflakesaid", 2], ["neither", 1]]) {
		await millrace.replace("runner");
		assert.equal((await says(name, "plain answer")).requests.length, 2, name);
		assert.equal((await says(name, "plain answer")).requests.length, again, name);
	}
});
