/* The runner is killed in the middle of what it deletes, and what is deleted is in use meanwhile. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { halt, hold, kill, revived, test, until, value, world } from "./faults.mjs";
import { Chat, running } from "./chats.mjs";
import { newUser } from "../js/instance.mjs";
import { assertError, assertStatus } from "../js/expect.mjs";
import { erased, quiet, traces } from "../js/traces.mjs";

let w;
before(async () => { w = await world("deletion", {}, 3); });
after(() => w?.stop());

const many = (text) => quiet(w.millrace, `SET session_replication_role = replica; ${text}`);
const left = async (table, uid) => Number(await value(w.millrace, `select count(*) from ${table} where owner_id = '${uid}'`));

test("an erasure goes on where the runner was killed, and is shut all the while", async () => {
	const user = await newUser(w.millrace.api);
	await many(`INSERT INTO lead (owner_id, name) SELECT '${user.uid}', 'n' FROM generate_series(1, 150000);
		WITH c AS (INSERT INTO conversation (owner_id, title) VALUES ('${user.uid}', 't') RETURNING id)
			INSERT INTO message (conversation_id, owner_id, role, content) SELECT c.id, '${user.uid}', 'user', 'x' FROM c, generate_series(1, 50000)`);
	/* The last message is held, so that it is not over before the runner is killed. */
	const release = await hold(w.millrace, `SELECT FROM message WHERE owner_id = '${user.uid}' ORDER BY ctid DESC LIMIT 1 FOR UPDATE`);
	try {
		assertStatus(await user.api.delete(`/api/v1/user/dao/${user.uid}`), 204);
		for (const [table, all] of [["lead", 150000], ["message", 50000]]) {
			await until(async () => await left(table, user.uid) < all, `some of ${table} are gone`);
			await revived(w.millrace, "runner", await kill(w.millrace, "runner"));
			assert.ok(await left("message", user.uid) > 0, "it was over before the runner was killed");
			assertError(await user.api.get("/api/user"), "UNAUTHORIZED");
		}
	} finally {
		await release();
	}
	await erased(w.millrace, user.uid);
	assert.deepEqual(await traces(w.millrace, user.uid), ["audit_log"]);
});

test("nothing shows what is deleted while no runner is there; all of it goes when one is", async () => {
	const [user] = w.users;
	const id = await value(w.millrace, `insert into conversation (owner_id, title) values ('${user.uid}', 't') returning id`);
	await many(`INSERT INTO message (conversation_id, owner_id, role, content) SELECT '${id}', '${user.uid}', 'user', 'x' FROM generate_series(1, 5000)`);
	const resume = await halt(w.millrace, "runner");
	assertStatus(await user.api.delete(`/api/conversations/${id}`), 204);
	assert.ok(await left("message", user.uid) > 0);
	assertError(await user.api.get(`/api/conversations/${id}`), "NOT_FOUND");
	assert.deepEqual(assertStatus(await user.api.get("/api/v1/user/export"), 200).json.messages, []);
	await resume();
	await until(async () => await left("message", user.uid) === 0, "the messages are gone");
});

test("a chat whose conversation is deleted stops, is charged, and leaves no word", async () => {
	const { chats: [chat], ended } = await running(w.users.slice(1, 2), 1, { words: 200, delay: 100 });
	assertStatus(await chat.user.api.delete(`/api/conversations/${chat.conversation}`), 204);
	assertError(await chat.user.api.get(`/api/runs/${chat.run}`), "NOT_FOUND");
	await ended;
	/* The chat's Idempotency-Key has its mark, too. */
	await until(async () => (await traces(w.millrace, chat.mark)).join() === "idempotency", "no word of it is left");
	assert.ok(Number(await value(w.millrace, `select sum(output_tokens) from usage_event where run_id = '${chat.run}'`)) > 0, "what was said is not charged");
	await until(() => w.standin.open === 0, "the model is asked no more");
});

test("an answer that is being given while its document is deleted cites it no more", async () => {
	const user = w.users[2], mark = `z${Date.now()}`;
	const { id } = assertStatus(await user.api.upload("/api/documents/upload?wait=1",
	    { name: "d", file: { filename: "d.txt", type: "text/plain", bytes: `The ${mark} stands by the sea.` } }), 200).json;
	const chat = new Chat(user, { words: 40, held: true });
	chat.text = `${chat.text} [1]`;
	chat.message = `[[say:${chat.text}]] [[gate:${chat.mark}]] [[tool:search_documents {"query":"${mark}"}]] stands by the sea`;
	const ended = chat.complete();
	await until(() => chat.events.some((e) => e.event === "token"), "it answers");
	assertStatus(await user.api.delete(`/api/documents/${id}`), 204);
	chat.go();
	await ended;
	assert.equal(chat.end.event, "done", JSON.stringify(chat.end.data));
	assert.deepEqual(chat.end.data.sources, []);
	await until(async () => !(await traces(w.millrace, "stands by the sea.")).length, "no passage is left");
	assert.equal(await value(w.millrace, `select count(*) from document where id = '${id}'`), "0");
});

test("an erasure while chats run and files come leaves nothing of either", async () => {
	const user = await newUser(w.millrace.api);
	const { chats, ended } = await running([user], 3, { words: 200, delay: 50 });
	const uploads = Array.from({ length: 6 }, (_, i) => user.api.upload("/api/documents/upload",
	    { name: `${i}`, file: { filename: `${i}.txt`, type: "text/plain", bytes: `${user.uid} `.repeat(40000) } }).catch(() => null));
	assertStatus(await user.api.delete(`/api/v1/user/dao/${user.uid}`), 204);
	await Promise.allSettled([ended, ...uploads]);
	await erased(w.millrace, user.uid);
	const kept = await traces(w.millrace, user.uid, ...chats.map((c) => c.mark));
	assert.deepEqual(kept.filter((t) => !["audit_log", "ledger_entry", "usage_event"].includes(t)), []);
	await until(() => w.standin.open === 0, "the model is asked no more");
});
