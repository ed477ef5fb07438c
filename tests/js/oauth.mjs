/* An instance with stand-ins of the three providers, for tests of signing in by them. */
import assert from "node:assert/strict";
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { freePort, privateInstance } from "./instance.mjs";
import { assertStatus } from "./expect.mjs";
import { SESSION } from "./accounts.mjs";
import { Browser } from "./useragent.mjs";
import { GitHub } from "../standin/github.mjs";
import { OpenId } from "../standin/openid.mjs";

export const PAGE = "https://app.example.com/signed-in?from=oauth";
export const ERROR_PAGE = "https://app.example.com/login?lang=en#/oauth";
export const TENANT = "6f1c7b0e-2f61-4d6b-9f43-0d6c1f0f9a11";

/* { millrace, github, google, microsoft, stop() } */
export async function startAll(name, more = {}) {
	const github = await new GitHub().start(await freePort());
	const google = new OpenId(), microsoft = new OpenId();
	const ports = [await freePort(), await freePort()];
	const millrace = await privateInstance(name, async (url) => {
		github.redirectUri = `${url}/api/v1/auth2/github/callback`;
		await google.start(`${url}/api/v1/auth2/google/callback`, { port: ports[0] });
		await microsoft.start(`${url}/api/v1/auth2/microsoft/callback`, { port: ports[1], path: `/${TENANT}/v2.0` });
		const openid = (of, s) => ({ [`MILLRACE_${of}_CLIENT_ID`]: s.clientId, [`MILLRACE_${of}_CLIENT_SECRET`]: s.clientSecret,
			[`MILLRACE_${of}_AUTHORIZE_URL`]: `${s.url}/auth`, [`MILLRACE_${of}_TOKEN_URL`]: `${s.url}/token`,
			[`MILLRACE_${of}_JWKS_URL`]: `${s.url}/jwks`, [`MILLRACE_${of}_ISSUER`]: s.issuer });
		return { MILLRACE_PUBLIC_URL: `${url}/`, MILLRACE_OAUTH_RETURN_URL: PAGE, MILLRACE_OAUTH_ERROR_URL: ERROR_PAGE,
			MILLRACE_GITHUB_CLIENT_ID: github.clientId, MILLRACE_GITHUB_CLIENT_SECRET: github.clientSecret,
			MILLRACE_GITHUB_AUTHORIZE_URL: `${github.url}/login/oauth/authorize`,
			MILLRACE_GITHUB_TOKEN_URL: `${github.url}/login/oauth/access_token`, MILLRACE_GITHUB_API_URL: github.url,
			...openid("GOOGLE", google), MILLRACE_GOOGLE_REVOKE_URL: `${google.url}/token/revocation`, MILLRACE_GOOGLE_SCOPES: "openid email profile offline_access",
			...openid("MICROSOFT", microsoft), MILLRACE_MICROSOFT_ISSUER: `${microsoft.url}/{tenantid}/v2.0`,
			MILLRACE_RATE_READ: "0", MILLRACE_JWKS_PAUSE_SECONDS: "1", ...more };
	});
	const stop = async () => {
		await millrace.stop();
		await Promise.all([github, google, microsoft].map((s) => s.stop()));
	};
	return { millrace, github, google, microsoft, stop, browser: () => new Browser(millrace.api) };
}

export const someAddress = () => `o${randomBytes(8).toString("hex")}@example.org`;

/* Somebody at GitHub, and at an OpenID provider. */
export const hub = (more = {}) => ({ id: randomInt(1, 2 ** 40), login: `l${randomBytes(5).toString("hex")}`, name: "Ada Hub",
	emails: [{ email: "old@example.org", primary: false, verified: true }, { email: someAddress(), primary: true, verified: true }], ...more });
export const person = (more = {}) => ({ sub: randomUUID(), name: "Ada Id", email: someAddress(), email_verified: true, tid: TENANT, ...more });

export const startPath = (provider, word = "signin") => `/api/v1/auth2/${provider}/${word}`;

/* Signs in, and ends at the page: { browser, me }. */
export async function signIn(browser, provider, { word = "signin", to = PAGE, query = "" } = {}) {
	const end = await browser.walk(startPath(provider, word) + query);
	assert.equal(end, to);
	const me = assertStatus(await browser.send("GET", "/api/v1/admin/user"), 200).json;
	return me;
}

/* The error page's address for this. */
export const errorPage = (code, provider) => `https://app.example.com/login?lang=en&error=${code}&provider=${provider}#/oauth`;

/* Walks up to the callback with a code: its address. */
export async function upToCallback(browser, provider, query = "") {
	const at = await browser.walk(startPath(provider) + query, (url) => url.pathname.endsWith("/callback") && url.searchParams.has("state"));
	return at;
}

/* Asserts that this walk ends at the error page, and that nobody is signed in by it. */
export async function refused(browser, url, code, provider) {
	const before = browser.cookie(SESSION);
	assert.equal(await browser.walk(url), errorPage(code, provider));
	assert.equal(browser.cookie(SESSION), before);
}
