/* The event stream reader against the HTML standard's own examples, cut anywhere. */
import test from "node:test";
import assert from "node:assert/strict";
import { SseParser } from "./sse.mjs";

function parse(text, step = Infinity) {
	const parser = new SseParser(), bytes = Buffer.from(text), events = [];
	for (let at = 0; at < bytes.length; at += step)
		events.push(...parser.feed(bytes.subarray(at, at + step)));
	return { events, parser };
}

const CASES = {
	"data: YHOO\ndata: +2\ndata: 10\n\n": [{ id: "", event: "message", data: "YHOO\n+2\n10" }],
	": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n": [
		{ id: "1", event: "message", data: "first event" }, { id: "", event: "message", data: "second event" },
		{ id: "", event: "message", data: " third event" }],
	"data\n\ndata\ndata\n\ndata:": [{ id: "", event: "message", data: "" }, { id: "", event: "message", data: "\n" }],
	"event: a\n\nevent: b\ndata: x\n\n": [{ id: "", event: "b", data: "x" }],
	"\ufeffid: 7\r\nevent: é😀\r\ndata: a:b\r\n\r\n": [{ id: "7", event: "é😀", data: "a:b" }],
	"data: cr\r\rdata: end\n\n": [{ id: "", event: "message", data: "cr" }, { id: "", event: "message", data: "end" }],
};

for (const [text, expected] of Object.entries(CASES))
	test(`reads ${JSON.stringify(text)}`, () => {
		assert.deepEqual(parse(text).events, expected);
		assert.deepEqual(parse(text, 1).events, expected);
		assert.deepEqual(parse(text, 3).events, expected);
	});

test("comments are kept apart", () => assert.deepEqual(parse(": ping\n\n").parser.comments, ["ping"]));
