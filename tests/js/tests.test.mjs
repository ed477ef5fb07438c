/* The runner of the tests, on tests that fail always, once, or not at all; and what tests/run repeats of its output. */
import test from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./instance.mjs";
import { runTests } from "./tests.mjs";

const summary = (text) => execFileSync("awk", ["-f", join(ROOT, "tests/failures.awk")], { input: text, encoding: "utf8" });

/* Of these files, by name: { passed, failed, text, summary }. */
async function ran(files) {
	const dir = mkdtempSync(join(tmpdir(), "millrace-tests-"));
	/* else node would take it for a test of a runner's, and report in another way */
	const { NODE_TEST_CONTEXT, ...env } = process.env;
	let text = "";
	try {
		const paths = Object.entries(files).map(([name, body]) => {
			writeFileSync(join(dir, name), `import test from "node:test"; import assert from "node:assert/strict"; import fs from "node:fs";\n${body}`);
			return join(dir, name);
		}).filter((path) => path.endsWith(".test.mjs"));
		const counts = await runTests(paths, 2, { env: { ...env, DIR: dir }, out: (part) => { text += part; } });
		return { ...counts, text, summary: summary(text) };
	} finally {
		rmSync(dir, { recursive: true });
	}
}

const once = `fs.writeFileSync(process.env.DIR + "/marker", "", { flag: "wx" });`;
const good = `test("good", () => {});`;

test("what passes is counted, and nothing else said", async () => {
	const r = await ran({ "a.test.mjs": good, "b.test.mjs": good + good.replace("good", "better") });
	assert.deepEqual([r.passed, r.failed, r.summary], [3, 0, ""]);
});

test("what fails once more has failed, with its reason", async () => {
	const r = await ran({ "a.test.mjs": good, "b.test.mjs": `${good} test("outer", (t) => t.test("bad", () => { throw new Error("why\\nnot"); }));` });
	assert.deepEqual([r.passed, r.failed], [2, 1]);
	assert.match(r.summary, /^not ok - bad \(.*b\.test\.mjs:2:\d+\)\n +Error: why\n +not\n/);
	assert.doesNotMatch(r.summary, /once|a\.test|good|node:internal/);
});

test("what fails once and passes alone fails nothing, and is told with its reason", async () => {
	const r = await ran({ "a.test.mjs": good, "b.test.mjs": `${good} test("flaky", () => { try { ${once} } catch { return; } throw new Error("late"); });` });
	assert.deepEqual([r.passed, r.failed], [3, 0]);
	assert.match(r.summary, /^# failed once, passed alone: flaky \(.*b\.test\.mjs:2:\d+\)\n +Error: late\n/);
	assert.doesNotMatch(r.summary, /not ok/);
});

test("a test that another file makes counts for the file that was run", async () => {
	const r = await ran({ "a.test.mjs": good, "b.test.mjs": `import { made } from "./c.mjs"; made(() => { try { ${once} } catch { return; } throw new Error("late"); });`,
		"c.mjs": "export const made = (fn) => test('made', fn);" });
	assert.deepEqual([r.passed, r.failed], [2, 0]);
	assert.match(r.summary, /^# failed once, passed alone: made \(.*c\.mjs:2:\d+\)\n +Error: late\n/);
});

test("a file that cannot be loaded has failed, with its reason", async () => {
	const r = await ran({ "a.test.mjs": good, "b.test.mjs": `import "./nowhere.mjs";` });
	assert.deepEqual([r.passed, r.failed], [1, 1]);
	assert.match(r.summary, /^not ok - .*b\.test\.mjs/);
});

test("what suites of other kinds say of a failure", () => {
	assert.equal(summary("ok - a\n# of a\nnot ok - b\n    one\n# two\nok - c\n    d: 5\nnot ok - lint: d\nok - e\n2 passed, 2 failed\n"),
	    "not ok - b\n    one\n# two\n    d: 5\nnot ok - lint: d\n");
	assert.equal(summary("ok x (1 s)\nnot ok y\nTraceback:\n  File\nError: z\n\n\n1 passed, 1 failed\nexit 1\n"), "not ok y\nTraceback:\n  File\nError: z\n");
	const long = summary(`not ok - many\n${Array.from({ length: 100 }, (_, i) => `    ${i}`).join("\n")}\nok - more\n`).split("\n");
	assert.ok(long.length < 20 && long[0] === "not ok - many" && long.includes("    [...]") && long.includes("    99"), long);
});
