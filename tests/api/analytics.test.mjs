/* /api/analytics: figures of all users. Others' tests make rows meanwhile, so that what is made here is of years of its own. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { newUser, privateInstance, shared } from "../js/instance.mjs";
import { newAdmin } from "../js/accounts.mjs";
import { assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";

let millrace, api, admin;
before(async () => {
	millrace = await shared();
	({ api } = millrace);
	admin = await newAdmin(millrace);
	await millrace.psql("DELETE FROM stripe_payment WHERE paid_at < '1995-01-01'");
	await millrace.psql(["lead", "conversation", "usage_event", "model_failure"].map((t) => `DELETE FROM ${t} WHERE created_at < '1995-01-01'`).join(";"));
});

const PATHS = ["overview", "leads/trends", "conversations/trends", "models/trends", "models", "revenue/trends", "revenue"].map((p) => `/api/analytics/${p}`);
const get = async (path) => assertStatus(await admin.api.get(`/api/analytics/${path}`), 200).json;

test("administrators see them, and keys with the scope; nobody else", async () => {
	const user = await newUser(api);
	const key = async (who, scopes) => api.as(assertStatus(await who.api.post("/api/settings/api-keys", { name: "k", scopes }), 201).json.apiKey);
	const [seeing, reading] = [await key(admin, ["analytics:read"]), await key(admin, ["read", "write"])];
	for (const path of PATHS) {
		assertStatus(await admin.api.get(path), 200);
		assertStatus(await seeing.get(path), 200);
		assertError(await reading.get(path), "FORBIDDEN", undefined, path);
		assertError(await user.api.get(path), "FORBIDDEN", undefined, path);
		assertError(await api.get(path), "UNAUTHORIZED", undefined, path);
	}
});

/* Random rows, so that no figure is right by accident. */
test("the overview says what a plain query over the rows says", async () => {
	const user = await newUser(api);
	await millrace.psql(`SET session_replication_role = replica;
		INSERT INTO lead (owner_id, name, status, created_at) SELECT '${user.uid}', 'x', (ARRAY['new', 'converted', 'lost'])[1 + floor(random() * 3)],
			now() - random() * interval '20 days' FROM generate_series(1, 300);
		WITH c AS (INSERT INTO conversation (owner_id, title) SELECT '${user.uid}', 'x' FROM generate_series(1, 40) RETURNING id)
			INSERT INTO message (conversation_id, owner_id, role, content, created_at) SELECT c.id, '${user.uid}', 'user', 'x',
				now() - random() * interval '20 days' FROM c, generate_series(1, 3)`);
	const naive = (from, to) => `SELECT (SELECT count(*) FROM lead WHERE created_at >= now() - interval '${from}' AND created_at < now() - interval '${to}') AS leads,
		(SELECT round(100.0 * count(*) FILTER (WHERE status = 'converted') / count(*), 1) FROM lead
			WHERE created_at >= now() - interval '${from}' AND created_at < now() - interval '${to}') AS rate,
		(SELECT count(DISTINCT conversation_id) FROM message WHERE created_at >= now() - interval '${from}' AND created_at < now() - interval '${to}') AS talks`;
	const rows = (await millrace.psql(`BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT set_config('millrace.caller', '${admin.uid}', true);
		SELECT analytics_overview(NULL, 7); SELECT row_to_json(n) FROM (${naive("7 days", "0")}) n; SELECT row_to_json(b) FROM (${naive("14 days", "7 days")}) b; COMMIT`))
	    .split("\n").filter((l) => l.startsWith("{")).map((l) => JSON.parse(l));
	const [overview, now, before] = rows;
	const figure = (name) => ({ value: now[name], change: Number((100 * (now[name] - before[name]) / before[name]).toFixed(1)) });
	for (const [field, name] of [["total_leads", "leads"], ["active_conversations", "talks"], ["conversion_rate", "rate"]]) {
		assert.equal(overview[field].value, now[name], field);
		assert.ok(Math.abs(overview[field].change - figure(name).change) < 0.11, `${field}: ${JSON.stringify([overview[field], figure(name)])}`);
	}
	assert.deepEqual(overview.total_revenue, { value: 0, change: 0 });
	const shown = await get("overview?days=366");
	assertKeys(shown, ["total_leads", "active_conversations", "conversion_rate", "total_revenue"]);
	assert.ok(shown.total_leads.value >= 300 && shown.active_conversations.value >= 40);
	for (const bad of ["0", "367", "x"])
		assertError(await admin.api.get(`/api/analytics/overview?days=${bad}`), "BAD_REQUEST", ["days"]);
});

/* Whatever was counted before, and whatever has come and gone since; alone, since counting goes by when rows were made, and by their ids. */
test("figures are those of the rows, however many hours are counted", async (t) => {
	const alone = await privateInstance("figures"), { psql } = alone, user = await newUser(alone.api), sql = psql.bind(alone);
	t.after(() => alone.stop());
	const rows = (n) => `SELECT now() - random() * interval '9 days' AS at FROM generate_series(1, ${n})`;
	const add = (n) => sql(`SET session_replication_role = replica;
		INSERT INTO lead (owner_id, name, status, created_at) SELECT '${user.uid}', 'x', (ARRAY['new', 'converted'])[1 + floor(random() * 2)], at FROM (${rows(n)}) r;
		INSERT INTO conversation (owner_id, title) SELECT '${user.uid}', 'x' FROM generate_series(1, ${n / 10});
		INSERT INTO message (conversation_id, owner_id, role, content, created_at)
			SELECT c.id, '${user.uid}', 'user', 'x', at FROM conversation c, LATERAL (SELECT c.created_at - random() * interval '9 days' AS at FROM generate_series(1, 5)) r
			WHERE c.owner_id = '${user.uid}'`);
	const naive = (from, to) => `(SELECT count(*) FROM lead WHERE created_at >= ${from} AND created_at < ${to}),
		(SELECT count(DISTINCT conversation_id) FROM message WHERE created_at >= ${from} AND created_at < ${to})`;
	const compare = async (what) => {
		const spans = Array.from({ length: 12 }, (_, i) => [`now() - interval '${(Math.random() * 10 * 86400).toFixed(3)} s'`,
			i % 3 ? "now()" : `now() - interval '${Math.round(Math.random() * 86400)} s'`]);
		const found = (await sql(spans.map(([from, to]) => `SELECT ROW(leads_made(${from}, ${to}), talks_active(${from}, ${to})) = ROW(${naive(from, to)}),
			leads_made(${from}, ${to}), talks_active(${from}, ${to}), ${naive(from, to)};`).join(""))).trim().split("\n");
		assert.deepEqual(found.filter((row) => !row.startsWith("t")), [], what);
	};
	const roll = (most) => sql(`SELECT figures_roll(now(), ${most})`);
	await add(400);
	await compare("as they are found");
	for (let step = 0; step < 6; step++) {
		await roll(100);
		await compare(`step ${step}`);
		await sql(`DELETE FROM lead WHERE owner_id = '${user.uid}' AND random() < 0.1; UPDATE lead SET status = 'converted' WHERE owner_id = '${user.uid}' AND random() < 0.1;
			DELETE FROM conversation WHERE owner_id = '${user.uid}' AND random() < 0.1`);
		await compare(`step ${step}, some of them gone`);
		await add(20);
	}
	await until(async () => (await roll(1000)).trim() === "f", "all are counted");
	await compare("all of them counted");
	assert.equal((await sql(`SELECT count(*) FROM lead_gone g, figure_upto f WHERE g.lead_id <= f.lead`)).trim(), "0");
	/* Beside others: what counts and what deletes at the same time. */
	await Promise.all([...Array.from({ length: 4 }, () => roll(50)), sql(`DELETE FROM lead WHERE owner_id = '${user.uid}' AND random() < 0.5`),
		sql(`DELETE FROM conversation WHERE owner_id = '${user.uid}' AND random() < 0.5`)]);
	await compare("beside others");
});

test("days are those of a time zone", async () => {
	const user = await newUser(api);
	/* Lisbon's day of 23 hours, and the one of 25. */
	const times = ["1992-03-28T23:59:59Z", "1992-03-29T00:00:00Z", "1992-03-29T22:59:59Z", "1992-03-29T23:00:00Z", "1992-09-26T22:59:59Z", "1992-09-26T23:00:00Z", "1992-09-27T22:59:59Z", "1992-09-27T23:30:00Z", "1992-09-28T00:00:00Z"];
	await millrace.psql(`SET session_replication_role = replica; ${times.map((t) => `INSERT INTO lead (owner_id, name, created_at) VALUES ('${user.uid}', 'x', '${t}');
		INSERT INTO stripe_payment (owner_id, payment, paid_usd, credited_usd, paid_at) VALUES ('${user.uid}', gen_random_uuid(), 1, 0, '${t}');`).join("")}`);
	for (const zone of ["Europe/Lisbon", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "UTC"]) {
		const day = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" });
		const wanted = {};
		for (const t of times)
			wanted[day.format(new Date(t))] = (wanted[day.format(new Date(t))] ?? 0) + 1;
		for (const what of ["leads", "revenue"]) {
			const series = await get(`${what}/trends?start_date=1992-03-01&end_date=1992-10-31&timezone=${zone}`);
			assert.deepEqual([series[0].date, series.at(-1).date, series.length], ["1992-03-01", "1992-10-31", 245], zone);
			assert.deepEqual(Object.fromEntries(series.filter((p) => p.value > 0).map((p) => [p.date, p.value])), wanted, `${what} ${zone}`);
		}
		const months = (await get(`revenue?start_date=1992-03-01&end_date=1992-11-01&timezone=${zone}`)).map((r) => [r.month, r.revenue]);
		assert.deepEqual(months, [["1992-03", 4], ["1992-09", 5]], zone);
	}
	/* A midnight that comes twice, one that does not come at all, and a day that was left out. */
	for (const [zone, date, first] of [["America/Havana", "1998-10-25", "1998-10-25T04:00:00Z"], ["America/Santiago", "1998-09-27", "1998-09-27T04:00:00Z"],
		["Africa/Cairo", "1998-04-24", "1998-04-23T22:00:00Z"], ["Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"],
		["Australia/Lord_Howe", "1998-03-29", "1998-03-28T13:00:00Z"], ["Asia/Kathmandu", "1998-01-01", "1997-12-31T18:15:00Z"]]) {
		const at = (seconds) => new Date(Date.parse(first) + seconds * 1000).toISOString(), local = new Intl.DateTimeFormat("sv", { timeZone: zone });
		assert.deepEqual([-1, 0].map((s) => local.format(new Date(at(s))) === date), [false, true], `${zone} ${date}: what the test expects`);
		await millrace.psql(`SET session_replication_role = replica; ${[-1, 0, 1800].map((s) => `INSERT INTO lead (owner_id, name, created_at)
			VALUES ('${user.uid}', 'x', '${at(s)}'); INSERT INTO stripe_payment (owner_id, payment, paid_usd, credited_usd, paid_at)
			VALUES ('${user.uid}', gen_random_uuid(), 1, 0, '${at(s)}');`).join("")}`);
		assert.deepEqual(await get(`leads/trends?start_date=${date}&end_date=${date}&timezone=${zone}`), [{ date, value: 2 }], zone);
		const day = await get(`revenue?start_date=${date}&end_date=${at(1800)}&timezone=${zone}`);
		assert.deepEqual(day.map((r) => r.revenue), [1], zone);   /* the end is not in it */
	}
	assert.deepEqual((await get("leads/trends?start_date=1992-03-29&end_date=1992-03-29&timezone=America/New_York")).map((p) => p.value), [2]);
	assertError(await admin.api.get("/api/analytics/leads/trends?timezone=Mars/Dust"), "BAD_REQUEST", ["timezone"]);
});

test("a change against nothing is null, and between nothings 0", async () => {
	const text = await millrace.psql("SELECT figure_json(3, 0); SELECT figure_json(0, 0); SELECT figure_json(3, 2); SELECT figure_json(0, 2)");
	assert.deepEqual(text.trim().split("\n").map((l) => JSON.parse(l).change), [null, 0, 50, -100]);
});

test("series: every period, whole, 0 where there was nothing", async () => {
	const user = await newUser(api);
	const days = ["1990-01-01", "1990-01-01", "1990-01-07T23:59:59.999Z", "1990-01-08", "1990-03-31T23:59:59Z"];
	await millrace.psql(`SET session_replication_role = replica; ${days.map((d) => `
		INSERT INTO lead (owner_id, name, created_at) VALUES ('${user.uid}', 'x', '${d}');
		INSERT INTO conversation (owner_id, title, created_at) VALUES ('${user.uid}', 'x', '${d}');
		INSERT INTO usage_event (owner_id, run_id, call, provider, model, input_tokens, output_tokens, estimated, input_usd, output_usd, cost_usd, created_at)
			VALUES ('${user.uid}', gen_random_uuid(), 1, 'local', 'm', 1, 1, false, 0, 0, 0, '${d}');
		INSERT INTO stripe_payment (owner_id, payment, paid_usd, returned_usd, credited_usd, paid_at)
			VALUES ('${user.uid}', gen_random_uuid(), 1.5, 0.5, 0, '${d}');`).join("")}`);
	for (const what of ["leads", "conversations", "models", "revenue"]) {
		const series = (query) => get(`${what}/trends?start_date=1990-01-01&${query}`);
		assert.deepEqual(await series("end_date=1990-04-30&aggregation=monthly"),
		    [["01", 4], ["02", 0], ["03", 1], ["04", 0]].map(([m, value]) => ({ date: `1990-${m}-01`, value })), what);
		assert.deepEqual(await series("end_date=1990-01-15T00:00:00Z&aggregation=weekly"),
		    [["01", 3], ["08", 1], ["15", 0]].map(([d, value]) => ({ date: `1990-01-${d}`, value })), what);
		assert.deepEqual((await series("end_date=1990-01-08")).map((p) => p.value), [2, 0, 0, 0, 0, 0, 1, 1], what);
	}
	assert.ok([30, 31].includes((await get("leads/trends")).length));
	assertError(await admin.api.get("/api/analytics/leads/trends?start_date=x&end_date=1990-13-01&aggregation=hourly"), "BAD_REQUEST",
	    ["start_date", "end_date", "aggregation"]);
	for (const query of ["start_date=1990-01-02&end_date=1990-01-01", "start_date=1980-01-01&end_date=1990-01-01"])
		assertError(await admin.api.get(`/api/analytics/leads/trends?${query}`), "BAD_REQUEST");
});

test("models: calls, tokens, cost, how long, and how many failed", async () => {
	const user = await newUser(api);
	await millrace.psql(`SET session_replication_role = replica;
		INSERT INTO usage_event (owner_id, run_id, call, provider, model, input_tokens, output_tokens, estimated, input_usd, output_usd, cost_usd, ms, failed, created_at)
			SELECT '${user.uid}', gen_random_uuid(), 1, 'openai', 'slow', 10, 2, false, 0, 0, 0.0000001, n * 10, n = 20, '1991-05-05' FROM generate_series(1, 20) n;
		INSERT INTO model_failure (provider, model, created_at) SELECT 'openai', m, '1991-05-05' FROM unnest(ARRAY['slow', 'slow', 'slow', 'slow', 'down']) m;
		INSERT INTO model_failure (provider, model, created_at) VALUES ('openai', 'later', '1991-05-06')`);
	assert.deepEqual(await get("models?start_date=1991-05-05&end_date=1991-05-06"), [
		{ provider: "openai", model: "slow", calls: 24, input_tokens: 200, output_tokens: 40, cost_usd: 0.000002, latency_p50_ms: 100, latency_p95_ms: 190, error_rate: 20.8 },
		{ provider: "openai", model: "down", calls: 1, input_tokens: 0, output_tokens: 0, cost_usd: 0, latency_p50_ms: null, latency_p95_ms: null, error_rate: 100 }]);
	assert.deepEqual(await get("models?start_date=1991-05-07&end_date=1991-05-08"), []);
	await (await user.api.chat("What is a mill?")).all();
	const [{ ms, failed }] = (await millrace.psql(`SELECT row_to_json(u) FROM usage_event u WHERE owner_id = '${user.uid}' AND call = 1001`)).trim().split("\n").map((l) => JSON.parse(l));
	assert.ok(ms >= 0 && failed === false, `${ms}`);
	assert.ok((await get("models")).find((m) => m.calls > 0 && m.latency_p50_ms !== null));
});
