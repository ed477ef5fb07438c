/* The queue when it is full, unfair load, jobs that nobody can finish. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { column, endlessPdf, halt, hold, kill, killRunner, revived, test, until, value, world } from "./faults.mjs";
import { Chat, assertAllWhole, running } from "./chats.mjs";
import { assertDone, assertOneEnd, contentOf } from "../js/events.mjs";
import { assertError, assertStatus } from "../js/expect.mjs";
import { newUser } from "../js/instance.mjs";
import { permit } from "../standin/openai.mjs";

const QUEUE_MAX = 120, SLOTS = 8, HOST = "127.0.0.2";
let w;

before(async () => {
	w = await world("queue", { MILLRACE_QUEUE_MAX: String(QUEUE_MAX), MILLRACE_RUNNER_JOBS: String(SLOTS),
		MILLRACE_USER_JOBS: "16", MILLRACE_FETCH_NETWORKS: HOST }, 3);
});
after(() => w?.stop());

test("a user with a hundred chats does not starve another", async () => {
	const [many, one] = w.users;
	const hundred = Array.from({ length: 100 }, () => new Chat(many, { words: 10, delay: 60 }));
	const ended = Promise.all(hundred.map((c) => c.complete()));
	await until(() => hundred.every((c) => c.run), "all are taken, while nobody else waits");
	const single = await new Chat(one, { words: 10, delay: 60 }).complete();
	const waiting = Number(await value(w.millrace, "select count(*) from job where state = 'queued'"));
	await ended;
	assert.ok(waiting > 20, `only ${waiting} were still waiting then`);
	await assertAllWhole(w.millrace, [...hundred, single]);
});

test("who has filled the queue is refused, others have their quarter; all that it took is done when the runner is back", async () => {
	const [user, other] = w.users;
	const resume = await halt(w.millrace, "runner", { missed: false });
	const accepted = Array.from({ length: QUEUE_MAX }, () => new Chat(user, { words: 3, delay: 1 }));
	const ended = Promise.all(accepted.map(async (c) => c.follow(await c.open())));
	await until(() => accepted.every((c) => c.run), "all are taken");
	const ask = [(caller) => caller.api.post("/api/chat", { message: "one too many" }),
		(caller) => caller.api.upload("/api/documents/upload", { name: "d", file: { filename: "d.txt", bytes: "text" } }),
		(caller) => caller.api.get("/api/documents/search?q=text")];
	for (const send of ask)
		assertError(await send(user), "RATE_LIMITED");
	const others = Array.from({ length: QUEUE_MAX / 4 }, () => new Chat(other, { words: 3, delay: 1 }));
	const othersEnded = Promise.all(others.map((c) => c.complete()));
	await until(() => others.every((c) => c.run), "another's are taken");
	for (const send of ask)
		assertError(await send(other), "RATE_LIMITED");
	for (const caller of [user, other])
		assertStatus(await caller.api.get("/api/user"), 200);
	assert.equal(await value(w.millrace, "select count(*) from message where content = 'one too many'"), "0");
	assert.deepEqual([...accepted, ...others].flatMap((c) => c.refusals), []);
	await resume();
	await Promise.all([ended, othersEnded]);
	await assertAllWhole(w.millrace, [...accepted, ...others]);
	assertDone((await new Chat(other, { words: 3, delay: 1 }).complete()).end);
});

test("a runner killed until the attempts are used up: error, dead, listed, retried", async () => {
	const { chats: [chat], ended } = await running(w.users.slice(2), 1, { words: 90, held: true });
	for (let attempt = 1; attempt <= 3; attempt++) {
		const said = chat.events.length;
		chat.go(3);
		await until(async () => await value(w.millrace, `select attempts from job where run_id = '${chat.run}' and state = 'running'`)
		    === String(attempt) && (attempt === 1 || chat.events.length > said), `attempt ${attempt}`);
		await revived(w.millrace, "runner", await kill(w.millrace, "runner"));
	}
	await ended;
	assertOneEnd(chat.events);
	assert.equal(chat.end.event, "error");
	assert.ok(chat.end.data.message, JSON.stringify(chat.end.data));
	const said = contentOf(chat.events);
	assert.ok(said !== "" && chat.text.startsWith(said) && said !== chat.text, said);
	const run = assertStatus(await chat.user.api.get(`/api/runs/${chat.run}`), 200).json;
	assert.deepEqual([run.status, run.error.code], ["failed", chat.end.data.code]);
	const { messages } = assertStatus(await chat.user.api.get(`/api/conversations/${chat.conversation}`), 200).json;
	assert.deepEqual(messages.map((m) => [m.role, m.content, m.status]),
	    [["user", chat.message, "complete"], ["assistant", said, "partial"]]);
	assert.ok(Number(await value(w.millrace, `select sum(output_tokens) from usage_event where run_id = '${chat.run}'`)) > 0,
	    "what was said is not charged");

	const list = (await w.millrace.ctl("jobs", "list", "--state", "dead")).stdout;
	assert.match(list, new RegExp(`^${chat.run} +chat +dead +\\S+ +3/?3? .*\\S$`, "m"), list);
	const retried = (await w.millrace.ctl("jobs", "retry", chat.run)).stdout;
	const again = retried.match(/[0-9a-f-]{36}/g).find((id) => id !== chat.run);
	assert.ok(again, retried);
	chat.go();
	const stream = await chat.user.api.resume(again);
	const events = await stream.all();
	assertOneEnd(events);
	assertDone(events.at(-1));
	assert.equal((await chat.user.api.get(`/api/runs/${again}`)).json.status, "completed");
	assert.doesNotMatch((await w.millrace.ctl("jobs", "list", "--state", "dead")).stdout, new RegExp(chat.run));
	await assert.rejects(w.millrace.ctl("jobs", "retry", chat.run), "a job was retried twice");
});

test("passages that are being stored: the old ones serve, the lease lasts; killed, nothing of it is left", async () => {
	const user = w.users[1], { millrace } = w;
	const find = async () => assertStatus(await user.api.get("/api/documents/search?q=heron"), 200).json.map((found) => found.text);
	const { json: { id } } = assertStatus(await user.api.upload("/api/documents/upload?wait=1",
	    { name: "d", file: { filename: "d.txt", bytes: "The heron stands by the weir." } }), 200);
	const chunks = () => column(millrace, `SELECT c.text FROM chunk c WHERE c.document_id = '${id}'`);
	const job = (what) => value(millrace, `SELECT ${what} FROM job j JOIN run r ON r.id = j.run_id WHERE r.document_id = '${id}' ORDER BY r.id DESC LIMIT 1`);
	const stuck = async () => Number(await value(millrace, "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'document_ready' AND wait_event_type = 'Lock'"));
	const release = await hold(millrace, "LOCK TABLE passage_word IN SHARE MODE");
	const again = user.api.post(`/api/documents/${id}/reindex`);
	try {
		await until(async () => await stuck() === 1, "they are being stored");
		const lease = await job("j.lease_until");
		await until(async () => await job("j.lease_until") > lease && await job("j.attempts") === "1", "the lease lasts");
		await revived(millrace, "runner", await kill(millrace, "runner"));
		await until(async () => await stuck() === 2, "they are being stored once more, beside what the dead one asked for");
		assert.deepEqual([await find(), await chunks()], [["The heron stands by the weir."], ["The heron stands by the weir."]]);
	} finally {
		await release();
	}
	assertStatus(await again, 200);
	assert.deepEqual([await find(), await chunks(), await job("j.attempts")],
	    [["The heron stands by the weir."], ["The heron stands by the weir."], "2"]);
});

/* What /proc says of a process; "" where it has ended. */
function proc(pid, file) {
	try {
		return readFileSync(`/proc/${pid}/${file}`, "utf8");
	} catch {
		return "";
	}
}
const extractorsOf = (parents) => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && /millrace-extract/.test(proc(pid, "cmdline"))
	&& parents.includes(Number(/\) \S (\d+)/.exec(proc(pid, "stat"))?.[1]))).map(Number);

test("the extractor is killed, then the runner, while a file is read: it is read again, as often as a job is tried", async () => {
	const user = w.users[2], { millrace } = w;
	const { json: { id } } = assertStatus(await user.api.upload("/api/documents/upload", { name: "e", file: { filename: "endless.pdf", bytes: endlessPdf() } }), 202);
	const job = (what) => value(millrace, `SELECT ${what} FROM job j JOIN run r ON r.id = j.run_id WHERE r.document_id = '${id}'`);
	const reading = () => extractorsOf(millrace.pids("runner"));
	const begun = (nth) => until(async () => await job("j.attempts") === String(nth) && reading().length > 0, `it is read, attempt ${nth}`);
	const most = Number(await job("j.max_attempts"));
	await begun(1);
	reading().forEach((pid) => process.kill(pid, "SIGKILL"));
	await begun(2);
	await revived(millrace, "runner", await kill(millrace, "runner"));
	for (let nth = 3; nth <= most; nth++) {
		await begun(nth);
		reading().forEach((pid) => process.kill(pid, "SIGKILL"));
	}
	await until(async () => await value(millrace, `SELECT status FROM document WHERE id = '${id}'`) === "failed", "it is given up");
	const { error, chunkCount } = assertStatus(await user.api.get(`/api/documents/${id}`), 200).json;
	assert.deepEqual([error, chunkCount], ["The document could not be read.", 0]);
	assertStatus(await user.api.delete(`/api/documents/${id}`), 204);
});

/* A document of many passages, each with a word of its own. */
async function longDocument(user, name) {
	const passage = (n) => `${`${name} ${n} stands by the weir and looks at the water. `.repeat(24)}${name}${n}\n\n`;
	const { json } = assertStatus(await user.api.upload("/api/documents/upload?wait=1",
	    { name, file: { filename: `${name}.txt`, bytes: Array.from({ length: 250 }, (_, n) => passage(n)).join("") } }), 200);
	const { chunkCount } = assertStatus(await user.api.get(`/api/documents/${json.id}`), 200).json;
	assert.ok(chunkCount >= 250, `${chunkCount} passages`);
	return json.id;
}

test("killed while documents are indexed again: they are found meanwhile, and each is indexed once", async () => {
	const user = w.users[1], { millrace } = w;
	const done = await longDocument(user, "heron"), held = await longDocument(user, "bittern"), other = await longDocument(user, "egret");
	const all = [done, held, other], list = all.map((id) => `'${id}'`).join();
	const words = () => column(millrace, `SELECT c.words, c.stems, c.text FROM chunk c
		WHERE c.document_id IN (${list}) ORDER BY c.document_id, c.n`);
	const find = async (word) => assertStatus(await user.api.get(`/api/documents/search?q=${word}`), 200).json[0]?.documentId;
	const outdate = (ids) => millrace.psql(`UPDATE document SET index_version = 1 WHERE id IN (${ids})`);
	const indexed = async (ids) => {
		await millrace.psql("SELECT pg_notify('millrace_periodic', 'index')");
		return await value(millrace, `SELECT count(*) FROM document WHERE id IN (${ids}) AND index_version = 1`) === "0";
	};
	const stuck = async () => Number(await value(millrace, "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'document_indexed' AND wait_event_type = 'Lock'"));
	const before = await words();
	await millrace.psql(`CREATE TABLE indexed_again (document uuid);
		CREATE FUNCTION note_indexed_again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
			$$BEGIN INSERT INTO indexed_again VALUES (NEW.id); RETURN NEW; END$$;
		CREATE TRIGGER note_indexed_again AFTER UPDATE OF index_version ON document FOR EACH ROW
			WHEN (NEW.index_version > OLD.index_version) EXECUTE FUNCTION note_indexed_again()`);
	await millrace.psql(`UPDATE chunk SET words = to_tsvector('simple', text), stems = NULL WHERE document_id IN (${list})`);
	await outdate(`'${done}'`);
	await until(() => indexed(`'${done}'`), "the first is indexed again");
	const release = await hold(millrace, `SELECT FROM chunk WHERE document_id = '${held}' AND n = 150 FOR UPDATE`);
	try {
		await outdate(`'${held}', '${other}'`);
		await until(async () => !await indexed(`'${held}'`) && await stuck() > 0, "the second is half done");
		await revived(millrace, "runner", await kill(millrace, "runner"));
		for (const [word, id] of [["heron7", done], ["bittern7", held], ["bittern240", held], ["egret240", other]])
			assert.equal(await find(word), id, word);
		assert.equal(await indexed(`'${held}'`), false);
	} finally {
		await release();
	}
	await until(() => indexed(list), "all are indexed again");
	assert.deepEqual(await words(), before);
	assert.deepEqual((await column(millrace, "SELECT document FROM indexed_again")).sort(), all.sort());
	await millrace.psql("DROP TRIGGER note_indexed_again ON document; DROP FUNCTION note_indexed_again; DROP TABLE indexed_again");
});

/* The run of a workflow of these steps, and what becomes of it. */
async function execute(user, steps) {
	const workflow_id = assertStatus(await user.api.post("/api/workflows", { name: "Flow", definition: { steps } }), 201).json.id;
	return assertStatus(await user.api.post("/api/agents/workflows/execute", { workflow_id, async: true }), 200).json.workflow_run_id;
}
const workflowOf = async (user, id) => assertStatus(await user.api.get(`/api/workflow-runs/${id}`), 200).json;

/* A host that never replies to the first requests for these paths; what it was asked, and how often for one. */
async function hostOf(...silent) {
	const asked = [], times = (path) => asked.filter(([p]) => p === path).length;
	const host = createServer((req, res) => {
		asked.push([req.url, req.headers["idempotency-key"]]);
		if (times(req.url) > 1 || !silent.includes(req.url))
			res.end(JSON.stringify({ asked: req.url }));
	}).listen(0, HOST);
	await once(host, "listening");
	host.unref();
	return { host, asked, times, base: { id: "base", type: "transform", input: { url: `http://${HOST}:${host.address().port}` } } };
}

test("killed in the steps of a workflow: it goes on there, and does nothing again that has ended", async () => {
	const { millrace } = w, user = w.users[1], { host, asked, times, base } = await hostOf("/b", "/e");
	const http = (id) => ({ id, type: "http", url: `{{steps.base.output.url}}/${id}` });
	const id = await execute(user, [base, http("a"), { id: "t", type: "transform", input: { a: "{{steps.a.output}}" } },
		http("b"), { id: "c", type: "agent", agent: "chat_agent", input: { message: "[[say:All is well.]]" } }, { id: "d", type: "wait", seconds: 1 }, http("e")]);
	await until(() => times("/b") === 1, "the step b");
	await killRunner(millrace);
	await until(async () => (await workflowOf(user, id)).steps.find((s) => s.id === "d")?.status === "waiting", "the step d");
	await killRunner(millrace);
	await until(() => times("/e") === 1, "the step e");
	await millrace.psql(`UPDATE job SET max_attempts = attempts WHERE run_id = '${id}'`);
	await killRunner(millrace);
	const lost = await until(async () => { const run = await workflowOf(user, id); return run.status === "failed" && run; }, "its end");
	assert.deepEqual([lost.error, lost.steps.at(-1).status], ["The run was interrupted too often and was given up.", "failed"]);
	const [retried] = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec((await millrace.ctl("jobs", "retry", id)).stdout.replaceAll(id, ""));
	const run = await until(async () => { const now = await workflowOf(user, retried); return now.status === "completed" && now; }, "the end of what was retried");
	assert.deepEqual(run.outputs.e, { status: 200, body: { asked: "/e" } });
	assert.deepEqual(run.outputs.c.content, "All is well.");
	assert.deepEqual(run.steps.map((s) => [s.id, s.tries]), [["base", 1], ["a", 1], ["t", 1], ["b", 2], ["c", 1], ["d", 1], ["e", 1]]);
	assert.deepEqual(asked, [["/a", `${id}/a`], ["/b", `${id}/b`], ["/b", `${id}/b`], ["/e", `${id}/e`], ["/e", `${retried}/e`]]);
	assert.equal(await value(millrace, `SELECT count(*) FROM run WHERE input ->> 'workflow_run' = '${id}'`), "1");
	host.close();
});

test("killed after a step of each kind: none that has ended is done again", async () => {
	const { millrace } = w, user = w.users[1], paths = Array.from({ length: 7 }, (_, n) => `/h${n}`), { host, asked, times, base } = await hostOf(...paths);
	const http = (n) => ({ id: `h${n}`, type: "http", url: `{{steps.base.output.url}}/h${n}` });
	const id = await execute(user, [base, http(0), { id: "jq", type: "transform", expression: "1 + 1" }, http(1),
		{ id: "if", type: "condition", condition: "{{steps.jq.output}} == 2", then: [{ id: "yes", type: "transform", input: { it: "{{steps.jq.output}}" } }] }, http(2),
		{ id: "both", type: "parallel", branches: [[{ id: "left", type: "transform", expression: "3" }], [{ id: "right", type: "wait", seconds: 1 }]] }, http(3),
		{ id: "wait", type: "wait", seconds: 1 }, http(4), { id: "agent", type: "agent", agent: "chat_agent", input: { message: "[[say:All is well.]]" } }, http(5),
		{ id: "ask", type: "approval", message: "Well?" }, http(6)]);
	for (const [n, path] of paths.entries()) {
		if (n === 6) {
			await until(async () => (await workflowOf(user, id)).steps.find((s) => s.id === "ask")?.status === "waiting", "the approval");
			assertStatus(await user.api.post(`/api/workflow-runs/${id}/approve`, {}), 200);
		}
		await until(() => times(path) === 1, `the request for ${path}`);
		await killRunner(millrace);
		/* It need not wait, as it does after so many attempts. */
		await until(async () => {
			await millrace.psql(`UPDATE job SET run_at = now() WHERE run_id = '${id}' AND state = 'queued'; NOTIFY millrace_job`);
			return times(path) === 2;
		}, `the request for ${path} once more`);
	}
	const run = await until(async () => { const now = await workflowOf(user, id); return now.ended_at && now; }, "its end");
	assert.deepEqual([run.status, run.error, run.outputs.jq, run.outputs.if, run.outputs.agent.content], ["completed", null, 2, true, "All is well."]);
	assert.deepEqual(run.steps.filter((s) => s.tries !== (s.id.startsWith("h") ? 2 : 1)), []);
	assert.deepEqual(asked, paths.flatMap((path) => [[path, `${id}${path}`], [path, `${id}${path}`]]));
	assert.equal(await value(millrace, `SELECT count(*) FROM run WHERE input ->> 'workflow_run' = '${id}'`), "1");
	host.close();
});

test("a workflow that is cancelled ends the agent that it waits for", async () => {
	const { millrace } = w, user = w.users[1], gate = `flow-${user.uid}`;
	const id = await execute(user, [{ id: "a", type: "agent", agent: "chat_agent", input: { message: `[[say:one two]] [[gate:${gate}]]` } }]);
	const child = await until(() => value(millrace, `SELECT id FROM run WHERE input ->> 'workflow_run' = '${id}' AND status = 'running'`), "the agent");
	await until(async () => await value(millrace, `SELECT state FROM job WHERE run_id = '${id}'`) === "waiting", "the run waits");
	assert.match((await millrace.ctl("jobs", "list", "--state", "waiting")).stdout, new RegExp(id));
	assert.equal(assertStatus(await user.api.post(`/api/workflow-runs/${id}/cancel`), 200).json.status, "failed");
	await until(async () => await value(millrace, `SELECT status FROM run WHERE id = '${child}'`) === "cancelled", "the agent's end");
	permit(gate, Infinity);
});

test("nothing is left open", async () => {
	assert.deepEqual(await column(w.millrace, "select id from run where ended_at is null"), []);
	assert.equal(w.standin.open, 0);
});
