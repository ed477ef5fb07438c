/*
 * Chains of empty jobs by graphile-worker: node chains.mjs CHAINS LENGTH SECONDS, with its database in DATABASE_URL. So many at once, each job
 * adds the next, and the last one of a chain the first of another. Prints {steps, seconds} of jobs that were done after a second's warm-up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Logger, run } from "graphile-worker";

const [chains, length, seconds] = process.argv.slice(2).map(Number);
let steps = 0, ending = false;

const runner = await run({ connectionString: process.env.DATABASE_URL, noHandleSignals: true,
	/* What it has for throughput: jobs are taken and completed many at a time. */
	preset: { worker: { concurrentJobs: chains, maxPoolSize: 20, localQueue: { size: 2 * chains }, completeJobBatchDelay: 0 } },
	logger: new Logger(() => () => {}), taskList: { async step({ left }, { addJob }) {
		steps++;
		if (left > 1)
			await addJob("step", { left: left - 1 });
		else if (!ending)
			await addJob("step", { left: length });
	} } });
await Promise.all(Array.from({ length: chains }, () => runner.addJob("step", { left: length })));
await sleep(1000);
const [before, began] = [steps, performance.now()];
await sleep(seconds * 1000);
console.log(JSON.stringify({ steps: steps - before, seconds: (performance.now() - began) / 1000 }));
ending = true;
await runner.stop();
