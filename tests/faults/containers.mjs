/* Commands in users' containers, as a tool's client has them. */
import assert from "node:assert/strict";
import { assertStatus } from "../js/expect.mjs";

/* What it is told of a command. */
export async function run(user, command, seconds) {
	const { json } = assertStatus(await user.api.post("/api/mcp", { jsonrpc: "2.0", id: 1, method: "tools/call",
		params: { name: "run_command", arguments: { command, ...seconds && { seconds } } } }), 200);
	return { text: json.result.content[0].text, failed: json.result.isError };
}

/* A command that comes to its own end; what it has written. */
export async function good(user, command) {
	const { text, failed } = await run(user, command);
	assert.match(text, /^Exit status 0, after /);
	assert.ok(!failed);
	return text.slice(text.indexOf("\n\n") + 2);
}

export const container = async (user) => assertStatus(await user.api.get("/api/user"), 200).json.container;
