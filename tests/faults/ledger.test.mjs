/*
 * The ledger adds up, whatever happens: chats that are paid, refused, stopped, and lose their runner; and random operations by many
 * connections while runners and workers are killed and PostgreSQL is stopped immediately. MILLRACE_TEST_OPERATIONS says how many: 10000
 * take some minutes.
 */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { crash, hold, kill, revived, sleep, test, until, value, world } from "./faults.mjs";
import { Chat } from "./chats.mjs";
import { assertDone } from "../js/events.mjs";
import { assertError, assertStatus } from "../js/expect.mjs";
import { newUser } from "../js/instance.mjs";

const CONNECTIONS = 16, OPERATIONS = Number(process.env.MILLRACE_TEST_OPERATIONS ?? 800), FAULT_EVERY = 200, TURN = 0.0024;   /* what a turn reserves at gpt-4o-mini's price */
let w;

before(async () => { w = await world("ledger", { MILLRACE_CREDITS: "required" }, 4); });
after(() => w?.stop());

const sql = (text) => value(w.millrace, text);
const verify = async () => assert.match((await w.millrace.ctl("ledger", "verify")).stdout, /^The ledger holds: \d+ entries\.$/m);
const grant = (user, amount) => sql(`SELECT credit_move('${user.uid}', ${amount}, 'grant', 'grants', 'a start')`);
const held = async (user) => Number(await sql(`SELECT reserved_usd FROM app_user WHERE id = '${user.uid}'`));
const balance = async (user) => Number(await sql(`SELECT balance_usd FROM app_user WHERE id = '${user.uid}'`));

/* A connection that comes back when the server does. */
class Client {
	async query(text) {
		for (;;) {
			try {
				if (!this.client) {
					this.client = new pg.Client({ host: join(w.millrace.runDir, "pg"), database: "millrace", user: "postgres" });
					this.client.on("error", () => {});
					await this.client.connect();
				}
				return (await this.client.query({ text, rowMode: "array" })).rows[0];
			} catch (e) {
				if (/^(42|23|22|P0|XX)/.test(e.code ?? ""))
					throw e;
				this.client?.end().catch(() => {});
				this.client = null;
				await sleep(50);
			}
		}
	}

	async end() { await this.client?.end(); }
}

test("a chat that the credits do not cover is refused before its stream, and one that they do is settled at its end", async () => {
	const [user] = w.users;
	await until(() => sql("SELECT model FROM chat_model").then((m) => m === "gpt-4o-mini"), "the runner has said what answers");
	await grant(user, TURN - 0.0001);
	const count = () => sql(`SELECT count(*) FROM conversation WHERE owner_id = '${user.uid}'`);
	assertError(await user.api.post("/api/chat", { message: "hello" }), "INSUFFICIENT_CREDITS");
	assert.equal(await count(), "0");
	await grant(user, 0.0002);
	const chat = new Chat(user, { words: 5, delay: 1, held: true }), ended = chat.complete();
	await until(() => chat.run, "it is taken");
	assert.equal(await held(user), TURN);
	assertError(await user.api.post("/api/chat", { message: "hello" }), "INSUFFICIENT_CREDITS");
	chat.go();
	await ended;
	const { costUsd } = chat.events.at(-1).data.usage;
	assert.ok(costUsd > 0);
	assert.equal(await held(user), 0);
	assert.equal((await balance(user)).toFixed(9), (TURN + 0.0001 - costUsd).toFixed(9));
	const [last] = assertStatus(await user.api.get("/api/credits/history"), 200).json;
	assert.deepEqual([last.type, last.amountUsd, last.description], ["usage", -costUsd, "chat with openai gpt-4o-mini"]);
	await verify();
});

test("a chatbot's answers are paid as a chat is: the owner's, a preview, and visitors', who are told nothing of credits", async () => {
	const user = await newUser(w.millrace.api), site = { headers: { origin: "https://shop.example" } };
	const newBot = async (settings = {}) => assertStatus(await user.api.post("/api/chatbots", { name: "Miller",
		settings: { allowedOrigins: [site.headers.origin], ...settings } }), 201).json.id;
	const ask = async (bot) => {
		const { id } = assertStatus(await user.api.post("/api/chat/sessions", { chatbotId: bot }), 201).json;
		return user.api.post(`/api/chat/sessions/${id}/messages`, { content: "hello" });
	};
	const visit = async (bot) => {
		const at = w.millrace.api.fresh(), path = `/api/chat/widget/${bot}`, { sessionId } = assertStatus(await at.post(`${path}/session`, {}, site), 200).json;
		return at.post(`${path}/message`, { sessionId, message: "hello" }, site);
	};
	const preview = () => user.api.post("/api/chatbots/preview", { message: "hello" });
	const bot = await newBot();
	assertError(await ask(bot), "INSUFFICIENT_CREDITS");
	assertError(await preview(), "INSUFFICIENT_CREDITS");
	/* Its own provider's cheapest model, and its own model. */
	assertError(await ask(await newBot({ provider: "anthropic" })), "INSUFFICIENT_CREDITS");
	assertError(await ask(await newBot({ model: "gpt-4o" })), "INSUFFICIENT_CREDITS");
	assertStatus(await ask(await newBot({ provider: "local" })), 200);
	const refused = await visit(bot);
	assertError(refused, "FORBIDDEN");
	assert.doesNotMatch(refused.text, /credit|budget/i);
	assert.equal(await sql(`SELECT count(*) FROM run WHERE owner_id = '${user.uid}' AND kind <> 'chat' OR owner_id = '${user.uid}' AND input ? 'visitor'`), "0");
	await grant(user, 1);
	for (const reply of [await ask(bot), await preview(), await visit(bot)])
		assertStatus(reply, 200);
	await until(async () => await held(user) === 0, "what was reserved is settled");
	assert.equal(await sql(`SELECT count(*) FROM charge WHERE owner_id = '${user.uid}' AND state = 'settled'`), "3");
	assert.ok(await balance(user) < 1);
	await verify();
});

test("a budget refuses a chat; what is stopped, or loses its runner, is settled all the same", async () => {
	const [, user] = w.users;
	await grant(user, 10);
	const path = `/api/v1/users/${user.uid}/projects/default/budget`;
	assertStatus(await user.api.put(path, { daily_limit: TURN / 2 }), 200);
	assertError(await user.api.post("/api/chat", { message: "hello" }), "BUDGET_EXCEEDED");
	assertStatus(await user.api.put(path, {}), 200);
	const stopped = new Chat(user, { words: 90, delay: 1, held: true }), lost = new Chat(user, { words: 20, delay: 1, held: true });
	const ends = [stopped.complete(), lost.complete()];
	await until(() => [stopped, lost].every((c) => c.events.some((e) => e.event === "token")), "both have begun");
	assertStatus(await user.api.post(`/api/runs/${stopped.run}/cancel`), 200);
	await ends[0];
	await revived(w.millrace, "runner", await kill(w.millrace, "runner"));
	lost.go();
	await ends[1];
	assertDone(lost.events.at(-1));
	assert.equal(await held(user), 0);
	const uses = await sql(`SELECT sum(cost_usd) FROM usage_event WHERE owner_id = '${user.uid}'`);
	assert.ok(Number(uses) > 0);
	assert.equal(Number(await sql(`SELECT sum(amount_usd) FROM charge c JOIN project p ON p.id = c.project_id
	    WHERE c.owner_id = '${user.uid}' AND p.name = 'default'`)), Number(uses));
	assert.equal((await user.api.get(path)).json.current_daily_spending, Number(uses));
	await verify();
});

test("runs of several users that end at once lock the users in the order of their ids", async () => {
	const [first, second] = w.users.map((u) => u.uid).sort();
	/* the other order than that of the users */
	for (const owner of [second, first])
		await sql(`WITH r AS (INSERT INTO run (owner_id, kind, input, status) VALUES ('${owner}', 'search', '{}', 'running') RETURNING id, owner_id),
			j AS (INSERT INTO job (run_id, owner_id, kind, state, attempts, lease_until, runner)
				SELECT id, owner_id, 'search', 'running', 3, now() + interval '1 hour', 'nobody' FROM r)
			SELECT c.charge FROM r CROSS JOIN LATERAL charge_reserve(r.owner_id, 'default', r.id::text, 'chat', NULL, NULL, NULL, 0.001, false, NULL) c`);
	const lock = (owner, how) => `SELECT FROM app_user WHERE id = '${owner}' FOR NO KEY UPDATE ${how}`;
	const release = await hold(w.millrace, lock(first, ""));
	const reclaimed = sql("SELECT job_reclaim('nobody', 'openai', 'gpt-4o-mini')");
	await until(() => sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT job_reclaim(%' AND wait_event_type = 'Lock'").then((n) => n === "1"),
		"it waits for the first");
	await (await hold(w.millrace, lock(second, "NOWAIT")))();
	await release();
	assert.equal(await reclaimed, "0");
	await verify();
});

/* A spending as a service reports it: again, by the same request_id, until it is answered. */
async function report(user, project, request, amount) {
	const path = `/api/v1/users/${user.uid}/projects/${project}/spending`;
	for (;;) {
		const reply = await user.api.post(path, { amount: Number(amount), request_id: request, timestamp: "2024-12-20T14:22:15Z" }).catch((e) => {
			if (!e.code)
				throw e;
			return { status: 503 };
		});
		if (![502, 503, 504].includes(reply.status))
			return assertStatus(reply, 200);
		await sleep(50);
	}
}

/*
 * One random operation: a chat, or something on a request that may be new or anybody's of before, which is spent at once, by SQL or by a worker, or reserved
 * and then settled, released or left. `asked` has for each request the amounts that it may have come to.
 */
async function operate(client, asked) {
	if (randomInt(40) === 0)
		return new Chat(w.users[randomInt(w.users.length)], { words: 3, delay: 1 }).complete();
	const known = [...asked.keys()];
	const request = known.length > 0 && randomInt(3) === 0 ? known[randomInt(known.length)] : `${w.users[randomInt(w.users.length)].uid}/${randomUUID()}`;
	const [owner] = request.split("/"), amount = (randomInt(1, 1000) / 1e7).toFixed(7), project = ["a", "b"][randomInt(2)];
	asked.set(request, [...asked.get(request) ?? [], Number(amount)]);
	const how = randomInt(8);
	if (how === 0)
		return report(w.users.find((u) => u.uid === owner), project, request, amount);
	if (how < 4)
		return client.query(`SELECT charge_spend('${owner}', '${project}', '${request}', 'spending', ${amount}, NULL, NULL, 0, NULL)`);
	const [charge] = await client.query(`SELECT charge FROM charge_reserve('${owner}', '${project}', '${request}', 'call', NULL, NULL, NULL, ${amount}, false,
	    interval '1 minute')`);
	if (charge && randomInt(3) > 0)
		await client.query(randomInt(3) > 0 ? `SELECT charge_settle('${charge}', ${amount}, 1)` : `SELECT charge_release('${charge}')`);
}

test("random operations by many connections, runners, workers and the server killed among them: nothing counts twice, no reservation stays", async () => {
	const asked = new Map();
	let begun = 0;
	await Promise.all(w.users.map((user) => grant(user, 100)));
	const work = async () => {
		const client = new Client();
		while (begun++ < OPERATIONS)
			await operate(client, asked);
		await client.end();
	};
	/* Each of the three before one comes again. */
	const faults = async () => {
		for (let n = 1, left = []; n * FAULT_EVERY < OPERATIONS; n++) {
			await until(() => begun > n * FAULT_EVERY, "more is done");
			if (left.length === 0)
				left = [() => crash(w.millrace), () => kill(w.millrace, "runner"), () => kill(w.millrace, "gateway")];
			await left.splice(randomInt(left.length), 1)[0]();
		}
	};
	await Promise.all([faults(), ...Array.from({ length: CONNECTIONS }, work)]);
	await until(async () => await sql("SELECT count(*) FROM run WHERE ended_at IS NULL") === "0", "all chats have ended");
	await verify();
	await sql(`UPDATE charge SET expires_at = now() - interval '1 second' WHERE state = 'reserved'`);
	await until(async () => await sql("SELECT money_sweep(provider, model, 1000) FROM chat_model") === "f", "nothing is left to expire");
	await verify();
	assert.equal(Number(await sql("SELECT sum(reserved_usd) FROM app_user")), 0);
	assert.equal(Number(await sql("SELECT sum(reserved_usd) FROM project")), 0);
	/* Each request came to one of its amounts, or to nothing; each chat to what its calls cost. */
	const settled = (await w.millrace.psql("SELECT request_id, amount_usd FROM charge WHERE state = 'settled' AND kind IN ('spending', 'call')")).trim().split("\n").map((l) => l.split("|"));
	for (const [request, amount] of settled)
		assert.ok(asked.get(request).includes(Number(amount)), `${request}: ${amount} of ${asked.get(request)}`);
	assert.ok(settled.length > OPERATIONS / 4 && settled.length < asked.size, `${settled.length} of ${asked.size}`);
	assert.equal(await sql("SELECT sum(amount_usd) FROM charge"), await sql("SELECT sum(amount_usd) FROM ledger_entry WHERE account = 'usage'"));
	assert.equal(Number(await sql("SELECT sum(c.amount_usd) FROM charge c JOIN project p ON p.id = c.project_id WHERE p.name = 'default'")),
	    Number(await sql("SELECT sum(cost_usd) FROM usage_event")));
});
