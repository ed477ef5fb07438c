#!/usr/bin/env node
/*
 * Runs test files against one shared instance:
 *   node tests/js/run.mjs [--jobs N] FILE…        (default: all of tests/api)
 * MILLRACE_DEV_BIN names other programs to run; MILLRACE_TEST_KEEP keeps the
 * instance's directory, with its logs.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, fixtures, start } from "./instance.mjs";

const args = process.argv.slice(2);
const at = args.indexOf("--jobs");
const jobs = at >= 0 ? args.splice(at, 2)[1] : "2";
const files = args.length > 0 ? args : readdirSync(join(ROOT, "tests/api")).filter((f) => f.endsWith(".test.mjs")).sort()
    .map((f) => join(ROOT, "tests/api", f));

const dir = mkdtempSync(join(tmpdir(), "millrace-fixtures-"));
process.env.MILLRACE_TEST_FIXTURES = dir;
fixtures();
const instance = await start("shared");
const tests = spawn(process.execPath, ["--test", `--test-concurrency=${jobs}`, "--test-reporter=spec", ...files],
    { stdio: "inherit", env: { ...process.env, MILLRACE_TEST_URL: instance.url, MILLRACE_TEST_DIR: instance.dir } });
const [status] = await once(tests, "exit");
await instance.stop();
rmSync(dir, { recursive: true, force: true });
process.exit(status ?? 1);
