/* Assertions on the events of a chat run. */
import assert from "node:assert/strict";
import { TIME, UUID7, assertKeys } from "./expect.mjs";

export const contentOf = (events) => events.filter((e) => e.event === "token").map((e) => e.data.content).join("");
export const isEnd = (e) => e.event === "done" || e.event === "error";

/* Ids are 1, 2, 3 … from `after`; the one terminal event is the last. */
export function assertOneEnd(events, after = 0) {
	assert.deepEqual(events.map((e) => Number(e.id)), events.map((_, i) => after + i + 1), "ids have gaps or repeat");
	assert.deepEqual(events.filter(isEnd).length, 1, "not one terminal event");
	assert.ok(isEnd(events.at(-1)), `ends with ${events.at(-1).event}`);
	for (const { event, data } of events) {
		if (event === "token")
			assertKeys(data, ["content"]);
		else if (event === "activity")
			assertActivity(data);
		else if (event === "artifact")
			assertKeys(data, ["id", "name", "mimeType", "size", "url", "version"]);
		else if (event === "error")
			assertKeys(data, ["code", "message"]);
		else
			assert.equal(event, "done");
	}
}

function assertActivity(data) {
	assertKeys(data, ["id", "type", "name", "input", "output", "status", "startedAt", "endedAt"]);
	assert.ok(["thought", "tool_call", "tool_result"].includes(data.type), data.type);
	assert.match(data.startedAt, TIME);
	assert.ok(data.endedAt === null || TIME.test(data.endedAt));
}

export function assertDone({ event, data }) {
	assert.equal(event, "done", JSON.stringify(data));
	assertKeys(data, ["messageId", "conversationId", "content", "usage", "sources", "finishReason"]);
	assert.match(data.messageId, UUID7);
	assertKeys(data.usage, ["inputTokens", "outputTokens", "costUsd", "model", "provider"]);
	return data;
}
