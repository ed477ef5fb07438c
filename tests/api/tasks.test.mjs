/* Tasks: rows of data sources matched with leads, how that is told, and by what it is begun. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT, newUser, shared } from "../js/instance.mjs";
import { TIME, UUID7, assertError, assertKeys, assertStatus, until } from "../js/expect.mjs";
import { eventsOf } from "../js/log.mjs";
import { closeAll, connected, hear } from "../js/sockets.mjs";

let millrace, api;
before(async () => { millrace = await shared(); ({ api } = millrace); });
after(closeAll);

const TASK = "/api/agent/task", PROCESSES = "/api/v1/admin/processes", SOURCES = "/api/datasources", STAGES = ["extract", "load", "transform", "match"];
const create = async (user, path, json) => assertStatus(await user.api.post(path, json), 201).json;
const get = async (user, path) => assertStatus(await user.api.get(path), 200).json;
const ended = (user, task) => until(async () => {
	const now = await get(user, `${TASK}/${task.id}`);
	return now.ended_at && now;
}, `the end of the task ${task.id}`);

async function upload(user, filename, text) {
	const file = { filename, type: "application/octet-stream", bytes: text };
	return assertStatus(await user.api.upload("/api/documents/upload", { name: filename, file }), 202).json.documentId;
}

/* A process with an upload as its source. */
async function processOf(user, filename, text, more = {}) {
	const { id: process_id } = await create(user, PROCESSES, { name: "Leads" });
	await create(user, SOURCES, { process_id, platform: "upload", resource_identifier: await upload(user, filename, text), ...more });
	return process_id;
}
const leads = (user, ...rows) => Promise.all(rows.map((row) => create(user, "/api/leads", row)));
async function run(user, body = {}) {
	return ended(user, await create(user, TASK, body));
}

test("rows of an upload find their leads: by address, number, the same mailbox, the same name, a similar one", async () => {
	const user = await newUser(api);
	const [ana, bruno, carla, dora, elsa, same] = await leads(user,
	    { name: "Ana Silva", email: "Ana.Silva@Shop.example" }, { name: "Bruno", phone: "+351 912 345 678" },
	    { name: "Carla", email: "carla@gmail.com" }, { name: "Dora Müller GmbH" }, { name: "Elsabetta Catarina Moreira" }, { name: "X", phone: "+52 1 55 1234 5678" });
	const process_id = await processOf(user, "Leads.csv",
	    "Nome;E-mail;Telemóvel;Notas\n" +
	    "A. S.;\"Ana <ANA.silva@shop.example>\";;first\n" +
	    ";;912 345 678 / 913 000 000;\n" +
	    "C;c.a.r.l.a+news@googlemail.com;;\n" +
	    "\"Muller, Dora\";;;\n" +
	    "Elzabetta Catarina Moreira;;;\n" +
	    ";;+52 55 1234 5678;\n" +
	    "Nobody At All;no@body.example;+351 999 999 999;\n" +
	    "Ana Silva;ana.silva@shop.example;;twice\n", { config: [{ region: "pt" }], resource_name: "Leads of May" });
	const task = await run(user, { agent_id: process_id });
	assert.deepEqual([task.status, task.progress, task.rows, task.matches, task.error, task.filename], ["completed", 100, 8, 7, null, "Leads of May"]);
	assert.deepEqual(Object.keys(task.pipeline).sort(), [...STAGES].sort());
	for (const stage of STAGES)
		assert.deepEqual(task.pipeline[stage], { status: "completed", progress: 100, rows: 8, error: null });
	const found = await get(user, `/api/agent/matches?process_id=${process_id}`);
	const by = Object.fromEntries(found.map((m) => [m.row.number, m]));
	assert.deepEqual(Object.keys(by).map((n) => by[n].lead.id), [ana, bruno, carla, dora, elsa, same, ana].map((l) => l.id));
	assert.deepEqual([2, 3, 4, 5, 7, 9].map((n) => [by[n].score, by[n].reasons]), [
		[96, ["same e-mail address"]], [96, ["same phone number"]], [75, ["same mailbox, perhaps"]], [60, ["same name"]],
		[96, ["same phone number"]], [98, ["same e-mail address", "same name"]]]);
	assert.match(by[6].reasons.join(), /^similar name \(0\.\d\d\)$/);
	assert.ok(by[6].score >= 30 && by[6].score < 60, by[6].score);
	assertKeys(by[2], ["id", "process_id", "task_id", "score", "reasons", "lead", "row", "created_at"]);
	assert.match(by[2].id, UUID7);
	assert.match(by[2].created_at, TIME);
	assert.deepEqual(by[2].row.values, { Nome: "A. S.", "E-mail": "Ana <ANA.silva@shop.example>", "Telemóvel": "", Notas: "first" });
	assert.equal(by[2].row.filename, "Leads of May");
	/* A page of them, by another process's, by nobody. */
	const page = await user.api.get("/api/v1/agent/matches?limit=3");
	assert.deepEqual(assertStatus(page, 200).json.map((m) => m.id), found.slice(0, 3).map((m) => m.id));
	assert.ok(page.headers.link);
	assert.deepEqual(await get(user, `/api/agent/matches?process_id=${randomUUID()}`), []);
	const other = await newUser(api);
	assert.deepEqual(await get(other, "/api/agent/matches"), []);
	for (const path of [`${TASK}/${task.id}`, `/api/v1/agent/task/${task.id}`])
		assertError(await other.api.get(path), "NOT_FOUND");
	assertError(await other.api.post(TASK, { process_id }), "NOT_FOUND");
	assertError(await other.api.post(TASK, {}), "NOT_FOUND");
	/* Leads change, and are deleted; the next task's matches stand in place of these. */
	assertStatus(await user.api.patch(`/api/leads/${bruno.id}`, { phone: "+351 913 000 000" }), 200);
	assertStatus(await user.api.delete(`/api/leads/${carla.id}`), 204);
	assert.equal((await get(user, "/api/agent/matches")).length, 6);
	const again = await run(user);
	assert.deepEqual([again.status, again.matches], ["completed", 5]);
	assert.ok((await get(user, "/api/agent/matches")).every((m) => m.task_id === again.id));
	await until(async () => (await millrace.psql(`SELECT count(*) FROM task t WHERE t.process_id = '${process_id}' AND NOT swept`)).trim() === "0", "the sweep");
	assert.equal((await millrace.psql(`SELECT count(*) FROM match m JOIN task t ON t.id = m.task_id WHERE t.process_id = '${process_id}'`)).trim(), "5");
	/* The document's copies go with it. */
	const [{ id: document }] = await get(user, "/api/documents");
	assertStatus(await user.api.delete(`/api/documents/${document}`), 204);
	await until(async () => (await get(user, "/api/agent/matches")).length === 0, "the copies' end");
	const without = await run(user);
	assert.deepEqual([without.status, without.error], ["failed", "Leads of May: There is no such document any more."]);
	assert.deepEqual(without.pipeline.extract, { status: "failed", progress: 0, rows: 0, error: without.error });
	assertStatus(await user.api.delete(`${PROCESSES}/${process_id}`), 204);
	assertError(await user.api.get(`${TASK}/${again.id}`), "NOT_FOUND");
});

test("of many leads with the same key the one with the same address, or number, is found, be rows few or many", async () => {
	const user = await newUser(api), n = 60;
	await millrace.psql(`INSERT INTO lead (owner_id, name, email, phone) SELECT '${user.uid}', 'Ana Silva', 'ana+' || i || '@a.example',
		CASE WHEN i < ${n} THEN '+52 55 1234 5678' ELSE '+52 81 1234 5678' END FROM generate_series(1, ${n}) i`);
	const last = (await millrace.psql(`SELECT id FROM lead WHERE owner_id = '${user.uid}' AND email = 'ana+${n}@a.example'`)).trim();
	for (const others of [0, 40]) {
		const process_id = await processOf(user, "many.csv", `name,email,phone\nX,ANA+${n}@a.example,\nX,,+52 81 1234 5678\nSilva Ana,ana@a.example,\n` +
		    Array.from({ length: others }, (_, i) => `nobody,no${i}@body.example,\n`).join(""));
		assert.equal((await run(user, { process_id })).matches, 3);
		const found = (await get(user, `/api/agent/matches?process_id=${process_id}`)).sort((a, b) => a.row.number - b.row.number);
		assert.deepEqual(found.slice(0, 2).map((m) => [m.lead.id, m.score, m.reasons]), [[last, 96, ["same e-mail address"]], [last, 96, ["same phone number"]]]);
		assert.deepEqual([found[2].score, found[2].reasons], [77, ["same mailbox, perhaps", "same name"]]);
	}
});

test("what else rows may be: JSON, JSON Lines, a table without names; and what cannot be read is said", async () => {
	const user = await newUser(api), [lead] = await leads(user, { name: "Zoé", email: "zoe@a.example", phone: "+351912345678" });
	const good = {
		"a.json": JSON.stringify({ total: 1, data: [{ contact: { x: 1 }, Mail: "ZOE@A.example" }] }),
		"b.jsonl": "{\"tel\":351912345678}\n\n{\"tel\":\"+351 912 345 678\"},\n",
		"c.csv": "Zoe,zoe@a.example\n",
		"d.txt": "first name\tlast name\nZoé\t\n",
		"titles.csv": ",,\nLeads of May,,\nfor Ana,,\n,,\nWho,Mail,\nX,zoe@a.example,\n",
		"lines.json": JSON.stringify([{ tel: "+351 912 345 678\n+351 999 000 000" }]),
	};
	for (const [name, text] of Object.entries(good)) {
		const process_id = await processOf(user, name, text), task = await run(user, { process_id });
		assert.deepEqual([name, task.status, task.error, task.matches > 0], [name, "completed", null, true]);
		assert.equal((await get(user, `/api/agent/matches?process_id=${process_id}`))[0].lead.id, lead.id);
	}
	const bad = { "e.csv": ["a,b\n1,2\n", /^upload: No column of it is known/], "f.json": ["[{\"email\": \"a@b.example\"}, {\"email\"", /too soon/],
		"g.pdf": ["%PDF-1.4 broken", /^upload: /] };
	for (const [name, [text, why]] of Object.entries(bad)) {
		const task = await run(user, { process_id: await processOf(user, name, text) });
		assert.deepEqual([name, task.status, task.pipeline.extract.status], [name, "failed", "failed"]);
		assert.match(task.error, why);
	}
	const { id: empty } = await create(user, PROCESSES, { name: "empty" });
	assert.equal((await run(user, { process_id: empty })).error, "The process has no data sources.");
});

/* What exports of other programs have: a lead of each row is found, whose name is the file's. */
test("files as other programs write them", async () => {
	const user = await newUser(api), utf16 = (text) => Buffer.from(`\ufeff${text}`, "utf16le");
	const files = {
		"groups.csv": "Contact,,,Order\nName,Phone,E-mail,Total\nX,,groups@a.example,3\n",
		"about.csv": "Export date,2024-05-01\nReport,Leads\n,\nWho,Customer phone,Work e-mail\nX,,about@a.example\n",
		"one.csv": "email\none@a.example\n",
		"camel.json": JSON.stringify({ meta: { page: 1 }, data: { items: [{ firstName: "X", emailAddress: "camel@a.example" }] } }),
		"nested.jsonl": `{"id":1,"contact":{"name":"X","channels":{"email":"nested@a.example"}}}\n{"id":2,"contact":null}\n`,
		"lists.json": JSON.stringify([{ name: "X", emails: ["lists@a.example", "other@a.example"] }]),
		"wide.json": utf16(JSON.stringify([{ mail: "wide@a.example" }])),
		"plain.json": JSON.stringify(["plain@a.example"]),
		"nulls.json": JSON.stringify([null, { mail: "nulls@a.example" }, null, { mail: null }]), "nested.json": JSON.stringify({ data: { rows: [null, { mail: "nested.json@a.example" }] } }),
		"below.csv": "Name,Contact,,Total\n,Phone,E-mail,\nX,,below@a.example,1\n", "kinds.csv": "email,type,label\nkinds@a.example,mobile,home\n",
		"second.csv": "name,phone,mobile\nX,,+351 912 345 001\n",
		"float.csv": "phone,n\n351912345002.0,1\n", "exact.csv": "phone,n\n9.12345003E+8,1\n", "prefix.csv": "phone,n\n00351 912 345 004,1\n",
	};
	const phones = { "second.csv": "+351912345001", "float.csv": "+351912345002", "exact.csv": "+351912345003", "prefix.csv": "+351912345004" };
	await leads(user, ...Object.keys(files).map((name) => phones[name] ? { name, phone: phones[name] } : { name, email: `${name === "nested.json" ? name : name.split(".")[0]}@a.example` }));
	const of = {};
	for (const [name, text] of Object.entries(files)) {
		const region = name === "exact.csv" ? "PT" : name === "float.csv" ? "US" : undefined;
		const process_id = of[name] = await processOf(user, name, name === "float.csv" ? text.replace("3519", "+3519") : text, region && { config: [{ region }] });
		const task = await run(user, { process_id });
		assert.deepEqual([name, task.status, task.error, task.matches], [name, "completed", null, 1], JSON.stringify(task.pipeline.extract));
		const [match] = await get(user, `/api/agent/matches?process_id=${process_id}`);
		assert.deepEqual([match.lead.name, match.score], [name, 96]);
	}
	const [{ row: joined }] = await get(user, `/api/agent/matches?process_id=${of["below.csv"]}`);
	assert.deepEqual(joined.values, { Name: "X", Phone: "", "E-mail": "below@a.example", Total: "1" });
	/* What is told: digits that a program has lost, numbers without a country. */
	for (const [text, config, why] of [["phone,n\n3.51912E+11,1\n", [{ region: "DE" }], /^$/], ["phone,n\n912 345 001,1\n", [], /^upload: Numbers without a country, which are not compared: 1\. Say in/]]) {
		const task = await run(user, { process_id: await processOf(user, "lost.csv", text, { config }) });
		assert.deepEqual([task.status, task.matches], ["completed", 0]);
		assert.match(task.pipeline.extract.error ?? "", why);
	}
});

/* What dialects of CSV do to each other: every file has one lead of each of its rows, or says why not. */
test("CSV with every fault of its dialects", async () => {
	const user = await newUser(api), people = ["ana", "bea", "cid", "dan"];
	await leads(user, ...people.map((name) => ({ name, email: `${name}@a.example` })));
	const at = (name) => `${name}@a.example`, utf16 = (text, big) => { const b = Buffer.from(`\ufeff${text}`, "utf16le"); return big ? b.swap16() : b; };
	const files = {
		"bare quotes": `note,email\n5" pipe,${at("ana")}\n6" pipe,${at("bea")}\n`,
		"a quote after a quoted cell": `note,email\n"5"" pipe" long,${at("ana")}\n7,${at("bea")}\n`,
		"a quote after a blank": `note, email\n"red, tall", "${at("ana")}"\nx, "${at("bea")}"\n`,
		"backslashes": `note,email\n"say \\"hi\\"",${at("ana")}\nx,${at("bea")}\n`,
		"an open quote": `note,email\n"never closed,${at("ana")}\nx,${at("bea")}\n`,
		"CR alone": `note,email\rx,${at("ana")}\ry,${at("bea")}\r`,
		"all line ends": `note,email\r\nx,${at("ana")}\ny,${at("bea")}\rz,${at("cid")}\r\n`,
		"no line end": `note,email\nx,${at("ana")}\ny,${at("bea")}`,
		"UTF-16": utf16(`note\temail\nx\t${at("ana")}\ny\t${at("bea")}\n`, false),
		"UTF-16, the other way": utf16(`note;email\nx;${at("ana")}\ny;${at("bea")}\n`, true),
		"a mark at the start": `\ufeffemail\n${at("ana")}\n${at("bea")}\n`,
		"windows-1252": Buffer.from(`nome;email\nJos\xe9;${at("ana")}\nZo\xe9;${at("bea")}\n`, "latin1"),
		"bytes of no encoding": Buffer.concat([Buffer.from("note,email\n\xff\xfe\x80,", "latin1"), Buffer.from(`${at("ana")}\ny,${at("bea")}\n`)]),
		"a delimiter that is named": `sep=;\nnote;email\n1,5;${at("ana")}\n2,25;${at("bea")}\n`,
		"decimal commas": `note;email\n1,5;${at("ana")}\n2,25;${at("bea")}\n`,
		"ragged rows": `note,email\n${at("ana")}\nx,${at("bea")}\nx,${at("cid")},1,2,3\n`,
		"empty lines": `\n\nnote,email\n\nx,${at("ana")}\n\n\ny,${at("bea")}\n\n`,
		"names twice, and none": `email,email,,\n${at("ana")},x,y,z\n${at("bea")},x,y,z\n`,
		"formulas": `note,email\n=1+1,${at("ana")}\n"=HYPERLINK(""http://x"")",${at("bea")}\n`,
		"a cell of lines": `note,email\n"one\ntwo\r\nthree",${at("ana")}\ny,${at("bea")}\n`,
		"a thousand columns": `email${",x".repeat(1000)}\n${at("ana")}${",1".repeat(1000)}\n${at("bea")}\n`,
		"a long cell": `email,note\n${at("ana")},${"y".repeat(1 << 20)}\n${at("bea")},x\n`,
	};
	const seen = {}, less = { "an open quote": ["bea"], "ragged rows": ["bea", "cid"], "all line ends": ["ana", "bea", "cid"] };
	const { id: process_id } = await create(user, PROCESSES, { name: "CSV" });
	for (const [name, text] of Object.entries(files))
		await create(user, SOURCES, { process_id, platform: "upload", resource_identifier: await upload(user, "rows.csv", text), resource_name: name });
	await create(user, SOURCES, { process_id, platform: "upload", resource_identifier: await upload(user, "nul.csv", `note,email\nx\0y,${at("dan")}\n`), resource_name: "zero bytes" });
	const task = await run(user, { process_id });
	assert.equal(task.status, "completed", task.error);
	const found = [];
	for (let page, before = ""; !page || page.headers.link; before = `&before=${found.at(-1).id}`) {
		page = await user.api.get(`/api/agent/matches?process_id=${process_id}&limit=200${before}`);
		found.push(...assertStatus(page, 200).json);
	}
	for (const m of found)
		(seen[m.row.filename] ??= []).push(m.lead.name), m.row.filename === "a thousand columns" && m.lead.name === "ana" && assert.equal(Object.keys(m.row.values).length, 500);
	for (const name of Object.keys(files))
		assert.deepEqual((seen[name] ?? []).sort().filter((lead) => !(name === "an open quote" && lead === "ana")), less[name] ?? ["ana", "bea"], `${name}: ${task.pipeline.extract.error}`);
});

test("spreadsheets that expand without end are refused as sources, and the next is read", async () => {
	const user = await newUser(api), file = (name) => readFileSync(join(ROOT, "tests/extract/cases", name));
	await leads(user, { name: "Ana", email: "ana@a.example" });
	for (const name of ["xlsx-bomb.xlsx", "ods-bomb.ods"]) {
		const process_id = await processOf(user, name, file(name), { resource_name: name });
		await create(user, SOURCES, { process_id, platform: "upload", resource_identifier: await upload(user, "good.csv", "email\nana@a.example\n") });
		const task = await run(user, { process_id });
		assert.deepEqual([name, task.status, task.matches], [name, "completed", 1]);
		assert.match(task.pipeline.extract.error, new RegExp(`^${name}: .`));
	}
});

test("tasks of a process are done one after the other, and what the last one found is shown", async () => {
	const user = await newUser(api), process_id = await processOf(user, "one.csv", "email\na@b.example\n"), go = await millrace.holdRunner();
	await leads(user, { name: "A", email: "a@b.example" });
	const tasks = [];
	for (let i = 0; i < 3; i++)
		tasks.push(await create(user, TASK, { process_id }));
	/* The first is long: whoever does the next has to wait for its end. */
	await millrace.psql(`UPDATE job SET run_at = now() + interval '3 seconds' WHERE run_id = '${tasks[0].id}'`);
	go();
	const done = [];
	for (const task of tasks)
		done.push(await ended(user, task));
	assert.deepEqual(done.map((t) => t.status), ["completed", "completed", "completed"]);
	const order = (await millrace.psql(`SELECT id FROM task WHERE process_id = '${process_id}' ORDER BY ended_at`)).trim().split("\n");
	assert.deepEqual(order, tasks.map((t) => t.id));
	const [[{ task_id }], states] = [await get(user, "/api/agent/matches"), await millrace.psql(`SELECT max(attempts), bool_and(state = 'done') FROM job WHERE run_id = '${tasks[2].id}'`)];
	assert.equal(task_id, tasks[2].id);
	assert.match(states.trim(), /^[2-9]\|t$/, "it was looked at before its turn, and that cost it nothing");
});

test("a task is told to the agent's room and its user's, stage by stage", async () => {
	const user = await newUser(api);
	await leads(user, { name: "Row 7", email: "row7@a.example" });
	const rows = Array.from({ length: 4500 }, (_, i) => `Row ${i},row${i}@a.example,+35191${String(1000000 + i)}`);
	const process_id = await processOf(user, "many.csv", `name,email,phone\n${rows.join("\n")}\n`);
	const socket = await connected(millrace, user), heard = hear(socket);
	assert.deepEqual(await socket.timeout(120000).emitWithAck("join", { room: `agent_${process_id}` }), { ok: true, room: `agent_${process_id}` });
	const task = await run(user, { process_id });
	assert.deepEqual([task.status, task.rows, task.matches], ["completed", 4500, 1]);
	await until(() => heard.some(([name, data]) => name === "task_update" && data.status === "completed"), "the end");
	const updates = heard.filter(([name]) => name === "task_update").map(([, data]) => data);
	assert.deepEqual([updates[0].status, updates[0].progress, updates.at(-1).progress], ["queued", 0, 100]);
	assert.ok(updates.every((u) => u.id === task.id && u.process_id === process_id));
	assert.deepEqual(updates.map((u) => u.progress), updates.map((u) => u.progress).sort((a, b) => a - b));
	assert.ok(updates.some((u) => u.status === "processing" && u.filename === "many.csv" && /^\+3519/.test(u.phone)));
	const pipelines = heard.filter(([name]) => name === "pipeline_update").map(([, data]) => data);
	for (const stage of STAGES)
		assert.deepEqual([...new Set(pipelines.map((p) => p.pipeline[stage].status))].filter((s) => s !== "pending"), ["running", "completed"], stage);
	assert.ok(pipelines.every((p) => p.process_id === process_id));
	const logged = (await eventsOf(millrace, `user:${user.uid}`)).filter((e) => /^(task|pipeline)_update$/.test(e.type));
	assert.deepEqual(logged.map((e) => [e.type, e.data]), (await eventsOf(millrace, `agent:${process_id}`)).map((e) => [e.type, e.data]));
});

/* The schedule's time is now. */
const due = (process) => millrace.psql(`UPDATE schedule SET due_at = now(), look_at = now() WHERE thing = '${process}'; NOTIFY millrace_periodic, 'schedules'`);

test("a process with a schedule begins a task when it is due, and counts down to the next for who listens", async () => {
	const user = await newUser(api), process_id = await processOf(user, "one.csv", "email\na@b.example\n");
	const control = async (json) => assertStatus(await user.api.post("/api/agent/control", { agent_id: process_id, ...json }), 200).json;
	assertStatus(await user.api.post("/api/config/update", { agent_id: process_id, schedule: { interval_s: 3600 } }), 200);
	const started = await control({ action: "start", execution_mode: "scheduled" });
	assert.equal(Date.parse(started.next_run_at) - Date.parse(started.updated_at), 3600e3);
	const socket = await connected(millrace, user), heard = hear(socket);
	for (const room of [`agent_${process_id}`, `user_${user.uid}`])
		assert.deepEqual(await socket.timeout(120000).emitWithAck("join", { room }), { ok: true, room });
	const counted = () => heard.filter(([name]) => name === "agent_countdown").map(([, data]) => data);
	await until(() => counted().length >= 4, "two seconds, told to both rooms");
	assert.ok(counted().every((c) => c.process_id === process_id && c.remaining_seconds > 3000 && c.remaining_seconds <= 3600), JSON.stringify(counted()));
	assert.ok(counted().at(-1).remaining_seconds < counted()[0].remaining_seconds);
	await due(process_id);
	const update = await until(() => heard.find(([name, data]) => name === "task_update" && data.status === "completed"), "the task");
	assert.match(update[1].due_at, TIME);
	const next = (await get(user, `/api/agent/status?agent_id=${process_id}`)).next_run_at;
	assert.ok(Date.parse(next) > Date.parse(update[1].due_at), next);
	/* Neither while it is paused, nor when it is stopped. */
	for (const action of ["pause", "stop"])
		assert.equal((await control({ action })).next_run_at, null);
	await due(process_id);
	await control({ action: "start" });
	assert.equal((await millrace.psql(`SELECT count(*) FROM task WHERE process_id = '${process_id}'`)).trim(), "1");
	assert.equal((await eventsOf(millrace, `agent:${process_id}`)).filter((e) => e.type === "agent_countdown").length, 0);
	assertStatus(await user.api.delete(`${PROCESSES}/${process_id}`), 204);
	assert.equal((await millrace.psql(`SELECT count(*) FROM schedule WHERE thing = '${process_id}'`)).trim(), "0");
});

test("what cannot begin when it is due begins later, and holds up nothing else", async () => {
	const user = await newUser(api), other = await newUser(api), [one, two] = [await processOf(user, "a.csv", "email\na@b.example\n"), await processOf(other, "b.csv", "email\na@b.example\n")];
	for (const [who, agent_id] of [[user, one], [other, two]]) {
		assertStatus(await who.api.post("/api/config/update", { agent_id, schedule: { cron: "@yearly" } }), 200);
		assertStatus(await who.api.post("/api/agent/control", { agent_id, action: "start", execution_mode: "scheduled" }), 200);
	}
	/* It is nobody's kind. */
	await millrace.psql(`INSERT INTO schedule SELECT 'odd', thing, owner_id, interval_s, cron, timezone, started_at, now(), now() FROM schedule WHERE thing = '${two}'`);
	/* Who is locked out has nothing done. */
	await millrace.psql(`UPDATE app_user SET disabled_at = now() WHERE id = '${user.uid}'`);
	await due(one);
	await due(two);
	await until(async () => (await millrace.psql(`SELECT count(*) FROM task WHERE process_id = '${two}' AND due_at IS NOT NULL`)).trim() === "1", "the other's task");
	await until(async () => (await millrace.psql(`SELECT due_at > now() FROM schedule WHERE thing = '${one}' AND kind = 'process'`)).trim() === "t", "the next time");
	assert.equal((await millrace.psql(`SELECT count(*) FROM task WHERE process_id = '${one}'`)).trim(), "0");
	assert.equal((await millrace.psql(`SELECT look_at > due_at FROM schedule WHERE thing = '${two}' AND kind = 'odd'`)).trim(), "t");
	await millrace.psql(`DELETE FROM schedule WHERE kind = 'odd'`);
});

test("the README's example: a process with a schedule reads a spreadsheet, live", async () => {
	const [code] = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/```mjs\n(.*?)```/gs)].map(([, c]) => c).filter((c) => c.includes("socket.io"));
	const user = await newUser(api), key = assertStatus(await user.api.post("/api/settings/api-keys", { name: "key", scopes: ["read", "write"] }), 201).json.apiKey;
	await leads(user, { name: "Martins, Zoe", phone: "+351 912 345 678" });
	const running = promisify(execFile)(process.execPath, ["--input-type=module", "-e", code.replace("https://localhost:8443", millrace.url)
	    .replace('readFileSync("People.xlsx")', `readFileSync(${JSON.stringify(join(ROOT, "tests/extract/cases/xlsx-gnumeric.xlsx"))})`)],
	{ cwd: join(ROOT, "tests"), timeout: 300000, env: { ...process.env, API_KEY: key, NODE_EXTRA_CA_CERTS: join(millrace.dir, "tls/cert.pem") } });
	let over = false;
	const end = running.finally(() => { over = true; });
	/* The minute need not be over. */
	const thing = await until(async () => over ? "none" : (await millrace.psql(`SELECT thing FROM schedule WHERE owner_id = '${user.uid}'`)).trim(), "the schedule");
	if (!over)
		await due(thing);
	const said = (await end).stdout.trim().split("\n").map((line) => [line.split(" ")[0], JSON.parse(line.slice(line.indexOf(" ")))]);
	assert.equal(said.at(-1)[0], "task_update");
	const task = said.at(-1)[1];
	assert.deepEqual([task.status, task.progress, task.matches, task.process_id], ["completed", 100, 1, thing]);
	for (const stage of STAGES)
		assert.ok(said.some(([name, data]) => name === "pipeline_update" && data.pipeline[stage].status === "completed"), stage);
	const [match] = await get(user, "/api/agent/matches");
	assert.deepEqual([match.row.filename, match.row.number, match.row.values.Customer, match.reasons], ["People.xlsx: Orders", 2, "Zoé Martins", ["same phone number", "same name"]]);
	assertStatus(await user.api.delete(`${PROCESSES}/${thing}`), 204);
});
