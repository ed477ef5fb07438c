/* Agents, processes with their schedules and configuration, and data sources. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { newUser, shared } from "../js/instance.mjs";
import { signedIn } from "../js/accounts.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus } from "../js/expect.mjs";
import { eventsOf } from "../js/log.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });

const AGENTS = "/api/agents", PROCESSES = "/api/v1/admin/processes", SOURCES = "/api/datasources";
const create = async (user, path, json) => assertStatus(await user.api.post(path, json), 201).json;
const ids = async (user, path) => assertStatus(await user.api.get(path), 200).json.map((row) => row.id);

test("an agent: every field, changed in part, cleared by null, deleted", async () => {
	const user = await newUser(api), full = { type: "scout", name: "Scout", prompt: "Look.", model: "gpt-4o", tools: ["search_documents", "mcp:x/y"] };
	const made = await create(user, AGENTS, full), path = `${AGENTS}/${made.id}`;
	assertKeys(made, ["id", "user_id", ...Object.keys(full), "created_at", "updated_at"]);
	assert.match(made.id, UUID7);
	assert.deepEqual({ ...made, ...full }, made);
	assert.deepEqual(assertStatus(await user.api.get(path), 200).json, made);
	const bare = await create(user, AGENTS, { type: "b", name: "B" });
	assert.deepEqual([bare.prompt, bare.model, bare.tools], ["", null, []]);
	assert.deepEqual(await ids(user, AGENTS), [bare.id, made.id]);
	const changed = assertStatus(await user.api.request("PUT", path, { json: { type: "scout", model: null, name: "New" } }), 200).json;
	assert.deepEqual(changed, { ...made, model: null, name: "New", updated_at: changed.updated_at });
	assert.deepEqual(assertStatus(await user.api.request("PUT", path, { json: { tools: [] } }), 200).json.tools, []);
	for (const type of ["lead_agent", "chat_agent", "b"]) {
		assertError(await user.api.request("PUT", path, { json: { type } }), "CONFLICT");
		assertError(await user.api.post(AGENTS, { type, name: "x" }), "CONFLICT");
	}
	const bad = { type: "a b", name: "", prompt: "x".repeat(20001), model: "", tools: ["x y"] };
	assertError(await user.api.post(AGENTS, bad), "BAD_REQUEST", Object.keys(bad));
	assertStatus(await user.api.delete(path), 204);
	for (const method of ["GET", "PUT", "DELETE"])
		assertError(await user.api.request(method, path, { json: method === "PUT" ? {} : undefined }), "NOT_FOUND");
});

test("an account has so many agents and no more", async () => {
	const user = await newUser(api);
	await millrace.psql(`INSERT INTO agent (owner_id, type, name, prompt, tools) SELECT '${user.uid}', 't' || n, 'n', '', '{}' FROM generate_series(1, 100) n`);
	assertError(await user.api.post(AGENTS, { type: "more", name: "x" }), "CONFLICT");
});

const FULL = { name: "Leads", description: "Matches", agent_type: "lead_agent", model: "gpt-4o", execution_mode: "scheduled",
	schedule: { interval_s: null, cron: "30 9 * * MON-FRI", timezone: "Europe/Lisbon" }, emails: ["Ada@example.org"] };

test("a process: every field, changed in part, cleared by null, deleted with its data sources", async () => {
	const user = await newUser(api), made = await create(user, PROCESSES, FULL), path = `${PROCESSES}/${made.id}`;
	assertKeys(made, ["id", "agent_id", "user_id", ...Object.keys(FULL), "status", "next_run_at", "created_at", "updated_at"]);
	assert.deepEqual({ ...made, ...FULL, emails: made.emails }, made);
	assert.deepEqual([made.agent_id, made.status, made.next_run_at, made.emails[0].toLowerCase()], [made.id, "stopped", null, "ada@example.org"]);
	const put = async (json) => assertStatus(await user.api.request("PUT", path, { json }), 200).json;
	assert.deepEqual((await put({ schedule: { interval_s: 90 } })).schedule, { interval_s: 90, cron: null, timezone: "UTC" });
	const cleared = await put({ schedule: null, description: null, agentType: null, model: null, emails: [] });
	assert.deepEqual(cleared, { ...made, schedule: { interval_s: null, cron: null, timezone: "UTC" }, description: null, agent_type: null, model: null,
		emails: [], updated_at: cleared.updated_at });
	assertError(await user.api.request("PUT", path, { json: { schedule: { interval_s: 60, cron: "* * * * *" } } }), "BAD_REQUEST");
	assertError(await user.api.request("PUT", path, { json: { schedule: { interval_s: 59, cron: "x;y", timezone: "Mars/Dust" }, emails: ["x"] } }), "BAD_REQUEST",
	    ["schedule.interval_s", "schedule.cron", "schedule.timezone", "emails"]);
	const source = await create(user, SOURCES, { process_id: made.id, platform: "api", resource_identifier: "x" });
	assertStatus(await user.api.delete(path), 204);
	assertError(await user.api.get(`${SOURCES}/${source.id}`), "NOT_FOUND");
	assert.equal((await millrace.psql(`SELECT count(*) FROM topic_owner WHERE owner_id = '${user.uid}'`)).trim(), "0");
});

test("a page of long processes is bounded by bytes, and Link goes on", async () => {
	const user = await newUser(api), found = [];
	await millrace.psql(`INSERT INTO agent_process (owner_id, name, description) SELECT '${user.uid}', 'p' || n, repeat('😀', 2000) FROM generate_series(1, 60) n`);
	let path = `${PROCESSES}?limit=200`, pages = 0;
	for (; path; pages++) {
		const reply = assertStatus(await user.api.get(path), 200);
		assert.ok(reply.text.length < 200000, `${reply.text.length} characters`);
		found.push(...reply.json.map((p) => p.name));
		path = /^<([^>]+)>; rel="next"$/.exec(reply.headers.link ?? "")?.[1];
	}
	assert.deepEqual([found.length, new Set(found).size, pages > 1], [60, 60, true]);
});

test("starting, stopping and pausing is told to the agent's room and its user's", async () => {
	const user = await newUser(api), { id } = await create(user, PROCESSES, { name: "p" });
	const control = (json) => user.api.post("/api/agent/control", json);
	const started = assertStatus(await control({ action: "start", agent_id: id, execution_mode: "manual" }), 200).json;
	assertKeys(started, ["agent_id", "status", "execution_mode", "model", "next_run_at", "updated_at", "container"]);
	assert.deepEqual([started.agent_id, started.status, started.next_run_at], [id, "active", null]);
	assertError(await control({ action: "start", agent_id: id, execution_mode: "scheduled" }), "CONFLICT");
	assertStatus(await control({ action: "pause" }), 200);
	assert.equal(assertStatus(await user.api.get(`/api/agent/status?agent_id=${id}`), 200).json.status, "paused");
	assertStatus(await user.api.post("/api/config/update", { schedule: { interval_s: 3600 } }), 200);
	const scheduled = assertStatus(await control({ action: "start", agent_id: id, execution_mode: "scheduled" }), 200).json;
	assert.equal(Date.parse(scheduled.next_run_at) - Date.parse(scheduled.updated_at), 3600e3);
	assertError(await user.api.post("/api/config/update", { agent_id: id, schedule: null }), "CONFLICT");
	assertStatus(await control({ action: "stop", agent_id: id }), 200);
	const wanted = ["active", "stopped", "active", "stopped"].map((status) => ({ agent_id: id, status }));
	for (const topic of [`agent:${id}`, `user:${user.uid}`])
		assert.deepEqual((await eventsOf(millrace, topic)).map((e) => [e.type, e.data]), wanted.map((data) => ["agent_status", data]));
	assertError(await control({ action: "jump", agent_id: "123", execution_mode: "x" }), "BAD_REQUEST", ["action", "agent_id", "execution_mode"]);
	const none = { agent_id: randomUUID() };
	for (const reply of [await control({ action: "start", ...none }), await user.api.post("/api/agent/config", { model: "m", ...none }), await user.api.post("/api/config/update", { emails: [], ...none }),
		await user.api.post("/api/config/connection-emails", { emails: [], ...none }), await user.api.post("/api/agent/task", none),
		...await Promise.all(["/api/agent/status", "/api/config/update", "/api/config/connection-emails"].map((path) => user.api.get(`${path}?agent_id=${none.agent_id}`)))]) {
		assertError(reply, "NOT_FOUND");
		assert.equal(reply.json.error, "There is no process of this id.");
	}
});

test("the configuration without agent_id is that of the first process, and makes one", async () => {
	const user = await newUser(api), get = async (path) => assertStatus(await user.api.get(path), 200).json;
	const none = { agent_id: null, model: null, emails: [], execution_mode: "manual", schedule: { interval_s: null, cron: null, timezone: "UTC" }, next_runs: [],
		updated_at: null };
	assert.deepEqual(await get("/api/config/update"), none);
	assert.deepEqual(await get("/api/agent/status"), { agent_id: null, status: "stopped", execution_mode: "manual", model: null, next_run_at: null, updated_at: null,
		container: { status: "none", since: null } });
	assert.deepEqual(await get("/api/config/connection-emails"), { agent_id: null, emails: [] });
	const unmade = await user.api.post("/api/agent/control", { action: "start" });
	assertError(unmade, "NOT_FOUND");
	assert.match(unmade.json.error, /POST \/api\/v1\/admin\/processes/);
	const made = assertStatus(await user.api.post("/api/config/update", { emails: ["a@example.org"], schedule: { cron: "@hourly" } }), 200).json;
	assert.match(made.agent_id, UUID7);
	assert.equal(made.next_runs.length, 5);
	made.next_runs.forEach((t) => assert.match(t, /:00:00(\.0+)?Z$/));
	await create(user, PROCESSES, { name: "later" });
	assert.equal(assertStatus(await user.api.post("/api/agent/config", { model: "gpt-4o-mini" }), 200).json.agent_id, made.agent_id);
	const now = await get("/api/v1/config/update");
	assert.deepEqual(now, { ...made, model: "gpt-4o-mini", updated_at: now.updated_at });
	assert.deepEqual(assertStatus(await user.api.post("/api/v1/config/connection-emails", { emails: ["b@example.org"] }), 200).json,
	    { agent_id: made.agent_id, emails: ["b@example.org"] });
	const after = await get(`/api/config/update?agent_id=${made.agent_id}`);
	assert.deepEqual([after.emails, after.schedule.cron, after.model], [["b@example.org"], "@hourly", "gpt-4o-mini"]);
	for (const path of ["/api/config/update", "/api/agent/status", "/api/config/connection-emails"])
		assertError(await user.api.get(`${path}?agent_id=${randomUUID()}`), "NOT_FOUND");
	assert.equal((await ids(user, PROCESSES)).length, 2);
});

const SOURCE = { process_id: null, platform: "google_drive", resource_identifier: "folder_1", resource_name: "Leads", config: [{ sheet: 1 }, "x"] };

test("data sources: one or many, all or none; listed by process; deleted one by one and together", async () => {
	const user = await newUser(api), { id: process_id } = await create(user, PROCESSES, { name: "p" });
	const one = await create(user, SOURCES, { ...SOURCE, process_id });
	assertKeys(one, ["id", ...Object.keys(SOURCE), "secret", "headers", "created_at", "updated_at"]);
	assert.deepEqual({ ...one, ...SOURCE, process_id }, one);
	const many = await create(user, "/api/v1/datasources", [{ platform: "api", resource_identifier: "a" }, { ...SOURCE, platform: "url", resource_identifier: "https://x.example/y" }]);
	assert.deepEqual(many.map((s) => [s.platform, s.process_id, s.resource_name, s.config]), [["api", null, null, []], ["url", null, "Leads", SOURCE.config]]);
	assert.deepEqual(await create(user, SOURCES, [SOURCE]).then((l) => l.length), 1);
	for (const path of [SOURCES, "/api/v1/datasources", "/api/user/datasources", "/api/v1/user/datasources"])
		assert.equal((await ids(user, path)).length, 4, path);
	assert.deepEqual(await ids(user, `${SOURCES}?process_id=${process_id}`), [one.id]);
	assertError(await user.api.post(SOURCES, [SOURCE, { ...SOURCE, platform: "ftp" }]), "BAD_REQUEST", ["platform"]);
	assertError(await user.api.post(SOURCES, [SOURCE, { ...SOURCE, process_id: randomUUID() }]), "NOT_FOUND");
	for (const body of [[], ["x"], Array(101).fill(SOURCE), "x"])
		assertError(await user.api.post(SOURCES, body), "BAD_REQUEST");
	for (const platform of ["url", "api"])
		for (const resource_identifier of ["file:///etc/passwd", "https://", "https://ada:pw@x.example/", "https://x.example/a b", "http://x.example\r\nX: y/", "https://x.example\\@y.example/", "https://?x"])
			assertError(await user.api.post(SOURCES, { ...SOURCE, platform, resource_identifier }), "BAD_REQUEST");
	for (const resource_identifier of ["https://x.example", "HTTP://[2001:db8::1]:80/ü?q=a@b#c", "https://x.example?q"])
		assertStatus(await user.api.delete(`${SOURCES}/${(await create(user, SOURCES, { ...SOURCE, platform: "url", resource_identifier })).id}`), 204);
	assertError(await user.api.post(SOURCES, { ...SOURCE, config: { a: 1 } }), "BAD_REQUEST", ["config"]);
	const path = `${SOURCES}/${one.id}`;
	const changed = assertStatus(await user.api.request("PUT", path, { json: { processId: null, resource_name: null, config: [] } }), 200).json;
	assert.deepEqual(changed, { ...one, process_id: null, resource_name: null, config: [], updated_at: changed.updated_at });
	assertStatus(await user.api.delete(path), 204);
	assertError(await user.api.delete(path), "NOT_FOUND");
	const gone = [many[0].id.toUpperCase(), many[1].id, many[1].id, randomUUID()];
	assert.deepEqual(assertStatus(await user.api.request("DELETE", SOURCES, { json: { ids: gone } }), 200).json, { deleted: 2 });
	assertError(await user.api.request("DELETE", SOURCES, { json: { ids: ["x"] } }), "BAD_REQUEST", ["ids"]);
	assert.equal((await ids(user, SOURCES)).length, 1);
});

test("nobody has what is somebody else's, nor puts anything to it", async () => {
	const [user, other] = [await newUser(api), await newUser(api)];
	const process = await create(user, PROCESSES, FULL), source = await create(user, SOURCES, SOURCE);
	assertError(await other.api.post(SOURCES, { ...SOURCE, process_id: process.id }), "NOT_FOUND");
	assert.deepEqual(assertStatus(await other.api.request("DELETE", SOURCES, { json: { ids: [source.id] } }), 200).json, { deleted: 0 });
	assertError(await other.api.post("/api/agent/control", { action: "start", agent_id: process.id }), "NOT_FOUND");
	assertError(await other.api.post("/api/config/update", { agent_id: process.id, model: "x" }), "NOT_FOUND");
	assert.deepEqual(assertStatus(await user.api.get(`${PROCESSES}/${process.id}`), 200).json, process);
	assert.deepEqual(await ids(user, SOURCES), [source.id]);
});

test("by cookie a change needs the header", async () => {
	const { session } = await signedIn(api);
	assertError(await session.api.request("POST", SOURCES, { json: SOURCE, headers: { cookie: session.cookie } }), "FORBIDDEN");
	assertStatus(await session.send("POST", SOURCES, { json: SOURCE }), 201);
	assertStatus(await session.send("POST", "/api/agent/config", { json: { model: "m" } }), 200);
});

/* -------------------------------------------------------------- schedules */

const next = async (cron, zone, since, n = 1) => (await millrace.psql(`SELECT rfc3339(t) FROM unnest(cron_next('${cron}', '${zone}', '${since}', ${n})) t`))
    .trim().split("\n").map((t) => t.replace(/(\.\d+)?Z$/, "Z").replace(":00Z", "Z"));

test("cron's next times", async () => {
	const cases = [
		["*/15 9-10 * * MON-FRI", "UTC", "2027-01-01T10:31Z", ["2027-01-01T10:45Z", "2027-01-04T09:00Z", "2027-01-04T09:15Z"]],
		["0 0 29 feb *", "UTC", "2027-01-01Z", ["2028-02-29T00:00Z"]],
		["0 0 29 2 *", "UTC", "2096-03-01Z", ["2104-02-29T00:00Z"]],
		["0 12 * * 7", "UTC", "2027-01-01Z", ["2027-01-03T12:00Z", "2027-01-10T12:00Z"]],
		["0 12 * * 5-7", "UTC", "2027-01-01Z", ["2027-01-01T12:00Z", "2027-01-02T12:00Z", "2027-01-03T12:00Z", "2027-01-08T12:00Z"]],
		["0 0 13 * 5", "UTC", "2027-01-02Z", ["2027-01-08T00:00Z", "2027-01-13T00:00Z"]],
		["0 0 */13 * 5", "UTC", "2027-01-02Z", [naive()]],
		["1,2,59 23 31 * *", "America/New_York", "2027-02-01Z", ["2027-02-01T04:01Z", "2027-02-01T04:02Z", "2027-02-01T04:59Z", "2027-04-01T03:01Z"]],
		["@yearly", "Asia/Tokyo", "2027-06-01Z", ["2027-12-31T15:00Z"]],
	];
	for (const [cron, zone, since, wanted] of cases)
		assert.deepEqual(await next(cron, zone, since, wanted.length), wanted, cron);
});

/* The first Friday from 2 January 2027 on that is a 1st, 14th or 27th. */
function naive() {
	for (let t = Date.UTC(2027, 0, 2); ; t += 86400e3)
		if (new Date(t).getUTCDay() === 5 && [1, 14, 27].includes(new Date(t).getUTCDate()))
			return `${new Date(t).toISOString().slice(0, 10)}T00:00Z`;
}

test("a schedule over a change of clocks", async () => {
	const spring = "2027-03-27T12:00Z", autumn = "2027-10-30T12:00Z";
	const cases = [
		["30 2 * * *", "Europe/Berlin", spring, ["2027-03-28T01:30Z", "2027-03-29T00:30Z"]],     /* 02:30 does not exist: 03:30 */
		["30 2 * * *", "Europe/Lisbon", spring, ["2027-03-28T01:30Z", "2027-03-29T01:30Z"]],
		["15 1 * * *", "Europe/Lisbon", spring, ["2027-03-28T01:15Z", "2027-03-29T00:15Z"]],
		["30 2,3 * * *", "Europe/Berlin", spring, ["2027-03-28T01:30Z", "2027-03-29T00:30Z"]],    /* both are 03:30, which is once */
		["30 2 * * *", "Europe/Berlin", autumn, ["2027-10-31T00:30Z", "2027-11-01T01:30Z"]],     /* twice 02:30: the first */
		["*/30 * * * *", "Europe/Berlin", "2027-10-30T23:40Z", ["2027-10-31T00:00Z", "2027-10-31T00:30Z", "2027-10-31T01:00Z", "2027-10-31T01:30Z"]],
		["*/30 * * * *", "Europe/Berlin", "2027-03-28T00:10Z", ["2027-03-28T00:30Z", "2027-03-28T01:00Z", "2027-03-28T01:30Z"]],
		["0 2 * * *", "Australia/Lord_Howe", "2027-10-02T00:00Z", ["2027-10-02T15:30Z", "2027-10-03T15:00Z"]],     /* by half an hour */
		["45 1 * * *", "Australia/Lord_Howe", "2027-04-03T00:00Z", ["2027-04-03T14:45Z", "2027-04-04T15:15Z"]],
		["30 0 * * *", "America/Santiago", "2027-09-04T12:00Z", ["2027-09-05T04:30Z"]],           /* no midnight on that day */
	];
	for (const [cron, zone, since, wanted] of cases)
		assert.deepEqual(await next(cron, zone, since, wanted.length), wanted, `${cron} ${zone} ${since}`);
});

test("a schedule that is not understood is refused in words, and nothing of it is kept", async () => {
	const user = await newUser(api), { id } = await create(user, PROCESSES, { name: "p" });
	const cases = { "0 0 L * *": /day cannot be "l"/, "0 0 15W * *": /15w/, "0 0 * * 5#3": /5#3/, "0 0 * * FRI-MON": /backwards/, "0 22-2 * * *": /backwards/,
		"5/15 * * * *": /a step is of \* or a range/, "*/90 * * * *": /from 1 to 59/, "*/0 * * * *": /step/, "? * * * *": /cannot be/, "60 * * * *": /from 0 to 59/,
		"0 24 * * *": /from 0 to 23/, "0 0 31 2 *": /never comes/, "0 0 * * MON,": /cannot be/, "0 0 * * Monday": /monday/, "0 0 0 * * *": /seconds are not supported/,
		"* * * *": /five fields/, "@reboot": /five fields/, "@every 5m": /five fields/, "0 0 * * +FRI": /cannot be/, "H * * * *": /cannot be/, "0 0 1-x * *": /cannot be/ };
	for (const [cron, why] of Object.entries(cases)) {
		const reply = await user.api.post("/api/config/update", { agent_id: id, schedule: { cron, timezone: "Europe/Berlin" } });
		assertError(reply, "BAD_REQUEST", undefined, cron);
		assert.match(reply.json.error, why, cron);
	}
	assert.equal(assertStatus(await user.api.get(`/api/config/update?agent_id=${id}`), 200).json.schedule.cron, null);
	for (const cron of ["*/15 9-17 * * mon-fri", "0 0 * JAN,feb 0-7", "@midnight", "  0  0 1 * * ", "0-58/2 * * * *"])
		assert.equal(assertStatus(await user.api.post("/api/config/update", { agent_id: id, schedule: { cron, timezone: "Europe/Berlin" } }), 200).json.next_runs.length, 5, cron);
});

test("an interval counts from the start", async () => {
	const user = await newUser(api), { id } = await create(user, PROCESSES, { name: "p", schedule: { interval_s: 600 } });
	await millrace.psql(`UPDATE agent_process SET started_at = now() - interval '25 minutes', execution_mode = 'scheduled', status = 'active' WHERE id = '${id}'`);
	const wanted = (await millrace.psql(`SELECT rfc3339(started_at + interval '30 minutes') FROM agent_process WHERE id = '${id}'`)).trim();
	const { next_run_at } = assertStatus(await user.api.get(`/api/agent/status?agent_id=${id}`), 200).json;
	assert.equal(next_run_at, wanted);
	assert.match(next_run_at, TIME);
});
