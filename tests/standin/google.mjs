/*
 * A strict stand-in for Google's Gemini API: POST /VERSION/models/MODEL:generateContent, :streamGenerateContent and :batchEmbedContents, by its
 * reference ("Generating content", "Embeddings", "Function calling", "Thought signatures", "Troubleshooting"). It refuses what the service refuses, in its shape; what
 * steers it is told in openai.mjs and vendor.mjs.
 */
import { vectorOf } from "./openai.mjs";
import { Refusal, Vendor, counted, isObject, planOf, signature } from "./vendor.mjs";

const MODELS = { "gemini-3.6-flash": true, "gemini-2.5-flash": false, "gemma-3-27b-it": false };       /* does it check signatures? */
const STATUS = { 400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE" };
const EMBEDDING_MODEL = "gemini-embedding-001", TASKS = ["RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY"];
const FIELDS = ["contents", "tools", "toolConfig", "safetySettings", "systemInstruction", "generationConfig", "cachedContent", "model"];
const CONFIG = ["temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "candidateCount", "responseMimeType", "responseSchema",
	"responseJsonSchema", "seed", "presencePenalty", "frequencyPenalty", "thinkingConfig", "responseModalities"];
const DATA = ["text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"];
const PART = [...DATA, "thought", "thoughtSignature", "partMetadata", "videoMetadata", "mediaResolution"];
const NONE = "skip_thought_signature_validator";

const refusal = (code, message, details) => new Refusal(code, { error: { code, message, status: STATUS[code], ...(details && { details }) } });
const bad = (message) => { throw refusal(400, message); };
const known = (value, names, where) => {
	if (!isObject(value))
		bad(`Invalid value at '${where}' (type.googleapis.com), expected an object`);
	for (const name of Object.keys(value))
		if (!names.includes(name))
			bad(`Invalid JSON payload received. Unknown name "${name}"${where ? ` at '${where}'` : ""}: Cannot find field.`);
};

function checkPart(part, at) {
	known(part, PART, at);
	if (DATA.filter((name) => part[name] !== undefined).length !== 1)
		bad(`* GenerateContentRequest.${at}.data: required oneof field 'data' must have one initialized field`);
	if (part.text !== undefined && typeof part.text !== "string")
		bad(`Invalid value at '${at}.text' (TYPE_STRING), ${JSON.stringify(part.text)}`);
	if (part.functionCall)
		known(part.functionCall, ["id", "name", "args"], `${at}.function_call`);
	if (part.functionCall && !isObject(part.functionCall.args ?? {}))
		bad(`Invalid value at '${at}.function_call.args' (type.googleapis.com/google.protobuf.Struct)`);
	if (part.functionResponse) {
		known(part.functionResponse, ["id", "name", "response", "willContinue", "scheduling", "parts"], `${at}.function_response`);
		if (!part.functionResponse.name)
			bad(`* GenerateContentRequest.${at}.function_response.name: Name cannot be empty.`);
		if (!isObject(part.functionResponse.response))
			bad(`Invalid value at '${at}.function_response.response' (type.googleapis.com/google.protobuf.Struct)`);
	}
	if (part.text === "" && !part.thoughtSignature)
		bad(`* GenerateContentRequest.${at}.data: required oneof field 'data' must have one initialized field`);
	if (part.thoughtSignature !== undefined && part.thoughtSignature !== NONE && part.thoughtSignature !== signature("part"))
		bad("Thought signature is not valid");
}

/* As many results behind a turn of calls as there were calls, each by the name of its call. */
function checkCalls(contents, checked) {
	contents.forEach(({ parts }, i) => {
		const calls = parts.filter((p) => p.functionCall), results = contents[i + 1]?.parts.filter((p) => p.functionResponse) ?? [];
		if (calls.length > 0 && contents[i - 1]?.role !== "user")
			bad("Please ensure that function call turn comes immediately after a user turn or after a function response turn.");
		if (calls.length !== results.length)
			bad("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.");
		calls.forEach(({ functionCall: call }, k) => {
			const { functionResponse: result } = results[k];
			if (result.name !== call.name || (call.id && result.id !== call.id))
				bad(`The function response ${result.name} is not of the function call ${call.name}.`);
		});
		if (checked && calls.length > 0 && !calls[0].thoughtSignature)
			bad(`Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing `
			    + `thought_signature may lead to degraded model performance. Additional data, function call \`default_api:${calls[0].functionCall.name}\` , position ${i + 1}.`);
	});
}

/* Models before the third generation take no schema beside tools; none takes one without its type, or one of very many states. */
function checkFormat({ generationConfig: { responseMimeType: type, responseJsonSchema: schema } = {}, tools = [] }, model) {
	if (schema !== undefined && type !== "application/json")
		bad("* GenerateContentRequest.generation_config.response_mime_type: response_mime_type must be application/json when response_json_schema is set");
	if (schema !== undefined && !isObject(schema))
		bad("Invalid value at 'generation_config.response_json_schema'");
	if (type === "application/json" && tools.length > 0 && !MODELS[model])
		bad("Function calling with a response mime type: 'application/json' is unsupported");
	if (JSON.stringify(schema ?? {}).includes('"states"'))
		bad("The specified schema produces a constraint that has too many states for serving. Typical causes of this error are schemas with lots of text.");
	if (type === "application/json" && model === "gemma-3-27b-it")
		bad("JSON mode is not enabled for models/gemma-3-27b-it");
}

function check(body, model) {
	known(body, FIELDS, "");
	if (!Array.isArray(body.contents) || body.contents.length === 0)
		bad("* GenerateContentRequest.contents: contents is not specified");
	body.contents.forEach((content, i) => {
		known(content, ["role", "parts"], `contents[${i}]`);
		if (!["user", "model"].includes(content.role))
			bad("Please use a valid role: user, model.");
		if (!Array.isArray(content.parts) || content.parts.length === 0)
			bad(`* GenerateContentRequest.contents[${i}].parts: contents.parts must not be empty.`);
		content.parts.forEach((part, k) => checkPart(part, `contents[${i}].parts[${k}]`));
	});
	if (body.systemInstruction)
		known(body.systemInstruction, ["role", "parts"], "system_instruction");
	known(body.generationConfig ?? {}, CONFIG, "generation_config");
	checkFormat(body, model);
	(body.tools ?? []).forEach((tool, i) => {
		known(tool, ["functionDeclarations", "googleSearch", "codeExecution", "urlContext"], `tools[${i}]`);
		(tool.functionDeclarations ?? []).forEach((f, k) => {
			const at = `tools[${i}].function_declarations[${k}]`;
			known(f, ["name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"], at);
			if (!/^[a-zA-Z_][\w.:-]{0,127}$/.test(f.name))
				bad(`* GenerateContentRequest.${at}.name: Invalid function name. Must start with a letter or an underscore.`);
			/* The older form is a subset of OpenAPI's. */
			if (JSON.stringify(f.parameters ?? {}).includes('"additionalProperties"'))
				bad(`Invalid JSON payload received. Unknown name "additionalProperties" at '${at}.parameters': Cannot find field.`);
		});
	});
	checkCalls(body.contents, MODELS[model]);
}

/* The vectors of a batch, each of them normalized. */
function embedded(body) {
	known(body, ["requests"], "");
	if (!Array.isArray(body.requests) || body.requests.length === 0 || body.requests.length > 100)
		bad("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch");
	return { embeddings: body.requests.map((request, i) => {
		known(request, ["model", "content", "taskType", "title", "outputDimensionality"], `requests[${i}]`);
		if (request.model !== `models/${EMBEDDING_MODEL}`)
			bad(`* BatchEmbedContentsRequest.requests[${i}].model: model does not match the one of the batch`);
		if (request.taskType !== undefined && !TASKS.includes(request.taskType))
			bad(`Invalid value at 'requests[${i}].task_type'`);
		return { values: [...vectorOf(request.content.parts.map((p) => p.text).join(""), request.outputDimensionality ?? 3072)] };
	}) };
}

/* As question() of openai.mjs reads them. */
const plain = (contents) => contents.flatMap(({ role, parts }) => {
	const text = parts.map((p) => p.text ?? "").join(""), calls = parts.filter((p) => p.functionCall);
	return parts[0].functionResponse ? parts.map(() => ({ role: "tool", content: "" }))
	    : [{ role: role === "model" ? "assistant" : "user", content: text, ...(calls.length > 0 && { tool_calls: calls }) }];
});

export class Google extends Vendor {
	get url() { return `${this.origin}/v1beta`; }

	broken() { return refusal(400, "Invalid JSON payload received. Unexpected end of string."); }

	async answer({ req, res, url, entry, body }) {
		const [, model, method] = /^\/v1(?:beta)?\/models\/([^/:]+):(generateContent|streamGenerateContent|batchEmbedContents)$/.exec(url.pathname) ?? [];
		const key = req.headers["x-goog-api-key"] ?? url.searchParams.get("key");
		if (!method || req.method !== "POST")
			throw new Refusal(404, {});
		if (!key)
			throw refusal(403, "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API "
			    + "consumer identity to call this API.");
		if (key !== this.key)
			throw refusal(400, "API key not valid. Please pass a valid API key.", [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID",
				domain: "googleapis.com" }]);
		if (method === "batchEmbedContents" && model === EMBEDDING_MODEL)
			return this.json(res, 200, embedded(body));
		if (!Object.hasOwn(MODELS, model))
			throw refusal(404, `models/${model} is not found for API version v1beta, or is not supported for ${method}. Call ListModels to see the list of `
			    + "available models and their supported methods.");
		check(body, model);
		const plan = planOf(plain(body.contents)), status = this.asked(plan, ["400", "403", "429", "500", "503"]);
		if (status)
			throw refusal(Number(status), { 429: "You exceeded your current quota.", 503: "The model is overloaded. Please try again later." }[status] ?? "Refused",
			    status === "429" ? [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${plan.d.wait ?? "1"}s` }] : undefined);
		const head = { modelVersion: model, responseId: `r${entry.n}` }, said = [...plan.words];
		const blocked = plan.d.blocked !== undefined;
		const parts = blocked ? [] : [...plan.thoughts.map((text) => ({ text, thought: true })), ...said.map((text) => ({ text })),
			...plan.calls.map(({ name, args }, i) => ({ functionCall: { name, args: JSON.parse(args), ...(plan.d.noids === undefined && { id: `fc${entry.n}_${i}` }) },
				...(i === 0 && { thoughtSignature: signature("part") }) }))];
		const usage = (n) => ({ promptTokenCount: counted(body.contents), ...(n > 0 && { candidatesTokenCount: n }), totalTokenCount: counted(body.contents) + n,
			...(plan.thoughts.length > 0 && { thoughtsTokenCount: plan.thoughts.length }), ...(plan.d.cached && { cachedContentTokenCount: Number(plan.d.cached) }) });
		const finishReason = plan.d.finish ?? "STOP";
		/* The last part of a text has the signature, often an empty one. */
		const chunks = parts.map((part, i) => ({ candidates: [{ content: { parts: [part], role: "model" }, index: 0 }], usageMetadata: usage(i + 1), ...head }));
		chunks.push(blocked ? { promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, usageMetadata: usage(0), ...head }
		    : { candidates: [{ content: { parts: [{ text: "", thoughtSignature: signature("part") }], role: "model" }, finishReason, index: 0 }],
			usageMetadata: usage(said.length + 8 * plan.calls.length), ...head });
		if (method === "streamGenerateContent" && url.searchParams.get("alt") === "sse" && plan.d.whole === undefined)
			return this.stream(res, plan, chunks.map((c, i) => [`data: ${JSON.stringify(c)}\r\n\r\n`, i < parts.length]),
			    'data: {"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}\r\n\r\n');
		if (method === "streamGenerateContent")
			return this.json(res, 200, chunks);
		return this.json(res, 200, blocked ? chunks[0] : { ...chunks.at(-1), candidates: [{ content: { parts: chunks.flatMap((c) => c.candidates[0].content.parts),
			role: "model" }, finishReason, index: 0 }] });
	}
}
