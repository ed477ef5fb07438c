/*
 * What an OpenAI-compatible server refuses, and how it words it.
 *
 * Each check throws ApiError, whose body has OpenAI's error shape. The rules
 * follow the published reference for /v1/chat/completions and /v1/embeddings;
 * the messages are those that the service is known to give.
 */

export class ApiError extends Error {
	constructor(status, message, { type = "invalid_request_error", param = null, code = null } = {}) {
		super(message);
		this.status = status;
		this.body = { error: { message, type, param, code } };
	}
}

const bad = (message, param, code) => { throw new ApiError(400, message, { param, code }); };
const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const known = (value, names, where) => {
	for (const key of Object.keys(value))
		if (!names.has(key))
			bad(where ? `Unknown parameter: '${where}.${key}'.`
			    : `Unrecognized request argument supplied: ${key}`,
			    where ? `${where}.${key}` : null, where ? "unknown_parameter" : null);
};

const CHAT_FIELDS = new Set(`messages model audio frequency_penalty function_call functions
	logit_bias logprobs max_completion_tokens max_tokens metadata modalities n
	parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort
	response_format safety_identifier seed service_tier stop store stream stream_options
	temperature tool_choice tools top_logprobs top_p user verbosity
	web_search_options`.split(/\s+/));

const MESSAGE_FIELDS = {
	system: new Set(["role", "content", "name"]),
	developer: new Set(["role", "content", "name"]),
	user: new Set(["role", "content", "name"]),
	assistant: new Set(["role", "content", "name", "refusal", "tool_calls", "audio"]),
	tool: new Set(["role", "content", "tool_call_id"]),
};

const NUMBERS = { temperature: [0, 2], top_p: [0, 1], presence_penalty: [-2, 2], frequency_penalty: [-2, 2] };
const INTEGERS = { n: [1, 128], max_tokens: [1, 1e6], max_completion_tokens: [1, 1e6],
	top_logprobs: [0, 20], seed: [-(2 ** 53), 2 ** 53] };
const BOOLEANS = ["stream", "logprobs", "parallel_tool_calls", "store"];
const STRINGS = ["user", "safety_identifier", "prompt_cache_key"];

/* The bearer token; `key` is the only one accepted, or null for any. */
export function checkAuth(headers, key) {
	const value = headers.authorization;
	if (value === undefined)
		throw new ApiError(401, "You didn't provide an API key. You need to provide your API key in an "
		    + "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).");
	const match = /^Bearer ([\x21-\x7e]+)$/.exec(value);
	if (!match || (key && match[1] !== key))
		throw new ApiError(401, "Incorrect API key provided: ***.", { code: "invalid_api_key" });
}

/* The body's bytes as a JSON object. */
export function parseBody(headers, bytes) {
	const type = (headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
	if (type !== "application/json")
		bad(`Unsupported Content-Type '${type}': expected application/json.`);
	let body;
	try {
		body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch {
		bad("We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
		    + "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)");
	}
	if (!isObject(body))
		bad("Invalid body: expected an object.");
	return body;
}

export function checkModel(body, models) {
	if (body.model === undefined)
		bad("you must provide a model parameter");
	if (typeof body.model !== "string")
		bad("Invalid type for 'model': expected a string.", "model", "invalid_type");
	if (!models.includes(body.model))
		throw new ApiError(404, `The model \`${body.model}\` does not exist or you do not have access to it.`,
		    { code: "model_not_found" });
}

function checkParts(content, types, where) {
	if (typeof content === "string")
		return;
	if (!Array.isArray(content) || content.length === 0)
		bad(`Invalid type for '${where}': expected one of a string or array of objects.`, where, "invalid_type");
	content.forEach((part, i) => {
		if (!isObject(part) || !types.includes(part.type))
			bad(`Invalid value for '${where}[${i}].type': supported values are ${types.join(", ")}.`,
			    `${where}[${i}].type`, "invalid_value");
		if (part.type === "text" && typeof part.text !== "string")
			bad(`Missing required parameter: '${where}[${i}].text'.`, `${where}[${i}].text`,
			    "missing_required_parameter");
	});
}

function checkToolCalls(calls, where) {
	if (!Array.isArray(calls) || calls.length === 0)
		bad(`Invalid '${where}': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
		    where, "empty_array");
	calls.forEach((call, i) => {
		const at = `${where}[${i}]`;
		if (!isObject(call))
			bad(`Invalid type for '${at}': expected an object.`, at, "invalid_type");
		known(call, new Set(["id", "type", "function"]), at);
		if (typeof call.id !== "string" || call.id === "" || call.id.length > 40)
			bad(`Invalid '${at}.id': expected a string with 1 to 40 characters.`, `${at}.id`, "invalid_type");
		if (call.type !== "function")
			bad(`Missing required parameter: '${at}.type'.`, `${at}.type`, "missing_required_parameter");
		known(call.function ?? {}, new Set(["name", "arguments"]), `${at}.function`);
		if (typeof call.function?.name !== "string" || typeof call.function?.arguments !== "string")
			bad(`Invalid type for '${at}.function': name and arguments must be strings.`, `${at}.function`,
			    "invalid_type");
	});
}

function checkMessage(message, i) {
	const at = `messages[${i}]`;
	if (!isObject(message))
		bad(`Invalid type for '${at}': expected an object.`, at, "invalid_type");
	if (message.role === undefined)
		bad(`Missing required parameter: '${at}.role'.`, `${at}.role`, "missing_required_parameter");
	const fields = Object.hasOwn(MESSAGE_FIELDS, message.role) ? MESSAGE_FIELDS[message.role] : null;
	if (!fields)
		bad(`Invalid value: '${message.role}'. Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'.`,
		    `${at}.role`, "invalid_value");
	known(message, fields, at);
	if (message.role === "tool" && typeof message.tool_call_id !== "string")
		bad(`Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.`,
		    `messages.[${i}].tool_call_id`);
	if (message.tool_calls !== undefined)
		checkToolCalls(message.tool_calls, `${at}.tool_calls`);
	if (message.content === undefined || message.content === null) {
		if (message.role !== "assistant" || message.tool_calls === undefined)
			bad(`Invalid value for 'content': expected a string, got null.`, `messages.[${i}].content`);
		return;
	}
	const parts = message.role === "user" ? ["text", "image_url", "input_audio", "file"]
	    : message.role === "assistant" ? ["text", "refusal"] : ["text"];
	checkParts(message.content, parts, `${at}.content`);
}

/* Every tool call is answered at once and once, and nothing else is answered. */
function checkPairs(messages) {
	let open = new Set();
	const unanswered = (i) => bad("An assistant message with 'tool_calls' must be followed by tool messages "
	    + "responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
	    + [...open].join(", "), `messages.[${i}].role`);
	messages.forEach((message, i) => {
		if (message.role === "tool") {
			if (!open.delete(message.tool_call_id))
				bad("Invalid parameter: messages with role 'tool' must be a response to a preceeding "
				    + "message with 'tool_calls'.", `messages.[${i}].role`);
			return;
		}
		if (open.size > 0)
			unanswered(i);
		const ids = (message.tool_calls ?? []).map((c) => c.id);
		open = new Set(ids);
		if (open.size !== ids.length)
			bad(`Duplicate tool call ids in 'messages[${i}].tool_calls'.`, `messages.[${i}].tool_calls`);
	});
	if (open.size > 0)
		unanswered(messages.length);
}

function checkTool(tool, at) {
	if (!isObject(tool) || tool.type !== "function")
		bad(`Missing required parameter: '${at}.type'.`, `${at}.type`, "missing_required_parameter");
	known(tool, new Set(["type", "function"]), at);
	const f = tool.function;
	if (!isObject(f))
		bad(`Missing required parameter: '${at}.function'.`, `${at}.function`, "missing_required_parameter");
	known(f, new Set(["name", "description", "parameters", "strict"]), `${at}.function`);
	if (typeof f.name !== "string" || !/^[a-zA-Z0-9_-]{1,64}$/.test(f.name))
		bad(`Invalid '${at}.function.name': string does not match pattern. Expected a string that matches the `
		    + "pattern '^[a-zA-Z0-9_-]+$'.", `${at}.function.name`, "invalid_value");
	if (f.description !== undefined && typeof f.description !== "string")
		bad(`Invalid type for '${at}.function.description'.`, `${at}.function.description`, "invalid_type");
	const p = f.parameters;
	if (p === undefined)
		return;
	const wrong = (why) => bad(`Invalid schema for function '${f.name}': ${why}.`, `${at}.function.parameters`,
	    "invalid_function_parameters");
	if (!isObject(p) || p.type !== "object")
		wrong(`schema must be a JSON Schema of 'type: "object"', got 'type: "${p?.type}"'`);
	if (!isObject(p.properties))
		wrong("object schema missing properties");
	for (const name of p.required ?? [])
		if (!Object.hasOwn(p.properties, name))
			wrong(`'required' names '${name}', which is not in 'properties'`);
	if (f.strict && (p.additionalProperties !== false || (p.required ?? []).length !== Object.keys(p.properties).length))
		wrong("with strict, 'additionalProperties' must be false and every property 'required'");
}

function checkOptions(body, wantUsage) {
	for (const [name, [low, high]] of Object.entries({ ...NUMBERS, ...INTEGERS })) {
		const v = body[name];
		if (v === undefined || v === null)
			continue;
		if (typeof v !== "number" || (name in INTEGERS && !Number.isInteger(v)))
			bad(`Invalid type for '${name}'.`, name, "invalid_type");
		if (v < low || v > high)
			bad(`Invalid '${name}': expected a value between ${low} and ${high}.`, name,
			    v < low ? "decimal_below_min_value" : "decimal_above_max_value");
	}
	for (const name of BOOLEANS)
		if (body[name] !== undefined && body[name] !== null && typeof body[name] !== "boolean")
			bad(`Invalid type for '${name}': expected a boolean.`, name, "invalid_type");
	for (const name of STRINGS)
		if (body[name] !== undefined && typeof body[name] !== "string")
			bad(`Invalid type for '${name}': expected a string.`, name, "invalid_type");
	if (body.max_tokens !== undefined && /^(o\d|gpt-5)/.test(body.model))
		bad("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
		    + "'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter");
	if (body.stream_options !== undefined && body.stream_options !== null) {
		if (!body.stream)
			bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options");
		known(body.stream_options, new Set(["include_usage", "include_obfuscation"]), "stream_options");
	}
	if (wantUsage && body.stream && body.stream_options?.include_usage !== true)
		bad("This server asks for stream_options {\"include_usage\": true} with every stream.", "stream_options");
}

/* A chat request; `wantUsage` refuses a stream that does not ask for its usage. */
export function checkChat(body, { models, wantUsage }) {
	known(body, CHAT_FIELDS, "");
	checkModel(body, models);
	if (body.messages === undefined)
		bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter");
	if (!Array.isArray(body.messages) || body.messages.length === 0)
		bad("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
		    "messages", "empty_array");
	body.messages.forEach(checkMessage);
	checkPairs(body.messages);
	if (body.tools !== undefined) {
		if (!Array.isArray(body.tools) || body.tools.length === 0 || body.tools.length > 128)
			bad("Invalid 'tools': expected an array with 1 to 128 elements.", "tools", "empty_array");
		body.tools.forEach((tool, i) => checkTool(tool, `tools[${i}]`));
	}
	if (body.tool_choice !== undefined && body.tools === undefined)
		bad("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.", "tool_choice");
	if (body.parallel_tool_calls !== undefined && body.tools === undefined)
		bad("Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
		    "parallel_tool_calls");
	checkOptions(body, wantUsage);
}

/* An embeddings request; returns its inputs as an array of strings. */
export function checkEmbeddings(body, models) {
	known(body, new Set(["input", "model", "encoding_format", "dimensions", "user"]), "");
	checkModel(body, models);
	const isTokens = (list) => Array.isArray(list) && list.length > 0 && list.every(Number.isInteger);
	const input = typeof body.input === "string" || isTokens(body.input) ? [body.input] : body.input;
	if (!Array.isArray(input) || input.length === 0 || input.length > 2048
	    || input.some((s) => s === "" || (typeof s !== "string" && !isTokens(s))))
		bad("'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.");
	if (!["float", "base64", undefined].includes(body.encoding_format))
		bad("Invalid 'encoding_format'.", "encoding_format");
	if (body.dimensions !== undefined && !(Number.isInteger(body.dimensions) && body.dimensions >= 1 && body.dimensions <= 3072))
		bad("Invalid 'dimensions'.", "dimensions");
	return input;
}

/* A request for images. */
export function checkImages(body) {
	known(body, new Set(["prompt", "model", "n", "size", "quality", "response_format", "style", "user"]), "");
	checkModel(body, ["dall-e-3", "dall-e-2"]);
	if (typeof body.prompt !== "string" || body.prompt === "")
		bad("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter");
	if (body.n !== undefined && !(Number.isInteger(body.n) && body.n >= 1 && body.n <= 10))
		bad("Invalid 'n': integer above maximum value.", "n", "integer_above_max_value");
}

/* A form with sound; its fields, and the file's name, type and size. */
export async function checkTranscription(headers, bytes) {
	if (!/^multipart\/form-data; boundary=/.test(headers["content-type"] ?? ""))
		bad("Invalid content type. Expected 'multipart/form-data'.");
	const form = await new Response(bytes, { headers: { "content-type": headers["content-type"] } }).formData();
	const body = Object.fromEntries(form.entries());
	known(body, new Set(["file", "model", "language", "prompt", "response_format", "temperature", "timestamp_granularities[]"]), "");
	checkModel(body, ["whisper-1"]);
	if (!(body.file instanceof Blob) || !/\.(mp3|mpeg|mpga|m4a|wav|webm|ogg|flac|mp4)$/.test(body.file.name))
		bad("Unrecognized file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']", "file");
	return { ...body, file: { name: body.file.name, type: body.file.type, size: body.file.size } };
}
