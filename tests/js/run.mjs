#!/usr/bin/env node
/*
 * Runs test files against one shared instance, and prints a count at the end:
 *   node tests/js/run.mjs [--jobs N] FILE…
 * Without files: the stand-in's and the client's own tests, then all of
 * tests/api. MILLRACE_DEV_BIN names other programs to run; MILLRACE_TEST_KEEP
 * keeps the instance's directory, with its logs.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, fixtures, start } from "./instance.mjs";

const args = process.argv.slice(2);
const at = args.indexOf("--jobs");
const jobs = at >= 0 ? args.splice(at, 2)[1] : "8";
const testsIn = (dir) => readdirSync(join(ROOT, dir)).filter((f) => f.endsWith(".test.mjs")).sort().map((f) => join(ROOT, dir, f));
/* Those with an instance of their own first: they take the longest. */
const isLong = (file) => /await privateInstance\(|js\/oauth.mjs/.test(readFileSync(file, "utf8"));
const files = args.length > 0 ? args : ["tests/standin", "tests/js", "tests/api"].flatMap(testsIn).sort((a, b) => isLong(b) - isLong(a));

const dir = mkdtempSync(join(tmpdir(), "millrace-api-"));
process.env.MILLRACE_TEST_FIXTURES = join(dir, "fixtures");
fixtures();
const instance = await start("shared");
/* The longest that this process did not come to its turn, in ms: then the machine lost time, and who waited for something may have failed for it. */
const EVERY = 20, LATE = 100;
let late = 0, due = performance.now() + EVERY;
setInterval(() => {
	late = Math.max(late, performance.now() - due);
	due = performance.now() + EVERY;
}, EVERY).unref();

/* Ended by force: a test that failed may have left a connection open, which would be waited for. */
async function run(concurrency, files) {
	const tests = spawn(process.execPath, ["--test", "--test-force-exit", `--test-concurrency=${concurrency}`, "--test-reporter=spec", ...files],
	    { stdio: ["inherit", "pipe", "inherit"], env: { ...process.env, MILLRACE_TEST_URL: instance.url, MILLRACE_TEST_DIR: instance.dir } });
	let said = "";
	tests.stdout.setEncoding("utf8").on("data", (text) => {
		process.stdout.write(text);
		said += text;
	});
	const [status] = await once(tests, "close");
	const count = (name) => Number(new RegExp(`^ℹ ${name} (\\d+)$`, "m").exec(said)?.[1] ?? 0);
	return { status, passed: count("pass"), failed: count("fail") + count("cancelled"),
		files: [...new Set([...said.matchAll(/^test at (\S+?):\d+:\d+$/gm)].map(([, file]) => file))] };
}

let { status, passed, failed, files: again } = await run(jobs, files);
if (again.length > 0 && late > LATE) {
	console.log(`# once more, alone, since time was lost (${Math.round(late)} ms at once): ${again.join(" ")}`);
	const alone = await run(1, again);
	({ status } = alone);
	passed += failed - alone.failed;
	({ failed } = alone);
}
let complaint = 0;
await instance.stop().catch((e) => { console.log(String(e)); complaint = 1; });

console.log(`${passed} passed, ${failed + complaint} failed`);
rmSync(dir, { recursive: true, force: true });
process.exit(complaint || (status ?? 1));
