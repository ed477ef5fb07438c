/*
 * What calls of models cost where something goes wrong, and what they reserve: replies that are lost, runners that are killed, payloads that are
 * dearer than they look.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import OpenAI from "openai";
import { newUser, privateInstance } from "../js/instance.mjs";
import { newName } from "../js/accounts.mjs";
import { relayTo } from "../js/relay.mjs";
import { start as startOpenAI, permit } from "../standin/openai.mjs";
import { Anthropic } from "../standin/anthropic.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";

const MODEL = "gpt-4o-mini", INPUT = 10, OUTPUT = 100;     /* US dollars a million tokens */
let millrace, vendor, other, user;

before(async () => {
	[vendor, other] = await Promise.all([startOpenAI({ key: "sk-test" }), new Anthropic({ key: "sk-ant-test" }).start()]);
	millrace = await privateInstance("calls", { MILLRACE_PROVIDER: "openai anthropic local", OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: vendor.url,
		ANTHROPIC_API_KEY: "sk-ant-test", ANTHROPIC_BASE_URL: other.url, MILLRACE_PROVIDER_SECONDS: "5",
		MILLRACE_FALLBACKS: "gpt-4o=anthropic/claude-sonnet-5-5",
		MILLRACE_LOST_STREAMS: "stop" });
	user = await newUser(millrace.api);
	await until(async () => await sql("SELECT count(*) FROM gateway_provider") === "3", "the runner's list of providers");
	await price("openai", MODEL, INPUT, OUTPUT);
});
after(async () => {
	await millrace?.stop();
	vendor?.close();
	other?.close();
});

const sql = async (text) => (await millrace.psql(text)).trim();
const price = (provider, model, input, output, more = "NULL, NULL, NULL") => sql(`INSERT INTO provider_price (provider, model, input_usd, output_usd,
	cached_usd, cache_write_usd, unit_usd) VALUES ('${provider}', '${model}', ${input}, ${output}, ${more})`);
const said = (content, more = {}) => ({ model: MODEL, max_tokens: 100, messages: [{ role: "user", content }], ...more });
const pass = (payload, id = randomUUID(), more = {}) =>
	user.api.post("/api/v1/providers/openai/call", { endpoint: "/chat/completions", payload, request_id: id, ...more });
const ask = (payload, headers) => user.api.post("/v1/chat/completions", payload, { headers });
const asked = (mark) => vendor.log(mark).length;
const usedBy = async (id) => {
	const row = await until(() => sql(`SELECT c.state, c.amount_usd, coalesce(e.input_tokens, 0), coalesce(e.output_tokens, 0), e.estimated
		FROM charge c LEFT JOIN usage_event e USING (run_id) WHERE c.request_id = '${id}' AND c.state <> 'reserved'`), "the charge's end");
	const [state, amount, input, output, estimated] = row.split("|");
	return { state, amount: Number(amount), input: Number(input), output: Number(output), estimated };
};
/* A call whose reply was lost is charged as was expected: its input, and all that it may have said. */
async function assertExpected(id, mark, output = 100) {
	const used = await usedBy(id);
	assert.deepEqual([used.state, used.output, used.estimated], ["settled", output, "t"]);
	assert.ok(used.input > 20 && used.input < 80 && Math.abs(used.amount - (used.input * INPUT + output * OUTPUT) / 1e6) < 1e-12, JSON.stringify(used));
	assert.equal(asked(mark), 1, "the provider was asked once");
}

test("a reply that was lost is charged as was expected; the provider is not asked again, nor by a repeat", async () => {
	for (const [fault, code] of [["reset", "UPSTREAM_FAILED"], ["hang", "UPSTREAM_TIMEOUT"]])
		for (const stream of [false, true]) {
			const id = randomUUID(), mark = randomUUID(), first = await pass(said(`${mark} [[${fault}]]`, { stream }), id);
			assertError(first, code, undefined, `${fault} ${stream}`);
			assert.match(first.json.error, /charged as was expected, and not asked for again/);
			await assertExpected(id, mark);
			assertError(await pass(said(`${mark} [[${fault}]]`, { stream }), id), code);
			assert.equal(asked(mark), 1);
		}
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/m);
});

test("what the provider has not taken, or has refused, costs nothing", async () => {
	for (const fault of ["500", "400", "404"]) {
		const id = randomUUID(), mark = randomUUID();
		assert.ok((await pass(said(`${mark} [[${fault}]]`), id)).status >= 400);
		assert.deepEqual([(await usedBy(id)).state, asked(mark)], ["released", 1]);
	}
	const id = randomUUID(), mark = randomUUID();
	assertStatus(await pass(said(`${mark} [[503:1]]`), id), 200);
	assert.equal(asked(mark), 2, "one that is busy is asked again");
});

test("a runner that is killed while it waits for a reply: charged as was expected, and the client is told", async () => {
	for (const kill of [true, false]) {
		const id = randomUUID(), mark = randomUUID(), reply = pass(said(`${mark} [[slowfirst:60000]]`), id);
		await until(() => asked(mark) === 1, "the provider is asked");
		await millrace.replace("runner", { kill });
		assertError(await reply, "UPSTREAM_FAILED", undefined, String(kill));
		await assertExpected(id, mark);
	}
});

test("a call that is cancelled while it waits is charged as was expected; one that streams by its input", async () => {
	for (const stream of [false, true]) {
		const id = randomUUID(), mark = randomUUID(), reply = pass(said(`${mark} [[slowfirst:4000]]`, { stream }), id);
		await until(() => asked(mark) === 1, "the provider is asked");
		assertStatus(await user.api.post(`/api/runs/${await sql(`SELECT run_id FROM charge WHERE request_id = '${id}'`)}/cancel`), 200);
		await reply;
		await assertExpected(id, mark, stream ? 0 : 100);
	}
});

test("a stream ends with its client where the settings say so, charged by what was said; a reply that comes whole is made to its end", async () => {
	const relay = await relayTo(millrace), { apiKey } = assertStatus(await user.api.post("/api/settings/api-keys", { name: "calls" }), 201).json;
	const openai = new OpenAI({ apiKey, baseURL: `${relay.url}/v1`, maxRetries: 0 });
	const [cut, whole, gate] = [randomUUID(), randomUUID(), randomUUID()], lost = new AbortController();
	permit(gate, 3);
	const stream = await openai.chat.completions.create(said(`[[tokens:500 gate:${gate}]]`, { stream: true, max_tokens: 600 }), { headers: { "x-request-id": cut } });
	for await (const chunk of stream)
		if (chunk.choices[0].delta.content)
			break;                                        /* which closes the connection */
	const used = await usedBy(cut);
	permit(gate, 1000);
	assert.deepEqual([used.state, used.output > 0 && used.output < 20], ["settled", true], JSON.stringify(used));
	assert.equal(await sql(`SELECT r.status FROM run r JOIN charge c ON c.run_id = r.id WHERE c.request_id = '${cut}'`), "cancelled");
	const mark = randomUUID(), reply = openai.chat.completions.create(said(`${mark} [[tokens:30 slowfirst:300]]`), { headers: { "x-request-id": whole }, signal: lost.signal });
	await until(() => asked(mark) === 1, "the provider is asked");
	lost.abort();
	await assert.rejects(reply);
	assert.deepEqual([(await usedBy(whole)).output, (await ask(said("x"), { "x-request-id": whole })).json.usage.completion_tokens], [30, 30]);
	relay.close();
});

/* What a call reserves: it is held until its provider answers. */
async function reserves(call, mark) {
	const id = randomUUID(), reply = call(id);
	const got = Number(await until(() => sql(`SELECT nullif(reserved_usd, 0) FROM charge WHERE request_id = '${id}'`), "the reservation"));
	await until(() => asked(mark) >= 1, "the provider is asked");
	await user.api.post(`/api/runs/${await sql(`SELECT run_id FROM charge WHERE request_id = '${id}'`)}/cancel`);
	await reply;
	return got;
}
const held = "[[slowfirst:4000]]";

test("no payload costs more than it reserves: texts, long and short, pictures, what is kept elsewhere", async () => {
	const url = (data) => [{ type: "text", text: held }, { type: "image_url", image_url: { url: data } }];
	const million = "a".repeat(1 << 20), usd = (tokens) => tokens * INPUT / 1e6;
	for (const [least, most, content] of [
		[3000, 3300, `${"\u4e2d".repeat(1000)} ${held}`],
		/* One that base64 would look like, and is no picture. */
		[3 << 20, (3 << 20) + 400, `${million.repeat(3)} ${held}`],
		[50000, 50500, url("https://example.org/a.png")],
		[50000, 50500, url(`data:image/png;base64,${million.repeat(2)}`)]]) {
		const mark = randomUUID(), payload = said(content, { user: mark });
		for (const call of [(id) => pass(payload, id), (id) => ask(payload, { "x-request-id": id })]) {
			const input = await reserves(call, mark) - 100 * OUTPUT / 1e6;
			assert.ok(input >= usd(least) && input <= usd(most + 200), `${input}, not from ${usd(least)} to ${usd(most)}`);
			vendor.clear();
		}
	}
});

test("a budget refuses a long body by all of its words, and an earlier answer by its length", async () => {
	const project = newName(), at = `/api/v1/users/${user.uid}/projects/${project}/budget`, here = { "x-project-id": project };
	const answer = assertStatus(await user.api.post("/v1/responses", { model: MODEL, input: "[[tokens:2000]]", max_output_tokens: 3000 }), 200).json;
	assertStatus(await user.api.put(at, { daily_limit: 0.1 }), 200);
	assertError(await ask(said("b".repeat(2 << 20)), here), "BUDGET_EXCEEDED");
	assertStatus(await ask(said("[[say:hi]]"), here), 200);
	const again = { model: MODEL, max_output_tokens: 100, input: [{ type: "item_reference", id: answer.output[0].id }, { role: "user", content: "[[say:hi]]" }] };
	assertError(await user.api.post("/v1/responses", again, { headers: here }), "BUDGET_EXCEEDED");
	assertStatus(await user.api.put(at, { daily_limit: 0.2 }), 200);
	assertStatus(await user.api.post("/v1/responses", again, { headers: here }), 200);
});

test("a cache that is dearer than the input, and another model that is dearer than the one asked for, are reserved for", async () => {
	const mark = randomUUID(), payload = said(`${mark} ${held}`, { model: "gpt-4.1" });
	await price("openai", "gpt-4.1", 10, 0, "NULL, 20, NULL");
	const bytes = Buffer.byteLength(JSON.stringify(payload));
	assert.ok(await reserves((id) => ask(payload, { "x-request-id": id }), mark) >= bytes * 20 / 1e6);

	await price("openai", "gpt-4o", 1, 1);
	await price("anthropic", "claude-sonnet-5-5", 1000, 1000);
	const project = newName(), at = `/api/v1/users/${user.uid}/projects/${project}/budget`, here = { "x-project-id": project };
	const failing = (id) => ask(said("[[404]] [[say:hi]]", { model: "gpt-4o" }), { ...here, "x-request-id": id });
	assertStatus(await user.api.put(at, { daily_limit: 0.01 }), 200);
	assert.equal((await failing(randomUUID())).status, 404, "the budget does not bear the other");
	assertStatus(await user.api.put(at, { daily_limit: 1 }), 200);
	assert.equal(assertStatus(await failing(randomUUID()), 200).headers["x-answered-by"], "anthropic/claude-sonnet-5-5");
	await until(async () => (await user.api.get(`${at}?reserved=true`)).json.reserved === 0, "the settlement");
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/m);
});
