/* The stand-in for Google's Gemini API, by the official client. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { GoogleGenAI } from "@google/genai";
import { Google } from "./google.mjs";

let server, client;
const clientOf = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: server.origin, apiVersion: "v1beta", retryOptions: { attempts: 1 } } });
before(async () => {
	server = await new Google().start();
	client = clientOf("key");
});
after(() => server?.close());

const words = (n) => Array.from({ length: n }, (_, i) => (i > 0 ? " w" : "w") + i).join("");
const ask = (contents, config = {}, model = "gemini-3.6-flash") => ({ model, contents, config });
async function streamed(request) {
	const chunks = [];
	for await (const chunk of await client.models.generateContentStream(request))
		chunks.push(chunk);
	return chunks;
}
const refused = (request, status, why, from = client) => assert.rejects(from.models.generateContent(request), (e) => e.status === status && why.test(e.message));

test("an answer, whole and streamed", async () => {
	const whole = await client.models.generateContent(ask("[[tokens:5 cached:7 thinking:2]]"));
	assert.equal(whole.text, words(5));
	const chunks = await streamed(ask("[[tokens:5 cached:7 thinking:2]]"));
	assert.equal(chunks.map((c) => c.text ?? "").join(""), words(5));
	for (const { usageMetadata, candidates } of [whole, chunks.at(-1)]) {
		assert.deepEqual([usageMetadata.cachedContentTokenCount, usageMetadata.thoughtsTokenCount, usageMetadata.candidatesTokenCount], [7, 2, 5]);
		assert.equal(candidates[0].finishReason, "STOP");
	}
});

test("functions and their results", async () => {
	const question = { role: "user", parts: [{ text: '[[tool:look {"q":"a"}]] [[tool:look {"q":"b"}]]' }] };
	const config = { tools: [{ functionDeclarations: [{ name: "look", description: "Looks", parametersJsonSchema: { type: "object", additionalProperties: false } }] }] };
	const { candidates: [{ content }], functionCalls } = await client.models.generateContent(ask([question], config));
	assert.deepEqual(functionCalls.map((c) => c.args), [{ q: "a" }, { q: "b" }]);
	const results = { role: "user", parts: functionCalls.map(({ id, name }) => ({ functionResponse: { id, name, response: { result: "seen" } } })) };
	assert.equal((await client.models.generateContent(ask([question, content, results], config))).text, words(12));
	const bare = { ...content, parts: content.parts.map(({ thoughtSignature, ...part }) => part).filter((p) => p.functionCall) };
	await refused(ask([question, bare, results], config), 400, /missing a thought_signature/);
	assert.equal((await client.models.generateContent(ask([question, bare, results], config, "gemini-2.5-flash"))).text, words(12));
	await refused(ask([question, content, { role: "user", parts: results.parts.slice(1) }], config), 400, /number of function response parts/);
});

test("a schema of the answer", async () => {
	const schema = (more) => ({ responseMimeType: "application/json", responseJsonSchema: { type: "object", additionalProperties: false, ...more } });
	assert.equal((await client.models.generateContent(ask("[[say:{}]]", schema()))).text, "{}");
	await refused(ask("x", schema({ title: "states" })), 400, /too many states/);
	await refused(ask("x", { responseJsonSchema: {} }), 400, /response_mime_type/);
	await refused(ask("x", { ...schema(), tools: [{ functionDeclarations: [{ name: "look" }] }] }, "gemini-2.5-flash"), 400, /Function calling with a response mime type/);
	await refused(ask("x", schema(), "gemma-3-27b-it"), 400, /JSON mode is not enabled/);
});

test("what is refused", async () => {
	await refused(ask("x", {}, "claude"), 404, /is not found for API version/);
	await refused(ask("x"), 400, /API key not valid/, clientOf("other"));
	await refused(ask([{ role: "system", parts: [{ text: "x" }] }]), 400, /valid role/);
	await refused(ask("[[429]]"), 429, /RetryInfo/);
	await refused(ask("[[503]]"), 503, /overloaded/);
	const post = (body) => fetch(`${server.url}/models/gemini-3.6-flash:generateContent`, { method: "POST", headers: { "x-goog-api-key": "key" }, body: JSON.stringify(body) });
	for (const [body, why] of [[{ contents: [] }, /contents is not specified/], [{ prompt: "x" }, /Unknown name "prompt"/],
		[{ contents: [{ role: "user", parts: [{}] }] }, /required oneof field/], [{ contents: [{ role: "user", parts: [{ text: 1 }] }] }, /TYPE_STRING/]])
		assert.match((await (await post(body)).json()).error.message, why);
});

test("faults", async () => {
	await assert.rejects(streamed(ask("[[errorchunk:3]]")), /overloaded/);
	await assert.rejects(streamed(ask("[[cut:3]]")));
	assert.equal((await streamed(ask("[[eof:3]]"))).at(-1).candidates[0].finishReason, undefined);
	const [chunk] = await streamed(ask("[[blocked]]"));
	assert.equal(chunk.promptFeedback.blockReason, "PROHIBITED_CONTENT");
});
