/*
 * Users' containers, at a real engine: Podman's service, with its Docker-compatible API. What a
 * command may do and what ends it, and that nothing runs twice, or for good, whatever is killed.
 */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { kill, revived, sleep, test, until, value, world } from "./faults.mjs";
import { container, good, run } from "./containers.mjs";
import { Podman } from "../js/podman.mjs";
import { newUser } from "../js/instance.mjs";
import { eventsOf } from "../js/log.mjs";
import { assertStatus } from "../js/expect.mjs";

const IMAGE = "localhost/millrace-test:latest", DISK_MIB = 24;
let w, podman, millrace;

before(async () => {
	podman = new Podman();
	await podman.start();
	await podman.busybox(IMAGE);
	w = await world("container", { MILLRACE_CONTAINER_SOCKET: podman.socket, MILLRACE_CONTAINER_IMAGE: IMAGE, MILLRACE_CONTAINER_SECONDS: "20",
		MILLRACE_CONTAINER_MEMORY_MIB: "64", MILLRACE_CONTAINER_PIDS: "40", MILLRACE_CONTAINER_DISK_MIB: String(DISK_MIB), MILLRACE_CONTAINERS: "2" }, 1);
	({ millrace } = w);
});
after(async () => {
	await w?.stop();
	await podman?.stop();
});

const sweep = () => millrace.psql("SELECT pg_notify('millrace_periodic', 'containers')");
/* Sweeps pass by what has just changed. */
const swept = (fn, what) => until(async () => { await sweep(); await sleep(300); return fn(); }, what);
const statusIs = (user, status) => swept(async () => (await container(user)).status === status, `the status ${status}`);

const running = async () => Number(await value(millrace, "SELECT containers_running()"));
async function none() {
	await millrace.psql("UPDATE container SET used_at = now() - interval '16 minutes'");
	await swept(async () => await running() === 0, "no container");
}

/* A chat whose model runs this command; under way when `begun` is there, ended with `end`. */
function chat(user, command) {
	const mark = randomUUID();
	const c = { events: [], mark };
	c.end = (async () => {
		const stream = await user.api.chat(`${mark} [[tool:run_command ${JSON.stringify({ command })}]] [[say:Done.]]`);
		c.run = stream.headers["x-run-id"];
		for (let from = stream; ;) {
			try {
				for await (const event of from)
					c.events.push(event);
			} catch { /* begun anew below */ }
			if (c.events.some(({ event }) => event === "done" || event === "error"))
				return c;
			await sleep(100);
			from = await user.api.resume(c.run, c.events.at(-1)?.id);
		}
	})();
	c.end.catch(() => {});
	return c;
}

const results = (c) => c.events.filter(({ event, data }) => event === "activity" && data.type === "tool_result" && data.name === "run_command").map(({ data }) => data);
const runs = (user, word) => podman.processes(user.uid).then((all) => all.some((command) => command.includes(word)));

test("a command runs as nobody in particular, without a network, in what cannot be written; its workspace stays", async () => {
	const user = await newUser(millrace.api);
	assert.deepEqual(await container(user), { status: "none", since: null });
	assert.equal(await good(user, "id -u; cat /proc/net/dev | grep -c :; echo $HOME; pwd; echo kept >file"), "1000\n1\n/workspace\n/workspace\n");
	assert.match((await run(user, "echo x >/etc/x; touch /bin/x")).text, /^Exit status 1[\s\S]*Read-only file system[\s\S]*Read-only file system/);
	assert.match(await good(user, "grep -E 'CapEff|NoNewPrivs' /proc/self/status; cat file; ls -l /tmp; echo x >/tmp/x"), /CapEff:\s+0000000000000000\nNoNewPrivs:\s+1\nkept\n/);
	assert.deepEqual(await run(user, "echo one; echo two >&2; exit 3").then(({ text, failed }) => [text.replace(/after [\d.]+/, "after"), failed]),
	    ["Exit status 3, after s.\n\none\ntwo\n", false]);
	const { status, since } = await container(user);
	assert.equal(status, "running");
	assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60000);
	const told = (await eventsOf(millrace, `user:${user.uid}`)).filter((e) => e.type === "agent_status").map((e) => e.data);
	assert.deepEqual(told.map((d) => [d.agent_id, d.status, d.container.status]), [[null, "stopped", "stopped"], [null, "stopped", "starting"], [null, "stopped", "running"]]);
	assert.deepEqual(assertStatus(await user.api.get("/api/agent/status"), 200).json.container, { status, since });
	assert.deepEqual(assertStatus(await user.api.get("/api/v1/user/export"), 200).json.container, [{ status, since }]);
});

test("it is offered to the assistant and to agents that name it, and an API key that may only read has it not", async () => {
	const user = await newUser(millrace.api), c = chat(user, "echo from the $((40 + 2)) container");
	await c.end;
	assert.deepEqual(results(c).map((r) => [r.status, r.output.split("\n\n")[1]]), [["done", "from the 42 container\n"]]);
	const [first] = w.standin.log(c.mark);
	assert.ok(first.body.tools.some((t) => t.function.name === "run_command"));
	const names = async (api) => (await api.post("/api/mcp", { jsonrpc: "2.0", id: 1, method: "tools/list" })).json.result.tools.map((t) => t.name);
	assert.ok((await names(user.api)).includes("run_command"));
	const { json: { apiKey } } = assertStatus(await user.api.post("/api/settings/api-keys", { name: "r", scopes: ["read"] }), 201);
	const reader = { api: user.api.fresh().as(apiKey) };
	assert.ok(!(await names(reader.api)).includes("run_command"));
	assert.equal((await reader.api.post("/api/mcp", { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "run_command", arguments: { command: "id" } } })).status, 403);
});

test("one user's container is not another's", async () => {
	const [a, b] = await Promise.all([newUser(millrace.api), newUser(millrace.api)]);
	await Promise.all([good(a, "echo secret >mine"), good(b, "echo other >theirs")]);
	assert.deepEqual(await Promise.all([a, b].map((u) => good(u, "ls"))), ["mine\n", "theirs\n"]);
});

test("what is too much ends the command: time, output, memory; the container serves on", async () => {
	const user = await newUser(millrace.api);
	const stubborn = await run(user, "trap '' TERM INT HUP; echo begun; while :; do sleep 1; done", 2);
	assert.match(stubborn.text, /^It was ended after 2 s[\s\S]*\n\nbegun\n$/);
	assert.ok(stubborn.failed);
	assert.match((await run(user, "yes 0123456789")).text, /^It was ended, since it wrote too much[\s\S]*bytes are left out here/);
	assert.match((await run(user, "x=0123456789abcdef; while :; do x=$x$x; done")).text, /^Exit status (137|2)/);
	const long = await good(user, "i=0; while [ $i -lt 4000 ]; do echo -n wörtlich; i=$((i+1)); done");
	assert.match(long, /^wörtlich(wörtlich)*w?ö?r?t?l?i?c?\n\[\d+ bytes are left out here\]\n\p{L}*wörtlich$/u);
	assert.equal(await good(user, "printf 'a\\000b\\377c\\r\\nd\\033e'"), "a\ufffdb\ufffdc\nd\ufffde");
	assert.equal(await good(user, "echo well"), "well\n");
});

test("what it leaves running ends with it", async () => {
	const user = await newUser(millrace.api);
	assert.equal(await good(user, "sleep 7771 & setsid sleep 7772 & echo away"), "away\n");
	assert.equal(await good(user, "sleep 7773 >/dev/null 2>&1 & echo away"), "away\n");
	assert.ok(!await runs(user, "sleep 777"), "something still runs");
});

test("one that forks without end is ended, and so is what it has made", async () => {
	const user = await newUser(millrace.api);
	const { text, failed } = await run(user, "f() { f & f & }; f; sleep 7774", 5);
	assert.ok(failed || /^Exit status/.test(text), text);
	assert.ok((await podman.processes(user.uid)).length <= 3, "they are still there");
	/* Nobody could measure the workspace at its end: it is not full for that. */
	assert.equal(await good(user, "echo well >kept; cat kept"), "well\n");
});

test("one that fills its disk is ended; then files can be deleted, and none written until there is room", async () => {
	const user = await newUser(millrace.api);
	assert.match((await run(user, `dd if=/dev/zero of=big bs=1M count=${DISK_MIB + 8}`)).text, /^Exit status 1/);
	assert.equal(await good(user, `[ $(stat -c %s big) -le ${DISK_MIB << 20} ] && rm big && echo small`), "small\n");
	assert.match((await run(user, "i=0; while :; do head -c 2000000 /dev/zero >part$i; i=$((i+1)); sleep 0.1; done")).text, /^It was ended, since the workspace has more/);
	const full = await run(user, "echo more >more; ls more; true");
	assert.match(full.text, /The workspace was full/);
	assert.equal(await good(user, "wc -c <more; rm part*; mkdir -m 000 shut"), "0\n");
	assert.equal(await good(user, "echo more >more; cat more"), "more\n");
	assert.match((await run(user, "chmod 700 shut; head -c 20000000 /dev/zero >shut/a; head -c 9000000 /dev/zero >shut/b; chmod 000 shut")).text, /^Exit status/);
	assert.match((await run(user, "true")).text, /The workspace was full/);
});

test("one at a time: another command of the user's waits for its turn", async () => {
	const user = await newUser(millrace.api);
	const both = await Promise.all(["a", "b"].map((name) => good(user, `mkdir lock && sleep 1 && rmdir lock && echo ${name}`)));
	assert.deepEqual(both, ["a\n", "b\n"]);
});

test("an idle container stops, and starts again with its workspace", async () => {
	const user = await newUser(millrace.api);
	await good(user, "echo kept >file; echo gone >/tmp/file");
	await sweep();
	await sleep(500);
	assert.equal((await container(user)).status, "running");
	await millrace.psql(`UPDATE container SET used_at = now() - interval '16 minutes' WHERE owner_id = '${user.uid}'`);
	await statusIs(user, "stopped");
	assert.equal(await podman.podman("ps", "--all", "--quiet", "--filter", `name=millrace-${user.uid}`), "");
	assert.equal(await good(user, "cat file; ls /tmp"), "kept\n");
});

test("one that has crashed is started again, but not for ever", async () => {
	const user = await newUser(millrace.api);
	await good(user, "true");
	const crash = () => podman.podman("kill", `millrace-${user.uid}`);
	for (let n = 1; n <= 3; n++) {
		await crash();
		await swept(async () => (await podman.processes(user.uid)).length > 0 && (await container(user)).status === "running", "it to run again");
	}
	await crash();
	await statusIs(user, "stopped");
	/* Nobody has seen it yet. */
	await good(user, "true");
	await crash();
	assert.equal(await good(user, "echo there again"), "there again\n");
});

test("a process that is started and stopped has the container started and stopped", async () => {
	const user = await newUser(millrace.api);
	for (const name of ["a", "b"])
		assertStatus(await user.api.post("/api/v1/admin/processes", { name }), 201);
	const ids = (await user.api.get("/api/v1/admin/processes")).json.map((p) => p.id);
	const control = async (action, agent_id) => assertStatus(await user.api.post("/api/agent/control", { action, agent_id }), 200).json;
	await control("start", ids[0]);
	await until(async () => (await container(user)).status === "running", "a start");
	await control("start", ids[1]);
	await control("stop", ids[0]);
	await sweep();
	await sleep(1000);
	assert.equal((await container(user)).status, "running", "it stopped with the first of two");
	await control("stop", ids[1]);
	await until(async () => (await container(user)).status === "stopped", "a stop");
});

test("as many run as MILLRACE_CONTAINERS says: idle ones of others make room, and who comes first has it first", async () => {
	const users = await Promise.all(Array.from({ length: 5 }, () => newUser(millrace.api)));
	const metric = async (name) => Number((await millrace.api.get("/metrics")).text.match(new RegExp(`^${name}(?:{.*})? ([0-9]+)$`, "m"))[1]);
	await none();
	const [started, commands] = [await metric("millrace_containers_started_total"), await metric("millrace_container_commands_total")];
	let most = 0, over = false;
	const watch = (async () => { while (!over) { most = Math.max(most, await running()); await sleep(50); } })();
	/* Two may; five have a command of two seconds each, and all are served. */
	const all = await Promise.all(users.map((u, i) => good(u, `sleep 2; echo ${i}`)));
	assert.deepEqual(all, users.map((_, i) => `${i}\n`));
	over = true;
	await watch;
	assert.equal(most, 2);
	assert.equal(await metric("millrace_containers_running"), 2);
	/* A process's counters are shown some seconds late. */
	await until(async () => await metric("millrace_containers_started_total") >= started + 5 && await metric("millrace_container_commands_total") >= commands + 5, "the metrics");
	/* Both are held: a third is told, and whoever has asked for a start waits. */
	const errors = await metric("millrace_container_command_errors_total");
	const held = [0, 1].map((i) => good(users[i], "sleep 8; echo held"));
	await until(async () => await runs(users[0], "sleep 8") && await runs(users[1], "sleep 8"), "both commands");
	const third = await run(users[2], "true", 2);
	assert.match(third.text, /^It was not begun: as many users' containers run as may at once/);
	assert.ok(third.failed);
	const { id: agent_id } = assertStatus(await users[3].api.post("/api/v1/admin/processes", { name: "a" }), 201).json;
	assertStatus(await users[3].api.post("/api/agent/control", { action: "start", agent_id }), 200);
	await sweep();
	await sleep(1000);
	assert.equal((await container(users[3])).status, "stopped");
	assert.deepEqual(await Promise.all(held), ["held\n", "held\n"]);
	await statusIs(users[3], "running");
	assert.ok(await running() <= 2);
	await until(async () => await metric("millrace_container_command_errors_total") > errors, "the error's metric");
});

test("containers that crash take no more than there is room for", async () => {
	const [a, b] = await Promise.all([newUser(millrace.api), newUser(millrace.api)]);
	await good(a, "true");
	await good(b, "true");
	await podman.podman("kill", `millrace-${a.uid}`, `millrace-${b.uid}`);
	await swept(async () => (await podman.processes(a.uid)).length > 0 && (await podman.processes(b.uid)).length > 0, "both to run again");
	assert.equal(await value(millrace, "SELECT containers_running()"), "2");
	assert.equal(await good(a, "echo well"), "well\n");
});

test("what is nobody's is removed: an erased account's container and workspace, and one without a row", async () => {
	const user = await newUser(millrace.api), orphan = randomUUID();
	await good(user, "echo secret >file");
	const installation = await value(millrace, "SELECT installation FROM container_engine");
	const label = (owner) => ["--label", `millrace=${installation}`, "--label", `millrace.owner=${owner}`];
	await podman.podman("volume", "create", ...label(orphan), `millrace-${orphan}`);
	await podman.podman("create", "--name", `millrace-${orphan}`, ...label(orphan), "--network=none", IMAGE, "/bin/sh");
	await podman.podman("volume", "create", "--label", `millrace=${randomUUID()}`, "--label", `millrace.owner=${orphan}`, "another-installation");
	await kill(millrace, "runner").then((before) => revived(millrace, "runner", before));
	const left = async (id) => (await podman.podman("ps", "--all", "--quiet", "--filter", `name=${id}`)) + await podman.podman("volume", "ls", "--quiet", "--filter", `name=${id}`);
	await until(async () => await left(orphan) === "", "the orphan to go");
	assertStatus(await user.api.delete(`/api/v1/user/dao/${user.uid}`), 204);
	await until(async () => await left(user.uid) === "", "the erased user's to go");
	assert.equal(await left("another-installation"), "another-installation");
});

test("a runner killed in the middle of a command: it is ended, not begun again, and the run says so", async () => {
	const user = await newUser(millrace.api), c = chat(user, "echo x >>times; sleep 7775");
	await until(() => runs(user, "sleep 7775"), "the command");
	await revived(millrace, "runner", await kill(millrace, "runner"));
	await c.end;
	assert.equal(c.events.at(-1).event, "done");
	assert.deepEqual(results(c).map((r) => r.status), ["failed"]);
	assert.match(results(c)[0].output, /interrupted/);
	assert.ok(!await runs(user, "sleep 7775"));
	assert.equal(await good(user, "cat times"), "x\n");
});

test("a runner killed whose run does not go on: the command is found and ended", async () => {
	const user = await newUser(millrace.api), c = chat(user, "sleep 7776");
	await until(() => runs(user, "sleep 7776"), "the command");
	await millrace.psql(`UPDATE job SET max_attempts = attempts WHERE run_id = '${c.run}'`);
	await revived(millrace, "runner", await kill(millrace, "runner"));
	await c.end;
	await swept(async () => !await runs(user, "sleep 7776"), "the command's end");
	await swept(async () => await value(millrace, `SELECT count(*) FROM container_command WHERE owner_id = '${user.uid}' AND ended_at IS NULL`) === "0", "its row's");
	assert.equal(await good(user, "echo well"), "well\n");
});

test("a runner that ends, and a run that is cancelled, end the command first", async () => {
	const user = await newUser(millrace.api), c = chat(user, "echo y >>times; sleep 7777");
	await until(() => runs(user, "sleep 7777"), "the command");
	await millrace.replace("runner");
	assert.ok(!await runs(user, "sleep 7777"));
	await c.end;
	assert.match(results(c)[0].output, /interrupted/);
	const cancelled = chat(user, "sleep 7778");
	await until(() => runs(user, "sleep 7778"), "the command");
	assertStatus(await user.api.post(`/api/runs/${cancelled.run}/cancel`), 200);
	await cancelled.end;
	await until(async () => !await runs(user, "sleep 7778"), "its end");
	assert.equal(await good(user, "cat times"), "y\n");
});

test("an engine that is killed and comes back: a command is not begun again, and the next one runs", async () => {
	const user = await newUser(millrace.api), c = chat(user, "echo z >>times; sleep 9");
	await until(() => runs(user, "sleep 9"), "the command");
	await podman.kill();
	await sleep(1000);
	await podman.start();
	await c.end;
	assert.equal(c.events.at(-1).event, "done");
	assert.match(results(c)[0].output, /lost sight of|Exit status|is not known/);
	assert.ok(!await runs(user, "sleep 9"));
	assert.equal(await good(user, "cat times"), "z\n");
});

test("without the engine, and without the image, a command is not begun, and says so", async () => {
	const user = await newUser(millrace.api);
	await none();
	await podman.kill();
	try {
		const { text, failed } = await run(user, "true");
		assert.match(text, /^It was not begun/);
		assert.ok(failed);
		assert.equal((await container(user)).status, "failed");
	} finally {
		await podman.start();
	}
	assert.equal(await good(user, "echo well"), "well\n");
});

test("millracectl makes the image of Debian packages", async (t) => {
	const { stdout } = await millrace.ctl("container", "image", "busybox-static").catch((e) => e);
	if (!stdout)
		return t.skip("apt-get has no packages here");
	assert.match(stdout, new RegExp(`^The engine has the image ${IMAGE}\\.$`, "m"));
	const user = await newUser(millrace.api);
	assert.equal(await good(user, "id -un; ls -d /usr/share/doc 2>/dev/null; echo x >file; ls -ld / | cut -c1-10"), "user\ndrwxr-xr-x\n");
});
