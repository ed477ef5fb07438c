/* /api/settings: defaults, merging, what is protected. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { newUser, shared } from "../js/instance.mjs";
import { assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";

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

test("usage is what was used in all, of old calls by totals", async () => {
	const user = await newUser(api), other = await newUser(api);
	/* Numbered as if of a second before they are old, which is later than any that has been counted, and of now. */
	const used = (of, n, ago) => `INSERT INTO usage_event (id, owner_id, run_id, call, provider, model, input_tokens, output_tokens, estimated, input_usd, output_usd, cost_usd)
		SELECT (left(uuid_v7_floor(now() - interval '${ago}')::text, 24) || right(gen_random_uuid()::text, 12))::uuid, '${of.uid}', gen_random_uuid(), n, 'local', 'x', 10, 1, false, 0, 0, 0.25
		FROM generate_series(1, ${n}) n`;
	const usage = (messages) => ({ messages, inputTokens: 10 * messages, outputTokens: messages, costUsd: 0.25 * messages });
	await millrace.psql(`${used(user, 30, "599 s")}; ${used(other, 3, "599 s")}; ${used(user, 4, "0 s")}`);
	assert.deepEqual((await get(user)).usage, usage(34));
	await until(async () => {
		await millrace.psql("SELECT usage_count(10)");
		return (await millrace.psql(`SELECT calls FROM usage_total WHERE owner_id = '${user.uid}'`)).trim() === "30";
	}, "the old ones are counted");
	assert.deepEqual([(await get(user)).usage, (await get(other)).usage], [usage(34), usage(3)]);
	/* The old ones are not read any more. */
	await millrace.psql(`DELETE FROM usage_event WHERE owner_id = '${user.uid}' AND id < uuid_v7_floor(now() - interval '10 minutes')`);
	assert.deepEqual((await get(user)).usage, usage(34));
	await millrace.psql(used(user, 1, "0 s"));
	assert.deepEqual((await get(user)).usage, usage(35));
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
