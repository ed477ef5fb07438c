/* Who answers where the settings leave it open: the first provider that has a key, of the settings or of the vault. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newUser, privateInstance } from "../js/instance.mjs";
import { newAdmin } from "../js/accounts.mjs";
import { Anthropic } from "../standin/anthropic.mjs";
import { Google } from "../standin/google.mjs";
import { assertStatus, until } from "../js/expect.mjs";
import { contentOf } from "../js/events.mjs";

let millrace, user, admin, claude, google;

before(async () => {
	[claude, google] = await Promise.all([new Anthropic({ key: "sk-ant-shared" }).start(), new Google({ key: "gk-shared" }).start()]);
	millrace = await privateInstance("provider-auto", { MILLRACE_PROVIDER: "auto", ANTHROPIC_BASE_URL: claude.url, GEMINI_BASE_URL: google.url });
	[user, admin] = [await newUser(millrace.api), await newAdmin(millrace)];
});
after(async () => {
	await millrace?.stop();
	claude?.close();
	google?.close();
});

const put = async (key, value) => assertStatus(await admin.api.post("/api/v1/admin/vault", { key, value }), 200).json.id;
const forget = async (id) => assertStatus(await admin.api.delete(`/api/vault?id=${id}`), 200);
/* Who has answered a chat, by its usage. */
async function answers() {
	const stream = await user.api.chat(`${randomUUID()} [[say:so it is]]`), events = await stream.all();
	return contentOf(events) === "so it is" ? events.at(-1).data.usage.provider : "local";
}
const becomes = (name) => until(async () => await answers() === name, `${name} answers`);
const unset = async () => (await millrace.psql("SELECT stats ->> 'millrace_provider_unset' FROM process WHERE role = 'runner'")).trim();
const model = async () => (await millrace.psql("SELECT provider FROM chat_model")).trim();

test("a key that is put for everybody chooses who answers, at once; without one it is nobody again", async () => {
	assert.equal(await answers(), "local");
	assert.equal(await unset(), "1");
	const gemini = await put("GEMINI_API_KEY", "gk-shared");
	await becomes("google");
	const anthropic = await put("ANTHROPIC_API_KEY", "sk-ant-shared");
	await becomes("anthropic");
	await until(async () => await unset() === "0" && await model() === "anthropic", "the metric and the price go by it");
	/* Another key in its place is the one that is sent. */
	claude.ownKey = "sk-ant-next";
	await put("ANTHROPIC_API_KEY", "sk-ant-next");
	await until(async () => { await answers(); return claude.requests.at(-1).headers["x-api-key"] === "sk-ant-next"; }, "the next key");
	await forget(anthropic);
	await becomes("google");
	await forget(gemini);
	await becomes("local");
	for (const key of ["sk-ant-", "gk-shared"])
		assert.equal(await millrace.grepLogs(key), "");
});
