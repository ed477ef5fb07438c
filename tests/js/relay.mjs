/*
 * An HTTP server in front of an instance, for clients of others' that take no self-signed certificate, or of what listens on a UNIX socket:
 * it passes everything on and may meddle. `requests` are those that came, with what was `sent`, their `status` and what of the reply has
 * passed (`body`).
 *
 *	relay.on = (request) => …      awaited before a request is passed on; it may return
 *	    { cut: n }                 to break the connection off after n bytes of the reply's body
 *	    { status: 500, json }      to answer itself
 *	    { change: (json) => json } to have another reply
 *	    { piece: n }               to have the reply's body in pieces of n bytes
 */
import http from "node:http";
import https from "node:https";
import { once } from "node:events";
import { json as jsonOf } from "node:stream/consumers";

export class Relay {
	constructor(target) {
		Object.assign(this, { target: target.startsWith("/") ? { socketPath: target } : new URL(target), requests: [], on: null });
		this.server = http.createServer((request, response) => this.pass(request, response).catch(() => response.destroy()));
	}

	async listen(...at) {
		this.server.listen(...at.length > 0 ? at : [0, "127.0.0.1"]);
		await once(this.server, "listening");
		this.url = `http://127.0.0.1:${this.server.address().port}`;
		return this;
	}

	async pass(request, response) {
		const seen = { method: request.method, path: request.url, headers: request.headers, body: "" };
		const chunks = [];
		for await (const chunk of request)
			chunks.push(chunk);
		seen.sent = Buffer.concat(chunks).toString("latin1");
		this.requests.push(seen);
		const { cut, status, json, change, piece } = await this.on?.(seen) ?? {};
		if (status) {
			response.writeHead(seen.status = status).end(json && JSON.stringify(json));
			return;
		}
		const reply = await this.ask(request, Buffer.concat(chunks), response);
		seen.status = reply.statusCode;
		if (change) {
			response.writeHead(reply.statusCode).end(seen.body = JSON.stringify(change(await jsonOf(reply))));
			return;
		}
		const { "transfer-encoding": _, connection: __, ...headers } = reply.headers;
		response.writeHead(reply.statusCode, headers);
		response.flushHeaders();
		let left = cut ?? Infinity;
		for await (const chunk of reply) {
			const part = chunk.subarray(0, left);
			left -= part.length;
			seen.body += part.toString("latin1");
			for (let at = 0; at < part.length; at += piece ?? part.length) {
				response.write(part.subarray(at, at + (piece ?? part.length)));
				if (piece)
					await new Promise((resolve) => setImmediate(resolve));
			}
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
			const { socketPath, hostname, port } = this.target;
			const out = (socketPath ? http : https).request({ socketPath, host: hostname, port, method: request.method, path: request.url,
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
