/*
 * Runs test files by node's runner. Those that fail are run once more, alone: what fails again has failed; what passes then is told, with
 * why it failed before, and fails nothing.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";

/* What the spec reporter lists at its end: { name, file, line, reason } each, the reason without node's own frames. */
export function failuresOf(said) {
	const list = said.split(/^✖ failing tests:$/m).slice(1).join("\n");
	return list.split(/^(?=test at )/m).slice(1).map((block) => {
		const [at, head = "", ...reason] = block.trimEnd().split("\n");
		const [, file, line] = /^test at (.*):(\d+):\d+$/.exec(at);
		return { file, line, name: head.replace(/^✖ /, "").replace(/ \([\d.]+ms\)$/, ""),
			reason: reason.filter((text) => !/^ *at .*\bnode:/.test(text)) };
	});
}

/* Ended by force: a test that failed may have left a connection open, which would be waited for. */
async function run(files, jobs, env, out) {
	const tests = spawn(process.execPath, ["--test", "--test-force-exit", `--test-concurrency=${jobs}`, "--test-reporter=spec", ...files],
	    { stdio: ["inherit", "pipe", "inherit"], env });
	let said = "";
	tests.stdout.setEncoding("utf8").on("data", (text) => {
		out(text);
		said += text;
	});
	const [status] = await once(tests, "close");
	const count = (name) => Number(new RegExp(`^ℹ ${name} (\\d+)$`, "m").exec(said)?.[1] ?? 0);
	const failed = count("fail") + count("cancelled");
	/* a runner that fails without a failed test has failed, too */
	return { passed: count("pass"), failed: status === 0 ? failed : Math.max(failed, 1), failures: failuresOf(said) };
}

const shown = (head, { name, file, line, reason }) => ["", `${head}${name} (${file}:${line})`, ...reason.map((text) => `    ${text}`), ""].join("\n");

/* Resolves to { passed, failed }, numbers of tests; `out` gets the text. */
export async function runTests(files, jobs, { env = process.env, out = (text) => process.stdout.write(text) } = {}) {
	const first = await run(files, jobs, env, out);
	const again = [...new Set(first.failures.map((f) => f.file))];
	if (again.length === 0) {
		if (first.failed > 0)
			out("not ok - the runner of the tests failed, and none of them\n");
		return first;
	}
	out(`# once more, alone: ${again.join(" ")}\n`);
	const alone = await run(again, 1, env, out);
	const failsAgain = (f) => alone.failures.some((g) => g.file === f.file && g.name === f.name);
	for (const f of alone.failures)
		out(shown("not ok - ", f));
	for (const f of first.failures.filter((f) => !failsAgain(f)))
		out(shown("# failed once, passed alone: ", f));
	return { passed: first.passed + Math.max(first.failed - alone.failed, 0), failed: alone.failed };
}
