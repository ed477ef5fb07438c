/* The server's own description of itself: valid, complete, and true. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { ROOT, newUser, shared } from "../js/instance.mjs";
import { assertError, assertStatus } from "../js/expect.mjs";
import { inputs } from "../js/inputs.mjs";
import { schemas } from "../js/schema.mjs";

const VERBS = ["get", "put", "post", "patch", "delete"];
let millrace, api, document, user;
before(async () => {
	millrace = await shared();
	({ api, document } = millrace);
	({ api: user } = await newUser(api));
});

/* "METHOD PATH" of every route under every name, as the worker prints them. */
const routes = () => execFileSync(join(process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build"), "millrace-fcgi"), ["--routes"],
    { encoding: "utf8", env: {} }).trim().split("\n").map((line) => line.split(" ").slice(0, 2).join(" "));

const operations = () => Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([verb]) => VERBS.includes(verb)).map(([verb, operation]) => ({ path, verb, operation })));

test("it is OpenAPI 3.1", async () => {
	const result = await new Validator().validate(structuredClone(document));
	assert.ok(result.valid, JSON.stringify(result.errors, null, 1)?.slice(0, 3000));
	assert.match(document.openapi, /^3\.1\./);
});

test("every route is described, and nothing else", () => {
	assert.ok(routes().length >= 20, `only ${routes().length} routes`);
	const described = operations().map(({ path, verb }) => `${verb.toUpperCase()} ${path}`);
	/* Pages and scripts are for browsers, not for clients that are made of this document. */
	const unhidden = routes().filter((r) => !/ \/(docs|widget\.js)$/.test(r));
	assert.deepEqual(described.sort(), unhidden.sort());
});

test("every operation says who may call, what comes in and what goes out", () => {
	const ids = new Set();
	for (const { path, verb, operation } of operations()) {
		const where = `${verb} ${path}`;
		assert.ok(operation.summary || operation.description, `${where}: no words`);
		assert.ok(operation.operationId && !ids.has(operation.operationId), `${where}: operationId`);
		ids.add(operation.operationId);
		const statuses = Object.keys(operation.responses);
		assert.ok(statuses.some((s) => /^[23]|^101$/.test(s)), `${where}: no success`);
		assert.ok(statuses.some((s) => /^4|default/.test(s)), `${where}: no error`);
		const declared = (operation.parameters ?? []).concat(document.paths[path].parameters ?? [])
		    .filter((p) => p.in === "path").map((p) => p.name).sort();
		const named = [...path.matchAll(/\{([^}]+)\}/g)].map((m) => m[1]).sort();
		assert.deepEqual(declared, named, `${where}: path parameters`);
		if (["post", "put", "patch"].includes(verb) && operation.requestBody)
			for (const media of Object.values(operation.requestBody.content))
				assert.ok(media.schema, `${where}: body without schema`);
	}
});

test("a reply's schema says what is always there, and of which type", () => {
	for (const [name, schema] of Object.entries(document.components.schemas)) {
		if (schema.type !== "object" || name === "OpenApi")
			continue;
		assert.ok(schema.required?.length > 0, `${name}: nothing is required`);
		for (const field of schema.required)
			assert.ok(schema.properties[field], `${name}.${field} is required and not described`);
		for (const [field, type] of Object.entries(schema.properties))
			assert.ok(Object.keys(type).length > 0 || field === "outcome", `${name}.${field} may be anything`);
	}
});

test("operations that need a user say so, and those that do not answer without one", async () => {
	const { token } = await newUser(api);
	assert.ok(token);
	for (const { path, verb, operation } of operations()) {
		if (verb !== "get" || path.includes("{"))
			continue;
		const needs = (operation.security ?? document.security ?? []).length > 0
		    && !(operation.security ?? document.security).some((s) => Object.keys(s).length === 0);
		const { status } = await api.get(path);
		assert.equal(status === 401, needs, `GET ${path}: ${status}`);
	}
});

test("every way to say who is calling is described: where something changes, a cookie with its header, and no token in the address", () => {
	const schemes = document.components.securitySchemes;
	assert.deepEqual(Object.keys(schemes).sort(), ["bearer", "cookie", "csrf", "query"]);
	assert.deepEqual([schemes.cookie.name, schemes.csrf.name, schemes.query.name], ["__Host-access_token", "X-CSRF-Token", "token"]);
	for (const [method, csrf] of [["get", []], ["patch", ["csrf"]]]) {
		const ways = document.paths["/api/user"][method].security.map((s) => Object.keys(s).sort());
		assert.deepEqual(ways, [["bearer"], ["cookie", ...csrf], ...method === "get" ? [["query"]] : []], method);
	}
});

const FORM = { file: { filename: "a.txt", bytes: "text" } };

/* Every field of every body and query: its operation, how to send a value of it, and by which name it is refused. */
function fields() {
	const { sample, resolve } = inputs(document);
	const found = [];
	const add = (where, name, schema, required, send) => found.push({ where: `${where} ${name}`, name, schema, required, send });

	function walk(where, schema, at, send) {
		for (const [key, sub] of Object.entries(resolve(schema).properties ?? {})) {
			const path = [...at, key];
			const put = (json, value) => {
				path.slice(0, -1).reduce((inner, k) => inner[k] ??= {}, json)[key] = value;
				return json;
			};
			add(where, path.join("."), sub, resolve(schema).required?.includes(key) ?? false, (value) => send(put, value));
			walk(where, sub, path, send);
		}
	}

	/* Signing in by a provider is 404 here, where none is set up: oauth.test.mjs has an instance of its own. */
	for (const { path, verb, operation } of operations().filter((o) => !o.path.includes("/auth2/"))) {
		const method = verb.toUpperCase(), where = `${method} ${path}`;
		const url = path.replace("{provider}", "github").replace("{type}", "website").replace("{decision}", "approve").replace(/\{[^}]+\}/g, randomUUID());
		const query = (operation.parameters ?? []).filter((p) => p.in === "query");
		const schema = operation.requestBody?.content["application/json"]?.schema;
		/* from an address each time, since some operations count addresses */
		const own = () => user.fresh();

		/* The sample with the one value; its other optional fields are left out where they might be refused for their own sake. */
		if (schema?.properties)
			walk(where, schema, [], (put, value) => {
				const needed = Object.fromEntries(Object.entries(sample(schema)).filter(([k]) => schema.required?.includes(k)));
				return own().request(method, url, { json: put(needed, value) });
			});
		for (const { name, schema: of, required } of query) {
			const others = query.filter((p) => p.required && p.name !== name).map((p) => [p.name, p.schema.format === "uuid" ? randomUUID() : sample(p.schema, p.name)]);
			add(`${where}?`, name, of, required, (value) => {
				const asked = `${url}?${new URLSearchParams([...others, ...(value === undefined ? [] : [[name, value]])])}`;
				return operation.requestBody?.content["multipart/form-data"] ? own().upload(asked, FORM) : own().request(method, asked);
			});
		}
	}
	return found;
}

/* Was it refused because of this field, by the name that the document has? */
const refused = (reply, name) => reply.status === 400 && (reply.json.fields ?? []).some((f) => f.field === name);

test("what a field's schema refuses the server refuses, and names the field", async () => {
	const { bad, fits } = inputs(document);
	let tried = 0;
	for (const { where, name, schema, required, send } of fields()) {
		const isText = where.includes("?");
		/* A query has text alone: a number is one only where a number is due. */
		const values = bad(schema).filter((v) => !isText || typeof v === "string" || (typeof v === "number" && schema.type !== "string"));
		for (const value of [...values, ...(required ? [undefined] : []), ...(required && !isText ? [null] : [])]) {
			assert.ok(value === undefined || !fits(schema, value), `${where}: ${JSON.stringify(value)} fits its schema`);
			const reply = await send(value);
			assert.ok(refused(reply, name), `${where} = ${JSON.stringify(value)?.slice(0, 60)}: ${reply.status} ${reply.text.slice(0, 200)}`);
			tried++;
		}
	}
	assert.ok(tried > 150, `only ${tried}`);
});

test("what is at the bounds of a field's schema the server takes", async () => {
	const { good, fits } = inputs(document);
	let tried = 0;
	for (const { where, name, schema, send } of fields())
		for (const value of good(schema)) {
			assert.ok(fits(schema, value), `${where}: ${JSON.stringify(value).slice(0, 60)} does not fit its schema`);
			const reply = await send(value);
			assert.ok(!refused(reply, name), `${where} = ${JSON.stringify(value).slice(0, 60)}: ${reply.text.slice(0, 200)}`);
			tried++;
		}
	assert.ok(tried > 40, `only ${tried}`);
});

test("in a JSON body null is as good as nothing for every optional field, and for no other", async () => {
	const { fits } = inputs(document);
	let tried = 0;
	for (const { where, name, schema, required, send } of fields().filter((f) => !f.where.includes("?"))) {
		assert.equal(fits(schema, null), !required, `${where}: null by its schema`);
		assert.equal(refused(await send(null), name), required, `${where}: null by the server`);
		tried++;
	}
	assert.ok(tried > 20, `only ${tried}`);
});

test("what a form's part has to be, its schema says", async () => {
	const { bad } = inputs(document);
	let tried = 0;
	for (const { path, operation } of operations()) {
		const schema = operation.requestBody?.content["multipart/form-data"]?.schema;
		for (const [name, part] of Object.entries(schema?.allOf[1].properties ?? {}))
			for (const value of bad(part).filter((v) => typeof v === "string")) {
				const reply = await user.upload(path, { [name]: value, ...FORM });
				assert.ok(refused(reply, name), `${path} ${name}: ${reply.status} ${reply.text.slice(0, 200)}`);
				tried++;
			}
	}
	assert.ok(tried > 0);
});

test("the check itself notices a reply that does not fit", async () => {
	const check = schemas(document);
	const { api: own } = await newUser(api);
	const reply = assertStatus(await own.get("/api/user"), 200);
	check("GET", "/api/user", 200, reply);
	const wrong = { ...reply, headers: reply.headers, text: "", json: { id: 5 } };
	assert.throws(() => check("GET", "/api/user", 200, wrong), /does not fit/);
});

test("what is no route is 404 in the error shape", async () => {
	for (const path of ["/api/docs", "/openapi.json", "/docs/nothing"])
		assertError(await api.get(path), "NOT_FOUND", undefined, path);
});
