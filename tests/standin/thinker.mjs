/*
 * A stand-in for servers of OpenAI's format that think, as DeepSeek's and vLLM's do: they tell it in `reasoning_content`, cut in the middle of a
 * character, and want it back with their calls; they name the text that has ended an answer, give logprobs, and refuse in a member of its own. Steered
 * by the user's last words: call, refuse, stop; `plain` does not think.
 */
import http from "node:http";
import { once } from "node:events";

export const THOUGHT = "First I look. 😀 Then I say.";

const readBody = async (req) => {
	const chunks = [];
	for await (const chunk of req)
		chunks.push(chunk);
	return JSON.parse(Buffer.concat(chunks).toString());
};

function* answer(body, n) {
	const asked = body.messages.findLastIndex((m) => m.role === "user"), turn = body.messages.slice(asked + 1);
	const said = JSON.stringify(body.messages[asked].content), calls = said.includes("call") && turn.length === 0;
	if (!said.includes("plain"))
		for (const piece of ["First I look. \\ud83d", "\\ude00 Then", " I say."])
			yield `{"choices":[{"index":0,"delta":{"reasoning_content":"${piece}"}}]}`;
	const chunk = (delta, more = {}) => JSON.stringify({ choices: [{ index: 0, delta, ...more }] });
	if (calls)
		yield chunk({ tool_calls: [{ index: 0, id: `functions.look:${n}`, type: "function", function: { name: "look", arguments: '{"q":1}' } }] });
	else
		for (const text of ["It ", "is ", "so."])
			yield chunk(said.includes("refuse") ? { refusal: text } : { content: text },
			    body.logprobs ? { logprobs: { content: [{ token: text, logprob: -0.5, bytes: null, top_logprobs: [] }] } } : {});
	yield JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: calls ? "tool_calls" : "stop", ...(said.includes("stop") && { stop_reason: body.stop[0] }) }] });
	yield JSON.stringify({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 20, completion_tokens_details: { reasoning_tokens: 12 } } });
}

export async function start() {
	const requests = [];
	const server = http.createServer(async (req, res) => {
		const body = await readBody(req), calling = body.messages.findLastIndex((m) => m.tool_calls), asked = body.messages.findLastIndex((m) => m.role === "user");
		requests.push(body);
		if (calling > asked && !JSON.stringify(body.messages[asked]).includes("plain") && body.messages[calling].reasoning_content !== THOUGHT) {
			res.writeHead(400, { "content-type": "application/json" });
			return res.end('{"error":{"message":"Missing `reasoning_content` field in the assistant message","type":"invalid_request_error"}}');
		}
		res.writeHead(200, { "content-type": "text/event-stream" });
		for (const event of answer(body, requests.length))
			res.write(`data: ${event}\n\n`);
		return res.end("data: [DONE]\n\n");
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return { url: `http://127.0.0.1:${server.address().port}/v1`, requests, log: (mark) => requests.filter((body) => JSON.stringify(body).includes(mark)),
		close: () => { server.close(); server.closeAllConnections(); } };
}
