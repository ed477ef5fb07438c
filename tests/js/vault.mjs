/* The runner's own way into the vault, for tests: tests/ctl/vault.c, built once a process. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./instance.mjs";

/* build/test has programs alone, made of build's objects. */
const SANITIZED = /san\/?$/.test(process.env.MILLRACE_DEV_BIN ?? "");
const BIN = SANITIZED ? process.env.MILLRACE_DEV_BIN : join(ROOT, "build");
let program;

function build() {
	if (program)
		return program;
	const dir = mkdtempSync(join(tmpdir(), "millrace-vault-"));
	process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
	program = join(dir, "vault");
	const flags = execFileSync("pkg-config", ["--cflags", "libpq", "json-c"], { encoding: "utf8" }).trim().split(/\s+/);
	const sanitize = SANITIZED ? ["-fsanitize=address,undefined"] : [];
	execFileSync("cc", ["-std=c17", "-D_GNU_SOURCE", "-pthread", ...sanitize, `-I${ROOT}include`, `-I${ROOT}`, ...flags, "-o", program,
		join(ROOT, "tests/ctl/vault.c"), `${BIN}/obj/runner/secrets/vault.o`, `${BIN}/obj/runner/secrets/unseal.o`, `${BIN}/libmillrace.a`,
		"-lpq", "-ljson-c", "-lsodium", "-ljwt", "-lcrypto", "-lidn2", "-lunistring", "-lnettle", "-lsecp256k1"], { stdio: ["ignore", "inherit", "inherit"] });
	return program;
}

/* The values of [owner, name] pairs, opened with the private keys in these files. */
export function openSecrets(millrace, pairs, keyFile, oldKeyFile) {
	const env = { PATH: process.env.PATH, MILLRACE_DB: `host=${millrace.runDir}/pg dbname=millrace`, MILLRACE_VAULT_KEY_FILE: keyFile };
	env.ASAN_OPTIONS = "detect_leaks=0"; /* settings are kept until the process ends */
	if (oldKeyFile)
		env.MILLRACE_VAULT_KEY_OLD_FILE = oldKeyFile;
	const done = spawnSync(build(), ["open"], { env, input: pairs.map((p) => p.join(" ") + "\n").join(""), encoding: "utf8" });
	if (done.status !== 0)
		throw new Error(`vault open: ${done.status} ${done.stderr}`);
	return done.stdout.split("\n").slice(0, -1);
}
