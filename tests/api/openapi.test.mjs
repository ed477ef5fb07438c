/* The server's own description of itself: valid, complete, and true. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { ROOT, newUser, shared } from "../js/instance.mjs";
import { assertStatus } from "../js/expect.mjs";
import { schemas } from "../js/schema.mjs";

const VERBS = ["get", "put", "post", "patch", "delete"];
let millrace, api, document;
before(async () => { millrace = await shared(); ({ api, document } = millrace); });

const operations = () => Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([verb]) => VERBS.includes(verb)).map(([verb, operation]) => ({ path, verb, operation })));

test("it is OpenAPI 3.1", async () => {
	const result = await new Validator().validate(structuredClone(document));
	assert.ok(result.valid, JSON.stringify(result.errors, null, 1)?.slice(0, 3000));
	assert.match(document.openapi, /^3\.1\./);
});

test("every route is described, and nothing else", () => {
	const bin = process.env.MILLRACE_DEV_BIN ?? join(ROOT, "build");
	const text = execFileSync(join(bin, "millrace-fcgi"), ["--routes"], { encoding: "utf8", env: {} });
	const name = (method, path) => `${method} ${path.replace(/\{([^}:]+)(:[^}]*)?\}/g, "{}")}`;
	const routes = text.trim().split("\n").map((line) => line.split(/\s+/)).map(([method, path]) => name(method, path));
	assert.ok(routes.length >= 20, `only ${routes.length} routes`);
	const described = operations().map(({ path, verb }) => name(verb.toUpperCase(), path));
	const unhidden = routes.filter((r) => !/ \/(docs|widget\.js)$/.test(r));
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

test("every way to say who is calling is described: a cookie with its header where something changes", () => {
	const schemes = document.components.securitySchemes;
	assert.deepEqual(Object.keys(schemes).sort(), ["bearer", "cookie", "csrf", "query"]);
	assert.deepEqual([schemes.cookie.name, schemes.csrf.name, schemes.query.name], ["access_token", "X-CSRF-Token", "token"]);
	for (const [method, csrf] of [["get", []], ["patch", ["csrf"]]]) {
		const ways = document.paths["/api/user"][method].security.map((s) => Object.keys(s).sort());
		assert.deepEqual(ways, [["bearer"], ["cookie", ...csrf], ["query"]], method);
	}
});

test("what a field table refuses, its schema refuses", () => {
	const { post } = document.paths["/api/auth/register"];
	const schema = post.requestBody.content["application/json"].schema;
	const text = JSON.stringify(schema.$ref ? schema.$ref.slice(2).split("/").reduce((v, k) => v[k], document) : schema);
	for (const word of ["email", "password", "required", "minLength"])
		assert.ok(text.includes(word), `${word} not in ${text}`);
});

test("the check itself notices a reply that does not fit", async () => {
	const check = schemas(document);
	const { api: own } = await newUser(api);
	const reply = assertStatus(await own.get("/api/user"), 200);
	check("GET", "/api/user", 200, reply);
	const wrong = { ...reply, headers: reply.headers, text: "", json: { id: 5 } };
	assert.throws(() => check("GET", "/api/user", 200, wrong), /does not fit/);
});

test("the page of the reference is there, if it is a route at all", async () => {
	const reply = await api.get("/docs");
	assert.ok(reply.status === 404 || /html/.test(reply.headers["content-type"]));
});
