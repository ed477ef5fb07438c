/* /api/notifications, and the event that tells of a new one. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newUser, shared } from "../js/instance.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus } from "../js/expect.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

/* `n` notifications, oldest first: their ids. */
async function notify(user, n = 1, more = {}) {
	const { severity = "info", action = "NULL", metadata = "{}" } = more;
	const ids = [];
	for (let i = 0; i < n; i++)
		ids.push((await millrace.psql(`INSERT INTO notification (owner_id, severity, title, message, action_url, metadata)
			VALUES ('${user.uid}', '${severity}', 'Title ${i}', 'Message', ${action}, '${metadata}') RETURNING id`)).split("\n")[0]);
	return ids;
}

const list = async (user, query = "") => assertStatus(await user.api.get(`/api/notifications${query}`), 200);
const ids = async (user, query) => (await list(user, query)).json.map((n) => n.id);

test("every field of one", async () => {
	const user = await newUser(api);
	const [id] = await notify(user, 1, { severity: "warning", action: "'/runs/1'", metadata: '{"type": "run", "deep": [1]}' });
	const { json } = assertStatus(await user.api.get(`/api/notifications/${id}`), 200);
	assertKeys(json, ["id", "severity", "title", "message", "action_url", "read", "metadata", "created_at"]);
	assert.match(json.id, UUID7);
	assert.match(json.created_at, TIME);
	assert.deepEqual({ ...json, id: 0, created_at: 0 }, { id: 0, severity: "warning", title: "Title 0", message: "Message",
		action_url: "/runs/1", read: false, metadata: { type: "run", deep: [1] }, created_at: 0 });
	assert.deepEqual((await list(user)).json, [json]);
});

test("newest first, by pages", async () => {
	const user = await newUser(api);
	const made = (await notify(user, 5)).reverse();
	assert.deepEqual(await ids(user), made);
	const page = await list(user, "?limit=2");
	assert.deepEqual(page.json.map((n) => n.id), made.slice(0, 2));
	const next = /<([^>]*)>; rel="next"/.exec(page.headers.link)[1];
	assert.deepEqual((await user.api.get(next)).json.map((n) => n.id), made.slice(2, 4));
	assert.deepEqual(await ids(user, `?before=${made[3]}`), made.slice(4));
	assertError(await user.api.get("/api/notifications?limit=201&before=x&unread=maybe"), "BAD_REQUEST", ["limit", "before", "unread"]);
});

test("read, unread, read-all", async () => {
	const user = await newUser(api);
	const made = (await notify(user, 4)).reverse();
	for (let i = 0; i < 2; i++)
		assert.equal(assertStatus(await user.api.post(`/api/notifications/${made[1]}/read`), 200).json.read, true);
	assert.deepEqual(await ids(user, "?unread=1"), [made[0], made[2], made[3]]);
	assert.deepEqual(await ids(user, "?unread=0"), made);
	const page = await list(user, "?unread=1&limit=2");
	assert.deepEqual((await user.api.get(/<([^>]*)>/.exec(page.headers.link)[1])).json.map((n) => n.id), [made[3]]);
	assert.deepEqual(assertStatus(await user.api.post("/api/notifications/read-all"), 200).json, { updated: 3 });
	assert.deepEqual(assertStatus(await user.api.post("/api/notifications/read-all"), 200).json, { updated: 0 });
	assert.deepEqual(await ids(user, "?unread=1"), []);
	assert.deepEqual(await ids(user), made);
});

test("DELETE takes one out", async () => {
	const user = await newUser(api);
	const [first, second] = await notify(user, 2);
	assert.equal(assertStatus(await user.api.delete(`/api/notifications/${first}`), 204).text, "");
	assert.deepEqual(await ids(user), [second]);
	assertError(await user.api.delete(`/api/notifications/${first}`), "NOT_FOUND");
	assertError(await user.api.get(`/api/notifications/${first}`), "NOT_FOUND");
});

test("each has their own", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	const [id] = await notify(user);
	assert.deepEqual(await ids(other), []);
	for (const [method, path] of [["GET", ""], ["POST", "/read"], ["DELETE", ""]]) {
		assertError(await other.api.request(method, `/api/notifications/${id}${path}`), "NOT_FOUND");
		assertError(await other.api.request(method, `/api/notifications/${randomUUID()}${path}`), "NOT_FOUND");
		assertError(await api.request(method, `/api/notifications/${id}${path}`), "UNAUTHORIZED");
	}
	assert.equal((await other.api.post("/api/notifications/read-all")).json.updated, 0);
	assert.equal((await list(user)).json[0].read, false);
});

test("a new one is published to its user, in the same transaction", async () => {
	const user = await newUser(api);
	const [id] = await notify(user, 1, { severity: "success", action: "'/x'", metadata: '{"type": "lead"}' });
	await millrace.psql(`BEGIN; INSERT INTO notification (owner_id, title, message) VALUES ('${user.uid}', 'never', 'was'); ROLLBACK`);
	const [plain] = await notify(user);
	const events = (await millrace.psql(`SELECT json_build_object('seq', seq, 'type', type, 'data', data) FROM stream_event
		WHERE topic = 'user:${user.uid}' ORDER BY seq`)).trim().split("\n").map((l) => JSON.parse(l));
	assert.deepEqual(events.map((e) => [e.seq, e.type]), [[1, "notification_created"], [2, "notification_created"]]);
	const { data } = events[0];
	assertKeys(data, ["id", "notification_id", "user_id", "notification_type", "severity", "title", "message", "action_url", "created_at", "read", "metadata"]);
	assert.deepEqual([data.id, data.notification_id, data.user_id, data.notification_type, data.severity, data.action_url, data.read],
	    [id, id, user.uid, "lead", "success", "/x", false]);
	assert.deepEqual([events[1].data.notification_id, events[1].data.notification_type], [plain, "general"]);
});
