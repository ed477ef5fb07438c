/*
 * Holds replies against the OpenAPI document that the server gives of itself.
 *
 * schemas(document) gives check(method, path, status, reply), which throws where
 * a reply of a documented path is not declared or does not fit its schema.
 */
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/* A path template as an expression for requests' paths; static parts count. */
function matcher(template) {
	const source = template.split(/\{[^}]+\}/).map((s) => s.replace(/[.*+?^$()|[\]\\]/g, "\\$&")).join("[^/]+");
	return { template, pattern: new RegExp(`^${source}/?$`), parameters: template.split("{").length - 1 };
}

export function schemas(document) {
	const ajv = new Ajv2020({ strict: false, allErrors: true });
	addFormats(ajv);
	ajv.addSchema(document, "api");
	const paths = Object.keys(document.paths).map(matcher).sort((a, b) => a.parameters - b.parameters);
	const compiled = new Map();

	const pointer = (...parts) => "api#/" + parts.map((p) => encodeURIComponent(
	    String(p).replaceAll("~", "~0").replaceAll("/", "~1"))).join("/");

	function validator(template, method, status, type) {
		const responses = document.paths[template][method]?.responses;
		if (!responses)
			return null;
		const key = [status, `${String(status)[0]}XX`, "default"].find((k) => responses[k]);
		if (!key)
			throw new Error(`${method} ${template}: status ${status} is not declared`);
		let where = ["paths", template, method, "responses", key];
		if (responses[key].$ref)
			where = responses[key].$ref.slice(2).split("/");
		const response = where.reduce((v, k) => v[k], document);
		if (!response.content?.[type]?.schema)
			throw new Error(`${method} ${template}: ${status} with ${type} is not declared`);
		const id = pointer(...where, "content", type, "schema");
		if (!compiled.has(id))
			compiled.set(id, ajv.compile({ $ref: id }));
		return compiled.get(id);
	}

	return function check(method, path, status, reply) {
		const type = (reply.headers["content-type"] ?? "").split(";")[0];
		const found = paths.find((p) => p.pattern.test(path.split("?")[0]));
		if (!found || type !== "application/json" || method === "HEAD")
			return;
		const valid = validator(found.template, method.toLowerCase(), status, type);
		if (valid && !valid(reply.json))
			throw new Error(`${method} ${path} ${status} does not fit its schema: ${ajv.errorsText(valid.errors)}\n`
			    + reply.text.slice(0, 500));
	};
}
