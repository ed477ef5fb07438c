/*
 * Cases and how they are run. A suite's file exports one Suite; its cases are
 * named "<suite> <id>", for example "websocket 6.4.2". A case is a function of
 * one argument, its context: the server under test, and what it may do and say.
 */
import assert from "node:assert/strict";

/* How long a thing that must come may take, and how long one that must not is waited for. The machine may be busy. */
export const SOON = 8000;
export const QUIET = 120;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/* The value of a promise that must settle within `ms`. */
export async function within(ms, what, promise) {
	let timer;
	const late = new Promise((_, fail) => {
		timer = setTimeout(() => fail(new Error(`${what}: nothing within ${ms} ms`)), ms);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

export class Suite {
	constructor(name) {
		this.name = name;
		this.cases = [];
	}

	/*
	 * Adds a case. `alone`: nothing runs beside it (what measures time, memory or
	 * moves megabytes). `limit`: its own time limit in ms.
	 */
	case(id, title, run, { alone = false, limit = 30000 } = {}) {
		assert(!this.cases.some((c) => c.id === id), `the case ${this.name} ${id} is there twice`);
		this.cases.push({ name: `${this.name} ${id}`, id, title, run, alone, limit });
	}
}

/* What a case has in hand: the address under test, and a list of what is to be ended after it. */
class Context {
	constructor(target) {
		this.target = target;
		this.notes = [];
		this.ends = [];
	}

	/* Right, but not the best that a server can do: as the public suites' "non-strict". */
	nonStrict(text) {
		assert(!this.target.strict, text);
		this.notes.push(`non-strict: ${text}`);
	}

	/* A figure or fact for the reader. */
	note(text) { this.notes.push(text); }

	atEnd(fn) { this.ends.push(fn); }

	end() {
		for (const fn of this.ends.splice(0))
			fn();
	}
}

/* What went wrong, without the comparison that assert adds to a message of ours. */
const said = (error) => (error.generatedMessage ? error.message : String(error.message ?? error).split("\n")[0]);

async function runCase(c, target, print) {
	const context = new Context(target), from = Date.now();
	let error;
	try {
		await within(c.limit, "the case", c.run(context));
	} catch (e) {
		error = e;
	}
	context.end();
	const notes = context.notes.length > 0 ? ` # ${context.notes.join("; ")}` : "";
	print(`${error ? "not ok" : "ok"} - ${c.name}: ${c.title}${notes}`);
	if (error)
		print(`    ${said(error).replaceAll("\n", "\n    ")}`);
	return { name: c.name, failed: error !== undefined, nonStrict: notes.includes("non-strict"), ms: Date.now() - from };
}

/*
 * Runs cases against `target` ({ url, host, port, pid, strict, memoryLimit }), up
 * to `jobs` at once and those that want to be alone afterwards. Gives what became
 * of each, in no order.
 */
export async function runCases(cases, target, { jobs = 6, print = console.log } = {}) {
	const results = [];
	const together = cases.filter((c) => !c.alone);
	const worker = async () => {
		for (let c; (c = together.shift());)
			results.push(await runCase(c, target, print));
	};
	await Promise.all(Array.from({ length: jobs }, worker));
	for (const c of cases.filter((c) => c.alone))
		results.push(await runCase(c, target, print));
	return results;
}
