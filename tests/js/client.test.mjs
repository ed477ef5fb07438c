/* The tests' own client against a plain server: what it sends is what is asked for. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import https from "node:https";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Api, multipart } from "./client.mjs";
import { schemas } from "./schema.mjs";

let server, api;
before(async () => {
	const dir = mkdtempSync(join(tmpdir(), "millrace-client-"));
	execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-keyout", join(dir, "key"), "-out", join(dir, "cert")], { stdio: "ignore" });
	server = https.createServer({ key: readFileSync(join(dir, "key")), cert: readFileSync(join(dir, "cert")) }, echo);
	rmSync(dir, { recursive: true });
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	api = new Api(`https://127.0.0.1:${server.address().port}`, { token: "t" });
});
after(() => { server.close(); server.closeAllConnections(); });

async function echo(req, res) {
	const parts = [];
	for await (const part of req)
		parts.push(part);
	if (req.url === "/events") {
		res.writeHead(200, { "content-type": "text/event-stream" });
		for (let i = Number(req.headers["last-event-id"] ?? 0) + 1; i <= 5; i++)
			res.write(`id: ${i}\nevent: token\ndata: {"n":${i}}\n\n: ping\n\n`);
		return res.end();
	}
	res.writeHead(req.url === "/teapot" ? 418 : 200, { "content-type": "application/json" });
	return res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, from: req.socket.remoteAddress,
		body: Buffer.concat(parts).toString("latin1") }));
}

test("methods, bodies, tokens, addresses", async () => {
	const { json } = await api.patch("/x?y=1", { a: "é" });
	assert.deepEqual([json.method, json.url, json.headers.authorization, json.headers["content-type"], json.headers["content-length"]],
	    ["PATCH", "/x?y=1", "Bearer t", "application/json", "10"]);
	assert.equal(json.from, api.address);
	assert.notEqual((await api.fresh().get("/")).json.from, api.address);
	assert.equal((await api.as(null).get("/")).json.headers.authorization, undefined);
	assert.equal((await api.get("/teapot")).status, 418);
});

test("a form, byte for byte", async () => {
	const bytes = Buffer.from([0, 255, 13, 10]);
	const { json } = await api.upload("/u", { name: "n", file: { filename: "f.bin", type: "x/y", bytes } });
	const boundary = /boundary=(.*)/.exec(json.headers["content-type"])[1];
	assert.equal(json.body, `--${boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\nn\r\n--${boundary}\r\n`
	    + 'Content-Disposition: form-data; name="file"; filename="f.bin"\r\nContent-Type: x/y\r\n\r\n'
	    + `${bytes.toString("latin1")}\r\n--${boundary}--\r\n`);
	assert.ok(multipart({ a: "b" }).body.length > 0);
});

test("events: some, all, from where one was", async () => {
	const first = await api.sse("GET", "/events");
	assert.deepEqual((await first.take(2)).map((e) => e.data.n), [1, 2]);
	first.close();
	const rest = await api.sse("GET", "/events", { lastEventId: 2 });
	assert.deepEqual((await rest.all()).map((e) => [e.id, e.event, e.data.n]), [["3", "token", 3], ["4", "token", 4], ["5", "token", 5]]);
	assert.deepEqual(rest.comments, ["ping", "ping", "ping"]);
	await assert.rejects(api.sse("GET", "/teapot"), (e) => e.reply.status === 418);
});

test("raw bytes: a whole reply, or a closed connection", async () => {
	const reply = await api.raw("GET /raw HTTP/1.1\r\nHost: x\r\n\r\n");
	assert.equal(reply.json.url, "/raw");
	await assert.rejects(api.raw("", { timeout: 100 }), /no whole reply in time/);
});

test("replies are held against schemas", () => {
	const check = schemas({ openapi: "3.1.0", paths: { "/a/{id}": { get: { responses: { 200: { content: { "application/json": {
		schema: { $ref: "#/components/schemas/a" } } } }, default: { $ref: "#/components/responses/e" } } } } },
	components: { schemas: { a: { type: "object", required: ["id"], properties: { id: { type: "string", format: "uuid" } } } },
		responses: { e: { content: { "application/json": { schema: { required: ["code"] } } } } } } });
	const reply = (json) => ({ headers: { "content-type": "application/json" }, json, text: "" });
	const id = "01890a5d-ac96-774b-bcce-b302099a8057";
	check("GET", `/a/${id}?x=1`, 200, reply({ id }));
	check("GET", "/a/x/", 404, reply({ code: 1 }));
	check("GET", "/unknown", 200, reply({}));
	for (const [status, json] of [[200, {}], [200, { id: 5 }], [200, { id: "x" }], [404, {}]])
		assert.throws(() => check("GET", "/a/x", status, reply(json)), /does not fit/);
});
