/*
 * A strict OpenID provider: oidc-provider, with PKCE by S256 demanded, codes and rotated refresh tokens good for once, and revocation. Its
 * login and consent pages ask nobody: `user` sits at the browser ({ sub, name, email, email_verified, … }), or `denies`.
 *
 * `tamper` may be set to change a token response before it goes out; `hold`, an async function, is awaited before the token endpoint works;
 * `keys` is what /jwks gives out.
 */
import http from "node:http";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import * as jose from "jose";
import Provider from "oidc-provider";

export class OpenId {
	clientId = `client-${randomBytes(6).toString("hex")}.apps.example`;
	clientSecret = randomBytes(24).toString("base64url");
	user = null;
	denies = false;
	tamper = null;
	hold = async () => {};
	lasts = 3600;
	users = new Map();
	requests = [];
	revoked = [];
	errors = [];

	/* `path`: of the issuer, behind the host. */
	async start(redirectUri, { path = "", port = 0 } = {}) {
		const { privateKey } = await jose.generateKeyPair("RS256", { extractable: true });
		this.jwk = { ...await jose.exportJWK(privateKey), kid: `k${randomBytes(4).toString("hex")}`, alg: "RS256", use: "sig" };
		this.key = privateKey;
		const { kty, n, e, kid, alg, use } = this.jwk;
		this.publicJwk = { kty, n, e, kid, alg, use };
		this.keys = [this.publicJwk];
		this.server = http.createServer((q, s) => this.handler(q, s)).listen(port, "127.0.0.1");
		await once(this.server, "listening");
		this.port = this.server.address().port;
		this.url = `http://127.0.0.1:${this.port}`;
		this.issuer = this.url + path;
		this.#make(redirectUri);
		return this;
	}

	#make(redirectUri) {
		const user = (ctx, sub) => ({ accountId: sub, claims: () => this.users.get(sub) });
		this.provider = new Provider(this.issuer, {
			clients: [{ client_id: this.clientId, client_secret: this.clientSecret, redirect_uris: [redirectUri], response_types: ["code"],
				grant_types: ["authorization_code", "refresh_token"], token_endpoint_auth_method: "client_secret_post" }],
			jwks: { keys: [this.jwk] }, cookies: { keys: ["a"] }, findAccount: user, conformIdTokenClaims: false,
			claims: { openid: ["sub", "tid", "xms_edov"], email: ["email", "email_verified"], profile: ["name"] },
			pkce: { required: () => true }, rotateRefreshToken: true, issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
			features: { devInteractions: { enabled: false }, revocation: { enabled: true } }, ttl: { AccessToken: () => this.lasts, Interaction: 60,
				Session: 60, Grant: 86400, RefreshToken: 86400, IdToken: 600, AuthorizationCode: 60 },
			interactions: { url: (ctx, i) => `/interaction/${i.uid}` } });
		for (const name of ["grant.error", "revocation.error", "server_error", "authorization.error"])
			this.provider.on(name, (ctx, e) => this.errors.push(`${name}: ${e.message} ${e.error_description ?? ""}`));
		this.provider.on("refresh_token.destroyed", (token) => this.revoked.push(token.accountId));
		this.provider.use((ctx, next) => this.#around(ctx, next));
		this.handler = this.provider.callback();
	}

	async #around(ctx, next) {
		if (ctx.path.startsWith("/interaction/"))
			return this.#interact(ctx);
		if (ctx.path === "/jwks") {
			ctx.body = { keys: this.keys };
			return;
		}
		if (ctx.path === "/token") {
			this.requests.push("token");
			await this.hold();
		}
		if (ctx.path === "/token/revocation")
			this.requests.push("revocation");
		await next();
		if (ctx.path === "/token" && ctx.status === 200 && this.tamper)
			ctx.body = await this.tamper(ctx.body);
	}

	/* Logs `user` in and consents, or does not. */
	async #interact(ctx) {
		const { params, prompt, grantId } = await this.provider.interactionDetails(ctx.req, ctx.res);
		if (this.denies)
			return this.#finish(ctx, { error: "access_denied", error_description: "no" });
		if (prompt.name === "login") {
			this.users.set(this.user.sub, this.user);
			return this.#finish(ctx, { login: { accountId: this.user.sub } });
		}
		const grant = grantId ? await this.provider.Grant.find(grantId)
		    : new this.provider.Grant({ accountId: this.user.sub, clientId: params.client_id });
		grant.addOIDCScope(params.scope);
		await this.#finish(ctx, { consent: { grantId: await grant.save() } });
	}

	async #finish(ctx, result) {
		await this.provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
		ctx.respond = false;
	}

	/* An id_token like a real one, with other claims (a function of them) or another header or key. */
	async forge(body, change = (c) => c, { key = this.key, header = { alg: "RS256", typ: "JWT", kid: this.jwk.kid } } = {}) {
		const claims = change(jose.decodeJwt(body.id_token));
		return { ...body, id_token: await new jose.SignJWT(claims).setProtectedHeader(header).sign(key) };
	}

	async stop() {
		this.server.close();
		this.server.closeAllConnections();
		await once(this.server, "close");
	}
}

