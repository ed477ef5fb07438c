/*
 * An HTTP server in front of an instance, for clients of others' that take no self-signed certificate: it passes everything on and may
 * meddle. `requests` are those that came, with their `status` and what of the reply has passed (`body`).
 *
 *	relay.on = (request) => …      awaited before a request is passed on; it may return
 *	    { cut: n }                 to break the connection off after n bytes of the reply's body
 *	    { status: 500 }            to answer itself
 */
import http from "node:http";
import https from "node:https";
import { once } from "node:events";

export class Relay {
	constructor(target) {
		Object.assign(this, { target: new URL(target), requests: [], on: null });
		this.server = http.createServer((request, response) => this.pass(request, response).catch(() => response.destroy()));
	}

	async listen() {
		this.server.listen(0, "127.0.0.1");
		await once(this.server, "listening");
		this.url = `http://127.0.0.1:${this.server.address().port}`;
		return this;
	}

	async pass(request, response) {
		const seen = { method: request.method, path: request.url, headers: request.headers, body: "" };
		const chunks = [];
		for await (const chunk of request)
			chunks.push(chunk);
		this.requests.push(seen);
		const { cut, status } = await this.on?.(seen) ?? {};
		if (status) {
			response.writeHead(seen.status = status).end();
			return;
		}
		const reply = await this.ask(request, Buffer.concat(chunks), response);
		seen.status = reply.statusCode;
		const { "transfer-encoding": _, connection: __, ...headers } = reply.headers;
		response.writeHead(reply.statusCode, headers);
		response.flushHeaders();
		let left = cut ?? Infinity;
		for await (const chunk of reply) {
			const part = chunk.subarray(0, left);
			left -= part.length;
			seen.body += part.toString("latin1");
			response.write(part);
			if (left === 0) {
				await new Promise((resolve) => setImmediate(resolve));
				response.socket.end();      /* what was written is read, the last chunk never comes */
				return;
			}
		}
		response.end();
	}

	ask(request, body, response) {
		return new Promise((resolve, reject) => {
			const { host, connection, "transfer-encoding": _, ...headers } = request.headers;
			const out = https.request({ host: this.target.hostname, port: this.target.port, method: request.method, path: request.url,
				headers, rejectUnauthorized: false, agent: false }, resolve);
			out.on("error", reject);
			response.on("close", () => out.destroy());
			out.end(body.length > 0 ? body : undefined);
		});
	}

	async close() {
		this.server.closeAllConnections();
		this.server.close();
		await once(this.server, "close");
	}
}

export const relayTo = (millrace) => new Relay(millrace.url).listen();
