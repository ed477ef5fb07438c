/*
 * A strict stand-in for GitHub as people sign in with it: the authorization page (which asks nobody and decides by `user` and `denies`), the
 * token endpoint, /user, /user/emails, and the deletion of a grant. It refuses what GitHub would, and what GitHub lets pass but nobody ought
 * to send; what it did not like is in `faults`, what it was asked in `requests`.
 *
 * `hold` may be set to an async function of (step, request): it is awaited before a step ("token", "user", "emails", "revoke") is
 * worked on. `status`, to have a step answered with another status.
 */
import http from "node:http";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";

const CODE_MS = 600000;
const word = (prefix) => prefix + randomBytes(20).toString("hex");

export class GitHub {
	clientId = "Iv1.0123456789abcdef";
	clientSecret = randomBytes(20).toString("hex");
	redirectUri = null;
	user = null;                 /* who sits at the browser: { id, login, name, emails: [{ email, primary, verified }] } */
	denies = false;
	lasts = null;                /* seconds of an access token; null: for good, as OAuth apps have it */
	hold = async () => {};
	status = {};
	codes = new Map();
	tokens = new Map();          /* access token: { user, grant } */
	refreshes = new Map();
	revoked = [];                /* users' ids */
	requests = [];
	faults = [];

	async start(port = 0) {
		this.server = http.createServer((q, s) => this.#answer(q, s).catch((e) => {
			this.faults.push(`${q.method} ${q.url.split("?")[0]}: ${e.message}`);
			s.writeHead(e.status ?? 500, { "content-type": "application/json" }).end(JSON.stringify({ message: e.message }));
		})).listen(port, "127.0.0.1");
		await once(this.server, "listening");
		this.port = this.server.address().port;
		this.url = `http://127.0.0.1:${this.port}`;
		return this;
	}

	async stop() {
		this.server.close();
		this.server.closeAllConnections();
		await once(this.server, "close");
	}

	/* Refuses with a status unless it is so. */
	#must(so, what, status = 400) {
		if (!so)
			throw Object.assign(new Error(what), { status });
	}

	async #answer(q, s) {
		const { pathname: path, searchParams: query } = new URL(q.url, "http://x");
		const body = await text(q);
		const step = { "GET /login/oauth/authorize": "authorize", "POST /login/oauth/access_token": "token", "GET /user": "user",
			"GET /user/emails": "emails", [`DELETE /applications/${this.clientId}/grant`]: "revoke" }[`${q.method} ${path}`];
		this.#must(step, "there is no such place", 404);
		this.requests.push({ step, query, body, headers: q.headers });
		await this.hold(step, q);
		if (this.status[step])
			return s.writeHead(this.status[step], { "content-type": "application/json" }).end("{}");
		if (step === "authorize")
			return this.#authorize(query, s);
		this.#must(q.headers["user-agent"], "a request without a User-Agent", 403);
		const reply = step === "token" ? this.#exchange(q, query, body) : step === "revoke" ? this.#revoke(q, body) : this.#show(q, step);
		if (reply === null)
			s.writeHead(204).end();
		else
			s.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(reply));
	}

	#authorize(query, s) {
		const known = ["response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"];
		for (const name of query.keys())
			this.#must(known.includes(name) && query.getAll(name).length === 1, `a parameter ${name}`);
		this.#must(query.get("client_id") === this.clientId, "an unknown client_id", 404);
		this.#must(query.get("redirect_uri") === this.redirectUri, `another redirect_uri: ${query.get("redirect_uri")}`);
		this.#must(query.get("response_type") === "code", "response_type");
		this.#must(/^[\w-]{43,}$/.test(query.get("state") ?? ""), "a state that can be guessed");
		this.#must(query.get("code_challenge_method") === "S256" && /^[\w-]{43}$/.test(query.get("code_challenge") ?? ""), "no PKCE by S256");
		const scope = (query.get("scope") ?? "").split(" ");
		this.#must(scope.includes("user:email"), "a scope without user:email");
		const to = new URL(this.redirectUri);
		if (this.denies) {
			to.searchParams.set("error", "access_denied");
			to.searchParams.set("error_description", "The user has denied your application access.");
		} else {
			const code = randomBytes(10).toString("hex");
			this.codes.set(code, { user: this.user, challenge: query.get("code_challenge"), scope, at: Date.now() });
			to.searchParams.set("code", code);
		}
		to.searchParams.set("state", query.get("state"));
		s.writeHead(302, { location: to.href }).end();
	}

	#exchange(q, query, body) {
		this.#must(query.size === 0, "a secret in the address");
		this.#must(q.headers.accept === "application/json", "Accept is not application/json", 406);
		this.#must(q.headers["content-type"] === "application/x-www-form-urlencoded", "not a form", 415);
		this.#must(!q.headers.authorization, "Authorization beside client_secret");
		const form = new URLSearchParams(body);
		for (const name of form.keys())
			this.#must(form.getAll(name).length === 1, `${name} twice`);
		if (form.get("client_id") !== this.clientId || form.get("client_secret") !== this.clientSecret)
			return this.#no("incorrect_client_credentials");
		if (form.get("grant_type") === "refresh_token")
			return this.#refresh(form.get("refresh_token"));
		this.#must(form.get("grant_type") === "authorization_code", "grant_type");
		const code = this.codes.get(form.get("code"));
		this.codes.delete(form.get("code"));         /* good for once, also where it comes wrong */
		if (!code || code.at < Date.now() - CODE_MS)
			return this.#no("bad_verification_code");
		if (form.get("redirect_uri") !== this.redirectUri)
			return this.#no("redirect_uri_mismatch");
		const verifier = form.get("code_verifier") ?? "";
		if (!/^[\w.~-]{43,128}$/.test(verifier) || createHash("sha256").update(verifier).digest("base64url") !== code.challenge)
			return this.#no("bad_verification_code");
		return this.#issue(code.user, code.scope);
	}

	#no(error) {
		this.faults.push(`token: ${error}`);
		return { error, error_description: "See the documentation.", error_uri: "https://docs.github.com" };
	}

	#issue(user, scope) {
		const access = word("gho_"), reply = { access_token: access, token_type: "bearer", scope: scope.join(",") };
		this.tokens.set(access, { user, scope });
		if (this.lasts === null)
			return reply;
		const refresh = word("ghr_");
		this.refreshes.set(refresh, { user, scope });
		return { ...reply, expires_in: this.lasts, refresh_token: refresh, refresh_token_expires_in: 15897600 };
	}

	#refresh(token) {
		const known = this.refreshes.get(token);
		this.refreshes.delete(token);
		return known ? this.#issue(known.user, known.scope) : this.#no("bad_refresh_token");
	}

	#show(q, step) {
		this.#must(q.headers.accept === "application/vnd.github+json", "Accept", 415);
		this.#must(/^\d{4}-\d\d-\d\d$/.test(q.headers["x-github-api-version"] ?? ""), "no version of the API");
		const token = /^Bearer (gho_\w+)$/.exec(q.headers.authorization ?? "")?.[1], known = this.tokens.get(token);
		this.#must(known, "Bad credentials", 401);
		if (step === "emails") {
			this.#must(known.scope.includes("user:email") && known.user.emails, "Not Found", 404);
			return known.user.emails.map((e) => ({ visibility: e.primary ? "private" : null, ...e }));
		}
		const { id, login, name = null } = known.user;
		return { id, login, name, email: "public-and-unproven@example.org", type: "User", site_admin: false };
	}

	#revoke(q, body) {
		const basic = Buffer.from(`${this.clientId}:${this.clientSecret}`).toString("base64");
		this.#must(q.headers.authorization === `Basic ${basic}`, "Requires authentication", 401);
		this.#must(q.headers.accept === "application/vnd.github+json", "Accept", 415);
		const token = JSON.parse(body).access_token, known = this.tokens.get(token);
		this.#must(known, "Not Found", 404);
		for (const of of [this.tokens, this.refreshes])
			for (const [key, value] of of)
				if (value.user.id === known.user.id)
					of.delete(key);
		this.revoked.push(known.user.id);
		return null;
	}
}
