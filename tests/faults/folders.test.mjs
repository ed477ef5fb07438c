/* Folders at Google Drive and OneDrive that are kept in step: runners that are killed at each page, and before a page is stored; two runners at once. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { column, hold, kill, killRunner, revived, secondRunner, test, until, value } from "./faults.mjs";
import { assertStatus } from "../js/expect.mjs";
import { person, signIn, startAll } from "../js/oauth.mjs";
import { Cloud } from "../standin/cloud.mjs";

const HOST = "127.0.0.8", FILES = "127.0.0.9";
let all, millrace, cloud, me;

before(async () => {
	cloud = await new Cloud().start(HOST, FILES);
	all = await startAll("folders-faults", { MILLRACE_DRIVE_URL: `${cloud.url}/drive/v3`, MILLRACE_GRAPH_URL: `${cloud.url}/v1.0`, MILLRACE_FETCH_NETWORKS: FILES,
		MILLRACE_FOLDER_SECONDS: "1", MILLRACE_LEASE_SECONDS: "6", MILLRACE_RATE_WRITE: "0" });
	({ millrace } = all);
	all.google.tamper = all.microsoft.tamper = (body) => (cloud.tokens.add(body.access_token), body);
	all.google.user = person(), all.microsoft.user = person();
	me = all.browser();
	await signIn(me, "google");
	await signIn(me, "microsoft");
});
after(async () => {
	await all?.stop();
	await cloud?.stop();
});

const keep = async (provider, id) => assertStatus(await me.send("POST", "/api/v1/cloud-files", { json: { provider, id, name: "Kept", isFolder: true } }), 201).json.savedId;
const list = async () => assertStatus(await me.send("GET", "/api/v1/cloud-files?limit=100"), 200).json;
const names = async (id) => (await list()).filter((f) => f.folderId === id && f.status === "ready").map((f) => f.name).sort();
const becomes = (id, want) => until(async () => JSON.stringify(await names(id)) === JSON.stringify(want), `it holds ${want}`);

/* The runner is killed while it waits for an answer at this path, which comes when it is dead. */
async function killAt(of, path) {
	let answer;
	const wait = new Promise((resolve) => { answer = resolve; });
	const held = { of, path, wait };
	cloud.next.push(held);
	await until(() => !cloud.next.includes(held), `${path} is asked for`);
	await killRunner(millrace);
	answer();
}

for (const [service, of, page, changes] of [["google_drive", "drive", "/drive/v3/files", "/changes"], ["onedrive", "graph", "/children", "/delta"]]) {
	test(`${service}: killed at each page of a listing, and of changes: nothing is lost, nothing is there twice`, async () => {
		cloud.clear();
		cloud.pageMax = 2;
		const top = of === "drive" ? cloud.addDrive({ name: "Plans" }) : cloud.addGraph({ name: "Plans" });
		const add = (name, content) => of === "drive" ? cloud.addDrive({ name, content, parents: [top.id] }) : cloud.addGraph({ name, content, parentId: top.id });
		const made = ["a", "b", "c", "d", "e"].map((name) => add(`${name}.txt`, `The lamp of ${name} burns.`));
		const id = await keep(service, top.id);
		for (let n = 0; n < 3; n++)
			await killAt(of, page);
		await becomes(id, ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"]);
		cloud.remove(made[0]), cloud.remove(made[1]), cloud.write(made[2], "The lamp of c is out."), add("f.txt", "The lamp of f burns."), add("g.txt", "The lamp of g burns.");
		for (let n = 0; n < 2; n++)
			await killAt(of, changes);
		await becomes(id, ["c.txt", "d.txt", "e.txt", "f.txt", "g.txt"]);
		const found = async () => assertStatus(await me.send("GET", "/api/documents/search?q=lamp"), 200).json.map((p) => p.text).sort();
		await until(async () => (await found()).includes("The lamp of c is out."), "the changed one is read again");
		assert.deepEqual(await found(), ["The lamp of c is out.", ..."defg"].map((w) => w.length > 1 ? w : `The lamp of ${w} burns.`).sort());
		assert.equal(await value(millrace, `SELECT count(*) FROM (SELECT platform_file FROM document WHERE platform = '${service}' AND deleted_at IS NULL
		    GROUP BY 1 HAVING count(*) > 1) d`), "0");
		assertStatus(await me.send("DELETE", `/api/v1/cloud-files/${id}`), 204);
		assert.deepEqual(cloud.faults, []);
	});
}

test("killed while a page is being stored: it is, once, with what asks for the next", async () => {
	cloud.clear();
	const top = cloud.addDrive({ name: "Plans" }), id = await keep("google_drive", top.id);
	await until(async () => (await list()).find((f) => f.savedId === id).status === "ready", "it was listed");
	const token = () => value(millrace, `SELECT token FROM cloud_folder WHERE id = '${id}'`);
	const stuck = async () => Number(await value(millrace, "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'folder_page' AND wait_event_type = 'Lock'"));
	const was = await token(), release = await hold(millrace, "LOCK TABLE cloud_item IN SHARE MODE");
	try {
		cloud.addDrive({ name: "a.txt", content: "The lamp of Wath burns.", parents: [top.id] });
		await until(async () => await stuck() === 1, "it is being stored");
		const dead = await kill(millrace, "runner");
		await revived(millrace, "runner", dead);
		assert.equal(await token(), was);
	} finally {
		await release();
	}
	await becomes(id, ["a.txt"]);
	assert.notEqual(await token(), was);
	assert.equal(await value(millrace, `SELECT count(*) FROM document WHERE platform = 'google_drive' AND name = 'a.txt' AND deleted_at IS NULL`), "1");
	assertStatus(await me.send("DELETE", `/api/v1/cloud-files/${id}`), 204);
});

test("two runners: a look at each folder for each time that is due, and never two", async () => {
	cloud.clear();
	const end = await secondRunner(millrace), ids = [];
	try {
		for (let n = 0; n < 5; n++) {
			const top = cloud.addGraph({ name: `Plans ${n}` });
			cloud.addGraph({ name: `${n}.txt`, content: `The lamp number ${n} burns.`, parentId: top.id });
			ids.push(await keep("onedrive", top.id));
		}
		await millrace.psql(`CREATE TABLE looked (folder uuid, due timestamptz, open bigint);
			CREATE FUNCTION looked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$ BEGIN
				INSERT INTO looked SELECT s.thing, s.due_at, (SELECT count(*) FROM run r WHERE r.kind = 'folder' AND r.input = NEW.input AND r.ended_at IS NULL)
				FROM schedule s WHERE s.thing = (NEW.input ->> 'folder')::uuid;
				RETURN NULL;
			END $$;
			CREATE TRIGGER looked AFTER INSERT ON run FOR EACH ROW WHEN (NEW.kind = 'folder') EXECUTE FUNCTION looked()`);
		await until(async () => Number(await value(millrace, "SELECT min(n) FROM (SELECT count(*) AS n FROM looked GROUP BY folder) l")) >= 6, "six looks at each");
		assert.deepEqual(await column(millrace, "SELECT folder, due FROM looked GROUP BY 1, 2 HAVING count(*) > 1"), []);
		assert.equal(await value(millrace, "SELECT max(open) FROM looked"), "1");
		for (const [n, id] of ids.entries())
			await becomes(id, [`${n}.txt`]);
		assert.equal(cloud.requests.filter((r) => r.path.endsWith("/content")).length, 5);
	} finally {
		await millrace.psql("DROP TABLE IF EXISTS looked; DROP FUNCTION IF EXISTS looked() CASCADE");
		await end();
	}
});
