/* Signing in by OpenID Connect, as Google and Microsoft have it, at a strict provider; and id_tokens that are not to be believed. */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { createHmac, createPublicKey, randomUUID } from "node:crypto";
import * as jose from "jose";
import { newUser } from "../js/instance.mjs";
import { assertStatus, until } from "../js/expect.mjs";
import { PAGE, TENANT, errorPage, person, refused, signIn, someAddress, startAll, startPath, upToCallback } from "../js/oauth.mjs";

let all, millrace, api, google, microsoft, browser;
before(async () => { all = await startAll("openid"); ({ millrace, google, microsoft, browser } = all); ({ api } = millrace); });
after(() => all?.stop());

const value = async (sql) => (await millrace.psql(sql)).trim();
const now = () => Math.floor(Date.now() / 1000);
const b64 = (v) => Buffer.from(typeof v === "string" ? v : JSON.stringify(v)).toString("base64url");

test("by Google: the address that it has verified, the name, the same user again", async () => {
	google.user = person({ name: "Grace Née" });
	const b = browser(), me = await signIn(b, "google");
	assert.deepEqual([me.name, me.email], ["Grace Née", google.user.email]);
	assert.equal((await signIn(browser(), "google", { word: "login" })).id, me.id);
	assert.equal(await value(`SELECT subject FROM external_identity WHERE provider = 'google' AND user_id = '${me.id}'`), google.user.sub);
	const q = new URL((await b.visit(startPath("google"))).headers.location).searchParams;
	assert.deepEqual(["access_type", "prompt", "code_challenge_method", "scope"].map((n) => q.get(n)),
	    ["offline", "consent", "S256", "openid email profile offline_access"]);
	assert.match(q.get("nonce"), /^[\w-]{43}$/);
	assert.notEqual(q.get("nonce"), q.get("state"));
});

test("by Microsoft: the tenant's issuer; an address counts where Microsoft vouches for its domain", async () => {
	const victim = await newUser(api, { email: someAddress() });
	for (const xms_edov of [undefined, false, 0, "0", "false"]) {
		microsoft.user = person({ email: victim.email, email_verified: true, xms_edov });
		const me = await signIn(browser(), "microsoft");
		assert.notEqual(me.id, victim.uid, `xms_edov ${xms_edov}`);
		assert.equal(me.email, null);
	}
	assertStatus(await victim.api.get("/api/user"), 200);
	for (const xms_edov of [true, 1, "1", "true"]) {
		microsoft.user = person({ email: victim.email, xms_edov });
		assert.equal((await signIn(browser(), "microsoft")).id, victim.uid, `xms_edov ${xms_edov}`);
	}
	microsoft.user = person();
	assert.equal((await signIn(browser(), "microsoft", { word: "login" })).name, "Ada Id");
});

test("whoever denies consent comes back to the page", async () => {
	for (const [name, at] of [["google", google], ["microsoft", microsoft]]) {
		at.user = person();
		at.denies = true;
		await refused(browser(), startPath(name), "access_denied", name);
		at.denies = false;
		await signIn(browser(), name);
	}
});

/* Signs in with this done to the token response; where that ends. */
async function tampered(at, name, tamper) {
	at.user = person();
	at.tamper = tamper;
	try {
		return await browser().walk(startPath(name));
	} finally {
		at.tamper = null;
	}
}

async function takes(at, name, tamper, what) {
	assert.equal(await tampered(at, name, tamper), PAGE, what);
}

async function refuses(at, name, tamper, what) {
	assert.equal(await tampered(at, name, tamper), errorPage("provider_error", name), what);
	assert.equal(await value(`SELECT count(*) FROM external_identity WHERE subject = '${at.user.sub}'`), "0", what);
}

const claims = (change) => (body) => google.forge(body, (c) => ({ ...c, ...change(c) }));

test("the forgeries below fail for their fault alone: the same without it is taken", async () => {
	await takes(google, "google", (body) => google.forge(body), "signed anew");
	await takes(google, "google", claims((c) => ({ aud: [c.aud] })), "a list of one audience");
	await takes(google, "google", claims((c) => ({ aud: [c.aud, "another"], azp: c.aud })), "two audiences, made for us");
	await takes(google, "google", claims(() => ({ exp: now() - 10, nbf: now() + 10, iat: now() + 10 })), "clocks that differ a little");
});

test("what an id_token says: nonce, audience, issuer, times, subject", async () => {
	const wrong = {
		"another nonce": () => ({ nonce: "A".repeat(43) }), "no nonce": () => ({ nonce: undefined }), "a nonce that is no text": () => ({ nonce: 5 }),
		"an empty nonce": () => ({ nonce: "" }), "a nonce cut short": (c) => ({ nonce: c.nonce.slice(0, -1) }),
		"another audience": () => ({ aud: "another" }), "no audience": () => ({ aud: undefined }), "an empty list": () => ({ aud: [] }),
		"others' list": () => ({ aud: ["a", "b"] }), "two audiences, made for nobody": (c) => ({ aud: [c.aud, "another"] }),
		"made for another": (c) => ({ azp: "another", aud: [c.aud, "another"] }), "made for another, for us alone": () => ({ azp: "another" }),
		"our id as a beginning": (c) => ({ aud: `${c.aud}x` }),
		"another issuer": () => ({ iss: "https://evil.example" }), "no issuer": () => ({ iss: undefined }), "the issuer and more": (c) => ({ iss: `${c.iss}/` }),
		"expired": () => ({ exp: now() - 60 }), "no end": () => ({ exp: undefined }), "an end that is no number": () => ({ exp: "9999999999" }), "an end that is null": () => ({ exp: null }),
		"a beginning that is null": () => ({ nbf: null }), "made for nobody in particular": () => ({ azp: null }),
		"not yet": () => ({ nbf: now() + 600 }), "from the future": () => ({ iat: now() + 600 }),
		"nobody": () => ({ sub: "" }), "no subject": () => ({ sub: undefined }), "an overlong subject": () => ({ sub: "s".repeat(300) }),
	};
	for (const [what, change] of Object.entries(wrong))
		await refuses(google, "google", claims(change), what);
});

test("who signed it: none, our public key as a secret, our own secret, another's key, another's id", async () => {
	const pem = createPublicKey({ key: google.publicJwk, format: "jwk" }).export({ type: "spki", format: "pem" });
	const by = (header, secret) => (body) => {
		const text = `${b64(header)}.${body.id_token.split(".")[1]}`;
		return { ...body, id_token: `${text}.${secret === null ? "" : createHmac("sha256", secret).update(text).digest("base64url")}` };
	};
	const { kid } = google.publicJwk, stranger = await jose.generateKeyPair("RS256"), ec = await jose.generateKeyPair("ES256");
	const forged = {
		"alg none": by({ alg: "none", typ: "JWT" }, null), "alg none with a kid": by({ alg: "none", typ: "JWT", kid }, null), "alg None": by({ alg: "None", kid }, null),
		"HS256 by the public key": by({ alg: "HS256", typ: "JWT", kid }, pem), "without its last line end": by({ alg: "HS256", typ: "JWT", kid }, pem.trim()),
		"HS256 by the client's secret": by({ alg: "HS256", typ: "JWT", kid }, google.clientSecret), "HS256 without a kid": by({ alg: "HS256", typ: "JWT" }, pem),
		"HS256 by nothing": by({ alg: "HS256", typ: "JWT", kid }, ""), "alg rs256": by({ alg: "rs256", kid }, pem),
		"a stranger's key under the known id": (body) => google.forge(body, (c) => c, { key: stranger.privateKey }),
		"a stranger's key under its own": (body) => google.forge(body, (c) => c, { key: stranger.privateKey, header: { alg: "RS256", kid: "stranger" } }),
		"no key's name": (body) => google.forge(body, (c) => c, { header: { alg: "RS256" } }),
		"another algorithm under the known id": (body) => google.forge(body, (c) => c, { key: ec.privateKey, header: { alg: "ES256", kid } }),
		"a key that it brings along": async (body) => google.forge(body, (c) => c, { key: stranger.privateKey,
			header: { alg: "RS256", kid, jwk: await jose.exportJWK(stranger.publicKey) } }),
		"critical": (body) => google.forge(body, (c) => c, { header: { alg: "RS256", kid, crit: ["b64"], b64: true } }),
		"the payload of another": (body) => {
			const [head, , sum] = body.id_token.split("."), c = jose.decodeJwt(body.id_token);
			return { ...body, id_token: [head, b64({ ...c, sub: "admin" }), sum].join(".") };
		},
		"no signature": (body) => ({ ...body, id_token: body.id_token.split(".").slice(0, 2).join(".") }), "an empty one": (body) => ({ ...body, id_token: body.id_token.replace(/[^.]*$/, "") }),
		"no id_token": (body) => ({ ...body, id_token: undefined }), "no text": (body) => ({ ...body, id_token: { a: 1 } }), "nonsense": (body) => ({ ...body, id_token: "x.y.z" }),
		"much of it": (body) => ({ ...body, id_token: `${body.id_token}${"A".repeat(20000)}` }),
	};
	for (const [what, tamper] of Object.entries(forged))
		await refuses(google, "google", tamper, what);
});

test("Microsoft: another tenant's issuer, or none, or one that is no tenant", async () => {
	const change = (more) => (body) => microsoft.forge(body, (c) => ({ ...c, ...more(c) }));
	const other = randomUUID();
	await takes(microsoft, "microsoft", change(() => ({ tid: other, iss: `${microsoft.url}/${other}/v2.0` })), "any tenant, by `common`");
	for (const more of [() => ({ tid: other }), () => ({ iss: `${microsoft.url}/${other}/v2.0` }), () => ({ tid: undefined }),
		() => ({ iss: `${microsoft.url}/{tenantid}/v2.0`, tid: "{tenantid}" }), () => ({ iss: `${microsoft.url}//v2.0`, tid: "" }),
		() => ({ tid: `${TENANT}/v2.0/..`, iss: `${microsoft.url}/${TENANT}/v2.0/../v2.0` }), () => ({ iss: `${google.issuer}` })])
		await refuses(microsoft, "microsoft", change(more), more.toString());
	/* What Google issued, with all else right. */
	await refuses(microsoft, "microsoft", (body) => microsoft.forge(body, (c) => c, { key: google.key, header: { alg: "RS256", kid: google.jwk.kid } }), "Google's key");
});

test("a key that the provider has brought since is fetched", async () => {
	const fresh = await jose.generateKeyPair("ES256", { extractable: true }), jwk = { ...await jose.exportJWK(fresh.publicKey), kid: "fresh", alg: "ES256", use: "sig" };
	const by = (body) => google.forge(body, (c) => c, { key: fresh.privateKey, header: { alg: "ES256", kid: "fresh", typ: "JWT" } });
	await refuses(google, "google", by, "before it is there");
	google.keys = [google.publicJwk, jwk];
	await until(async () => await tampered(google, "google", by) === PAGE, "once it is there, and may be fetched again");
	google.keys = [google.publicJwk];
	await takes(google, "google", (body) => google.forge(body), "the old one still");
});

test("token responses that are none", async () => {
	const odd = { "no access token": { access_token: undefined }, "another type": { token_type: "mac" }, "spaces in it": { access_token: "a b" },
		"a line break in it": { access_token: "a\r\nX-Injected: yes" }, "overlong": { access_token: "a".repeat(9000) }, "a number": { access_token: 5 },
		"an odd refresh token": { refresh_token: "a\nb" }, "a time before now": { expires_in: -5 },
		"a time that is no number": { expires_in: "soon" }, "a time in a list": { expires_in: [3600] } };
	for (const [what, more] of Object.entries(odd))
		await refuses(google, "google", (body) => ({ ...body, ...more }), what);
	await takes(google, "google", (body) => ({ ...body, expires_in: "3600" }), "a time as text, as some write it");
	assert.equal(await value(`SELECT expires_at > now() + interval '50 minutes' FROM oauth_token WHERE subject = '${google.user.sub}'`), "t");
	await refuses(google, "google", () => "not JSON at all", "text");
	await refuses(google, "google", () => [], "a list");
	/* What is broken off was no answer. */
	assert.equal(await tampered(google, "google", (body) => ({ ...body, pad: "x".repeat(300000) })), errorPage("provider_unavailable", "google"));
});

test("one provider's code is of no use at another's callback, nor with another's PKCE", async () => {
	google.user = person();
	microsoft.user = person();
	const b = browser(), callback = new URL(await upToCallback(b, "google")), code = callback.searchParams.get("code");
	const other = browser(), own = new URL(await upToCallback(other, "google"));
	own.searchParams.set("code", code);
	await refused(other, own.href, "provider_error", "google");
	const third = browser(), at = new URL(await upToCallback(third, "microsoft"));
	at.searchParams.set("code", code);
	await refused(third, at.href, "provider_error", "microsoft");
});

test("a user has several identities", async () => {
	google.user = person();
	microsoft.user = person();
	const b = browser(), me = await signIn(b, "google");
	assert.equal((await signIn(b, "microsoft")).id, me.id);
	for (const provider of ["google", "microsoft"])
		assert.equal((await signIn(browser(), provider)).id, me.id);
	const reply = assertStatus(await b.send("GET", "/api/v1/user/export"), 200).json;
	assert.deepEqual(reply.external_identities.map((i) => i.provider).sort(), ["google", "microsoft"]);
	assert.deepEqual(reply.connections.map((c) => [c.provider, c.subject]).sort(), [["google", google.user.sub], ["microsoft", microsoft.user.sub]]);
	assert.ok(!/token|sealed/.test(Object.keys(reply.connections[0]).join()));
});
