/*
 * What engines, administrators and strangers do to users' containers: a relay in front of Podman's service says what Docker or a
 * failing engine would; containers, volumes and images are taken away; and commands try what they must not.
 */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { secondRunner, sleep, test, until, value, world } from "./faults.mjs";
import { container, good, run } from "./containers.mjs";
import { Podman } from "../js/podman.mjs";
import { Relay } from "../js/relay.mjs";
import { newUser } from "../js/instance.mjs";
import { assertStatus } from "../js/expect.mjs";

const IMAGE = "localhost/millrace-test:latest", MEMORY_MIB = 64, DISK_MIB = 24;
let w, podman, relay, millrace;

before(async () => {
	podman = new Podman();
	await podman.start();
	await podman.busybox(IMAGE);
	const socket = join(podman.dir, "relay.sock");
	relay = await new Relay(podman.socket).listen(socket);
	chmodSync(socket, 0o666);
	w = await world("engine", { MILLRACE_CONTAINER_SOCKET: socket, MILLRACE_CONTAINER_IMAGE: IMAGE, MILLRACE_CONTAINER_SECONDS: "20",
		MILLRACE_CONTAINER_MEMORY_MIB: String(MEMORY_MIB), MILLRACE_CONTAINER_PIDS: "40", MILLRACE_CONTAINER_DISK_MIB: String(DISK_MIB) }, 1);
	({ millrace } = w);
});
after(async () => {
	await w?.stop();
	await relay?.close();
	await podman?.stop();
});

const name = (user) => `millrace-${user.uid}`;
const sweep = () => millrace.psql("SELECT pg_notify('millrace_periodic', 'containers')");
/* Sweeps pass by what has just changed. */
const swept = (fn, what) => until(async () => { await sweep(); await sleep(300); return fn(); }, what);
const warnings = () => readFileSync(join(millrace.dir, "log/runner.log"), "utf8").split("\n").filter((line) => line.includes('"level":"warn"') && line.includes("container: "));

/* Meddles with what `of` matches, the first `times`, while fn is under way; how often it was so. */
async function meddled(of, how, fn, times = Infinity) {
	let n = 0;
	relay.on = (request) => of.test(`${request.method} ${request.path}`) && n < times && (n++, how);
	try {
		await fn(() => n);
	} finally {
		relay.on = null;
	}
	assert.ok(n > 0, `nothing was ${of}`);
	return n;
}

test("a command has no capability to gain, no system call to spare, and no more memory than its own", async () => {
	const user = await newUser(millrace.api);
	const status = await good(user, "cat /proc/self/status");
	for (const set of ["Inh", "Prm", "Eff", "Amb"])
		assert.match(status, new RegExp(`^Cap${set}:\\s+0+$`, "m"));
	assert.match(status, /^NoNewPrivs:\s+1$/m);
	assert.match(status, /^Seccomp:\s+2$/m);
	assert.match(status, /^Groups:\s*(1000 ?)?$/m);
	assert.equal(await good(user, "for f in /run/x /var/tmp/x /etc/x /proc/sys/kernel/hostname /sys/x /sys/fs/cgroup/x /dev/x; do (echo x >$f) 2>/dev/null && echo $f; done; "
		+ "(mount -t tmpfs none /tmp; chroot / true; mknod /tmp/d c 1 1; su -c id) 2>/dev/null && echo more; (cat /proc/1/environ; readlink /proc/1/root) 2>/dev/null; true"), "");
	const { Memory, MemorySwap, PidsLimit, ShmSize, Tmpfs, Privileged, NetworkMode } = JSON.parse(await podman.podman("inspect", "--format", "{{json .HostConfig}}", name(user)));
	assert.deepEqual([Memory, MemorySwap, PidsLimit, Privileged, NetworkMode], [MEMORY_MIB << 20, MEMORY_MIB << 20, 40, false, "none"]);
	/* What stays in memory when a command has ended leaves the next one a quarter of it. */
	assert.equal(ShmSize, MEMORY_MIB << 18);
	assert.match(await good(user, "cat /proc/mounts"), new RegExp(`^tmpfs /tmp tmpfs \\S*size=${MEMORY_MIB << 9}k`, "m"));
	assert.deepEqual(Object.keys(Tmpfs).sort(), ["/run", "/tmp", "/var/tmp"]);
	assert.equal(await good(user, "(head -c 99000000 /dev/zero >/tmp/a; head -c 99000000 /dev/zero >/dev/shm/a) 2>/dev/null; echo begun"), "begun\n");
	assert.equal(await good(user, "rm -f /tmp/a /dev/shm/a; echo well"), "well\n");
});

test("a command cannot end, feed or mislead what measures its workspace and ends what it leaves", async () => {
	const user = await newUser(millrace.api);
	/* It writes to whatever else begins that it got room enough, and ends it. */
	const watch = `cat >watch <<'END'
while :; do
	for p in /proc/[0-9]*; do
		case $(tr '\\0' ' ' <$p/cmdline 2>/dev/null) in
		'du -sk /workspace '|'/bin/sh -c exec du'*|'/bin/sh -c while read'*) (printf 'killed\\n1\\t/workspace\\n' >$p/fd/1) 2>/dev/null && echo fed >>/tmp/won; kill -9 \${p#/proc/} 2>/dev/null && echo ended >>/tmp/won ;;
		esac
	done
done
END
for i in 1 2 3; do (setsid sh watch >/dev/null 2>&1 &); done; `;
	const { text } = await run(user, `${watch} i=0; while :; do head -c 3000000 /dev/zero >part$i; i=$((i+1)); sleep 0.2; done`);
	assert.match(text, /^It was ended, since the workspace has more/);
	assert.match((await run(user, "rm part*; cat /tmp/won 2>/dev/null; ps | grep -c '[s]h watch'; true")).text, /^Exit status 0, .*\n\n0\n$/);
	const commands = relay.requests.filter((r) => r.path.endsWith(`${name(user)}/exec`)).map((r) => JSON.parse(r.sent));
	for (const { User, Cmd } of commands)
		assert.equal(User, /watch|part/.test(Cmd[2]) ? "1000:1000" : "0:0", Cmd[2]);
	/* What it has shut is measured, and stays shut. */
	assert.equal(await good(user, "mkdir -p a/b; head -c 2000000 /dev/zero >a/b/c; chmod 000 a/b a; stat -c %a a"), "0\n");
	assert.ok(Number(await value(millrace, `SELECT workspace_kib FROM container WHERE owner_id = '${user.uid}'`)) > 1900);
	assert.equal(await good(user, "stat -c %a a; chmod 700 a; stat -c %a a/b"), "0\n0\n");
});

test("what ends by itself leaves no zombie; names and links of all kinds are nothing to others", async () => {
	const user = await newUser(millrace.api);
	for (let n = 0; n < 3; n++)
		assert.equal(await good(user, "i=0; while [ $i -lt 20 ]; do (sleep 0.01 &); i=$((i+1)); done; sleep 0.5; cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '; true"), "0\n");
	assert.ok((await podman.processes(user.uid)).length <= 2);
	assert.equal(await good(user, "ln -s / out; ln -s /etc/passwd p; ln -s loop loop; mkdir 'a\nb'; echo x >'a\nb/-rf'; touch \"$(printf '\\377')\"; ls | wc -l"), "5\n");
	assert.ok(Number(await value(millrace, `SELECT workspace_kib FROM container WHERE owner_id = '${user.uid}'`)) < 100);
});

test("output of all kinds, in frames that are cut anywhere", async () => {
	const user = await newUser(millrace.api);
	const line = await good(user, "head -c 7000000 /dev/zero | tr '\\0' x");
	assert.match(line, /^x{16000}\n\[6976000 bytes are left out here\]\nx{8000}$/);
	assert.ok((await good(user, "head -c 3000000 /dev/urandom")).isWellFormed());
	assert.equal(await good(user, `export x=${"y".repeat(60000)}; sh -c 'echo \${#x}'`), "60000\n");
	assert.match((await run(user, "exec >&- 2>&-; sleep 2; exit 7")).text, /^Exit status 7, after 2/);
	const both = "i=0; while [ $i -lt 100 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done";
	for (const piece of [1, 3, 7])
		await meddled(/POST \/exec\/.*\/start/, { piece }, async () =>
			assert.deepEqual((await good(user, both)).trim().split("\n").sort(), Array.from({ length: 100 }, (_, i) => [`e${i}`, `o${i}`]).flat().sort()));
});

test("an engine that says no, something else, or half of it: nothing runs twice", async () => {
	const user = await newUser(millrace.api), times = async () => (await good(user, "cat times")).length / 2;
	const once = "echo x >>times";
	await good(user, once);
	await meddled(/POST .*\/exec$/, { status: 500, json: { message: "no" } }, () => good(user, once), 1);
	assert.equal(await times(), 2);
	for (const how of [{ cut: 9 }, { cut: 0 }, { change: () => [] }, { change: () => ({ Id: "" }) }, { change: () => ({ Id: "x".repeat(99) }) }])
		await meddled(/POST .*\/exec$/, how, async () => assert.match((await run(user, once)).text, /^It was not begun/), 1);
	assert.equal(await times(), 2);
	await meddled(/POST \/exec\/.*\/start/, { status: 500 }, async () => assert.match((await run(user, once)).text, /^It was not begun/), 1);
	assert.equal(await times(), 2);
	/* In the middle of a frame. */
	for (const cut of [1, 8, 9, 11])
		await meddled(/POST \/exec\/.*\/start/, { cut }, async () => assert.match((await run(user, `${once}; echo written; sleep 1; true`)).text, /^Exit status 0.*What it wrote last is not known/), 1);
	assert.equal(await times(), 6);
	await meddled(/GET \/exec\//, { status: 500 }, async () => assert.match((await run(user, once)).text, /^The container was lost sight of/));
	assert.equal(await times(), 7);
	await meddled(/GET \/containers\/json/, { cut: 9 }, () => swept(() => warnings().some((line) => line.includes("does not answer")), "a warning"));
	await meddled(/GET \/volumes/, { change: () => ({ Volumes: null, Warnings: null }) }, (n) => swept(() => n() > 0, "a sweep"));
	assert.equal(await times(), 7);
});

test("an engine that does not answer takes no more time than a command has", async () => {
	const user = await newUser(millrace.api);
	await good(user, "true");
	const began = Date.now();
	await meddled(/GET \/exec\//, new Promise(() => {}), async () => assert.match((await run(user, "echo x; sleep 30", 5)).text, /^It was ended after 5 s[^]*\n\nx\n$/));
	assert.ok(Date.now() - began < 20000, `${Date.now() - began} ms`);
	assert.equal(await good(user, "echo well"), "well\n");
});

test("states that a container may be in, and one that is being removed already", async () => {
	const user = await newUser(millrace.api);
	await good(user, "echo kept >file");
	for (const State of ["created", "paused", "restarting", "removing", "exited", "dead", "", "unheard of"]) {
		await millrace.psql(`UPDATE container SET crashes = 0 WHERE owner_id = '${user.uid}'`);
		await meddled(/GET \/containers\/json/, { change: (list) => list.map((c) => ({ ...c, State })) }, () => swept(async () =>
			await value(millrace, `SELECT crashes FROM container WHERE owner_id = '${user.uid}'`) !== "0", `a start of one that is ${State}`));
		await until(async () => (await container(user)).status === "running", "it to run");
		assert.equal(await good(user, "cat file"), "kept\n");
	}
	await podman.podman("pause", name(user));
	assert.equal(await good(user, "cat file"), "kept\n");
	await podman.podman("rm", "--force", name(user));
	await podman.podman("create", "--name", name(user), "--network=none", IMAGE, "/bin/sh");
	assert.equal(await good(user, "cat file"), "kept\n");
	await podman.podman("stop", "--time=0", name(user));
	assert.equal(await meddled(/DELETE \/containers\//, { status: 409, json: { message: "removal is already in progress" } }, async () =>
		assert.equal(await good(user, "cat file"), "kept\n"), 2), 2);
});

test("an administrator takes away the container, its workspace, or the image", async () => {
	const user = await newUser(millrace.api);
	await good(user, "echo kept >file");
	const before = warnings().length;
	for (const how of [["rm", "--force", "--time=0"], ["kill"], ["pause"]]) {
		const command = run(user, "sleep 12; echo ended");
		await until(async () => (await podman.processes(user.uid)).some((c) => c.includes("sleep 12")), "the command");
		await podman.podman(...how, name(user));
		await sweep();
		assert.match((await command).text, /^(The container was lost sight of|It was ended, since)/);
		/* The workspace was not measured at its end: it is not full for that. */
		assert.equal(await good(user, "cat file; echo more >more; cat more"), "kept\nmore\n");
		assert.equal((await container(user)).status, "running");
	}
	assert.deepEqual(warnings().slice(before), []);
	/* One of other settings in its place, where what a command leaves could not be ended. */
	await podman.podman("rm", "--force", "--time=0", name(user));
	await podman.podman("run", "--detach", "--name", name(user), "--cap-drop=all", "--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000", IMAGE,
		"/bin/sh", "-c", "while :; do sleep 3600 & wait $!; done");
	assert.equal(await good(user, "(setsid sleep 7781 >/dev/null 2>&1 &); echo away"), "away\n");
	assert.deepEqual(await podman.processes(user.uid), []);
	await millrace.psql(`UPDATE container SET workspace_kib = 1 << 30 WHERE owner_id = '${user.uid}'`);
	await podman.podman("rm", "--force", "--time=0", name(user));
	assert.equal(await good(user, "echo more >more; cat more"), "more\n");
	await podman.podman("volume", "rm", "--force", name(user));
	assert.equal(await good(user, "ls; echo new >file; cat file"), "new\n");
	/* An image that is missing is told once, and at the next start; what runs goes on. */
	await podman.podman("tag", IMAGE, "localhost/kept");
	await podman.podman("untag", IMAGE, IMAGE);
	const missing = () => warnings().filter((line) => line.includes("has no such image")).length;
	await swept(missing, "a warning");
	await sweep();
	await sleep(500);
	assert.equal(missing(), 1);
	assert.equal(await good(user, "cat file"), "new\n");
	await podman.podman("rm", "--force", "--time=0", name(user));
	const { text, failed } = await run(user, "true");
	assert.match(text, /^It was not begun: the container cannot be started now/);
	assert.ok(failed);
	assert.equal((await container(user)).status, "failed");
	await podman.podman("tag", "localhost/kept", IMAGE);
	assert.equal(await good(user, "cat file"), "new\n");
});

test("a socket that may not be used is told with why", async () => {
	const told = (why) => swept(() => warnings().some((line) => line.includes("does not answer") && line.includes(why)), why);
	chmodSync(join(podman.dir, "relay.sock"), 0o600);
	relay.server.closeAllConnections();
	try {
		await told("relay.sock: Permission denied");
	} finally {
		chmodSync(join(podman.dir, "relay.sock"), 0o666);
	}
});

test("two runners and one user: one command at a time, in one container", async () => {
	const user = await newUser(millrace.api), dismiss = await secondRunner(millrace);
	try {
		const all = await Promise.all(Array.from({ length: 8 }, (_, i) => good(user, `mkdir lock && sleep 0.3 && rmdir lock && echo ${i}`)));
		assert.deepEqual(all, all.map((_, i) => `${i}\n`));
		assert.equal(await podman.podman("ps", "--all", "--quiet", "--filter", `name=${name(user)}`).then((ids) => ids.split("\n").length), 1);
	} finally {
		await dismiss();
	}
});

test("an account that is erased under its command takes container and workspace along", async () => {
	const user = await newUser(millrace.api);
	await good(user, "echo secret >file");
	const command = user.api.post("/api/mcp", { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "run_command", arguments: { command: "sleep 15" } } });
	await until(async () => (await podman.processes(user.uid)).some((c) => c.includes("sleep 15")), "the command");
	assertStatus(await user.api.delete(`/api/v1/user/dao/${user.uid}`), 204);
	assertStatus(await command, 409);
	await until(async () => (await podman.podman("ps", "--all", "--quiet", "--filter", `name=${user.uid}`)) + await podman.podman("volume", "ls", "--quiet", "--filter", `name=${user.uid}`) === "", "all to go");
});
