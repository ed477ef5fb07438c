/*
 * What operations take, by the OpenAPI document that the server gives of itself.
 *
 * inputs(document) gives sample(schema, name), a value that is valid or nearly so;
 * bad(schema), values that the schema refuses; good(schema), those at its bounds;
 * fits(schema, value); and resolve(schema), behind a $ref.
 */
import { randomUUID } from "node:crypto";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { newName } from "./accounts.mjs";
import { PASSWORD, PAYMENT_NETWORK, newAddress } from "./instance.mjs";

/* What has more rules than a schema can say, by the field's name. */
const SAMPLES = { email: newAddress, customer_email: newAddress, username: newName, password: () => PASSWORD, timezone: () => "UTC",
	url: () => "https://example.org/", network: () => PAYMENT_NETWORK, definition: () => ({ steps: [{ id: "a", type: "wait", seconds: 1 }] }) };

export function inputs(document) {
	const ajv = new Ajv2020({ strict: false, allErrors: true });
	addFormats(ajv);
	/* Of a body that may be one or many, the one. */
	const resolve = (s) => s?.$ref ? s.$ref.slice(2).split("/").reduce((v, k) => v[k], document) : s?.anyOf?.[0] ?? s;
	const types = (s) => [s?.type].flat();

	/* With every field, so that each of an object's is tried; but ids that may be left out, which would have to be somebody's. */
	function sample(schema, name) {
		const s = resolve(schema);
		if (types(s).includes("object") && !s.properties)
			return SAMPLES[name]?.() ?? {};
		if (types(s).includes("object"))
			return Object.fromEntries(Object.entries(s.properties)
			    .filter(([k, v]) => resolve(v)?.format !== "uuid" || s.required?.includes(k)).map(([k, v]) => [k, sample(v, k)]));
		if (s?.enum)
			return s.enum[0];
		if (s?.format === "uuid")
			return randomUUID();
		if (s?.format === "date-time")
			return new Date(Date.now() + 3600e3).toISOString();
		return { integer: Math.max(1, s?.minimum ?? 1), number: 1, boolean: true, array: [] }[types(s)[0]] ?? SAMPLES[name]?.() ?? "text";
	}

	function bad(schema) {
		const s = resolve(schema), x = (n) => "x".repeat(n);
		const values = [{}, [], true, 0.5, "no"].filter((v) => !ajv.validate(s, v));
		if (s.minLength > 0)
			values.push(x(s.minLength - 1));
		if (s.maxLength)
			values.push(x(s.maxLength + 1));
		if (s.minimum !== undefined)
			values.push(s.minimum - 1);
		if (s.maximum < Number.MAX_SAFE_INTEGER)
			values.push(s.maximum + 1);
		if (s.maxItems)
			values.push(Array(s.maxItems + 1).fill("x"));
		if (s.items?.enum)
			values.push(["x"]);
		if (s.items?.maxLength)
			values.push([x(s.items.maxLength + 1)]);
		return values;
	}

	/* None where a description says more than the schema can. */
	function good(schema) {
		const s = resolve(schema), x = (n) => "x".repeat(n);
		const values = s.description || s.format ? []
		    : [...(s.enum ?? []), s.minLength !== undefined && x(s.minLength), s.maxLength && x(s.maxLength), s.minimum,
		        s.maximum < Number.MAX_SAFE_INTEGER && s.maximum, s.maxItems && Array(s.maxItems).fill(s.items.properties ? sample(s.items) : s.items.enum?.[0] ?? x(s.items.maxLength))];
		return values.filter((v) => v !== undefined && v !== false && v !== null && v !== 0);
	}

	return { sample, bad, good, resolve, fits: (schema, value) => ajv.validate(resolve(schema), value) };
}
