/* /api/settings: defaults, merging, what is protected. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { newUser, shared } from "../js/instance.mjs";
import { assertError, assertKeys, assertStatus } from "../js/expect.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const get = async (user) => assertStatus(await user.api.get("/api/settings"), 200).json;
const put = async (user, json) => assertStatus(await user.api.put("/api/settings", json), 200).json;

test("defaults from the start, without a row", async () => {
	const user = await newUser(api, { display_name: "Ada" });
	const json = await get(user);
	assertKeys(json, ["theme", "language", "notifications", "uid", "email", "displayName", "apiKey", "usage"]);
	assert.deepEqual([json.uid, json.email, json.displayName, json.apiKey], [user.uid, user.email, "Ada", null]);
	assert.deepEqual(json.usage, { messages: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 });
	assert.equal((await user.api.get("/api/settings")).json.theme, json.theme);
});

test("PUT merges and answers with the whole", async () => {
	const user = await newUser(api);
	const before = await get(user);
	assert.deepEqual(await put(user, { theme: "dark" }), { ...before, theme: "dark" });
	const more = { model: "gpt-4o", list: [1, "two", null, { x: 1.5 }], nested: { a: { b: [] } }, "naïve 漢字": true };
	assert.deepEqual(await put(user, more), { ...before, theme: "dark", ...more });
	assert.deepEqual(await put(user, { nested: { c: 1 } }), { ...before, theme: "dark", ...more, nested: { c: 1 } });
	assert.deepEqual(await put(user, {}), await get(user));
	assert.equal((await put(user, { theme: null })).theme, null);
});

test("protected fields are ignored in both spellings", async () => {
	const user = await newUser(api);
	const before = await get(user);
	assert.deepEqual(await put(user, { apiKey: "mr_mine", api_key: "mr_mine", usage: { costUsd: -5 }, uid: "x", email: "e@example.org",
		displayName: "Eve", display_name: "Eve", fontSize: 12 }), { ...before, fontSize: 12 });
	assert.deepEqual(await get(user), { ...before, fontSize: 12 });
});

test("POST changes the profile, as PATCH /api/user does", async () => {
	const user = await newUser(api);
	const { json } = assertStatus(await user.api.post("/api/settings", { name: "Grace", timezone: "Europe/Berlin" }), 200);
	assert.deepEqual([json.id, json.name, json.timezone], [user.uid, "Grace", "Europe/Berlin"]);
	assert.equal((await get(user)).displayName, "Grace");
	assertError(await user.api.post("/api/settings", { timezone: "Mars/Phobos" }), "BAD_REQUEST", ["timezone"]);
});

test("only an object, and no more than 64 KiB of it", async () => {
	const user = await newUser(api);
	for (const body of ["[]", "null", "5", '"x"', "true", "", "{", '{"a":1,}'])
		assertError(await user.api.request("PUT", "/api/settings", { body, headers: { "content-type": "application/json" } }), "BAD_REQUEST", undefined, body);
	await put(user, { kept: "x".repeat(60000) });
	assertError(await user.api.put("/api/settings", { more: "x".repeat(10000) }), "TOO_LARGE");
	/* What PostgreSQL's numbers do not hold is refused before it, and is no error in its log. */
	for (const number of ["1e-99999", `0.${"0".repeat(5000)}1`, "1e99999"])
		assertError(await user.api.request("PUT", "/api/settings", { body: `{"more": ${number}}`, headers: { "content-type": "application/json" } }), "BAD_REQUEST");
	assert.equal(await millrace.grepLogs("overflows numeric"), "");
	const json = await get(user);
	assert.deepEqual([json.kept.length, json.more], [60000, undefined]);
	assertError(await user.api.put("/api/settings", { a: "\u0000" }), "BAD_REQUEST");
});

test("each has their own, and nobody without a token any", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	await put(user, { theme: "dark" });
	assert.equal((await get(other)).theme, "system");
	for (const [method, path] of [["GET", "/api/settings"], ["PUT", "/api/settings"], ["POST", "/api/settings"], ["POST", "/api/settings/regenerate-api-key"]])
		assertError(await api.request(method, path, { json: method === "GET" ? undefined : {} }), "UNAUTHORIZED");
});

test("many merges at once lose nothing", async () => {
	const user = await newUser(api);
	await Promise.all(Array.from({ length: 40 }, (_, i) => put(user, { [`k${i}`]: i })));
	const json = await get(user);
	for (let i = 0; i < 40; i++)
		assert.equal(json[`k${i}`], i);
});
