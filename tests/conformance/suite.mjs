/*
 * Cases and how they are run. A suite's file exports one Suite; its cases are
 * named "<suite> <id>", for example "websocket 6.4.2". A case is a function of
 * one argument, its context: the server under test, and what it may do and say.
 */
import assert from "node:assert/strict";

/* How long a thing that must come may take, and how long one that must not is waited for. The machine may be busy. */
export const SOON = 8000;
export const QUIET = 120;
/* A time at which a failure says nothing, and how often a case is run because of it. */
const LATE = 80, TRIES = 5;

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
function said(error) {
	const text = error.generatedMessage ? error.message : String(error.message ?? error).split("\n")[0];
	return text.replace(/[^\n\t\x20-\x7e\xa0-\uffff]/g, "\ufffd");
}

/* A failure that no lost time excuses. */
export class Certain extends Error {}

async function runCase(c, target, print, lateness) {
	const context = new Context(target), from = performance.now();
	let error;
	try {
		await within(c.limit, "the case", c.run(context));
	} catch (e) {
		error = e;
	}
	context.end();
	const late = lateness.since(from);
	if (error && !(error instanceof Certain) && late > LATE && (c.tries ?? 1) < TRIES) {
		print(`# ${c.name}: once more, since time was lost (${late} ms at once): ${said(error).split("\n")[0]}`);
		return { again: { ...c, tries: (c.tries ?? 1) + 1 } };
	}
	const notes = context.notes.length > 0 ? ` # ${context.notes.join("; ")}` : "";
	print(`${error ? "not ok" : "ok"} - ${c.name}: ${c.title}${notes}`);
	if (error)
		print(`    ${said(error).replaceAll("\n", "\n    ")}`);
	return { name: c.name, failed: error !== undefined, nonStrict: notes.includes("non-strict") };
}

/*
 * Runs cases against `target` ({ host, port, pid, strict, memory }), up to `jobs`
 * at once and those that want to be alone afterwards. Sessions live on pongs
 * within 200 ms: a case that fails while `lateness` says that such a time was
 * lost is run again, alone. Gives what became of each, in no order.
 */
export async function runCases(cases, target, lateness, { jobs = 4, print = console.log } = {}) {
	const results = [];
	const together = cases.filter((c) => !c.alone), alone = cases.filter((c) => c.alone);
	const run = async (c) => {
		const result = await runCase(c, target, print, lateness);
		if (result.again)
			alone.push(result.again);
		else
			results.push(result);
	};
	const worker = async () => {
		for (let c; (c = together.shift());)
			await run(c);
	};
	await Promise.all(Array.from({ length: jobs }, worker));
	for (let c; (c = alone.shift());)
		await run(c);
	return results;
}
