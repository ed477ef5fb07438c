/* GET and PATCH /api/user. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { newUser, shared } from "../js/instance.mjs";
import { UUID7, assertError, assertKeys, assertStatus } from "../js/expect.mjs";

let api, user;
before(async () => { ({ api } = await shared()); user = await newUser(api); });

const get = async () => assertStatus(await user.api.get("/api/user"), 200).json;

test("a user has every field from the start", async () => {
	const fresh = await newUser(api, { display_name: "Grace" });
	const reply = assertStatus(await fresh.api.get("/api/user"), 200);
	const { json } = reply;
	assertKeys(json, ["id", "name", "email", "timezone", "credits", "assistant", "container"]);
	assert.match(json.id, UUID7);
	assert.equal(json.id, fresh.uid);
	assert.equal(json.name, "Grace");
	assert.equal(json.email, fresh.email);
	assert.equal(json.timezone, "UTC");
	assertKeys(json.credits, ["balanceUsd"]);
	assert.equal(typeof json.credits.balanceUsd, "number");
	assert.match(reply.text, /"balanceUsd"\s*:\s*-?\d+(\.\d+)?\s*[,}]/);
	assertKeys(json.assistant, ["name", "interests"]);
	assert.ok(Array.isArray(json.assistant.interests));
	assert.deepEqual(json.container, { status: "none", since: null });
});

test("PATCH takes any subset and answers with the whole", async () => {
	const before = await get();
	const named = assertStatus(await user.api.patch("/api/user", { name: "Ada L." }), 200).json;
	assert.deepEqual(named, { ...before, name: "Ada L." });
	for (const timezone of ["leapseconds", "right/Europe/Berlin", "posixrules"]) // what lies beside the zones
		assertError(await user.api.patch("/api/user", { timezone }), "BAD_REQUEST", ["timezone"]);
	assertError(await user.api.patch("/api/user", { name: " ", assistant: { name: "\t" } }), "BAD_REQUEST", ["name", "assistant.name"]);
	const zoned = assertStatus(await user.api.patch("/api/user", { timezone: "Europe/Berlin" }), 200).json;
	assert.deepEqual(zoned, { ...named, timezone: "Europe/Berlin" });
	const interests = ["mills", "Größe", "漢字"];
	const both = assertStatus(await user.api.patch("/api/user", { assistant: { name: "Jacquard", interests } }), 200).json;
	assert.deepEqual(both, { ...zoned, assistant: { name: "Jacquard", interests } });
	const half = assertStatus(await user.api.patch("/api/user", { assistant: { name: "Babbage" } }), 200).json;
	assert.deepEqual(half.assistant, { name: "Babbage", interests });
	assert.deepEqual(assertStatus(await user.api.patch("/api/user", {}), 200).json, half);
	assert.deepEqual(await get(), half);
});

test("unknown and protected fields change nothing", async () => {
	const before = await get();
	const reply = await user.api.patch("/api/user", { id: "x", email: "other@example.org", role: "admin",
		credits: { balanceUsd: 1000 }, colour: { deep: [1, 2, { x: null }] } });
	assert.deepEqual(assertStatus(reply, 200).json, before);
	assert.deepEqual(await get(), before);
});

test("every bad field is named, and nothing is stored", async () => {
	const before = await get();
	assertError(await user.api.patch("/api/user", { name: 5, timezone: ["UTC"],
		assistant: { name: {}, interests: "mills" } }), "BAD_REQUEST",
	    ["name", "timezone", "assistant.name", "assistant.interests"]);
	assertError(await user.api.patch("/api/user", { name: "Fine", assistant: "x" }), "BAD_REQUEST", ["assistant"]);
	assertError(await user.api.patch("/api/user", { name: "Fine", timezone: "Mars/Phobos" }), "BAD_REQUEST", ["timezone"]);
	assertError(await user.api.patch("/api/user", { name: "n".repeat(100000) }), "BAD_REQUEST", ["name"]);
	assertError(await user.api.patch("/api/user", { name: "a\u0000b" }), "BAD_REQUEST");
	assertError(await user.api.patch("/api/user", { assistant: { interests: ["ok", 5] } }), "BAD_REQUEST",
	    ["assistant.interests"]);
	assert.deepEqual(await get(), before);
});

test("text comes back byte for byte", async () => {
	for (const name of ["<script>alert('x')</script>", "a\"b\\c/d", "\u2028\u2029", "🧑‍🏭 e\u0301", "'; DROP TABLE app_user; --", "$1 %s {0}"]) {
		assertStatus(await user.api.patch("/api/user", { name }), 200);
		assert.equal((await get()).name, name);
	}
});

test("each user sees themselves only, and nobody without a token", async () => {
	const other = await newUser(api);
	assert.equal((await other.api.get("/api/user")).json.id, other.uid);
	assertError(await api.get("/api/user"), "UNAUTHORIZED");
	assertError(await api.patch("/api/user", { name: "x" }), "UNAUTHORIZED");
});

test("many at once through one worker keep each caller's own answer", async () => {
	const users = await Promise.all([1, 2, 3, 4].map(() => newUser(api)));
	const replies = await Promise.all(Array.from({ length: 200 }, (_, i) => users[i % 4].api.get("/api/user")));
	replies.forEach((reply, i) => assert.equal(assertStatus(reply, 200).json.id, users[i % 4].uid));
});
