/* Queries that are marked as reading: the test build's workers run them in transactions that may only read. */
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "./faults.mjs";
import { ROOT, newUser, start } from "../js/instance.mjs";

let millrace, user;

before(async () => {
	millrace = await start("reads", { MILLRACE_DEV_BIN: process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build/test"), MILLRACE_DEV_PROCESSES: "1" });
	user = await newUser(millrace.api);
}, { timeout: 120000 });
after(() => millrace?.stop());

test("what is marked as reading may not write", async () => {
	assert.equal((await user.api.get("/api/user")).status, 200);
	await millrace.psql(`CREATE FUNCTION written(body json) RETURNS json LANGUAGE plpgsql AS $$
		BEGIN UPDATE app_user SET updated_at = now() WHERE id = caller_id(); RETURN body; END $$;
		GRANT EXECUTE ON FUNCTION written TO millrace_api`);
	const [definition] = (await millrace.psql("SELECT replace(pg_get_functiondef('user_json(app_user)'::regprocedure), E'\\n', ' ')")).split("\n");
	const body = /AS \$function\$(.*)\$function\$/.exec(definition)[1];
	await millrace.psql(definition.replace(body, () => ` SELECT written((${body})) `).replace(" STABLE", ""));
	assert.equal((await user.api.get("/api/user")).status, 500);
	assert.match(await millrace.grepLogs("read-only transaction"), /cannot execute UPDATE in a read-only transaction/);
});
