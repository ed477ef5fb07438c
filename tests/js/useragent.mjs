/*
 * What of a browser matters to a sign-in that leads over several hosts: it keeps cookies by origin, follows redirects, and sends a Strict
 * cookie only where the way has not led over another site, a Lax one also after that. Each has an address of its own.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";

export class Browser {
	jars = new Map();
	visited = [];                /* { url, status } of the last walk */

	constructor(api) {
		this.api = api.fresh().as(null);
		this.home = api.base.origin;
	}

	/* Cookies of an origin: name → { value, strict }. */
	jar(origin = this.home) {
		if (!this.jars.has(origin))
			this.jars.set(origin, new Map());
		return this.jars.get(origin);
	}

	cookie(name) { return this.jar().get(name)?.value; }

	plant(name, value) { this.jar().set(name, { value, strict: true }); }

	header(origin, crossed) {
		return [...this.jar(origin)].filter(([, c]) => !(crossed && c.strict)).map(([name, c]) => `${name}=${c.value}`).join("; ");
	}

	#keep(origin, reply) {
		for (const line of reply.headers["set-cookie"] ?? []) {
			const [pair, ...flags] = line.split(/; */).map((s) => s.trim());
			const [name, value] = pair.split(/=(.*)/s), lower = flags.map((f) => f.toLowerCase());
			if (name.startsWith("__Host-"))
				assert.ok(lower.includes("secure") && lower.includes("path=/") && !lower.some((f) => f.startsWith("domain")), line);
			if (value === "" || lower.includes("max-age=0"))
				this.jar(origin).delete(name);
			else
				this.jar(origin).set(name, { value, strict: lower.includes("samesite=strict") });
		}
	}

	/* One request, not followed. */
	async visit(url, { crossed = false, headers = {} } = {}) {
		const { origin, pathname, search } = new URL(url, this.home);
		const all = { ...headers, cookie: headers.cookie ?? this.header(origin, crossed) };
		if (all.cookie === "")
			delete all.cookie;
		let reply;
		if (origin === this.home) {
			reply = await this.api.get(pathname + search, { headers: all });
		} else {
			const request = http.get(url, { headers: all });
			const [response] = await once(request, "response");
			response.resume();
			reply = { status: response.statusCode, headers: response.headers };
			await once(response, "end");
		}
		this.#keep(origin, reply);
		this.visited.push({ url: new URL(url, this.home).href, status: reply.status });
		return reply;
	}

	/* Goes where redirects lead, until `stop` says of an address that it is not to be visited any more, or a page comes. That address. */
	async walk(url, stop = () => false) {
		let crossed = false;
		this.visited = [];
		for (let hops = 0; hops < 20; hops++) {
			const at = new URL(url, this.home);
			if (stop(at) || at.hostname.endsWith(".example.com"))
				return at.href;
			crossed ||= at.origin !== this.home;
			const reply = await this.visit(at.href, { crossed });
			if (![301, 302, 303, 307].includes(reply.status))
				throw Object.assign(new Error(`a page: ${reply.status} ${reply.text ?? ""} at ${at.href}`), { reply });
			url = new URL(reply.headers.location, at).href;
		}
		throw new Error("too many redirects");
	}

	/* A request as the page's own script makes it. */
	send(method, path, options = {}) {
		const headers = { cookie: this.header(this.home, false), "x-csrf-token": this.cookie("csrf_access_token") ?? "", ...options.headers };
		return this.api.request(method, path, { ...options, headers });
	}
}
