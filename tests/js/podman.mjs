/*
 * Podman's service with Docker's API, as a container engine of a test's own: its images, volumes
 * and containers are in a directory that goes with it.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { promisify } from "node:util";
import { until } from "./expect.mjs";

const run = promisify(execFile);

export class Podman {
	constructor() {
		this.dir = mkdtempSync(join(tmpdir(), "millrace-podman-"));
		chmodSync(this.dir, 0o711);
		this.socket = join(this.dir, "podman.sock");
		/* The cgroups and the runtime that work in a container of a CI, too. */
		this.args = ["--root", join(this.dir, "root"), "--runroot", join(this.dir, "run"), "--tmpdir", join(this.dir, "tmp"),
			"--storage-driver=vfs", "--runtime", "runc", "--cgroup-manager=cgroupfs"];
	}

	/* Starts the service; the runner, another user, may ask it. Its conmons leave files where it runs. */
	async start() {
		rmSync(this.socket, { force: true });
		this.service = spawn("podman", [...this.args, "system", "service", "--time=0", `unix://${this.socket}`], { cwd: this.dir, stdio: "ignore" });
		await until(() => existsSync(this.socket), "podman's service");
		chmodSync(this.socket, 0o666);
		await until(() => this.ask("GET", "/_ping").then(({ status }) => status === 200, () => false), "podman's answer");
	}

	/* The service is killed; containers go on. */
	async kill() {
		this.service.kill("SIGKILL");
		await once(this.service, "exit");
	}

	/* Removes all that it has, and its directory. */
	async stop() {
		await this.kill();
		await this.podman("rm", "--all", "--force", "--time=0").catch(() => {});
		/* Beside each exec a conmon stays for five minutes. */
		for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number))
			if (commandOf(pid).includes(this.dir))
				process.kill(pid, "SIGKILL");
		rmSync(this.dir, { recursive: true, force: true });
	}

	async podman(...args) { return (await run("podman", [...this.args, ...args], { cwd: this.dir })).stdout.trim(); }

	ask(method, path, body) {
		return new Promise((resolve, reject) => {
			const request = http.request({ socketPath: this.socket, method, path, headers: body ? { "content-type": "application/x-tar" } : {} }, async (reply) => {
				let text = "";
				for await (const part of reply)
					text += part;
				resolve({ status: reply.statusCode, text });
			});
			request.on("error", reject).end(body);
		});
	}

	/* An image of busybox alone, from this host. */
	async busybox(name) {
		const root = join(this.dir, "busybox");
		mkdirSync(join(root, "bin"), { recursive: true });
		for (const dir of ["workspace", "tmp", "proc", "sys", "dev", "etc"])
			mkdirSync(join(root, dir));
		const busybox = ["/bin/busybox", "/usr/bin/busybox"].find(existsSync);
		execFileSync("cp", [busybox, join(root, "bin/busybox")]);
		for (const applet of execFileSync(busybox, ["--list"], { encoding: "utf8" }).trim().split("\n").filter((a) => a !== "busybox"))
			execFileSync("ln", ["-s", "busybox", join(root, "bin", applet)]);
		execFileSync("chown", ["1000:1000", join(root, "workspace")]);
		chmodSync(join(root, "tmp"), 0o1777);
		const tar = execFileSync("tar", ["-C", root, "-c", "."], { maxBuffer: 64 << 20 });
		const { status, text } = await this.ask("POST", `/images/create?fromSrc=-&repo=${encodeURIComponent(name)}`, tar);
		if (status !== 200 || text.includes('"error"'))
			throw new Error(`podman takes no image: ${status} ${text}`);
	}

	/* What runs in a user's container, a command a line, as the host sees it. */
	async processes(uid) {
		const pid = await this.podman("inspect", "--format", "{{.State.Pid}}", `millrace-${uid}`).catch(() => "0");
		return pid === "0" ? [] : below(Number(pid)).map(commandOf).filter(Boolean);
	}
}

const commandOf = (pid) => {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
	} catch {
		return "";
	}
};

/* All processes of the PID namespace that this one is the first of. */
function below(pid) {
	const space = execFileSync("readlink", [`/proc/${pid}/ns/pid`], { encoding: "utf8" });
	const all = execFileSync("sh", ["-c", `for p in /proc/[0-9]*; do [ "$(readlink $p/ns/pid)" = "${space.trim()}" ] && echo \${p#/proc/}; done; true`], { encoding: "utf8" });
	return all.trim().split("\n").map(Number);
}
