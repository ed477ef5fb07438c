/*
 * Runs test files by node's runner. Those that fail are run once more, alone: what fails again has failed; what passes then is told, with
 * why it failed before, and fails nothing.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";

/* What the spec reporter lists at its end: { name, line, reason } each, the reason without node's own frames. */
export function failuresOf(said) {
	const list = said.split(/^✖ failing tests:$/m).slice(1).join("\n");
	return list.split(/^(?=test at )/m).slice(1).map((block) => {
		const [at, head = "", ...reason] = block.trimEnd().split("\n");
		return { at: at.replace("test at ", ""), name: head.replace(/^✖ /, "").replace(/ \([\d.]+ms\)$/, ""),
			reason: reason.filter((text) => !/^ *at .*\bnode:/.test(text)) };
	});
}

/* One file, in a runner of its own, so that it is known which one failed. Ended by force: a test that failed may have left a connection open,
   which would be waited for. */
async function runFile(file, env, out) {
	const tests = spawn(process.execPath, ["--test", "--test-force-exit", "--test-reporter=spec", file], { stdio: ["inherit", "pipe", "inherit"], env });
	let said = "";
	tests.stdout.setEncoding("utf8").on("data", (text) => { said += text; });
	const [status] = await once(tests, "close");
	const count = (name) => Number(new RegExp(`^ℹ ${name} (\\d+)$`, "m").exec(said)?.[1] ?? 0);
	const failures = failuresOf(said).map((f) => ({ ...f, file }));
	if (status !== 0 && failures.length === 0)
		failures.push({ file, at: file, name: "its runner failed, and none of its tests", reason: [] });
	out(said.split(/^ℹ tests \d+$/m)[0]);
	return { passed: count("pass"), failures };
}

/* `jobs` files at a time, in their order. */
async function run(files, jobs, env, out) {
	const left = [...files], done = [];
	await Promise.all(Array.from({ length: jobs }, async () => {
		while (left.length > 0)
			done.push(await runFile(left.shift(), env, out));
	}));
	return { passed: done.reduce((sum, r) => sum + r.passed, 0), failures: done.flatMap((r) => r.failures) };
}

const shown = (head, { name, at, reason }) => ["", `${head}${name} (${at})`, ...reason.map((text) => `    ${text}`), ""].join("\n");

/* Resolves to { passed, failed }, numbers of tests; `out` gets the text. */
export async function runTests(files, jobs, { env = process.env, out = (text) => process.stdout.write(text) } = {}) {
	const first = await run(files, jobs, env, out);
	const again = [...new Set(first.failures.map((f) => f.file))];
	if (again.length > 0)
		out(`# once more, alone: ${again.join(" ")}\n`);
	const { failures } = await run(again, 1, env, out);
	const once = first.failures.filter((f) => !failures.some((g) => g.file === f.file && g.name === f.name));
	for (const f of failures)
		out(shown("not ok - ", f));
	for (const f of once)
		out(shown("# failed once, passed alone: ", f));
	return { passed: first.passed + once.length, failed: failures.length };
}
