/*
 * The API reference, drawn from the server's own OpenAPI document: what is served is what is shown. A route's details are drawn
 * when it is opened. All of it is nodes and text; the page's policy allows no other script, style or server than this one.
 */
const METHODS = ["get", "post", "put", "patch", "delete"];
const $ = (what) => document.querySelector(what);
let components = {};

function el(name, attributes = {}, ...children) {
	const node = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		node.setAttribute(key, value);
	node.append(...children);
	return node;
}

/* A schema behind its reference, with the reference's name. */
function resolved(schema) {
	const name = schema?.$ref?.split("/").pop();
	return name ? { name, schema: components.schemas[name] } : { name: "", schema: schema ?? {} };
}

const range = (least, most, unit) => (most === undefined ? (least > 0 ? `at least ${least}${unit}` : "")
	: least === undefined || (least === 0 && unit) ? `at most ${most}${unit}` : `${least} to ${most}${unit}`);

const listed = (kind) => (kind.includes(",") ? `(${kind})` : kind);

/* What a value is, in a few words: "string or null, 1 to 200 characters". */
function kindOf(given) {
	const { name, schema: s } = resolved(given);
	const types = [s.type ?? []].flat();
	const type = s.enum ? s.enum.map((v) => JSON.stringify(v)).join(" | ") : "const" in s ? JSON.stringify(s.const)
		: types.map((t) => (t === "array" && s.items ? `list of ${listed(kindOf(s.items) || "values")}` : t)).join(" or ")
		|| (s.oneOf ?? s.anyOf ?? s.allOf ?? []).map(kindOf).join(s.allOf ? " and " : " or ");
	const bounds = [
		range(s.minLength, s.maxLength, " characters"), range(s.minimum, s.maximum, ""), range(s.minItems, s.maxItems, " of them"),
		s.pattern && `like ${s.pattern}`, s.default !== undefined && `default ${JSON.stringify(s.default)}`,
	].filter(Boolean);
	const words = [name, name && type === "object" ? "" : type, s.format && `(${s.format})`].filter(Boolean).join(" ");
	return [words, ...bounds].filter(Boolean).join(", ");
}

/* The members of an object, or of a list's objects; nothing for other values. `seen` ends what holds itself. */
function membersOf(given, seen = []) {
	const { name, schema } = resolved(given);
	if (seen.includes(name) && name)
		return [];
	const at = [...seen, name];
	if (schema.items)
		return membersOf(schema.items, at);
	const parts = [...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? [])].flatMap((part) => membersOf(part, at));
	const members = Object.entries(schema.properties ?? {});
	if (members.length === 0)
		return parts;
	return [...parts, el("ul", { class: "schema" }, ...members.map(([key, value]) => el("li", {}, el("code", {}, key), " ",
		...(schema.required?.includes(key) ? [el("span", { class: "needed" }, "required"), " "] : []),
		el("span", { class: "kind" }, kindOf(value)),
		...(aboutOf(value)), ...membersOf(value, at))))];
}
const aboutOf = (schema) => {
	const about = schema.description ?? resolved(schema).schema.description;
	return about ? [el("div", { class: "about" }, about)] : [];
};

const CREDENTIALS = { bearer: "Bearer token or API key", cookie: "cookie", csrf: "X-CSRF-Token" };
const credentials = (security) => (security ?? []).map((one) => Object.keys(one).map((name) => CREDENTIALS[name] ?? name).join(" with ") || "none").join(", or ")
	|| "none";

function contentOf(content = {}) {
	return Object.entries(content).flatMap(([type, { schema }]) => {
		const kind = [type === "application/json" ? "" : type, kindOf(schema).replace(/^object$/, "")].filter(Boolean).join(": ");
		return [...(kind ? [el("div", { class: "kind" }, kind)] : []), ...aboutOf(schema ?? {}), ...membersOf(schema)];
	});
}

/* What is said of a route, below its line. */
function details({ parameters = [], requestBody, responses, security, description }) {
	const out = [];
	if (description)
		out.push(el("p", {}, description));
	out.push(el("p", { class: "kind" }, `Credential: ${credentials(security)}`));
	if (parameters.length > 0) {
		out.push(el("h3", {}, "Parameters"), el("ul", { class: "schema" }, ...parameters.map((p) => {
			const is = p.$ref ? components.parameters[p.$ref.split("/").pop()] : p;
			return el("li", {}, el("code", {}, is.name), " ", ...(is.required ? [el("span", { class: "needed" }, "required"), " "] : []),
				el("span", { class: "kind" }, `${is.in}, ${kindOf(is.schema)}`), ...(is.description ? [el("div", { class: "about" }, is.description)] : []));
		})));
	}
	if (requestBody)
		out.push(el("h3", {}, "Body"), ...contentOf(requestBody.content));
	out.push(el("h3", {}, "Replies"), el("dl", { class: "replies" }, ...Object.entries(responses).flatMap(([status, given]) => {
		const reply = given.$ref ? components.responses[given.$ref.split("/").pop()] : given;
		return [el("dt", {}, el("code", {}, status)), el("dd", {}, reply.description ?? "", ...(Number(status) < 400 ? contentOf(reply.content) : []))];
	})));
	return el("div", {}, ...out);
}

/* A route's line: method, path with its variable parts set apart, summary. */
function routeOf(path, method, operation) {
	const parts = path.split(/(\{[^}]*\})/).map((part) => (part.startsWith("{") ? el("i", {}, part) : part));
	const route = el("details", { class: "route", id: operation.operationId }, el("summary", {},
		el("span", { class: `method ${method}` }, method.toUpperCase()), el("span", { class: "path" }, ...parts),
		el("span", { class: "what" }, operation.summary ?? "")));
	route.dataset.words = `${method} ${path} ${operation.summary} ${operation.operationId}`.toLowerCase();
	route.addEventListener("toggle", () => {
		if (route.open && route.childElementCount === 1)
			route.append(details(operation));
	});
	return route;
}

/* Shows the routes that hold all the words, and says how many. */
function find(text) {
	const words = text.toLowerCase().split(/\s+/).filter(Boolean);
	let shown = 0;
	for (const section of document.querySelectorAll("main > section")) {
		for (const route of section.querySelectorAll(".route"))
			route.hidden = !words.every((word) => route.dataset.words.includes(word));
		const n = section.querySelectorAll(".route:not([hidden])").length;
		section.hidden = n === 0;
		shown += n;
	}
	$("[role=status]").textContent = words.length > 0 ? `${shown} found` : "";
}

function openNamed() {
	const route = document.getElementById(decodeURIComponent(location.hash.slice(1)));
	if (route?.matches(".route"))
		route.open = true;
	route?.scrollIntoView();
}

async function start() {
	const reply = await fetch("/api/openapi.json", { credentials: "omit" });
	if (!reply.ok)
		throw new Error(`the server answers ${reply.status}`);
	const { info, paths, components: held } = await reply.json();
	components = held;
	$("h1").append(" ", el("small", {}, `${info.title} ${info.version}`));
	const subjects = new Map();
	for (const [path, operations] of Object.entries(paths)) {
		for (const method of METHODS.filter((m) => operations[m])) {
			const [tag = "other"] = operations[method].tags ?? [];
			subjects.set(tag, [...(subjects.get(tag) ?? []), routeOf(path, method, operations[method])]);
		}
	}
	for (const [tag, routes] of subjects) {
		$("nav").append(el("a", { href: `#${tag}` }, tag));
		$("main").append(el("section", { "aria-labelledby": tag }, el("h2", { id: tag }, tag), ...routes));
	}
	$("input").addEventListener("input", (e) => find(e.target.value));
	addEventListener("hashchange", openNamed);
	openNamed();
}
start().catch((e) => { $("[role=status]").textContent = `The reference could not be read: ${e.message}`; });
