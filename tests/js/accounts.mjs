/* Callers for tests: somebody with a name, signed in by cookies; and administrators. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { PASSWORD, newAddress, newUser } from "./instance.mjs";
import { assertStatus } from "./expect.mjs";

export const newName = () => `n${randomBytes(8).toString("hex")}`;

/* The cookies that a reply sets: { name: { value, flags } }, flags in lower case. */
export function setCookies(reply) {
	return Object.fromEntries((reply.headers["set-cookie"] ?? []).map((line) => {
		const [pair, ...flags] = line.split(/; */);
		const [name, value] = pair.split(/=(.*)/s);
		return [name, { value, flags: flags.map((f) => f.toLowerCase()) }];
	}));
}

export async function register(api, more = {}) {
	const given = { username: newName(), password: PASSWORD, email: newAddress(), name: "Ada", ...more };
	const { json } = assertStatus(await api.fresh().post("/api/v1/user/register", given), 201);
	return { ...json, password: given.password };
}

/* The session's cookie, and what it was called before. */
export const SESSION = "__Host-access_token", SESSION_OLD = "access_token", DEVICE = "__Host-device";

/* A session in cookies: `send` calls with both cookies and, unless told otherwise, the header that repeats one of them. */
export class Session {
	constructor(api, reply) {
		assertStatus(reply, 200);
		const { [SESSION]: access, csrf_access_token: csrf, [DEVICE]: device } = setCookies(reply);
		Object.assign(this, { api: api.fresh().as(null), reply, access: access.value, csrf: csrf.value, device: device.value });
	}

	get cookie() { return `${SESSION}=${this.access}; csrf_access_token=${this.csrf}`; }

	send(method, path, { headers = {}, ...options } = {}) {
		return this.api.request(method, path, { ...options, headers: { cookie: this.cookie, "x-csrf-token": this.csrf, ...headers } });
	}
}

export async function login(api, { username, password }) {
	return new Session(api, await api.fresh().post("/api/v1/auth/login", { username, password }));
}

/* A new user with a session: { id, username, …, session }. */
export async function signedIn(api, more) {
	const user = await register(api, more);
	return { ...user, session: await login(api, user) };
}

export async function newAdmin(millrace) {
	const admin = await newUser(millrace.api);
	const { stdout } = await millrace.ctl("user", "role", admin.email, "admin");
	assert.match(stdout, /is admin now/);
	return admin;
}
