/*
 * A strict stand-in for Anthropic's Messages API: POST /v1/messages, by its reference ("Messages", "Streaming messages", "Errors", "Extended
 * thinking", "Versions"). It refuses what the service refuses, in its shape; what steers it is told in openai.mjs and vendor.mjs.
 */
import { Refusal, Vendor, counted, isObject, planOf, signature } from "./vendor.mjs";

/* The most tokens of an answer, and which of the sampling parameters are taken under 2023-06-01. */
const MODELS = { "claude-sonnet-5-5": [128000, []], "claude-sonnet-4-5": [64000, ["one"]], "claude-3-haiku-20240307": [4096, ["temperature", "top_p", "top_k"]] };
const TYPES = { 400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
	413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error" };
const FIELDS = new Set(["model", "messages", "max_tokens", "system", "stream", "stop_sequences", "temperature", "top_p", "top_k", "tools",
	"tool_choice", "metadata", "thinking", "service_tier", "output_config", "cache_control", "container", "speed"]);
const BLOCKS = { text: ["text", "cache_control", "citations"], tool_use: ["id", "name", "input", "cache_control", "caller"],
	tool_result: ["tool_use_id", "content", "is_error", "cache_control"], thinking: ["thinking", "signature"], redacted_thinking: ["data"],
	image: ["source", "cache_control"], search_result: ["source", "title", "content", "cache_control", "citations"], document: ["source", "cache_control", "title", "context", "citations"] };

export const CITATION = { type: "char_location", cited_text: "The mill is red.", document_index: 0, document_title: null, file_id: null, start_char_index: 0, end_char_index: 16 };
const refusal = (status, message, headers) => new Refusal(status, { type: "error", error: { type: TYPES[status], message }, request_id: "req_standin" }, headers);
const bad = (message) => { throw refusal(400, message); };
const known = (value, names, where) => {
	for (const name of Object.keys(value))
		if (!names.includes(name))
			bad(`${where}${name}: Extra inputs are not permitted`);
};
const list = (content) => typeof content === "string" ? [{ type: "text", text: content }] : content;

function checkBlock(block, at, role) {
	if (!isObject(block) || !Object.hasOwn(BLOCKS, block.type))
		bad(`${at}: Input tag '${block?.type}' found using 'type' does not match any of the expected tags: ${Object.keys(BLOCKS).join(", ")}`);
	known(block, ["type", ...BLOCKS[block.type]], `${at}.${block.type}.`);
	if (block.type === "text" && typeof block.text !== "string")
		bad(`${at}.text.text: Input should be a valid string`);
	if (block.type === "text" && block.text === "")
		bad("messages: text content blocks must be non-empty");
	if (block.type === "text" && block.text.trim() === "")
		bad("messages: text content blocks must contain non-whitespace text");
	if (block.type === "tool_use") {
		if (role !== "assistant")
			bad(`${at}: \`tool_use\` blocks can only be in \`assistant\` messages`);
		if (!/^[a-zA-Z0-9_-]+$/.test(block.id))
			bad(`${at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`);
		if (!/^[a-zA-Z0-9_-]{1,128}$/.test(block.name))
			bad(`${at}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
		if (!isObject(block.input))
			bad(`${at}.tool_use.input: Input should be a valid dictionary`);
	}
	if (block.type === "tool_result" && (role !== "user" || !(block.content === undefined || typeof block.content === "string" || Array.isArray(block.content))))
		bad(`${at}.tool_result.content: Input should be a valid string or list, in a \`user\` message`);
	if (block.type === "thinking" && block.signature !== signature(block.thinking))
		bad(`${at}: Invalid \`signature\` in \`thinking\` block`);
	if (block.type === "redacted_thinking" && block.data !== signature("redacted"))
		bad(`${at}: Invalid \`data\` in \`redacted_thinking\` block`);
}

/* Each call is answered in the next message, and nothing else is. */
function checkCalls(messages) {
	messages.forEach((message, i) => {
		const ids = (m, type, name) => m ? list(m.content).filter((b) => b.type === type).map((b) => b[name]) : [];
		const calls = ids(message, "tool_use", "id"), results = ids(messages[i + 1], "tool_result", "tool_use_id");
		const open = calls.filter((id) => !results.includes(id));
		if (open.length > 0)
			bad(`messages.${i}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(", ")}. `
			    + "Each `tool_use` block must have a corresponding `tool_result` block in the next message.");
		if (new Set(calls).size < calls.length)
			bad(`messages.${i}: \`tool_use\` ids must be unique`);
		for (const id of results)
			if (!calls.includes(id))
				bad(`messages.${i + 1}.content.0: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}. `
				    + "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.");
	});
	if (ids0(messages[0]))
		bad("messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks");
}
const ids0 = (message) => list(message.content).some((b) => b.type === "tool_result");

function checkMessages(messages, model) {
	if (!Array.isArray(messages))
		bad(messages === undefined ? "messages: Field required" : "messages: Input should be a valid list");
	if (messages.length === 0)
		bad("messages: at least one message is required");
	messages.forEach((message, i) => {
		if (!isObject(message) || !["user", "assistant", "system"].includes(message.role))
			bad(`messages.${i}.role: Input should be 'user', 'assistant' or 'system'`);
		known(message, ["role", "content"], `messages.${i}.`);
		if (typeof message.content !== "string" && !Array.isArray(message.content))
			bad(`messages.${i}.content: Input should be a valid list`);
		if (message.content.length === 0)
			bad(`messages.${i}: ${message.role} messages must have non-empty content`);
		list(message.content).forEach((block, k) => checkBlock(block, `messages.${i}.content.${k}`, message.role));
	});
	if (messages[0].role !== "user")
		bad('messages: first message must use the "user" role');
	if (messages.at(-1).role === "assistant" && MODELS[model][1].length === 0)
		bad("This model does not support assistant message prefill. The conversation must end with a user message.");
	checkCalls(messages);
}

function checkTools(tools) {
	(tools ?? []).forEach((tool, i) => {
		known(tool, ["name", "description", "input_schema", "cache_control", "type", "strict", "eager_input_streaming", "input_examples", "allowed_callers", "defer_loading"], `tools.${i}.custom.`);
		if (!/^[a-zA-Z0-9_-]{1,128}$/.test(tool.name))
			bad(`tools.${i}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
		if (tool.input_schema?.type !== "object")
			bad(`tools.${i}.custom.input_schema.type: Field required`);
	});
}

function checkSampling(body, version) {
	const [, takes] = MODELS[body.model], given = ["temperature", "top_p", "top_k"].filter((name) => body[name] !== undefined);
	if (version === "2026-10-21" && given.length > 0)
		bad(`${given[0]}: Extra inputs are not permitted`);
	if (given.length > 0 && takes.length === 0)
		bad(`\`${given[0]}\` is not supported for this model.`);
	if (takes[0] === "one" && body.temperature !== undefined && body.top_p !== undefined)
		bad("`temperature` and `top_p` cannot both be specified for this model. Please use only one.");
	if (given.some((name) => typeof body[name] !== "number"))
		bad(`${given[0]}: Input should be a valid number`);
}

function checkThinking({ thinking, ...body }) {
	if (thinking?.type !== "enabled")
		return;
	if (!(thinking.budget_tokens >= 1024))
		bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024");
	if (body.max_tokens <= thinking.budget_tokens)
		bad("`max_tokens` must be greater than `thinking.budget_tokens`.");
	if (["any", "tool"].includes(body.tool_choice?.type))
		bad("Thinking may not be enabled when tool_choice forces tool use.");
	if (body.temperature !== undefined && body.temperature !== 1)
		bad("`temperature` may only be set to 1 when thinking is enabled.");
}

function check(body, headers) {
	const version = headers["anthropic-version"];
	if (version === undefined)
		bad("anthropic-version: header is required");
	if (!["2023-06-01", "2026-10-21"].includes(version))
		bad(`anthropic-version: "${version}" is not a valid version`);
	if (!/^application\/json/.test(headers["content-type"] ?? ""))
		bad("Content-Type: must be application/json");
	if (!isObject(body))
		bad("Input should be a valid dictionary");
	known(body, [...FIELDS], "");
	if (typeof body.model !== "string")
		bad("model: Field required");
	if (!Object.hasOwn(MODELS, body.model))
		throw refusal(404, `model: ${body.model}`);
	if (!Number.isInteger(body.max_tokens))
		bad(body.max_tokens === undefined ? "max_tokens: Field required" : "max_tokens: Input should be a valid integer");
	if (body.max_tokens < 1)
		bad("max_tokens: Input should be greater than or equal to 1");
	const [most] = MODELS[body.model];
	if (body.max_tokens > most)
		bad(`max_tokens: ${body.max_tokens} > ${most}, which is the maximum allowed number of output tokens for ${body.model}`);
	if (body.stream !== undefined && typeof body.stream !== "boolean")
		bad("stream: Input should be a valid boolean");
	if (body.system !== undefined && list(body.system).some((b) => typeof b.text !== "string" || b.text.trim() === ""))
		bad("system: text content blocks must be non-empty");
	checkSampling(body, version);
	checkMessages(body.messages, body.model);
	checkTools(body.tools);
	checkThinking(body);
}

/* As question() of openai.mjs reads them. */
const plain = (messages) => messages.flatMap(({ role, content }) => {
	const blocks = list(content), text = blocks.filter((b) => b.type === "text").map((b) => b.text).join("");
	const calls = blocks.filter((b) => b.type === "tool_use");
	return blocks[0]?.type === "tool_result" ? blocks.map((b) => ({ role: "tool", content: b.content }))
	    : [{ role, content: text, ...(calls.length > 0 && { tool_calls: calls }) }];
});

export class Anthropic extends Vendor {
	get url() { return `${this.origin}/v1`; }

	broken() { return refusal(400, "The request body is not valid JSON"); }

	async answer({ req, res, url, entry, body }) {
		const key = req.headers["x-api-key"] ?? /^Bearer (.+)$/.exec(req.headers.authorization ?? "")?.[1];
		if (url.pathname !== "/v1/messages" || req.method !== "POST")
			throw refusal(404, "Not Found");
		if (![this.key, this.ownKey].includes(key) || key === undefined)
			throw refusal(401, key === undefined ? "x-api-key header is required" : "invalid x-api-key");
		check(body, req.headers);
		const plan = planOf(plain(body.messages));
		const status = this.asked(plan, ["400", "402", "413", "429", "500", "529"]);
		if (status)
			throw refusal(Number(status), { 402: "Your credit balance is too low to access the Anthropic API.", 429: "This request would exceed your rate limit.",
				529: "Overloaded" }[status] ?? "Refused", status === "429" ? { "retry-after": plan.d.wait ?? "1" } : {});
		this.expectThoughts(body, plan);
		const blocks = this.blocks(plan, entry), head = { id: `msg_${entry.n}`, type: "message", role: "assistant", model: body.model };
		const usage = { input_tokens: counted(body.messages), cache_creation_input_tokens: Number(plan.d.cachewrite ?? 0),
			cache_read_input_tokens: Number(plan.d.cached ?? 0), output_tokens: 1 };
		const end = { stop_reason: plan.d.finish ?? (plan.calls.length > 0 ? "tool_use" : "end_turn"),
			stop_sequence: plan.d.finish === "stop_sequence" ? body.stop_sequences[0] : null };
		if (body.stream && plan.d.whole === undefined)
			return this.stream(res, plan, this.frames({ ...head, content: [], stop_reason: null, stop_sequence: null, usage }, blocks, end),
			    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_standin"}\n\n');
		const content = blocks.map(({ block, pieces }) => pieces.reduce((b, d) => ({ ...b,
			...(d.type === "text_delta" && { text: b.text + d.text }), ...(d.type === "thinking_delta" && { thinking: b.thinking + d.thinking }),
			...(d.type === "signature_delta" && { signature: d.signature }), ...(d.type === "citations_delta" && { citations: [...b.citations, d.citation] }),
			...(d.type === "input_json_delta" && { input: JSON.parse(pieces.map((p) => p.partial_json).join("") || "{}") }) }), block));
		return this.json(res, 200, { ...head, content, ...end, usage: { ...usage, output_tokens: counted(content) } });
	}

	/* A turn that thought before its calls goes on with what it thought. */
	expectThoughts(body, plan) {
		const turn = body.messages.at(-2);
		if (plan.d.thinking === undefined || !plan.answered || !list(turn.content).some((b) => b.type === "tool_use"))
			return;
		const type = list(turn.content)[0].type;
		if (!["thinking", "redacted_thinking"].includes(type))
			bad(`messages.${body.messages.length - 2}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${type}\`.`);
	}

	/* What the message consists of: each block as it begins, and its pieces. */
	blocks({ d, calls, words, thoughts }, entry) {
		const blocks = [], said = [...words];
		const thought = thoughts.join("");
		if (thought)
			blocks.push({ block: { type: "thinking", thinking: "", signature: "" }, pieces: [...thoughts.map((thinking) => ({ type: "thinking_delta", thinking })),
				{ type: "signature_delta", signature: signature(thought) }] });
		if (d.redacted !== undefined)
			blocks.push({ block: { type: "redacted_thinking", data: signature("redacted") }, pieces: [] });
		if (d.cited !== undefined) {
			blocks.push({ block: { type: "text", text: "" }, pieces: [{ type: "text_delta", text: said[0] }] },
			    { block: { type: "text", text: "", citations: [] }, pieces: [{ type: "citations_delta", citation: CITATION }, ...said.slice(1).map((text) => ({ type: "text_delta", text }))] });
		} else if (said.length > 0 || d.before !== undefined)
			blocks.push({ block: { type: "text", text: "" }, pieces: (said.length > 0 ? said : ["let me ", "look"]).map((text) => ({ type: "text_delta", text })) });
		calls.forEach(({ name, args }, i) => blocks.push({ block: { type: "tool_use", id: `toolu_${entry.n}_${i}`, name, input: {} },
			pieces: ["", ...args.match(/[^]{1,7}/gu) ?? []].map((partial_json) => ({ type: "input_json_delta", partial_json })) }));
		return blocks;
	}

	async* frames(message, blocks, delta) {
		const frame = (o) => `event: ${o.type}\ndata: ${JSON.stringify(o)}\n\n`;
		let n = 0;
		yield [frame({ type: "message_start", message })];
		yield [frame({ type: "ping" })];
		for (const [index, { block, pieces }] of blocks.entries()) {
			yield [frame({ type: "content_block_start", index, content_block: block })];
			for (const piece of pieces) {
				n++;
				yield [frame({ type: "content_block_delta", index, delta: piece }), true];
			}
			yield [frame({ type: "content_block_stop", index })];
		}
		/* Fields that are null say nothing, and the rest replaces what was said before. */
		yield [frame({ type: "message_delta", delta, usage: { input_tokens: null, cache_creation_input_tokens: null, cache_read_input_tokens: null, output_tokens: n,
			output_tokens_details: { thinking_tokens: blocks[0]?.block.type === "thinking" ? blocks[0].pieces.length - 1 : 0 } } })];
		yield [frame({ type: "message_stop" })];
	}
}
