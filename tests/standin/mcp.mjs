/*
 * Servers of the Model Context Protocol, on one address:
 *
 *	/modern		the official server of the revision of 2026, which speaks no other
 *	/legacy		the official server of those before, with sessions and event streams
 *	/odd/NAME	what `odd[NAME](message, response)` replies: its return value as JSON-RPC's result, or nothing where it has replied itself
 *
 * Both official ones have add {a, b}, fail {}, and hold {}, which waits for `release()`. `calls` are the requests that came, with path and headers;
 * `key` is the bearer token that is asked for, if any.
 */
import http from "node:http";
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { McpServer, createMcpHandler } from "@modelcontextprotocol/server";
import { McpServer as OldServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as z from "zod";

export class McpStandin {
	constructor() {
		Object.assign(this, { calls: [], odd: {}, key: null, sessions: new Map(), held: [] });
		this.modern = createMcpHandler(() => this.tools(new McpServer({ name: "modern", version: "1" })), { legacy: "reject" });
		this.server = http.createServer((req, res) => this.serve(req, res).catch((e) => res.destroy(e)));
	}

	async start(host) {
		this.server.listen(0, host);
		await once(this.server, "listening");
		this.url = `http://${host}:${this.server.address().port}`;
		return this;
	}

	tools(server) {
		const text = (words, isError = false) => ({ content: [{ type: "text", text: words }], isError });
		server.registerTool("add", { description: "Adds", inputSchema: z.object({ a: z.number(), b: z.number() }), annotations: { readOnlyHint: true } },
		    async ({ a, b }) => text(`the sum is ${a + b}`));
		server.registerTool("fail", { description: "Fails" }, async () => text("it is broken", true));
		server.registerTool("hold", { description: "Waits" }, () => new Promise((resolve) => this.held.push(() => resolve(text("held")))));
		return server;
	}

	release() { this.held.splice(0).forEach((go) => go()); }

	async serve(req, res) {
		const chunks = [];
		for await (const chunk of req)
			chunks.push(chunk);
		const body = Buffer.concat(chunks), message = body.length > 0 ? JSON.parse(body) : null, [, kind, name] = new URL(req.url, this.url).pathname.split("/");
		this.calls.push({ path: req.url, headers: req.headers, message });
		if (this.key && req.headers.authorization !== `Bearer ${this.key}`)
			res.writeHead(401).end();
		else if (kind === "modern")
			await this.pass(req, res, body);
		else if (kind === "legacy")
			await this.old(req, res, message);
		else
			await this.reply(res, message, this.odd[name]);
	}

	async pass(req, res, body) {
		const reply = await this.modern.fetch(new Request(this.url + req.url, { method: req.method, headers: req.headers, body }));
		res.writeHead(reply.status, Object.fromEntries(reply.headers));
		for await (const chunk of reply.body ?? [])
			res.write(chunk);
		res.end();
	}

	/* A session has a server and a transport of its own. */
	async old(req, res, message) {
		let transport = this.sessions.get(req.headers["mcp-session-id"]);
		if (!transport && message?.method === "initialize") {
			transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: (id) => this.sessions.set(id, transport) });
			await this.tools(new OldServer({ name: "legacy", version: "1" })).connect(transport);
		}
		if (!transport)
			res.writeHead(req.headers["mcp-session-id"] ? 404 : 400).end();
		else
			await transport.handleRequest(req, res, message);
	}

	async reply(res, message, answer) {
		const result = await answer?.(message, res);
		if (result === undefined)
			return;
		res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
	}

	close() {
		this.release();
		this.server.closeAllConnections();
		this.server.close();
	}
}
