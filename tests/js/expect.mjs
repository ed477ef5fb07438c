/* Assertions that many tests share. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

export const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

const STATUS = { BAD_REQUEST: 400, UNAUTHORIZED: 401, INSUFFICIENT_CREDITS: 402, BUDGET_EXCEEDED: 402, APPROVAL_REQUIRED: 403, FORBIDDEN: 403, NOT_FOUND: 404, METHOD_NOT_ALLOWED: 405,
	CONFLICT: 409, NOT_CONNECTED: 409, TOO_LARGE: 413, UNSUPPORTED_MEDIA_TYPE: 415, UPGRADE_REQUIRED: 426, RATE_LIMITED: 429, UPSTREAM_FAILED: 502, UPSTREAM_TIMEOUT: 504, OVERLOADED: 503 };

/* An error of the one shape, or, below /v1, of both vendors' shapes in one; `fields` are the names of all bad fields, in any order; `what` was sent. */
export function assertError(reply, code, fields, what = "") {
	const seen = `${what} ${reply.status} ${reply.text.slice(0, 500)}`;
	assert.equal(reply.status, STATUS[code], seen);
	assert.match(reply.headers["content-type"] ?? "", /^application\/json\b/, seen);
	const { json } = reply;
	if (json.type === "error") {
		assert.deepEqual([json.error.code, json.error.param, typeof json.error.type], [code, null, "string"], seen);
		assert.ok(json.error.message, seen);
	} else {
		assert.equal(json.code, code, seen);
		assert.equal(typeof json.error, "string", seen);
		assert.notEqual(json.error, "", seen);
		assert.equal(json.detail, json.error, seen);
	}
	assert.ok(json.request_id, seen);
	assert.equal(reply.headers["x-request-id"], json.request_id, seen);
	if (!fields)
		return;
	assert.ok(Array.isArray(json.fields), `no fields in ${seen}`);
	const [{ field, problem }] = json.fields, said = json.error.message ?? json.error;
	assert.ok(said.includes(field) && said.includes(problem), `the text does not say which field: ${seen}`);
	assert.deepEqual(json.fields.map((f) => f.field).sort(), [...fields].sort(), seen);
	for (const f of json.fields)
		assert.ok(typeof f.problem === "string" && f.problem !== "", seen);
}

/* A stream that refuses for now: an EventSource comes back from no other status than 200. */
export async function assertRefusedWithin(stream, code) {
	assert.deepEqual([stream.status, await stream.all()], [200, []]);
	assert.ok(stream.response.complete);
	assert.match(stream.comments.join(), new RegExp(`^${code} ".+"$`));
	assert.ok(stream.parser.retry >= 5000, `${stream.parser.retry}`);
}

export function assertStatus(reply, status) {
	assert.equal(reply.status, status, reply.text.slice(0, 500));
	return reply;
}

export const assertKeys = (value, keys) => assert.deepEqual(Object.keys(value).sort(), [...keys].sort());

/* Calls fn until it gives something true, `ms` at most. */
export async function until(fn, what = "the condition", ms = 120000) {
	const end = Date.now() + ms;
	for (;;) {
		const value = await fn();
		if (value)
			return value;
		if (Date.now() > end)
			throw new Error(`${what}: not within ${ms} ms`);
		await sleep(50);
	}
}
