/*
 * A strict stand-in for Stripe's API, of its version 2026-10-28.endive: the secret key, forms, parameters that it knows, Idempotency-Key, lists and
 * errors as the API's reference has them. It refuses what Stripe refuses; what it did not like is in `faults`.
 *
 * The shopper and the dashboard are methods: pay(), renew(), refund() and so on change objects, and return the events of that, with the objects as
 * they were then. Nobody delivers these; a test does.
 */
import http from "node:http";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import StripeClient from "stripe";

export const VERSION = "2026-10-28.endive";
const now = () => Math.floor(Date.now() / 1000);
const newId = (prefix) => `${prefix}_${randomBytes(12).toString("hex")}`;
const copy = (o) => JSON.parse(JSON.stringify(o));

/* Stripe's own client of a stand-in that was started. */
export const clientOf = (stripe) => new StripeClient(stripe.key, { host: "127.0.0.1", port: stripe.port, protocol: "http", telemetry: false });

class StripeError extends Error {
	constructor(status, message, more = {}) {
		super(message);
		this.status = status;
		this.body = { error: { type: "invalid_request_error", message, ...more } };
	}
}
const must = (so, message, more) => { if (!so) throw new StripeError(400, message, more); };

/* a[b][0][c]=v, as Stripe reads forms. */
function decode(form) {
	const out = {};
	for (const [name, value] of new URLSearchParams(form)) {
		const path = [/^[^[]+/.exec(name)?.[0], ...[...name.matchAll(/\[([^\]]*)\]/g)].map((m) => m[1])];
		must(path[0] && name === path[0] + path.slice(1).map((p) => `[${p}]`).join(""), `Invalid request: ${name}`);
		let at = out;
		path.slice(0, -1).forEach((p) => { at = at[p] ??= {}; must(typeof at === "object", `Invalid object: ${name}`); });
		must(at[path.at(-1)] === undefined, `Duplicate parameter: ${name}`);
		at[path.at(-1)] = value;
	}
	return out;
}

const SESSION = ["mode", "success_url", "cancel_url", "client_reference_id", "customer", "customer_email", "customer_creation", "line_items", "metadata",
	"payment_intent_data", "subscription_data"];

export class Stripe {
	key = `sk_test_${randomBytes(12).toString("hex")}`;
	objects = new Map();
	keys = new Map();            /* Idempotency-Key: { request, status, body } */
	requests = [];
	faults = [];
	onAsked = null;              /* is awaited with the address of each request, before it is answered */
	fail = [];                   /* statuses with which the next requests fail; "cut": a reply that breaks off; "lost": it was done, and breaks off */

	async start() {
		this.server = http.createServer((q, s) => this.#answer(q, s).catch((e) => {
			this.faults.push(`${q.method} ${q.url}: ${e.stack}`);
			s.writeHead(500).end("{}");
		})).listen(0, "127.0.0.1");
		await once(this.server, "listening");
		this.port = this.server.address().port;
		this.url = `http://127.0.0.1:${this.port}`;
		return this;
	}

	stop() {
		this.server.close();
		this.server.closeAllConnections();
	}

	/* -- HTTP -- */

	async #answer(q, s) {
		const body = await text(q), key = q.headers["idempotency-key"], request = `${q.method} ${q.url} ${body}`;
		this.requests.push({ method: q.method, url: q.url, body, key, version: q.headers["stripe-version"] });
		await this.onAsked?.(q.url);
		const how = this.fail.shift();
		if (typeof how === "number")
			return this.#send(s, how, { error: { type: "api_error", message: "An unknown error occurred" } });
		if (how === "cut")
			return void s.writeHead(200, { "content-type": "application/json", "content-length": "900" }).write("{", () => s.destroy());
		const kept = q.method === "POST" && key && this.keys.get(key);
		let reply;
		if (kept) {
			reply = kept.request === request ? kept : { status: 400, body: { error: { type: "idempotency_error",
				message: "Keys for idempotent requests can only be used with the same parameters they were first used with." } } };
		} else {
			try {
				reply = { status: 200, body: this.#route(q, body) };
			} catch (e) {
				if (!(e instanceof StripeError))
					throw e;
				if (e.status !== 404)
					this.faults.push(`${q.method} ${q.url}: ${e.message}`);
				reply = { status: e.status, body: e.body };
			}
			if (q.method === "POST" && key && reply.status < 500)
				this.keys.set(key, { request, ...copy(reply) });
		}
		if (how === "lost")
			return s.destroy();
		this.#send(s, reply.status, reply.body);
	}

	#send(s, status, body) {
		s.writeHead(status, { "content-type": "application/json", "request-id": newId("req") }).end(JSON.stringify(body, null, 2));
	}

	#route(q, body) {
		if (q.headers.authorization !== `Bearer ${this.key}`)
			throw new StripeError(401, "Invalid API Key provided");
		must(q.headers["stripe-version"] === VERSION, `Invalid Stripe API version: ${q.headers["stripe-version"]}`);
		const [path, query = ""] = q.url.split("?");
		if (q.method === "GET")
			return this.#get(path, decode(query));
		must(q.method === "POST" && q.headers["content-type"] === "application/x-www-form-urlencoded", "Invalid request");
		const form = decode(body);
		if (path === "/v1/checkout/sessions")
			return this.#createSession(form);
		if (path === "/v1/billing_portal/sessions") {
			this.#customer(form.customer);
			must(/^https?:/.test(form.return_url), "Not a valid URL");
			return { id: newId("bps"), object: "billing_portal.session", customer: form.customer, return_url: form.return_url, url: "https://billing.stripe.com/p/x" };
		}
		throw new StripeError(404, `Unrecognized request URL (${q.method}: ${path})`);
	}

	#get(path, query) {
		const one = /^\/v1\/(checkout\/sessions|subscriptions|invoices)\/(\w+)$/.exec(path);
		if (one) {
			const o = this.objects.get(one[2]);
			if (!o)
				throw new StripeError(404, `No such ${one[1]}: '${one[2]}'`, { code: "resource_missing" });
			return copy(o);
		}
		const kind = { "/v1/checkout/sessions": "checkout.session", "/v1/subscriptions": "subscription", "/v1/invoices": "invoice", "/v1/charges": "charge",
			"/v1/disputes": "dispute", "/v1/invoice_payments": "invoice_payment" }[path];
		if (!kind)
			throw new StripeError(404, `Unrecognized request URL (GET: ${path})`);
		return this.#list(kind, path, query);
	}

	#list(kind, path, { limit = 10, starting_after, created, status, payment_intent, payment, invoice, ...unknown }) {
		must(Object.keys(unknown).length === 0, `Received unknown parameter: ${Object.keys(unknown)}`);
		let all = [...this.objects.values()].filter((o) => o.object === kind).reverse();
		all = all.filter((o) => (!created || o.created >= created.gte) && (!invoice || o.invoice === invoice)
		    && (!payment_intent || o.payment_intent === payment_intent) && (!payment || o.payment.payment_intent === payment.payment_intent)
		    && (status === undefined || status === "all" || o.status === status));
		if (starting_after) {
			must(all.some((o) => o.id === starting_after), `No such object: ${starting_after}`);
			all = all.slice(all.findIndex((o) => o.id === starting_after) + 1);
		}
		const size = Math.min(Number(limit), this.pageMax ?? 100);
		return { object: "list", url: path, has_more: all.length > size, data: copy(all.slice(0, size)) };
	}

	/* Deleted, or made by a key of the other mode, is the same. */
	#customer(id) {
		must(this.objects.get(id)?.object === "customer", `No such customer: '${id}'`, { code: "resource_missing", param: "customer" });
	}

	#createSession(f) {
		for (const name of Object.keys(f))
			must(SESSION.includes(name), `Received unknown parameter: ${name}`);
		must(["payment", "subscription"].includes(f.mode), "Invalid mode");
		for (const name of ["success_url", "cancel_url"])
			must(/^https?:\/\/\S+$/.test(f[name] ?? ""), `Not a valid URL: ${name}`);
		must(!(f.customer && f.customer_email), "You may only specify one of these parameters: customer, customer_email.");
		if (f.customer)
			this.#customer(f.customer);
		must(!(f.customer_creation && f.mode !== "payment"), "customer_creation can only be used in payment mode");
		must(!(f.subscription_data && f.mode !== "subscription"), "You can not pass `subscription_data` in `payment` mode.");
		must(!(f.payment_intent_data && f.mode !== "payment"), "You can not pass `payment_intent_data` in `subscription` mode.");
		for (const [name, value] of Object.entries(f.metadata ?? {}))
			must(name.length <= 40 && value.length <= 500, "Metadata are too long");
		must(Object.keys(f.metadata ?? {}).length <= 50, "Too many metadata");
		const [line, more] = Object.values(f.line_items ?? {});
		must(line && !more && line.quantity === "1", "Missing line_items");
		const price = line.price_data ? { id: newId("price"), unit_amount: Number(line.price_data.unit_amount), currency: line.price_data.currency,
			recurring: line.price_data.recurring } : this.objects.get(line.price);
		must(price, `No such price: '${line.price}'`, { code: "resource_missing", param: "line_items[0][price]" });
		must(Number.isInteger(price.unit_amount) && (price.unit_amount >= 50 || price.unit_amount === 0), "Invalid integer, or amount too small");
		must(Boolean(price.recurring) === (f.mode === "subscription"), "You specified another mode than the price's");
		return copy(this.#put({ id: newId("cs_test"), object: "checkout.session", mode: f.mode, status: "open", payment_status: "unpaid", currency: price.currency,
			amount_total: price.unit_amount, client_reference_id: f.client_reference_id ?? null, customer: f.customer ?? null,
			customer_email: f.customer_email ?? null, payment_intent: null, subscription: null, metadata: f.metadata ?? {}, success_url: f.success_url,
			cancel_url: f.cancel_url, url: "https://checkout.stripe.com/c/pay/x", created: now(), price, of: f.subscription_data?.metadata ?? {} }));
	}

	/* -- what happens there -- */

	#put(o) {
		this.objects.set(o.id, o);
		return o;
	}

	/* An event with its object as it is now. */
	event(type, o, api_version = VERSION) {
		return { id: newId("evt"), object: "event", api_version, created: now(), type, livemode: false, data: { object: copy(o) } };
	}

	price(unit_amount, interval, currency = "usd") {
		return this.#put({ id: newId("price"), object: "price", unit_amount, currency, recurring: interval && { interval }, created: now() });
	}

	#charge(amount, currency) {
		const intent = newId("pi");
		return this.#put({ id: newId("ch"), object: "charge", amount, currency, amount_refunded: 0, disputed: false, refunded: false, payment_intent: intent,
			status: "succeeded", created: now() });
	}

	/* Paid at once, or in parts of these amounts, each by a payment of its own. */
	#invoice(subscription, reason, parts) {
		const [item] = subscription.items.data, { unit_amount: amount, currency } = item.price;
		const charges = (parts ?? [amount]).map((part) => this.#charge(part, currency));
		const invoice = this.#put({ id: newId("in"), object: "invoice", status: "paid", amount_paid: amount, currency, billing_reason: reason,
			customer: subscription.customer, metadata: {},
			parent: { type: "subscription_details", subscription_details: { subscription: subscription.id, metadata: copy(subscription.metadata) } },
			lines: { object: "list", has_more: false, data: [{ id: newId("il"), object: "line_item", amount,
				parent: { type: "subscription_item_details", subscription_item_details: { subscription: subscription.id, subscription_item: item.id, proration: false } },
				pricing: { type: "price_details", price_details: { price: item.price.id, product: "prod_x" } } }] },
			status_transitions: { paid_at: now() }, created: now() });
		for (const charge of charges)
			this.#put({ id: newId("inpay"), object: "invoice_payment", invoice: invoice.id, status: "paid", created: now(),
				payment: { type: "payment_intent", payment_intent: charge.payment_intent } });
		return { invoice, charges };
	}

	/* The shopper pays: { events, charge, subscription, invoice }. */
	pay(id) {
		const session = this.objects.get(id);
		session.customer ??= this.#put({ id: newId("cus"), object: "customer", email: session.customer_email }).id;
		Object.assign(session, { status: "complete", payment_status: "paid" });
		if (session.mode === "payment") {
			const charge = this.#charge(session.amount_total, session.currency);
			session.payment_intent = charge.payment_intent;
			return { events: [this.event("checkout.session.completed", session), this.event("charge.succeeded", charge)], charge };
		}
		const subscription = this.#put({ id: newId("sub"), object: "subscription", status: "active", customer: session.customer, metadata: session.of,
			start_date: now(), created: now(), ended_at: null, cancel_at: null, cancel_at_period_end: false,
			items: { object: "list", data: [{ id: newId("si"), object: "subscription_item", quantity: 1, price: session.price, current_period_end: now() + 2592000 }] } });
		session.subscription = subscription.id;
		const { invoice, charges: [charge] } = this.#invoice(subscription, "subscription_create");
		return { events: [this.event("customer.subscription.created", subscription), this.event("invoice.paid", invoice),
			this.event("checkout.session.completed", session), this.event("charge.succeeded", charge)], subscription, invoice, charge };
	}

	/* A subscription changes, as the dashboard or time has it. */
	change(subscription, type, more) {
		const { price, ...rest } = more;
		Object.assign(subscription, rest);
		if (price)
			subscription.items.data[0].price = price;
		return [this.event(`customer.subscription.${type}`, subscription)];
	}

	renew(subscription) {
		return this.renewInParts(subscription).events;
	}

	renewInParts(subscription, parts) {
		subscription.items.data[0].current_period_end += 2592000;
		const { invoice, charges } = this.#invoice(subscription, "subscription_cycle", parts);
		return { charges, events: [this.event("customer.subscription.updated", subscription), this.event("invoice.paid", invoice)] };
	}

	refund(charge, amount) {
		charge.amount_refunded += amount;
		charge.refunded = charge.amount_refunded === charge.amount;
		const refund = this.#put({ id: newId("re"), object: "refund", amount, currency: charge.currency, charge: charge.id, payment_intent: charge.payment_intent, created: now() });
		return [this.event("charge.refunded", charge), this.event("refund.created", refund)];
	}

	dispute(charge) {
		charge.disputed = true;
		const dispute = this.#put({ id: newId("dp"), object: "dispute", amount: charge.amount, currency: charge.currency, charge: charge.id, payment_intent: charge.payment_intent,
			status: "needs_response", created: now() });
		return { dispute, events: [this.event("charge.dispute.created", dispute)] };
	}

	decide(dispute, status) {
		dispute.status = status;
		return [this.event("charge.dispute.closed", dispute)];
	}
}
