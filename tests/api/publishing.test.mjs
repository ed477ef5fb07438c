/* What is published of rows, where to, and in one order; who may listen; trends; and word of changed access. All of it is SQL. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { newUser, shared } from "../js/instance.mjs";
import { TIME, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { erased } from "../js/traces.mjs";
import { analyticsOf, eventsOf } from "../js/log.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const psql = (sql) => millrace.psql(sql);
/* What psql hears while it does this. */
const listening = async (channel, sql) => (await millrace.dev("psql", "-X", "-A", "-t", "-c", `LISTEN ${channel}; ${sql}`)).stdout;
const one = async (sql) => (await psql(sql)).split("\n")[0];
const ofUser = (user) => eventsOf(millrace, `user:${user.uid}`);
const notification = (user) => `INSERT INTO notification (owner_id, title, message) VALUES ('${user.uid}', 't', 'm')`;
const lead = (user) => `INSERT INTO lead (owner_id, name) VALUES ('${user.uid}', 'n')`;

test("a chat's two messages, and the end of its conversation", async () => {
	const user = await newUser(api);
	const chat = await user.api.chat("What has the mill?");
	const done = (await chat.all()).at(-1).data;
	const conversation = chat.headers["x-conversation-id"];
	assertStatus(await user.api.delete(`/api/conversations/${conversation}`), 204);
	const events = await ofUser(user);
	assert.deepEqual(events.map((e) => [e.seq, e.type]), [[1, "message_created"], [2, "message_created"], [3, "conversation_deleted"]]);
	for (const { data } of events.slice(0, 2)) {
		assertKeys(data, ["conversation_id", "message_id", "user_id", "created_at"]);
		assert.deepEqual([data.conversation_id, data.user_id], [conversation, user.uid]);
		assert.match(data.created_at, TIME);
	}
	assert.equal(events[1].data.message_id, done.messageId);
	assert.notEqual(events[0].data.message_id, done.messageId);
	assertKeys(events[2].data, ["conversation_id", "user_id", "deleted_at"]);
	assert.deepEqual([events[2].data.conversation_id, events[2].data.user_id], [conversation, user.uid]);
	assert.deepEqual((await analyticsOf(millrace, user.uid)).map((e) => [e.type, e.data]), events.map((e) => [e.type, e.data]));
});

test("a document's way to being ready, or not, and again", async () => {
	const user = await newUser(api), form = (bytes, filename) => ({ file: { filename, type: "text/plain", bytes } });
	const upload = async (...file) => assertStatus(await user.api.upload("/api/documents/upload?wait=1", form(...file)), 200).json.id;
	const good = await upload("The weir is high.", "weir.txt"), bad = await upload("\0\0\0\0", "none.txt");
	assertStatus(await user.api.post(`/api/documents/${good}/reindex`), 200);
	assertStatus(await user.api.delete(`/api/documents/${good}`), 204);
	const events = await ofUser(user), of = (id) => events.filter((e) => e.data.document_id === id).map((e) => [e.data.status, e.data.chunk_count]);
	for (const { type, data } of events) {
		assert.equal(type, "document_status");
		assertKeys(data, ["document_id", "user_id", "status", "chunk_count", "updated_at"]);
		assert.equal(data.user_id, user.uid);
		assert.match(data.updated_at, TIME);
	}
	const once = [["pending", 0], ["processing", 0], ["ready", 1]];
	assert.deepEqual(of(good), [...once, ...once.map(([status]) => [status, 1])]);
	assert.deepEqual(of(bad).map(([status]) => status), ["pending", "processing", "failed"]);
	assert.deepEqual(await analyticsOf(millrace, user.uid), []);
});

test("notifications go to their user alone", async () => {
	const user = await newUser(api);
	await psql(notification(user));
	assert.deepEqual((await ofUser(user)).map((e) => e.type), ["notification_created"]);
	assert.deepEqual(await analyticsOf(millrace, user.uid), []);
});

test("tables to come publish the same way: subscriptions and workflow runs", async () => {
	const user = await newUser(api);
	const run = randomUUID();
	await psql(`
		CREATE TEMP TABLE user_subscription (id uuid DEFAULT uuid_v7(), owner_id uuid, plan text, created_at timestamptz DEFAULT now());
		CREATE TEMP TABLE workflow_run (id uuid, workflow_id uuid DEFAULT uuid_v7(), owner_id uuid, status text, step text, progress numeric);
		CREATE FUNCTION pg_temp.told() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF TG_TABLE_NAME = 'workflow_run' THEN
				PERFORM publish_to_owner(NEW.owner_id, 'workflow_status_update', json_build_object('workflow_run_id', NEW.id,
					'workflow_id', NEW.workflow_id, 'user_id', NEW.owner_id, 'status', NEW.status, 'step', NEW.step,
					'progress', NEW.progress, 'updated_at', rfc3339(now())));
			ELSE
				PERFORM publish_to_owner(NEW.owner_id, 'subscription_' || CASE TG_OP WHEN 'INSERT' THEN 'created' ELSE 'updated' END,
					json_build_object('subscription_id', NEW.id, 'user_id', NEW.owner_id, 'plan', NEW.plan,
						CASE TG_OP WHEN 'INSERT' THEN 'created_at' ELSE 'updated_at' END, rfc3339(now())));
			END IF;
			RETURN NULL;
		END $$;
		CREATE TRIGGER told AFTER INSERT OR UPDATE ON user_subscription FOR EACH ROW EXECUTE FUNCTION pg_temp.told();
		CREATE TRIGGER told AFTER INSERT OR UPDATE ON workflow_run FOR EACH ROW EXECUTE FUNCTION pg_temp.told();
		INSERT INTO user_subscription (owner_id, plan) VALUES ('${user.uid}', 'small');
		UPDATE user_subscription SET plan = 'large';
		INSERT INTO workflow_run VALUES ('${run}', uuid_v7(), '${user.uid}', 'queued', NULL, 0);
		UPDATE workflow_run SET status = 'running', step = 'fetch', progress = 0.75`);
	const events = await ofUser(user);
	assert.deepEqual(events.map((e) => [e.seq, e.type]), [[1, "subscription_created"], [2, "subscription_updated"],
		[3, "workflow_status_update"], [4, "workflow_status_update"]]);
	assertKeys(events[0].data, ["subscription_id", "user_id", "plan", "created_at"]);
	assert.equal(events[1].data.plan, "large");
	assertKeys(events[3].data, ["workflow_run_id", "workflow_id", "user_id", "status", "step", "progress", "updated_at"]);
	assert.deepEqual([events[3].data.status, events[3].data.step, events[3].data.progress], ["running", "fetch", 0.75]);
	assert.deepEqual((await analyticsOf(millrace, user.uid)).map((e) => e.type), ["subscription_created", "subscription_updated"]);
	assert.deepEqual((await eventsOf(millrace, `workflow_run:${run}`)).map((e) => [e.seq, e.data]), [[1, events[2].data], [2, events[3].data]]);
});

test("a transaction's events come out together at its end, in their order, and none of one that is undone", async () => {
	const user = await newUser(api);
	const inside = await psql(`BEGIN; ${lead(user)}; ${notification(user)};
		SELECT 'seen ' || count(*) FROM stream_event WHERE topic = 'user:${user.uid}'; SELECT 'kept ' || count(*) FROM outbox;
		SAVEPOINT s; ${lead(user)}; ROLLBACK TO s; ${notification(user)}; COMMIT`);
	assert.match(inside, /^seen 0$/m);
	assert.match(inside, /^kept 2$/m);
	assert.deepEqual((await ofUser(user)).map((e) => [e.seq, e.type]),
	    [[1, "lead_created"], [2, "notification_created"], [3, "notification_created"]]);
	await psql(`BEGIN; ${lead(user)}; ROLLBACK`);
	await psql(`INSERT INTO lead (owner_id, name) SELECT '${user.uid}', 'n' || g FROM generate_series(1, 500) g`);
	const events = await ofUser(user);
	assert.deepEqual(events.map((e) => e.seq), Array.from({ length: 503 }, (_, i) => i + 1));
	assert.equal(new Set(events.filter((e) => e.type === "lead_created").map((e) => e.data.lead_id)).size, 501);
	assert.equal(await one("SELECT count(*) FROM outbox"), "0");
});

test("writers in every order do not wait for each other in a circle", async () => {
	const [a, b] = [await newUser(api), await newUser(api)];
	const audited = (user) => `INSERT INTO api_key (user_id, hash, shown, name, scopes)
		VALUES ('${user.uid}', sha256(uuid_send(uuid_v7())), 'mr_x', 'n', '{read}')`;
	const orders = [
		[audited(a), lead(a), notification(b)], [notification(b), lead(a), audited(b)], [notification(a), notification(b)],
		[notification(b), notification(a)], [lead(b), audited(a), lead(a)], [lead(a), notification(b), lead(b)]];
	const rounds = 60;
	await Promise.all(orders.map((steps) => psql(`DO $$ BEGIN FOR i IN 1..${rounds} LOOP ${steps.join("; ")}; COMMIT; END LOOP; END $$`)));
	const told = orders.flat().filter((s) => !s.includes("api_key"));
	for (const user of [a, b]) {
		const due = told.filter((s) => s.includes(user.uid)).length * rounds;
		assert.deepEqual((await ofUser(user)).map((e) => e.seq), Array.from({ length: due }, (_, i) => i + 1));
	}
	assert.equal(await psql("SELECT v.*, l.* FROM audit_verify() v LEFT JOIN audit_log l ON l.seq BETWEEN v.seq - 2 AND v.seq"), "");
});

test("of somebody erased nothing is left, also where they are deleted by hand", async () => {
	for (const erase of [(u) => u.api.delete(`/api/v1/user/dao/${u.uid}`), (u) => psql(`DELETE FROM app_user WHERE id = '${u.uid}'`)]) {
		const [user, other] = [await newUser(api), await newUser(api)];
		await (await user.api.chat("What has the mill?")).all();
		await psql(`${lead(user)}; ${notification(user)}; ${lead(other)}; SELECT topic_own('agent:${user.uid}', '${user.uid}');
			SELECT publish('agent:${user.uid}', 'x', json_build_object('user_id', '${user.uid}'))`);
		assert.equal((await ofUser(user)).length, 4);
		assert.equal((await analyticsOf(millrace, user.uid)).length, 3);
		await erase(user);
		await erased(millrace, user.uid);
		assert.equal(await one(`SELECT count(*) FROM stream_event WHERE topic NOT LIKE 'run:%' AND topic || data::text LIKE '%${user.uid}%'`), "0");
		assert.equal(await one(`SELECT count(*) FROM outbox_analytics WHERE data::text LIKE '%${user.uid}%'`), "0");
		assert.equal(await one(`SELECT count(*) FROM topic WHERE name LIKE '%${user.uid}'`), "0");
		assert.equal((await ofUser(other)).length, 1);
		assert.equal((await analyticsOf(millrace, other.uid)).length, 1);
	}
});

test("an erasure waits for who is publishing about the user, and takes that along", async () => {
	const user = await newUser(api);
	const id = await one(`${lead(user)} RETURNING id`);
	const slow = new pg.Client({ host: join(millrace.runDir, "pg"), database: "millrace", user: "postgres" });
	await slow.connect();
	await slow.query(`BEGIN; UPDATE lead SET status = 'lost' WHERE id = '${id}'`);
	const erasure = `DELETE FROM app_user WHERE id = '${user.uid}'`, erases = psql(erasure);
	await until(async () => await one(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query = $$${erasure}$$`) === "1", "it waits");
	await slow.query("COMMIT");
	await Promise.all([erases, slow.end()]);
	assert.equal(await one(`SELECT count(*) FROM stream_event WHERE topic || data::text LIKE '%${user.uid}%'`), "0");
});

test("a notification says when its event was published", async () => {
	const user = await newUser(api);
	const heard = await listening("millrace_event", lead(user));
	const at = await one(`SELECT floor(extract(epoch FROM created_at) * 1000) FROM stream_event WHERE topic = 'user:${user.uid}'`);
	assert.ok(Math.abs(Number(at) - Date.now()) < 60000);
	const [, payload] = heard.split(`"user:${user.uid}\n`);
	const [seq, type, time, data] = payload.split("\n");
	assert.deepEqual([seq, type, time], ["1", "lead_created", at]);
	assert.deepEqual(JSON.parse(data.slice(0, data.lastIndexOf("}") + 1)), (await ofUser(user))[0].data);
	const large = await listening("millrace_event", `SELECT publish('user:${user.uid}', 'x', json_build_object('x', repeat('y', 7800)))`);
	assert.match(large, new RegExp(`"user:${user.uid}\n2"`));
});

test("topic_allowed: whose each topic is", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	const disabled = await newUser(api);
	await psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${disabled.uid}'`);
	const chat = await user.api.chat("hello");
	await chat.all();
	const run = chat.headers["x-run-id"], conversation = chat.headers["x-conversation-id"];
	const thing = randomUUID();
	await psql(`SELECT topic_own(kind || ':${thing}', '${user.uid}') FROM unnest(ARRAY['agent', 'process', 'workflow_run']) kind`);
	const own = [`user:${user.uid}`, `run:${run}`, `conversation:${conversation}`, `agent:${thing}`, `process:${thing}`, `workflow_run:${thing}`];
	const analytics = ["analytics", "lead_trends", "conversation_trends"];
	const never = [...own.flatMap((t) => [`${t}:x`, `${t} `, ` ${t}`, `${t}\n`, t.toUpperCase(), `x${t}`, t.replace(":", "::")]),
		...["user", "run", "conversation", "agent", "process", "workflow_run", "thing"].flatMap((k) => [k, `${k}:`, `${k}:x`, `${k}:${randomUUID()}`, `${k}:'`]),
		`thing:${thing}`, "", ":", "analytics:x", "Analytics", "analytics ", "' OR true --", "user:%", "\u{1F600}"];
	const cases = [];
	for (const scope of [true, false, null])
		for (const [who, mine] of [[user.uid, true], [other.uid, false], [disabled.uid, false], [randomUUID(), false], [null, false]]) {
			own.forEach((t) => cases.push([who, scope, t, mine]));
			never.forEach((t) => cases.push([who, scope, t, false]));
			analytics.forEach((t) => cases.push([who, scope, t, scope === true && (who === user.uid || who === other.uid)]));
		}
	cases.push([other.uid, false, `user:${other.uid}`, true], [disabled.uid, true, `user:${disabled.uid}`, false], [user.uid, true, null, false]);
	const text = (v) => v === null ? "NULL" : `E'${v.replace(/['\\]/g, "\\$&").replace(/\n/g, "\\n")}'`;
	const table = (rows) => rows.map(([who, scope, topic, may]) => `(${text(who)}::uuid, ${scope}::boolean, ${text(topic)}, ${may})`).join(",");
	for (let i = 0; i < cases.length; i += 100) {
		const wrong = await psql(`SELECT v.* FROM (VALUES ${table(cases.slice(i, i + 100))}) v (who, scope, topic, may)
			WHERE topic_allowed(v.who, v.scope, v.topic) IS DISTINCT FROM v.may`);
		assert.equal(wrong, "");
	}
	assert.equal(await one(`SELECT topic_allowed('${user.uid}', true, 'user:' || repeat('x', 100000))`), "f");
});

test("topic_own: one owner, who may change; nobody takes what is another's", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	const topic = `agent:${randomUUID()}`;
	const may = async (who) => one(`SELECT topic_allowed('${who.uid}', false, '${topic}')`);
	const as = (who, sql) => psql(`BEGIN; SET LOCAL ROLE millrace_api; SELECT set_config('millrace.caller', '${who.uid}', true); ${sql}; COMMIT`);
	await as(user, `SELECT topic_own('${topic}', '${user.uid}')`);
	await assert.rejects(as(other, `SELECT topic_own('${topic}', '${other.uid}')`), /row-level security/);
	await assert.rejects(as(other, `SELECT topic_own('agent:${randomUUID()}', '${user.uid}')`), /row-level security/);
	assert.deepEqual([await may(user), await may(other)], ["t", "f"]);
	await psql(`SELECT topic_own('${topic}', '${other.uid}')`);
	assert.deepEqual([await may(user), await may(other)], ["f", "t"]);
	await psql(`DELETE FROM topic_owner WHERE topic = '${topic}'`);
	assert.deepEqual([await may(user), await may(other)], ["f", "f"]);
	await assert.rejects(psql(`SELECT topic_own(repeat('x', 201), '${user.uid}')`), /check constraint/);
});

test("streamd is told whose access has changed", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	/* Of these two: tests beside this one change the access of others. */
	const heard = async (sql) => [...(await listening("millrace_access", sql)).matchAll(/"millrace_access" with payload "([^"]*)"/g)].map((m) => m[1])
	    .filter((uid) => [user.uid, other.uid].includes(uid)).sort();
	const set = (what) => `UPDATE app_user SET ${what} WHERE id = '${user.uid}'`;
	assert.deepEqual(await heard(set("role = 'admin'")), [user.uid]);
	assert.deepEqual(await heard(set("role = 'admin', display_name = 'x'")), []);
	await psql(`SELECT topic_own('process:${user.uid}', '${user.uid}')`);
	assert.deepEqual(await heard(`SELECT topic_own('process:${user.uid}', '${user.uid}')`), []);
	assert.deepEqual(await heard(`SELECT topic_own('process:${user.uid}', '${other.uid}')`), [user.uid, other.uid].sort());
	assert.deepEqual(await heard(`DELETE FROM topic_owner WHERE topic = 'process:${user.uid}'`), [other.uid]);
	assert.deepEqual(await heard(`UPDATE session SET revoked_at = now() WHERE user_id = '${user.uid}'`), [user.uid]);
	assert.deepEqual(await heard(`UPDATE session SET revoked_at = now() WHERE user_id = '${user.uid}'`), []);
	await psql(`INSERT INTO api_key (user_id, hash, shown, name, scopes) VALUES ('${user.uid}', sha256('${user.uid}'), 'x', 'x', '{read}')`);
	assert.deepEqual(await heard(`UPDATE api_key SET revoked_at = now() WHERE user_id = '${user.uid}'`), [user.uid]);
	assert.deepEqual(await heard(set("disabled_at = now()")), [user.uid]);
	assert.deepEqual(await heard(set("disabled_at = NULL")), [user.uid]);
	assert.deepEqual(await heard(`DELETE FROM app_user WHERE id = '${user.uid}'`), [user.uid]);
});

const series = async (user, what, from, to, aggregation, everybody = false) =>
	JSON.parse(await psql(`SELECT trend_series('${user.uid}', ${everybody}, '${what}', '${from}', '${to}', '${aggregation}')`));
const points = (list) => list.map((p) => [p.date, p.value]);

test("trend_series: days, weeks across years, months; gaps are filled; whose rows", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	/* before all real leads, so that everybody's can be told */
	const at = (who, ...times) => psql(times.map((t) => `INSERT INTO lead (owner_id, name, created_at) VALUES ('${who.uid}', 'n', '${t}')`).join(";"));
	await at(user, "2001-12-30T23:59:59.999Z", "2001-12-31T00:00Z", "2002-01-01T12:00Z", "2002-01-06T23:00Z", "2002-01-07T00:30+01:00", "2002-03-01T00:00Z");
	await at(other, "2002-01-01T12:00Z");
	assert.deepEqual(points(await series(user, "lead_trends", "2001-12-30Z", "2002-01-02Z", "daily")),
	    [["2001-12-30", 1], ["2001-12-31", 1], ["2002-01-01", 1], ["2002-01-02", 0]]);
	/* a week begins on Monday: December 31st, 2001 is one */
	assert.deepEqual(points(await series(user, "lead_trends", "2001-12-28Z", "2002-01-16Z", "weekly")),
	    [["2001-12-24", 1], ["2001-12-31", 4], ["2002-01-07", 0], ["2002-01-14", 0]]);
	assert.deepEqual(points(await series(user, "lead_trends", "2001-11-15Z", "2002-03-01Z", "monthly")),
	    [["2001-11-01", 0], ["2001-12-01", 2], ["2002-01-01", 3], ["2002-02-01", 0], ["2002-03-01", 1]]);
	assert.deepEqual(points(await series(user, "lead_trends", "2002-01-01T23:00Z", "2002-01-01T23:00Z", "daily", true)), [["2002-01-01", 2]]);
	assert.deepEqual(points(await series(other, "lead_trends", "2002-01-01Z", "2002-01-02Z", "daily")), [["2002-01-01", 1], ["2002-01-02", 0]]);
	await psql(`INSERT INTO conversation (owner_id, title, created_at) VALUES ('${user.uid}', 't', '2002-01-01T00:00Z'), ('${other.uid}', 't', '2002-01-01T23:59Z')`);
	assert.deepEqual(points(await series(user, "conversation_trends", "2002-01-01Z", "2002-01-01Z", "monthly")), [["2002-01-01", 1]]);
	assert.deepEqual(points(await series(user, "conversation_trends", "2002-01-01Z", "2002-01-02Z", "daily", true)), [["2002-01-01", 2], ["2002-01-02", 0]]);
	await psql(`DELETE FROM app_user WHERE id IN ('${user.uid}', '${other.uid}')`);
});

test("trend_series: 1000 points at most, and what it does not know", async () => {
	const user = await newUser(api);
	for (const [aggregation, last, past] of [["daily", "2004-09-26T23:59Z", "2004-09-27Z"], ["weekly", "2021-02-28T23:59Z", "2021-03-01Z"], ["monthly", "2085-04-30Z", "2085-05-01Z"]]) {
		const full = await series(user, "lead_trends", "2002-01-01Z", last, aggregation);
		assert.equal(full.length, 1000, aggregation);
		assert.equal(new Set(full.map((p) => p.date)).size, 1000);
		await assert.rejects(series(user, "lead_trends", "2002-01-01Z", past, aggregation), /more than 1000 points/, aggregation);
	}
	for (const [what, from, to, aggregation] of [["leads", "2002-01-01", "2002-01-02", "daily"], ["lead_trends", "2002-01-02", "2002-01-01", "daily"],
		["lead_trends", "2002-01-01", "2002-01-02", "hourly"], ["lead_trends", "2002-01-01", "2002-01-02", ""], ["lead_trends", "-infinity", "infinity", "monthly"],
		["lead_trends", "2002-01-01", "infinity", "daily"], ["lead_trends", "0044-03-15 BC", "0044-03-16 BC", "daily"], ["lead_trends'", "2002-01-01", "2002-01-02", "daily"]])
		await assert.rejects(series(user, what.replace("'", "''"), from, to, aggregation), /^error: (The series needs|There is no such series|The aggregation is)/, `${what} ${from} ${aggregation}`);
	await assert.rejects(psql(`SELECT trend_series('${user.uid}', false, 'lead_trends', NULL, now(), 'daily')`), /The series needs/);
});

test("trend_series reads the period and no more", async () => {
	const user = await newUser(api);
	await psql(`SET session_replication_role = replica; INSERT INTO lead (owner_id, name, created_at)
		SELECT '${user.uid}', 'n', '1999-12-01Z'::timestamptz + g * interval '1 hour' FROM generate_series(0, 4000) g`);
	await psql("ANALYZE lead");
	for (const everybody of [true, false]) {
		const read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'lead'";
		const [before, body, after] = (await psql(`BEGIN; ${read}; SELECT trend_series('${user.uid}', ${everybody}, 'lead_trends', '2000-01-01Z', '2000-01-10Z', 'daily');
			${read}; COMMIT`)).split("\n").filter((l) => /^[[0-9]/.test(l));
		assert.deepEqual(JSON.parse(body).map((p) => p.value), Array(10).fill(24));
		assert.ok(after - before <= 243, `read ${after - before} rows`);
	}
	await psql(`DELETE FROM app_user WHERE id = '${user.uid}'`);
});
