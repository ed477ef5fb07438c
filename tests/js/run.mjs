#!/usr/bin/env node
/*
 * Runs test files against one shared instance, and prints a count at the end:
 *   node tests/js/run.mjs [--own] [--jobs N] FILE…
 * Without files: the stand-in's and the client's own tests, then all of
 * tests/api. --own: the files start instances by themselves. MILLRACE_DEV_BIN
 * names other programs to run; MILLRACE_TEST_KEEP keeps the instance's directory,
 * with its logs.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, SHARED, fixtures, start } from "./instance.mjs";
import { runTests } from "./tests.mjs";

const args = process.argv.slice(2);
const own = args[0] === "--own" && args.shift() !== undefined;
const at = args.indexOf("--jobs");
const jobs = at >= 0 ? args.splice(at, 2)[1] : "8";
const testsIn = (dir) => readdirSync(join(ROOT, dir)).filter((f) => f.endsWith(".test.mjs")).sort().map((f) => join(ROOT, dir, f));
/* Those with an instance of their own, and those that walk all operations, first: they take the longest. */
const isLong = (file) => /await privateInstance\(|openapi|js\/oauth.mjs/.test(readFileSync(file, "utf8"));
const files = args.length > 0 ? args : ["tests/standin", "tests/js", "tests/api"].flatMap(testsIn).sort((a, b) => isLong(b) - isLong(a));

const dir = mkdtempSync(join(tmpdir(), "millrace-api-"));
process.env.MILLRACE_TEST_FIXTURES = join(dir, "fixtures");
fixtures();
const instance = own ? null : await start("shared", SHARED);
const env = own ? process.env : { ...process.env, MILLRACE_TEST_URL: instance.url, MILLRACE_TEST_DIR: instance.dir };
let { passed, failed } = await runTests(files, jobs, { env });
await instance?.stop().catch((e) => {
	console.log(`not ok - the shared instance\n    ${String(e).replaceAll("\n", "\n    ")}`);
	failed++;
});
console.log(`${passed} passed, ${failed} failed`);
rmSync(dir, { recursive: true, force: true });
process.exit(failed > 0 ? 1 : 0);
