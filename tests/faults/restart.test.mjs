/*
 * Processes are replaced while requests that change something pour in: none of
 * these fails. Beside that, readers take nothing for a minute.
 */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { kill, revived, sleep, test, until, value, world } from "./faults.mjs";
import { load } from "./load.mjs";
import { stall } from "./stalled.mjs";

const TOTAL = 10000;
let w, tokens, run, conversation, minute;

before(async () => {
	w = await world("restart", {}, 32);
	tokens = w.users.map((u) => u.token);
	const stream = await w.users[0].api.chat("[[tokens:1]]");
	await stream.all();
	run = stream.headers["x-run-id"];
	conversation = stream.headers["x-conversation-id"];
	/* goes on beside the tests that do nothing to streamd and nginx */
	minute = await stall(w, 10, 60);
});
after(() => w?.stop());

const change = (api, i) => api.patch("/api/user", { name: `n${i}`, assistant: { interests: [`i${i}`] } },
    { token: tokens[i % tokens.length] });
const own = { get token() { return tokens[0]; } };
const WAYS = [
	(api, i) => api.patch(`/api/conversations/${conversation}`, { title: `t${i}` }, own),
	(api) => api.post(`/api/runs/${run}/cancel`, undefined, own),
	(api, i) => api.upload("/api/documents/upload", { name: `d${i}`, file: { filename: "d.txt", bytes: `text ${i}` } },
	    { token: tokens[i % tokens.length], headers: { "idempotency-key": randomUUID() } }),
	change,
];
/* one in fifty makes a document: each is also work for the runner */
const mixed = (api, i) => (i % 50 === 0 ? WAYS[2] : [WAYS[0], WAYS[1], change][i % 3])(api, i);

/* Does `fault` five times while the load goes on, which lasts as long as these do. */
async function under(fault, options) {
	let going = true;
	const doing = load(w.millrace.url, { total: TOTAL, ...options, more: () => going });
	try {
		for (let i = 0; i < 5; i++) {
			await sleep(300);
			await fault();
		}
	} finally {
		going = false;
	}
	const { n, failures } = await doing;
	assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${n} failed`);
	assert.ok(n >= (options.total ?? TOTAL));
}

test("a pool restarted five times under load fails no request", async () => {
	const first = w.millrace.pids("account");
	await under(async () => {
		await w.millrace.dev("restart", "account");
		await sleep(1200);                      /* until the new ones have taken over */
	}, { send: change });
	await until(() => !w.millrace.pids("account").some((pid) => first.includes(pid)), "the first ones are gone");
});

test("all pools at once, five times, under a mixed load", async () => {
	await under(async () => {
		await Promise.all(["account", "chat", "documents"].map((pool) => w.millrace.dev("restart", pool)));
		await sleep(1200);
	}, { send: mixed });
});

test("systemd's way, the old ones end before the new ones start: requests wait, none fails", async () => {
	await under(async () => {
		const pids = await kill(w.millrace, "account", "SIGTERM");
		await revived(w.millrace, "account", pids);
	}, { send: change });
});

/*
 * A worker is killed somewhere between the request's arrival and the reply. The
 * client cannot know whether its chat was stored, so it sends the same key again.
 */
test("kill -9 between request and reply: the same Idempotency-Key makes one run", async () => {
	const [user] = w.users, asked = [];
	for (let round = 0; round < 12; round++) {
		let answered = 0;
		const requests = Array.from({ length: 10 }, () => {
			const key = randomUUID(), options = { headers: { "idempotency-key": key } };
			return { key, send: async () => {
				const stream = await user.api.chat(`${key} [[tokens:1]]`, {}, options);
				stream.close();
				answered++;
				return stream.headers["x-run-id"];
			} };
		});
		const first = Promise.allSettled(requests.map((r) => r.send()));
		while (answered < round % 10)           /* so many have their reply, and others none */
			await sleep(1);
		const pids = await kill(w.millrace, "chat");
		await w.millrace.dev("restart", "chat");        /* its keeper waits longer after each early death */
		const replies = await first;
		await revived(w.millrace, "chat", pids);
		for (const [i, r] of requests.entries()) {
			const again = await r.send();
			if (replies[i].status === "fulfilled")
				assert.equal(again, replies[i].value, "another run for the same key");
			asked.push({ key: r.key, lost: replies[i].status === "rejected" });
		}
	}
	const lost = asked.filter((a) => a.lost).length;
	assert.ok(lost > 0 && lost < asked.length, `${lost} of ${asked.length} replies were lost: the kill missed its moment`);
	const doubles = await value(w.millrace, `select count(*) from (select left(content, 36) from message
	    where role = 'user' and content like '%[[tokens:1]]' and length(content) > 40 group by 1 having count(*) <> 1) d`);
	assert.equal(doubles, "0");
	assert.equal(await value(w.millrace, `select count(distinct run_id) from message where role = 'user'
	    and left(content, 36) = any ('{${asked.map((a) => a.key)}}')`), String(asked.length));
});

test("readers that take nothing for a minute cost less than 1 MiB each, are closed, and resume", async () => {
	await minute.done;
});

/*
 * nginx closes idle kept connections when it is reloaded, also those on which a
 * request is just under way, and a client must not repeat a POST by itself. So
 * each request has a connection of its own here; that is slow, hence fewer.
 */
test("nginx reloaded five times under load fails no request", async () => {
	await under(async () => {
		await w.millrace.dev("restart", "nginx");
		await sleep(700);
	}, { send: change, keepAlive: false, total: TOTAL / 2 });
});
