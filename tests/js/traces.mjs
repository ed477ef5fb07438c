/* Where the database still has a word of somebody's. */
import { until } from "./expect.mjs";

/* A test's own statements hold what is looked for, and may be slow enough for the server's log. */
export const quiet = (millrace, text) => millrace.psql(`SET log_min_duration_statement = -1; ${text}`);

export const tables = async (millrace) => (await millrace.psql(`SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relnamespace = 'public'::regnamespace ORDER BY 1`)).trim().split("\n");

/* The tables that have one of the words in any column, in letters or bytes. */
export async function traces(millrace, ...words) {
	const likes = words.flatMap((w) => [w, Buffer.from(w).toString("hex")]).map((w) => `'%${w.toLowerCase()}%'`);
	/* Not as a regular expression, which takes ten times as long over what all the other tests left there. */
	const all = (await tables(millrace)).map((t) => `SELECT '${t}' WHERE EXISTS (SELECT FROM ${t} t WHERE lower(t::text) LIKE ANY (ARRAY[${likes}]))`);
	return (await quiet(millrace, all.join(" UNION ALL "))).trim().split("\n").filter(Boolean).sort();
}

/* Until an erasure that was asked for is at its end. */
export const erased = (millrace, uid) => until(async () => await quiet(millrace, `SELECT count(*) FROM app_user WHERE id = '${uid}'`) === "0\n",
    `the end of the erasure of ${uid}`, 120000);
