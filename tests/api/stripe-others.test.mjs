/*
 * Stripe by others' models of it, beside the stand-in of ours: emulate (checkouts, signed webhooks) and stripe-stateful-mock (subscriptions, lists), in
 * the shape of some years ago. What they lack of Stripe they do not say: emulate's events have no id and its sessions no amounts, the other one has no
 * checkouts, and periods are the subscription's own.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { randomUUID } from "node:crypto";
import { createEmulator } from "emulate";
import mock from "stripe-stateful-mock";
import StripeClient from "stripe";
import { newUser, privateInstance } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
import { relayTo } from "../js/relay.mjs";
import { assertStatus, until } from "../js/expect.mjs";

const KEY = "sk_test_0123456789abcdef", SECRET = "whsec_others_0123456789abcdef";
const signer = new StripeClient(KEY);
let emulator, stateful, front, hooks, millrace, relay, api, admin, client;
const told = [];        /* emulate's webhooks, as they came */

async function listen(server) {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return `http://127.0.0.1:${server.address().port}`;
}

before(async () => {
	hooks = http.createServer(async (request, response) => {
		told.push({ signature: request.headers["stripe-signature"], body: String(await buffer(request)) });
		response.end("{}");
	});
	const url = await listen(hooks);
	emulator = await createEmulator({ service: "stripe", port: 0, seed: { stripe: { webhooks: [{ url, events: ["*"], secret: SECRET }],
		products: [{ name: "Pro" }], prices: [{ id: "price_once", product_name: "Pro", currency: "usd", unit_amount: 2000 }] } } });
	stateful = http.createServer(mock.createExpressApp());
	const statefulUrl = await listen(stateful);
	/* Which of them has what. */
	front = http.createServer(async (request, response) => {
		const to = /^\/v1\/(checkout|payment_intents)/.test(request.url) ? emulator.url : statefulUrl;
		const body = await buffer(request), { host, connection, ...headers } = request.headers;
		const reply = await fetch(to + request.url, { method: request.method, headers, body: body.length > 0 ? body : undefined });
		const none = reply.status === 404 && /^\/v1\/invoices\?/.test(request.url);
		response.writeHead(none ? 200 : reply.status, { "content-type": "application/json" });
		response.end(none ? '{"object":"list","data":[],"has_more":false}' : Buffer.from(await reply.arrayBuffer()));
	});
	const frontUrl = await listen(front), { port } = front.address();
	client = new StripeClient(KEY, { host: "127.0.0.1", port, protocol: "http", telemetry: false });
	millrace = await privateInstance("stripe-others", { STRIPE_API_KEY: KEY, MILLRACE_STRIPE_URL: frontUrl, STRIPE_WEBHOOK_SECRET: SECRET,
		STRIPE_SUCCESS_URL: "https://app.example.com/paid", STRIPE_CANCEL_URL: "https://app.example.com/left" });
	({ api } = millrace);
	relay = await relayTo(millrace);
	admin = await newAdmin(millrace);
});
after(async () => {
	await millrace?.stop();
	await emulator?.close();
	relay?.close();
	for (const server of [stateful, front, hooks])
		server?.close();
});

const post = (body, signature) => fetch(`${relay.url}/api/payments/webhook`, { method: "POST", body, headers: { "content-type": "application/json", "stripe-signature": signature } });
async function deliver(type, object) {
	const body = JSON.stringify({ id: `evt_${randomUUID().replaceAll("-", "")}`, object: "event", type, api_version: "2020-08-27", data: { object } });
	assert.equal((await post(body, signer.webhooks.generateTestHeaderString({ payload: body, secret: SECRET }))).status, 200);
	await until(async () => (await millrace.psql("SELECT count(*) FROM stripe_event WHERE done_at IS NULL")).trim() === "0", "the inbox is empty");
}
const newPackage = async (more) => assertStatus(await admin.api.post("/api/pricing/packages", { name: newName(), price_usd: 20, credits_usd: 20, ...more }), 201).json;

test("emulate: a checkout of ours is what Stripe's library reads there; its shopper pays, and Stripe's library takes its event", async () => {
	const user = await newUser(api), pkg = await newPackage({ period: "once", stripe_price_id: "price_once" });
	const made = assertStatus(await user.api.post("/api/payments/create-checkout-session", { metadata: { package_id: pkg.id, a: "b c&d" } }), 200).json;
	const there = await client.checkout.sessions.retrieve(made.id);
	assert.deepEqual([there.mode, there.url, there.success_url, there.status], ["payment", made.url, "https://app.example.com/paid", "open"]);
	assert.deepEqual(there.metadata, { package_id: pkg.id, a: "b c&d", millrace_user: user.uid, millrace_package: pkg.id });
	const page = await fetch(made.url).then((reply) => reply.text());
	assert.match(page, /Pro/);
	const paid = await fetch(`${made.url}/complete`, { method: "POST", redirect: "manual" });
	assert.equal(paid.headers.get("location"), "https://app.example.com/paid");
	const { body, signature } = await until(() => told.find((t) => t.body.includes(made.id)), "its webhook");
	assert.equal(signer.webhooks.constructEvent(body, signature, SECRET).type, "checkout.session.completed");
	/* It has no id, by which it would count once. */
	const without = await post(body, signature);
	assert.equal(without.status, 400);
	assert.deepEqual((await without.json()).fields.map((f) => f.field), ["id"]);
	/* A paid session without an amount gives nothing, and holds nothing up. */
	await deliver("checkout.session.completed", JSON.parse(body).data.object);
	assert.deepEqual([(await client.checkout.sessions.retrieve(made.id)).payment_status, (await user.api.get("/api/user")).json.credits.balanceUsd], ["paid", 0]);
	const refused = await user.api.post("/api/payments/create-checkout-session", { price_id: "price_none", mode: "payment" });
	assert.equal(refused.status, 400);
	assert.match(refused.json.error, /No such price/);
});

test("stripe-stateful-mock: a subscription made by Stripe's library is ours after its event, and by the comparison", async () => {
	const user = await newUser(api), product = await client.products.create({ name: newName() });
	const price = await client.prices.create({ product: product.id, currency: "usd", unit_amount: 2000, recurring: { interval: "month" } });
	/* It makes no item without a plan, which Stripe's prices have taken the place of. */
	const plan = await client.plans.create({ product: product.id, currency: "usd", amount: 2000, interval: "month" });
	const pkg = await newPackage({ period: "month", stripe_price_id: price.id });
	const customer = await client.customers.create({ email: "ada@example.org" });
	const subscribe = (metadata) => client.subscriptions.create({ customer: customer.id, items: [{ price: price.id, plan: plan.id }], metadata });
	const first = await subscribe({ millrace_user: user.uid });
	await deliver("customer.subscription.created", first);
	const rows = async () => assertStatus(await user.api.get("/api/subscriptions"), 200).json;
	const of = ({ status, package_id, stripe_customer_id, stripe_subscription_id, final_price }) => [status, package_id, stripe_customer_id, stripe_subscription_id, final_price];
	assert.deepEqual((await rows()).map(of), [["active", pkg.id, customer.id, first.id, 20]]);
	/* The customer is theirs now: nobody tells of the second one. */
	const second = await subscribe({}), compare = () => millrace.ctl("stripe", "reconcile").then(({ stdout }) => stdout, (e) => e.stdout);
	assert.match(await compare(), new RegExp(`^${second.id} \\(active\\) was not here$`, "m"));
	assert.equal(await compare(), "Nothing differs from what Stripe has.\n");
	assert.deepEqual((await rows()).map((s) => s.stripe_subscription_id).sort(), [first.id, second.id].sort());
	await deliver("customer.subscription.deleted", { id: "sub_none", object: "subscription" });
	assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/);
});
