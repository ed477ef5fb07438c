/*
 * A stand-in for the OpenAI-compatible servers that are not quite so: each case is a habit that a real one has, named in the last user
 * message as [[odd:CASE]]. The strict stand-in is openai.mjs; this one is lax in what it sends, and strict only in what its case is about
 * and in that every tool call is answered under the id that it has in the same request.
 */
import http from "node:http";
import { once } from "node:events";

/* -- what is sent -- */

const choice = (delta, finish = null) => ({ index: 0, delta, finish_reason: finish });
const chunk = (delta, finish = null, more = {}) => ({ id: "c", object: "chat.completion.chunk", created: 1, model: "odd",
	choices: [choice(delta, finish)], ...more });
const say = (content) => chunk({ content });
const call = (name, args, more = {}) => ({ type: "function", function: { name, arguments: args }, ...more });
const write = (name, content) => ["write_file", JSON.stringify({ name, content })];
const calls = (...list) => chunk({ role: "assistant", content: null, tool_calls: list });
const whole = (message, finish = "stop") => ({ id: "c", object: "chat.completion", created: 1, model: "odd",
	choices: [{ index: 0, message, finish_reason: finish }], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } });
const DONE = "[DONE]";
const stop = () => [chunk({}, "stop"), DONE];
const called = () => [chunk({}, "tool_calls"), DONE];
const plain = (text = "plain answer") => [chunk({ role: "assistant", content: "" }), say(text), ...stop()];
/* Bytes as they are, instead of an event. */
const raw = (text) => ({ raw: typeof text === "string" ? Buffer.from(text) : text });
const event = (value) => raw(`data: ${JSON.stringify(value)}\n\n`);
const json = (value, status = 200, headers = {}) => ({ status, headers: { "content-type": "application/json", ...headers },
	body: JSON.stringify(value) });
const refuse = (message, status = 400, more = {}) => json({ error: { message, type: "invalid_request_error", ...more } }, status);
/* Groq's event for a call that its model could not word. */
const FLAKE = raw(`event: error\ndata: ${JSON.stringify({ error: { message: "Failed to call a function. Please adjust your prompt.",
	type: "invalid_request_error", code: "tool_use_failed", failed_generation: "<function=write_file{>" } })}\n\n`);
/* The connection ends here, in mid-reply. */
const CUT = { cut: true };

/* -- what was asked -- */

/* How many rounds of tool calls this turn has had. */
const rounds = ({ messages }) => messages.slice(messages.findLastIndex((m) => m.role === "user")).filter((m) => m.tool_calls).length;
const lastCalls = ({ messages }) => messages.findLast((m) => m.tool_calls)?.tool_calls;
const isContinued = ({ messages }) => messages.at(-1).role === "user" && /cut off/.test(messages.at(-1).content);
/* The first round's reply, and an end to the turn after it. */
const once1 = (first) => (body) => rounds(body) > 0 ? plain("done with tools") : first(body);
/* A server that accepts the second round only if `good` says so of it. */
const wants = (good, problem, first) => (body) => rounds(body) === 0 ? first() : good(body) ? plain("done with tools") : problem;
const without = (bad, refusal, then = plain()) => (body) => bad(body) ? refusal : then;

const text = "a long answer that is said in one piece and then breaks off, long before its end";
const search = ["search_documents", '{"query":"x"}'];
/* Each gives the reply to a request's body, which is the n-th that asks the same. */
const CASES = {
	/* ids, indexes and names of tool calls */
	noids: (b) => rounds(b) >= 2 ? plain("done with tools")
	    : [calls(call(...write(`round${rounds(b) + 1}.txt`, `text ${rounds(b) + 1}`), { index: 0 })), ...called()],
	sameid: (b) => rounds(b) >= 2 ? plain("done with tools")
	    : [calls(call(...write(`round${rounds(b) + 1}.txt`, `text ${rounds(b) + 1}`), { index: 0, id: "call_0" })), ...called()],
	sametwice: once1(() => [calls(call(...write("one.txt", "1"), { index: 0, id: "x" }), call(...write("two.txt", "2"), { index: 1, id: "x" })), ...called()]),
	index0: once1(() => [calls(call(...write("one.txt", "1"), { index: 0, id: "a" })), calls(call(...write("two.txt", "2"), { index: 0, id: "b" })), ...called()]),
	index0pieces: once1(() => [calls(call("write_file", "", { index: 0, id: "a" })), calls({ index: 0, id: "", function: { name: null, arguments: write("one.txt", "1")[1] } }),
		calls(call("write_file", "", { index: 0, id: "b" })), calls({ index: 0, id: "", function: { arguments: write("two.txt", "2")[1] } }), ...called()]),
	index0noids: once1(() => [calls(call(...write("one.txt", "1"), { index: 0 })), calls(call(...write("two.txt", "2"), { index: 0 })), ...called()]),
	piecesnoids: once1(() => [calls(call("write_file", "", { index: 0 })), calls({ index: 0, function: { arguments: write("one.txt", "1")[1] } }),
		calls(call("write_file", "", { index: 0 })), calls({ index: 0, function: { arguments: write("two.txt", "2")[1] } }), ...called()]),
	piecesnull: once1(() => ["one.txt", "two.txt"].flatMap((name) => [calls(call("write_file", "", { index: null, id: null })),
		calls({ index: null, id: null, function: { name: null, arguments: write(name, name[0] === "o" ? "1" : "2")[1] } })]).concat(called())),
	noindex: once1(() => [calls(call(...write("one.txt", "1"), { id: "g1" }), call(...write("two.txt", "2"), { id: "g2" })), ...called()]),
	nothing: once1(() => [calls(call(...write("one.txt", "1")), call(...write("two.txt", "2"))), ...called()]),
	from1: once1(() => [calls(call("write_file", "", { index: 1, id: "a" })), calls(call("write_file", "", { index: 3, id: "b" })),
		calls({ index: 1, function: { arguments: write("one.txt", "1")[1] } }), calls({ index: 3, function: { arguments: write("two.txt", "2")[1] } }), ...called()]),
	newids: once1(() => [calls(call("write_file", "", { index: 0, id: "n0" })), ...write("one.txt", "1")[1].match(/.{1,9}/g).map((part, i) =>
	    calls({ index: 0, id: `n${i + 1}`, function: { arguments: part } })), ...called()]),
	repname: once1(() => [calls(call("write_file", "", { index: 0, id: "r" })), ...write("one.txt", "1")[1].match(/.{1,9}/g).map((part) =>
	    calls(call("write_file", part, { index: 0, id: "r" }))), ...called()]),
	repnamenoids: once1(() => [...write("one.txt", "1")[1].match(/.{1,9}/g), ""].map((part) => calls(call("write_file", part, { index: 0 }))).concat(called())),
	splitname: once1(() => [calls(call("write", "", { index: 0, id: "s" })), calls(call("_file", "", { index: 0 })),
		calls({ index: 0, function: { arguments: write("one.txt", "1")[1] } }), ...called()]),
	longid: wants((b) => lastCalls(b)[0].id === `sig_${"A".repeat(3000)}`, refuse("The id is not the one that was given."),
	    () => [calls(call(...write("one.txt", "1"), { index: 0, id: `sig_${"A".repeat(3000)}` })), ...called()]),
	summary: once1(() => [calls(call(...write("one.txt", "1"), { index: 0, id: "z" })), calls(call(...write("one.txt", "1"), { index: 0, id: "z" })), ...called()]),
	nameless: (b, n) => n === 1 ? [calls({ index: 0, id: "", type: "function", function: {} }), ...called()] : plain(),
	fancyname: wants((b) => /^[\w-]{1,64}$/.test(lastCalls(b)[0].function.name), refuse("Invalid 'function.name'"),
	    () => [calls(call("functions.write_file<|channel|>", "{}", { index: 0, id: "f" })), ...called()]),

	/* members of other types, or elsewhere */
	parts: () => [chunk({ role: "assistant", content: [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }] }),
		chunk({ content: [{ type: "text", text: "answer " }, { type: "text", text: "in parts" }] }), ...stop()],
	number: () => [say(42), ...stop()],
	message: () => [{ choices: [{ index: 0, message: { role: "assistant", content: "in a message" }, finish_reason: "stop" }] }, DONE],
	both: () => [{ choices: [{ index: 0, delta: { content: "said once" }, message: { content: "said once" }, finish_reason: null }] },
		{ choices: [{ index: 0, delta: {}, message: { content: "said once" }, finish_reason: "stop" }] }, DONE],
	partobject: () => [chunk({ content: { type: "text", text: "in an object" } }), ...stop()],
	choiceobject: () => [{ choices: choice({ content: "no list" }) }, { choices: choice({}, "stop") }, DONE],
	completion: () => [{ choices: [{ index: 0, text: "as a text " }] }, { choices: [{ index: 0, text: "is completed", finish_reason: "stop" }] }, DONE],
	functioncall: once1(() => [chunk({ function_call: { name: "write_file", arguments: "" } }), ...write("one.txt", "1")[1].match(/.{1,9}/g).map((part) =>
	    chunk({ function_call: { arguments: part } })), chunk({}, "function_call"), DONE]),
	functionwhole: once1(() => json(whole({ role: "assistant", content: null, function_call: { name: "write_file", arguments: write("one.txt", "1")[1] } }, "function_call"))),
	objectargs: once1(() => [calls(call("write_file", { name: "one.txt", content: "1" }, { index: "0", id: 7 })), ...called()]),
	twiceargs: once1(() => [calls(call("write_file", JSON.stringify(write("one.txt", "1")[1]), { index: 0, id: "t" })), ...called()]),
	onecall: once1(() => [chunk({ tool_calls: call(...write("one.txt", "1"), { id: "o" }) }), ...called()]),
	flatcall: once1(() => [calls({ id: "o", name: "write_file", arguments: write("one.txt", "1")[1] }), ...called()]),
	floatusage: () => [chunk({ content: "u" }, null, { usage: { prompt_tokens: 3.0, completion_tokens: 1 } }),
		raw('data: {"choices":[],"usage":{"prompt_tokens":11.0,"completion_tokens":5.0}}\n\n'), ...stop()],
	choiceusage: () => [say("u"), { choices: [{ ...choice({}, "stop"), usage: { prompt_tokens: 11, completion_tokens: 5 } }] }, DONE],
	nousage: () => [chunk({ content: "some words" }, null, { usage: { prompt_tokens: 0, completion_tokens: 0 } }), ...stop()],
	empty: (b, n) => n === 1 ? stop() : plain(),
	alwaysempty: stop,
	blank: (b, n) => n === 1 ? [say("\n\n"), say(" "), ...stop()] : plain(),
	filtered: () => [chunk({}, "content_filter"), DONE],
	emptyafter: (b) => rounds(b) > 0 ? stop() : [say("I write it."), calls(call(...write("one.txt", "1"), { index: 0, id: "e" })), ...called()],

	/* what has to come back */
	signature: wants((b) => lastCalls(b)[0].extra_content?.google?.thought_signature === "AbC=/é",
	    json([{ error: { code: 400, message: "Function call is missing a thought_signature in functionCall parts.", status: "INVALID_ARGUMENT" } }], 400),
	    () => [calls(call(...search, { index: 0, id: "s", extra_content: { google: { thought_signature: "AbC=/é" } } })), ...called()]),
	reasoning: wants((b) => b.messages.findLast((m) => m.tool_calls).reasoning_content === "I should search 😀.",
	    refuse("Missing `reasoning_content` field in the assistant message"),
	    () => [chunk({ role: "assistant", content: null, reasoning_content: "I should " }), raw('data: {"choices":[{"delta":{"reasoning_content":"search \\ud83d"}}]}\n\n'),
		raw('data: {"choices":[{"delta":{"reasoning_content":"\\ude00."}}]}\n\n'), calls(call(...search, { index: 0, id: "d" })), ...called()]),
	details: wants((b) => JSON.stringify(b.messages.findLast((m) => m.tool_calls).reasoning_details) === '[{"type":"reasoning.text","text":"a"},{"type":"reasoning.encrypted","data":"Zz"}]',
	    refuse("reasoning_details have to be passed back unmodified"),
	    () => [chunk({ reasoning_details: [{ type: "reasoning.text", text: "a" }] }), chunk({ reasoning_details: [{ type: "reasoning.encrypted", data: "Zz" }] }),
		calls(call(...search, { index: 0, id: "d" })), ...called()]),
	functionextra: wants((b) => lastCalls(b)[0].function.provider_specific_fields?.thought_signature === "S", refuse("The signature is missing."),
	    () => [calls({ index: 0, id: "f", type: "function", function: { name: search[0], arguments: search[1], provider_specific_fields: { thought_signature: "S" } } }), ...called()]),
	/* more than is kept: the turn goes on without */
	toomuch: once1(() => [chunk({ reasoning_content: "r".repeat(300 * 1024) }), calls(call(...search, { index: 0, id: "d" })), ...called()]),
	/* a server that refuses what it has sent itself */
	notback: wants((b) => !b.messages.some((m) => "reasoning" in m),
	    refuse("'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'reasoning' is unsupported)]"),
	    () => [chunk({ reasoning: "hm" }), calls(call(...search, { index: 0, id: "d" })), ...called()]),
	/* a turn of three rounds, the last held at first, that wants all back: for a runner that dies in it */
	slowback: (b, n) => {
		const said = b.messages.filter((m) => m.tool_calls);
		if (said.some((m, i) => m.tool_calls[0].id !== "same" || m.tool_calls[0].extra_content?.sig !== `s${i}` || m.reasoning_content !== `r${i}`))
			return refuse("Something is missing: " + JSON.stringify(said));
		return said.length >= 2 ? [...Array.from({ length: 60 }, (_, i) => ({ ...say(`w${i} `), wait: n === 3 && i === 10 ? 600000 : 1 })), ...stop()]
		    : [chunk({ reasoning_content: `r${said.length}` }), calls(call(...write(`slow${said.length}.txt`, "x"), { index: 0, id: "same", extra_content: { sig: `s${said.length}` } })), ...called()];
	},

	/* signs that contradict each other */
	err200: () => json({ error: { message: "Rate limit exceeded: free-models-per-min", code: 429 } }),
	err200once: (b, n) => n === 1 ? CASES.err200() : plain(),
	err200sse: () => [{ error: { message: "Provider returned error", code: 429, metadata: { raw: "upstream is rate-limited" } } }],
	errbase: () => [{ choices: null, base_resp: { status_code: 1002, status_msg: "rate limit of the group" } }],
	errsuccess: () => json({ code: 500, msg: "the engine is overloaded", success: false }),
	errtrue: () => json({ error: true, message: "Rate limited by the gateway" }),
	errcode: () => json({ error_code: 18, error_msg: "Open api qps rate limit reached" }),
	errstatus: () => json({ status: "error", message: "the queue of the gateway is full" }),
	errstatussse: () => [{ status: "failed", message: "the queue of the gateway is full" }],
	errreason: () => json({ code: 1234, reason: "the engine restarts" }),
	errfault: () => json({ fault: { faultstring: "Rate limit quota violation", detail: { errorcode: "policies.ratelimit.QuotaViolation" } } }),
	errproblem: () => json({ type: "about:blank", title: "Too Many Requests", status: 429 }, 200, { "content-type": "application/problem+json" }),
	errstring: () => [{ error: "the model crashed" }],
	errtop: () => [{ object: "error", message: "The context is too long.", type: "BadRequestError", param: null, code: 400 }],
	errfield: () => [raw('error: {"code":400,"message":"the prompt is too long","type":"invalid_request_error"}\n\n')],
	errevent: () => [raw('event: error\ndata: {"message":"the prompt is too long","type":"invalid_request_error"}\n\n')],
	errchoice: (b, n) => n === 1 ? [{ choices: [{ ...choice({}, "error"), error: { code: 502, message: "upstream broke" } }] }] : plain(),
	overlaps: (b) => isContinued(b) ? [say("It turns at dawn, and it turns at noon, and it turns at dusk"), say(", when the river is high."), ...stop()]
	    : [say("A mill. It turns at dawn, and it turns at noon, and it turns at dusk"), { error: { message: "overloaded", code: 503 } }],
	errbehind: () => [say("all of it"), chunk({}, "stop"), { error: { message: "billing is down", code: 500 } }],
	errmiddle: (b) => isContinued(b) ? [say(" and end"), ...stop()] : [say("begin"), { error: { message: "overloaded", code: 503 } }],
	quota: () => refuse("You exceeded your current quota, please check your plan and billing details.", 429, { code: "insufficient_quota", type: "insufficient_quota" }),
	whole: () => json(whole({ role: "assistant", content: "a whole answer" })),
	wholetools: once1(() => json(whole({ role: "assistant", content: null, tool_calls: [call(...write("one.txt", "1"), { id: "w" })] }, "tool_calls"))),
	wholeassse: () => [raw(JSON.stringify(whole({ role: "assistant", content: "a whole answer" }), null, 1))],
	sseasjson: () => ({ status: 200, headers: { "content-type": "application/json" }, body: [say("a stream"), ...stop()].map((c) => `data: ${typeof c === "string" ? c : JSON.stringify(c)}\n\n`).join("") }),
	nofinalblank: () => [say("begin "), raw(`data: ${JSON.stringify(chunk({ content: "and end" }, "stop"))}\n`)],
	nofinalline: () => [say("begin "), raw(`data: ${JSON.stringify(chunk({ content: "and end" }))}`)],
	noend: () => [say("all of it")],
	noendcall: once1(() => [calls(call(...write("one.txt", "1"), { index: 0, id: "n" }))]),
	nodone: () => [say("all of it"), chunk({}, "stop")],
	onenewline: () => [raw([...[say("one "), say("newline"), chunk({}, "stop")].map((c) => JSON.stringify(c)), DONE].map((data) => `data: ${data}\n`).join(""))],
	lines: () => ({ status: 200, headers: { "content-type": "application/x-ndjson" },
		body: [say("a line "), say("each"), chunk({}, "stop")].map((c) => `${JSON.stringify(c)}\n`).join("") }),
	finishempty: () => [chunk({ content: "all of it" }, ""), chunk({ content: "" }, "eos"), DONE],
	pings: () => [raw(": PROCESSING\n\ndata:\n\n"), raw("data: null\n\n"), say("ok"), raw('event: ping\ndata: {"type":"ping"}\n\n'), ...stop()],
	quotedend: () => [say("ok"), raw('data: "[DONE]"\n\n')],
	restarts: (b, n) => n < 3 ? [say(text.slice(0, 60)), CUT] : plain(text),
	restarted: (b) => isContinued(b) ? plain(text) : [say(text.slice(0, 60)), CUT],
	reworded: (b) => isContinued(b) ? [say(text.slice(0, 55)), say(" in other words"), CUT] : [say(text.slice(0, 60)), CUT],

	/* parts of a request that are refused */
	notools: without((b) => b.tools, refuse("small:latest does not support tools", 400, { type: "api_error" })),
	notoolflag: without((b) => b.tools, json({ object: "error", message: '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', code: 400 }, 400)),
	notooljinja: without((b) => b.tools, refuse("tools param requires --jinja flag", 500, { type: "server_error" })),
	notoolroute: without((b) => b.tools, refuse("No endpoints found that support tool use.", 404, { code: 404 })),
	notool501: without((b) => b.tools, refuse("tools: not implemented", 501, { type: "server_error" })),
	nostreamopts: without((b) => b.stream_options, json({ detail: [{ type: "extra_forbidden", loc: ["body", "stream_options"], msg: "Extra inputs are not permitted" }] }, 422)),
	nostreamopts2: without((b) => b.stream_options, json({ object: "error", message: { detail: [{ loc: ["body", "stream_options", "include_usage"], msg: "Extra inputs are not permitted" }] } }, 422)),
	nostream: without((b) => b.stream, refuse("Your organization must be verified to stream this model.", 400, { param: "stream", code: "unsupported_value" }),
	    json(whole({ role: "assistant", content: "a whole answer" }))),
	nonull: wants((b) => b.messages.every((m) => m.content !== null), json({ success: false, errors: [{ code: 8001,
		message: "AiError: Bad input: Error: oneOf at '/' not met: Type mismatch of '/messages/2/content', 'string' not in 'null'" }] }, 400),
	() => [calls(call(...write("one.txt", "1"), { index: 0, id: "n" })), ...called()]),
	nosystem: without((b) => b.messages[0].role === "system", refuse("Unsupported value: 'messages[0].role' does not support 'system' with this model.")),
	neither: without((b) => b.tools || b.stream_options, { status: 400, headers: {}, body: "" }),
	toolflake: without((b) => b.tools, refuse("Failed to call a function. Please adjust your prompt.", 400, { code: "tool_use_failed" })),
	toolflakethought: (b) => b.tools ? [chunk({ reasoning: "I call it." }), FLAKE] : plain(),
	toolflakesaid: (b) => b.tools ? [say("plain "), FLAKE] : isContinued(b) ? [say("answer"), ...stop()] : plain(),

	/* templates that know no other order of roles */
	inturn: without(({ messages }) => messages.filter((m) => m.role !== "system").some((m, i) => m.role !== ["user", "assistant"][i % 2]),
	    refuse("Conversation roles must alternate user/assistant/user/assistant/...")),

	/* bytes that are no good text */
	halves: () => [raw('data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n'), raw('data: {"choices":[{"delta":{"content":"\\ude00b"}}]}\n\n'), ...stop()],
	onehalf: () => [raw('data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n'), say("b"), ...stop()],
	lasthalf: () => [raw('data: {"choices":[{"delta":{"content":"a\\ud83d"},"finish_reason":"stop"}]}\n\n'), DONE],
	cutchar: () => [raw(Buffer.from('data: {"choices":[{"delta":{"content":"a\xf0\x9f"}}]}\n\n', "latin1")),
		raw(Buffer.from('data: {"choices":[{"delta":{"content":"\x98\x80b"}}]}\n\n', "latin1")), ...stop()],
	badbytes: () => [raw(Buffer.from('data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n', "latin1")), ...stop()],
	nul: () => [raw('data: {"choices":[{"delta":{"content":"a\\u0000b"}}]}\n\n'), ...stop()],
	bom: () => [raw(`data: \ufeff${JSON.stringify(say("a"))}\n\n`), raw(`\ufeffdata: ${JSON.stringify(say("b"))}\n\n`), ...stop()],
	bomwhole: () => ({ status: 200, headers: { "content-type": "application/json" }, body: `\ufeff${JSON.stringify(whole({ content: "a whole answer" }))}` }),
	nan: () => [raw('data: {"choices":[{"delta":{"content":"ok"},"logprobs":{"content":[{"logprob":-Infinity},{"logprob":NaN}]}}]}\n\n'), ...stop()],
	halfargs: once1(() => [raw('data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"h","function":{"name":"write_file","arguments":"{\\"name\\":\\"one.txt\\",\\"content\\":\\"\\ud83d"}}]}}]}\n\n'),
		raw('data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\ude00 \\\\ud83d\\"}"}}]}}]}\n\n'), ...called()]),

	/* errors and their words */
	errarray: () => json([{ error: { code: 400, message: "The request is malformed, says the array.", status: "INVALID_ARGUMENT" } }], 400),
	errdetail: () => json({ detail: "The request is malformed, says the detail." }, 400),
	errlist: () => json({ detail: [{ loc: ["body", "messages", 0], msg: "The request is malformed, says the list." }] }, 422),
	errframework: () => json({ statusCode: 400, message: ["model must be a string", "max must be a number, says Nest"], error: "Bad Request" }, 400),
	errspring: () => json({ timestamp: 1, status: 400, error: "Bad Request", message: "No such model, says Spring", path: "/v1" }, 400),
	erroauth: () => json({ error: "invalid_request", error_description: "The scope is missing, says OAuth" }, 400),
	errnested: () => json({ error: { message: JSON.stringify({ error: { message: "The request is malformed, says the inner one." } }) } }, 400),
	errhtml: () => ({ status: 403, headers: { "content-type": "text/html" }, body: "<html><head><title>Blocked by the firewall</title></head><body><h1>No</h1></body></html>" }),
	errhtml502: () => ({ status: 502, headers: { "content-type": "text/html" }, body: "<html><head><title>502 Bad Gateway</title></head></html>" }),
	errplain: () => ({ status: 400, headers: { "content-type": "text/plain" }, body: "The request is malformed,\n says plain text." }),

	/* as they are */
	think: () => plain("<think>secret thoughts</think>\n\nvisible"),
	lengthtool: once1(() => [calls(call("write_file", '{"name":"cut.txt","content":"abc', { index: 0, id: "l" })), chunk({}, "length"), DONE]),
	plain: () => plain(),
};

/* An answered call has the id that its call has in the same request; anything else is a fault of the client's. */
function pairs(messages) {
	let open = [];
	for (const m of messages) {
		if (m.role !== "tool" && open.length > 0)
			return false;
		if (m.role === "tool" && !open.includes(m.tool_call_id))
			return false;
		open = m.role === "tool" ? open.filter((id) => id !== m.tool_call_id) : (m.tool_calls ?? []).map((c) => c.id);
		if (new Set(open).size !== open.length || open.some((id) => typeof id !== "string" || id === ""))
			return false;
		if ((m.tool_calls ?? []).some((c) => { try { return typeof JSON.parse(c.function.arguments) !== "object"; } catch { return true; } }))
			return false;
	}
	return open.length === 0;
}

async function send(res, reply) {
	if (!Array.isArray(reply)) {
		res.writeHead(reply.status, reply.headers);
		return res.end(reply.body);
	}
	res.writeHead(200, { "content-type": "text/event-stream" });
	for (const one of reply) {
		if (one.cut)
			return res.flushHeaders(), setTimeout(() => res.destroy(), 30);
		if (one.wait)
			await new Promise((resolve) => { setTimeout(resolve, one.wait).unref(); });
		res.write(one.raw ?? `data: ${typeof one === "string" ? one : JSON.stringify({ ...one, wait: undefined })}\n\n`);
	}
	return res.end();
}

/* Starts one on 127.0.0.1. Gives { url, log(text): the requests whose messages hold it, close() }. */
export async function start() {
	const requests = [];
	const server = http.createServer(async (req, res) => {
		const parts = [];
		for await (const part of req)
			parts.push(part);
		const body = JSON.parse(Buffer.concat(parts));
		const asked = body.messages.filter((m) => m.role === "user").findLast((m) => m.content.includes("[[odd:"))?.content ?? "[[odd:plain]]";
		const name = [...asked.matchAll(/\[\[odd:(\w+)\]\]/g)].at(-1)[1];
		requests.push({ asked, body, path: req.url, at: Date.now() });
		const n = requests.filter((r) => r.asked === asked).length;
		await send(res, pairs(body.messages) ? CASES[name](body, n) : refuse("A tool call is not answered, or is no JSON."));
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		url: `http://127.0.0.1:${server.address().port}/v1`,
		log: (about) => requests.filter((r) => JSON.stringify(r.body.messages).includes(about)),
		close() { server.close(); server.closeAllConnections(); },
	};
}
