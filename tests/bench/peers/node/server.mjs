/*
 * GET /api/user as a Node service does it: an HS256 token is checked, one row is
 * read by primary key as JSON. Two processes, kept prepared statements, no log.
 *
 * Environment: PORT, PGHOST (a directory), PGUSER, PGDATABASE, SECRET, SELECT (the statement).
 */
import cluster from "node:cluster";
import fastify from "fastify";
import pg from "pg";
import { createVerifier } from "fast-jwt";

const PROCESSES = 2;

if (cluster.isPrimary) {
	for (let i = 0; i < PROCESSES; i++)
		cluster.fork();
	for (const signal of ["SIGINT", "SIGTERM"])
		process.once(signal, () => process.exit(0));
} else {
	const verify = createVerifier({ key: process.env.SECRET, algorithms: ["HS256"] });
	const pool = new pg.Pool({ max: 8 });
	pg.types.setTypeParser(pg.types.builtins.JSON, (text) => text);         /* it goes out as it came */
	const app = fastify();
	app.get("/api/user", async (request, reply) => {
		let claims;
		try {
			claims = verify(request.headers.authorization.slice("Bearer ".length));
		} catch {
			return reply.code(401).send({ error: "Unauthorized" });
		}
		const { rows } = await pool.query({ name: "user", values: [claims.sub], text: process.env.SELECT });
		if (rows.length === 0)
			return reply.code(404).send({ error: "Not found" });
		return reply.type("application/json").send(rows[0].body);
	});
	await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
}
