/*
 * Payments by Stripe, against a strict stand-in of it, with events signed by Stripe's own library: checkouts, the webhook, subscriptions for their whole
 * life, refunds and disputes, the customer portal, and the comparison with what Stripe has.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { createHmac, randomInt, randomUUID } from "node:crypto";
import StripeClient from "stripe";
import { newUser, privateInstance } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
import { analyticsOf } from "../js/log.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";
import { Stripe, VERSION, clientOf } from "../standin/stripe.mjs";

const SECRET = "whsec_new_0123456789abcdef", OLD = "whsec_old_0123456789abcdef", PAGE = "https://app.example.com/paid";
const signer = new StripeClient("sk_test_none");
let stripe, millrace, api, admin;
before(async () => {
	stripe = await new Stripe().start();
	millrace = await privateInstance("stripe", { STRIPE_API_KEY: stripe.key, MILLRACE_STRIPE_URL: stripe.url, STRIPE_WEBHOOK_SECRET: SECRET,
		STRIPE_WEBHOOK_SECRET_OLD: OLD, STRIPE_PRICE_ID: stripe.price(900, "month").id, STRIPE_MODE: "subscription", STRIPE_SUCCESS_URL: PAGE,
		STRIPE_CANCEL_URL: "https://app.example.com/left", MILLRACE_CHECKOUT_ORIGINS: "https://shop.example.com http://127.0.0.1:3000" });
	({ api } = millrace);
	admin = await newAdmin(millrace);
});
after(() => stripe.stop());

const sql = async (text) => (await millrace.psql(text)).trim();
const header = (payload, more = {}) => signer.webhooks.generateTestHeaderString({ payload, secret: SECRET, ...more });
const post = (body, signature, type = "application/json; charset=utf-8") =>
	api.fresh().request("POST", "/api/payments/webhook", { headers: { "content-type": type, ...signature && { "stripe-signature": signature } }, body });
async function deliver(event) {
	const body = JSON.stringify(event, null, 2);
	assert.deepEqual(assertStatus(await post(body, header(body)), 200).json, { received: true });
}
const settled = () => until(async () => await sql("SELECT count(*) FROM stripe_event WHERE done_at IS NULL") === "0", "the inbox is empty");
async function deliverAll(events) {
	for (const e of events)
		await deliver(e);
	await settled();
}
const balance = async (user) => (await user.api.get("/api/user")).json.credits.balanceUsd;
const subscriptions = async (user) => assertStatus(await user.api.get("/api/subscriptions"), 200).json;
const ledgerHolds = async () => assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds/);
const session = async (user, body = {}) => assertStatus(await user.api.post("/api/payments/create-checkout-session", body), 200).json;
const newPackage = async (cents, { currency, ...more } = {}) => {
	const price = stripe.price(cents, more.period === "once" ? undefined : "month", currency);
	const pkg = assertStatus(await admin.api.post("/api/pricing/packages", { name: newName(), price_usd: cents / 100, stripe_price_id: price.id, ...more }), 201).json;
	return { ...pkg, price };
};
async function subscribed(more) {
	const user = await newUser(api), pkg = await newPackage(2000, more);
	const made = await session(user, { price_id: pkg.price.id });
	return { user, pkg, id: made.id, ...stripe.pay(made.id) };
}
/* A subscription's row is what a fresh fetch says. */
function assertAsThere(row, there, pkg, what) {
	const at = (s) => s === null ? null : new Date(s * 1000).toISOString();
	const [item] = there.items.data;
	assert.deepEqual({ status: row.status, end: row.end_date, price: row.final_price, customer: row.stripe_customer_id, id: row.stripe_subscription_id,
		period: row.current_period_end, package: row.package_id, start: row.start_date },
	{ status: there.status, end: at(there.ended_at ?? there.cancel_at ?? (there.cancel_at_period_end ? item.current_period_end : null)),
		price: item.price.unit_amount / 100, customer: there.customer, id: there.id, period: at(item.current_period_end), package: pkg.id, start: at(there.start_date) }, what);
}

test("Stripe's own library and Millrace speak alike to the stand-in", async () => {
	const client = clientOf(stripe);
	const price = stripe.price(500);
	const params = { mode: "payment", success_url: PAGE, cancel_url: PAGE, line_items: [{ price: price.id, quantity: 1 }], metadata: { a: "b c&d" } };
	const made = await client.checkout.sessions.create(params, { idempotencyKey: "k1" });
	assert.equal((await client.checkout.sessions.create(params, { idempotencyKey: "k1" })).id, made.id);
	await assert.rejects(client.checkout.sessions.create({ ...params, mode: "subscription" }, { idempotencyKey: "k1" }), { type: "StripeIdempotencyError" });
	assert.deepEqual((await client.checkout.sessions.retrieve(made.id)).metadata, { a: "b c&d" });
	assert.equal(stripe.requests.at(-1).version, VERSION);
	const user = await newUser(api);
	/* A name that would be another parameter, were it not escaped. */
	const metadata = { a: "b c&d", "a%5D=1&metadata%5Bmillrace_package": "x" };
	const { id, url } = await session(user, { price_id: price.id, mode: "payment", metadata, customer_email: "ada@example.org" });
	assert.match(url, /^https:\/\/checkout\.stripe\.com\//);
	const there = await client.checkout.sessions.retrieve(id);
	assert.deepEqual([there.metadata, there.client_reference_id, there.customer_email, there.success_url],
	    [{ ...metadata, millrace_user: user.uid }, user.uid, "ada@example.org", PAGE]);
	assert.ok(stripe.requests.every((r) => r.method === "GET" || r.key));
	assert.match((await client.checkout.sessions.list({ limit: 1 })).data[0].id, /^cs_/);
});

test("a checkout leads back to our own origins alone, and takes no odd words", async () => {
	const user = await newUser(api), checkout = (body) => user.api.post("/api/payments/create-checkout-session", body);
	for (const url of ["https://evil.example.com/", "https://app.example.com.evil.com/", "https://app.example.com@evil.com/", "http://app.example.com/",
		"https://app.example.com:444/", "javascript:alert(1)//", "https://app.example.com\\@evil.com/", "//evil.com/paid", "https://app.example.com/a b"]) {
		assertError(await checkout({ success_url: url }), "BAD_REQUEST");
		assertError(await checkout({ cancel_url: url }), "BAD_REQUEST");
	}
	const once = { headers: { "idempotency-key": randomUUID() } };
	assert.equal(assertStatus(await user.api.post("/api/payments/create-checkout-session", {}, once), 200).text,
	    assertStatus(await user.api.post("/api/payments/create-checkout-session", {}, once), 200).text);
	await session(user, { success_url: "https://shop.example.com/x?session={CHECKOUT_SESSION_ID}#a", cancel_url: "http://127.0.0.1:3000/" });
	for (const metadata of [{ millrace_user: "x" }, { "a[b]": "c" }, { a: { b: 1 } }, { a: "x".repeat(501) }, Object.fromEntries(Array.from({ length: 41 }, (_, i) => [i, "x"]))])
		assertError(await checkout({ metadata }), "BAD_REQUEST");
	assertError(await checkout({ metadata: { a: "x".repeat(1 << 20) } }), "TOO_LARGE");
	assertError(await checkout({ mode: "setup" }), "BAD_REQUEST");
	assertError(await checkout({ metadata: { package_id: user.uid } }), "BAD_REQUEST");
	const old = await newPackage(700, { active: false });
	assertError(await checkout({ price_id: old.price.id }), "BAD_REQUEST");
	/* What Stripe refuses is told, as the run's reply: its request_id is the run's id. */
	const refused = assertStatus(await checkout({ price_id: "price_none" }), 400);
	assert.deepEqual([refused.json.code, refused.json.request_id], ["BAD_REQUEST", refused.headers["x-run-id"]]);
	assert.match(refused.json.error, /No such price/);
	for (const amountUsd of [0, 0.49, 1.001, -5, 100001, "5", null])
		assertError(await user.api.post("/api/credits/purchase", { amountUsd }), "BAD_REQUEST");
	assert.equal(assertStatus(await user.api.post("/api/payments/portal"), 409).json.code, "CONFLICT");
});

test("credits are bought, once, though the reply is lost and the event comes three times", async () => {
	const user = await newUser(api);
	stripe.fail = [500, "lost"];
	const once = { headers: { "idempotency-key": randomUUID() } };
	const { checkoutUrl } = assertStatus(await user.api.post("/api/credits/purchase", { amountUsd: 25.5 }, once), 200).json;
	assert.equal(assertStatus(await user.api.post("/api/credits/purchase", { amountUsd: 25.5 }, once), 200).json.checkoutUrl, checkoutUrl);
	assert.match(checkoutUrl, /^https:/);
	const mine = [...stripe.objects.values()].filter((o) => o.client_reference_id === user.uid);
	assert.deepEqual(mine.map((o) => [o.mode, o.amount_total]), [["payment", 2550]]);
	const { events } = stripe.pay(mine[0].id);
	await Promise.all([...events, ...events, ...events].map(deliver));
	await settled();
	assert.equal(await balance(user), 25.5);
	assert.deepEqual((await user.api.get("/api/credits/history")).json.map((c) => [c.type, c.amountUsd]), [["purchase", 25.5]]);
	/* A customer now, who has a portal. */
	assert.match(assertStatus(await user.api.post("/api/payments/portal"), 200).json.url, /^https:\/\/billing/);
	await ledgerHolds();
});

test("a customer whom Stripe has deleted, or whom the key of the other mode has made, is forgotten: the user buys again as another one", async () => {
	const user = await newUser(api), customers = [];
	const buys = async () => {
		const { id } = await session(user, { mode: "payment", price_id: stripe.price(300).id });
		await deliverAll(stripe.pay(id).events);
		customers.push(stripe.objects.get(id).customer);
	};
	await buys();
	await buys();
	assert.equal(customers[0], customers[1]);
	stripe.objects.delete(customers[0]);
	stripe.fail = [undefined, "lost"];        /* the refusal comes, and the reply of the repeat without a customer is lost */
	await buys();
	assert.notEqual(customers[2], customers[0]);
	assert.match(assertStatus(await user.api.post("/api/payments/portal"), 200).json.url, /^https:/);
	stripe.objects.delete(customers[2]);
	for (const words of [/no such customer any more/, /Nothing was bought/])
		assert.match(assertStatus(await user.api.post("/api/payments/portal"), 409).json.error, words);
	await buys();
	assert.equal(await balance(user), 12);
	await ledgerHolds();
});

test("the webhook takes what Stripe has signed, by either secret, within five minutes, and nothing else", async () => {
	const event = { id: `evt_${newName()}`, object: "event", type: "customer.created", api_version: "2020-08-27", data: { object: { object: "customer", id: "cus_1" } } };
	const body = JSON.stringify(event), t = Math.floor(Date.now() / 1000), good = header(body).split("v1=")[1], at = /t=(\d+)/.exec(header(body))[1];
	const v1 = createHmac("sha256", SECRET).update(`${at}.${body}`).digest("hex"), other = "0".repeat(64);
	assert.equal(good, v1);
	for (const [what, signature, sent = body] of [["none", undefined], ["another secret", header(body, { secret: "whsec_no" })], ["an old one", header(body, { timestamp: t - 301 })],
		["no time", `v1=${v1}`], ["no signature", `t=${at}`], ["v0 alone", `t=${at},v0=${v1}`], ["capitals", `t=${at},v1=${v1.toUpperCase()}`],
		["a blank", `t=${at}, v1=${v1}`], ["another time", `t=${at - 1},v1=${v1}`], ["two times, the last another", `t=${at},t=${at - 1},v1=${v1}`],
		["another body", header(body), body.replace("cus_1", "cus_2")], ["another spacing", header(body), JSON.stringify(event, null, 1)], ["a time that is none", `t=soon,v1=${v1}`], ["a time before all", `t=-9223372036854775807,v1=${v1}`]])
		assert.equal((await post(sent, signature)).status, 400, what);
	for (const signature of [header(body), header(body, { secret: OLD }), `t=${at},v1=${other},v1=${v1},v0=x`, `v1=${v1},t=${at}`, `t=1,t=${at},v1=${v1}`,
		header(body, { timestamp: t + 1000 }), header(body, { timestamp: t - 290 })])
		assertStatus(await post(body, signature), 200);
	assert.equal(await sql(`SELECT count(*) FROM stripe_event WHERE event = '${event.id}'`), "1");
	const odd = JSON.stringify({ id: newName(), object: "v2.core.event", type: "v1.billing.meter" });
	assertStatus(await post(odd, header(odd)), 200);
	const half = JSON.stringify({ ...event, id: `evt_${newName()}`, data: { object: { object: "customer", id: "cus_1", name: "half \ud83d \u0000" } } });
	assertStatus(await post(half, header(half)), 200);
	for (const bad of ["{", "[]", JSON.stringify({ type: "x" })])
		assertError(await post(bad, header(bad)), "BAD_REQUEST");
});

/* What a subscription goes through at Stripe, and the one event that tells of each, about the subscription, its checkout or its next invoice. */
const LIFE = [
	["checkout.session.completed", {}], ["customer.subscription.created", { status: "trialing" }], ["customer.subscription.trial_will_end", { cancel_at: 4000000000 }],
	["customer.subscription.updated", { status: "active", cancel_at: null }], ["customer.subscription.pending_update_expired", { cancel_at_period_end: true }],
	["customer.subscription.pending_update_applied", { price: "bigger", cancel_at_period_end: false }],
	["customer.subscription.paused", { status: "paused" }], ["customer.subscription.resumed", { status: "a_word_of_tomorrow" }],
	["invoice.created", { status: "active", price: "first" }, { status: "draft", amount_paid: 0 }], ["invoice.finalized", { status: "incomplete" }, { status: "open" }],
	["invoice.payment_failed", { status: "past_due" }, {}], ["invoice.paid", { status: "active" }, { status: "paid", amount_paid: 2000 }],
	["invoice.payment_succeeded", { cancel_at: 4000000001 }, {}], ["customer.subscription.deleted", { status: "canceled", ended_at: 1800000000 }],
];

test("a subscription for its whole life: after each of 14 events our row is what a fetch says; its events, tier and credits", async () => {
	const client = clientOf(stripe);
	const { user, pkg, id, subscription: there } = await subscribed({ credits_usd: 5 });
	const packages = { first: pkg, bigger: await newPackage(5000) };
	let now = pkg, invoice;
	for (const [type, { price, ...more }, paid] of LIFE) {
		now = packages[price] ?? now;
		stripe.change(there, "updated", { ...more, price: price && now.price });
		if (paid) {
			invoice ??= stripe.objects.get(stripe.renew(there).at(-1).data.object.id);
			Object.assign(invoice, paid);
		}
		await deliverAll([stripe.event(type, paid ? invoice : /^checkout/.test(type) ? stripe.objects.get(id) : there)]);
		const rows = await subscriptions(user);
		assert.equal(rows.length, 1, type);
		assertAsThere(rows[0], await client.subscriptions.retrieve(there.id), now, type);
		assert.equal((await user.api.get(`/api/v1/users/${user.uid}`)).json.tier, ["trialing", "active", "past_due"].includes(there.status) ? now.name : "free", type);
	}
	assert.equal(await balance(user), 5, "of the second invoice: no event told of the first");
	const published = (await analyticsOf(millrace, user.uid)).filter((e) => e.type.startsWith("subscription_"));
	assert.deepEqual([...new Set(published.map((e) => e.type))], ["subscription_created", "subscription_updated"]);
	assert.deepEqual(Object.keys(published[0].data), ["subscription_id", "user_id", "plan", "created_at"]);
	assert.equal(published[0].data.subscription_id, (await subscriptions(user))[0].id);
});

test("a renewal gives the package's credits again; refunds and disputes take back what they gave, and give it again", async () => {
	const { user, subscription, charge, events } = await subscribed({ credits_usd: 10 });
	await deliverAll([...events, ...stripe.renew(subscription)]);
	assert.equal(await balance(user), 20);
	await deliverAll(stripe.refund(charge, 500));                     /* a quarter of 20.00 */
	assert.equal(await balance(user), 17.5);
	await deliverAll(stripe.refund(charge, 1500));
	assert.equal(await balance(user), 10);
	const once = await newPackage(3000, { period: "once", credits_usd: 40 });
	const { charge: other, events: paid } = stripe.pay((await session(user, { metadata: { package_id: once.id } })).id);
	await deliverAll(paid);
	assert.equal(await balance(user), 50);
	const { dispute, events: disputed } = stripe.dispute(other);
	await deliverAll(disputed);
	assert.equal(await balance(user), 10);
	await deliverAll(stripe.decide(dispute, "appeal_under_review"));
	assert.equal(await balance(user), 10);
	await deliverAll(stripe.decide(dispute, "won"));
	assert.equal(await balance(user), 50);
	await ledgerHolds();
});

test("an invoice that was paid in parts: each part's refund counts, told by an event or found by the comparison", async () => {
	const { user, subscription, events } = await subscribed({ credits_usd: 10 });
	const { charges, events: renewed } = stripe.renewInParts(subscription, [1500, 500]);
	await deliverAll([...events, ...renewed]);
	assert.equal(await balance(user), 20);
	await deliverAll(stripe.refund(charges[1], 500));                 /* a quarter of 20.00 */
	assert.equal(await balance(user), 17.5);
	await deliverAll(stripe.refund(charges[0], 500));
	assert.equal(await balance(user), 15);
	stripe.refund(charges[0], 1000);
	const { stdout } = await millrace.ctl("stripe", "reconcile").catch((e) => e);
	assert.match(stdout, /^in_\w+ took back 10, and not 5\.0*$/m);
	assert.equal(await balance(user), 10);
	await ledgerHolds();
});

test("a campaign's price is the one that is asked for", async () => {
	const user = await newUser(api), pkg = await newPackage(2000);
	assertStatus(await admin.api.post("/api/pricing/campaigns", { package_id: pkg.id, name: "now", price_usd: 12.34, starts_at: "2020-01-01T00:00:00Z",
		ends_at: "2100-01-01T00:00:00Z" }), 201);
	const { id } = await session(user, { price_id: pkg.price.id });
	const { events, subscription } = stripe.pay(id);
	await deliverAll(events);
	const [row] = await subscriptions(user);
	assert.deepEqual([row.final_price, row.package_id, subscription.items.data[0].price.recurring.interval], [12.34, pkg.id, "month"]);
	/* Nothing is a price, too, and part of a cent none that could be asked for. */
	const free = await newPackage(2000), at = { package_id: free.id, name: "free", starts_at: "2020-01-01T00:00:00Z", ends_at: "2100-01-01T00:00:00Z" };
	assertError(await admin.api.post("/api/pricing/campaigns", { ...at, price_usd: 12.345 }), "BAD_REQUEST");
	assertStatus(await admin.api.post("/api/pricing/campaigns", { ...at, price_usd: 0 }), 201);
	const none = await session(user, { price_id: free.price.id });
	assert.equal(stripe.objects.get(none.id).amount_total, 0);
});

test("revenue by package and month, less what was returned", async () => {
	const { user, pkg, charge, events, subscription } = await subscribed();
	await deliverAll([...events, ...stripe.renew(subscription), ...stripe.refund(charge, 500)]);
	await millrace.psql(`UPDATE stripe_payment SET paid_at = '2024-02-29T23:59:59Z' WHERE owner_id = '${user.uid}' AND returned_usd > 0`);
	const revenue = async (query) => assertStatus(await admin.api.get(`/api/analytics/revenue${query}`), 200).json.filter((r) => r.package_id === pkg.id);
	const month = new Date().toISOString().slice(0, 7), row = { package_id: pkg.id, package: pkg.name, currency: "usd", payments: 1 };
	assert.deepEqual(await revenue("?start_date=2024-01-01"), [{ month: "2024-02", ...row, revenue: 15 }, { month, ...row, revenue: 20 }]);
	assert.deepEqual(await revenue("?start_date=2024-03-01&end_date=2025-01-01"), []);
	assert.equal((await revenue("")).length, 1);
	assertError(await user.api.get("/api/analytics/revenue"), "FORBIDDEN");
	assert.ok((await admin.api.get("/api/analytics/overview")).json.total_revenue.value >= 20);
});

test("what is paid in another currency is counted in that currency's own units", async () => {
	const month = new Date().toISOString().slice(0, 7), figures = async (what) => assertStatus(await admin.api.get(`/api/analytics/${what}`), 200).json;
	const total = async (query) => (await figures(`overview${query}`)).total_revenue.value, dollars = await total("");
	/* Stripe counts króna and Ugandan shillings in hundredths that they do not have; of payouts alone forints and Taiwan dollars have none. */
	for (const [currency, units, amount] of [["jpy", 1500, 1500], ["kwd", 12340, 12.34], ["isk", 150000, 1500], ["ugx", 500000, 5000], ["huf", 123456, 1234.56],
		["twd", 80045, 800.45], ["mga", 4000, 4000], ["eur", 1999, 19.99]]) {
		const user = await newUser(api), pkg = await newPackage(units, { currency, credits_usd: 10 });
		const { charge, events, subscription } = stripe.pay((await session(user, { price_id: pkg.price.id })).id);
		await deliverAll([...events, ...stripe.refund(charge, units / 4 | 0)]);
		const [{ final_price }] = await subscriptions(user), share = (units / 4 | 0) / units;
		assert.equal(final_price, amount, currency);
		assert.equal(await balance(user), Number((10 - Number((10 * share).toFixed(6))).toFixed(6)), currency);
		const row = assertStatus(await admin.api.get("/api/analytics/revenue"), 200).json.find((r) => r.package_id === pkg.id);
		assert.deepEqual({ ...row, revenue: row.revenue.toFixed(3) }, { month, package_id: pkg.id, package: pkg.name, currency,
			revenue: (amount * (1 - share)).toFixed(3), payments: 1 }, currency);
		assert.equal((await total(`?currency=${currency.toUpperCase()}`)).toFixed(3), row.revenue.toFixed(3), currency);
		const [point] = (await figures(`revenue/trends?currency=${currency}`)).filter(({ value }) => value !== 0);
		assert.equal(point.value.toFixed(3), row.revenue.toFixed(3), currency);
		assert.match((await user.api.get("/api/credits/history")).json.at(-1).description, new RegExp(`^Paid ${amount}0* ${currency.toUpperCase()}$`));
		/* A price of parts of the smallest unit has no whole one. */
		subscription.items.data[0].price = { ...subscription.items.data[0].price, unit_amount: null, unit_amount_decimal: "100.5" };
		await deliverAll(stripe.change(subscription, "updated", {}));
		assert.equal((await subscriptions(user))[0].final_price, Number((100.5 * amount / units).toFixed(4)), currency);
	}
	assert.equal(await total(""), dollars, "no other currency is added to dollars");
	assertError(await admin.api.get("/api/analytics/overview?currency=euro"), "BAD_REQUEST");
	/* Money that is bought is in dollars alone. */
	const buyer = await newUser(api);
	assertStatus(await buyer.api.post("/api/credits/purchase", { amountUsd: 7 }), 200);
	const bought = [...stripe.objects.values()].find((o) => o.client_reference_id === buyer.uid);
	Object.assign(bought, { currency: "jpy", amount_total: 700 });
	await deliverAll(stripe.pay(bought.id).events);
	assert.equal(await balance(buyer), 0);
	await ledgerHolds();
});

/* What a user has in the end, by what the clients see. */
const stateOf = async (user) => [await balance(user), (await subscriptions(user)).map(({ status, final_price, end_date, plan }) => ({ status, final_price, ended: end_date !== null, plan }))];

test("events in any order, again, and with gaps: the same end", async () => {
	const pkg = await newPackage(2000, { credits_usd: 10 }), bigger = await newPackage(4000, { credits_usd: 30 });
	const orders = Array.from({ length: 20 }, () => null);
	const stories = await Promise.all(orders.map(async (_, n) => {
		const user = await newUser(api);
		const [first, second] = [await session(user, { price_id: pkg.price.id }), assertStatus(await user.api.post("/api/credits/purchase", { amountUsd: 8 }), 200)];
		const bought = [...stripe.objects.values()].find((o) => o.client_reference_id === user.uid && o.mode === "payment");
		assert.ok(second);
		const a = stripe.pay(first.id), b = stripe.pay(bought.id);
		const dispute = stripe.dispute(a.charge);
		const events = [...a.events, ...b.events, ...stripe.change(a.subscription, "updated", { status: "past_due" }), ...dispute.events,
			...stripe.decide(dispute.dispute, "won"), ...stripe.refund(b.charge, 200), ...stripe.change(a.subscription, "updated", { status: "active", price: bigger.price }),
			...stripe.change(a.subscription, "deleted", { status: "canceled", ended_at: 1800000000 })];
		if (n === 0)
			return { user, events };
		/* All of them, some twice; or one alone of each payment, which is enough: the subscription's checkout, and the refund. */
		const some = n % 2 ? [...events, ...events.filter(() => randomInt(2))] : [a.events[2], a.events[1], events.at(-3)];
		return { user, events: some.map((e) => [randomInt(1 << 30), e]).sort(([x], [y]) => x - y).map(([, e]) => e) };
	}));
	await deliverAll(stories[0].events);
	await Promise.all(stories.slice(1).map(({ events }) => Promise.all(events.map(deliver))));
	await settled();
	const wanted = await stateOf(stories[0].user);
	for (const { user, events } of stories)
		assert.deepEqual(await stateOf(user), wanted, events.map((e) => e.type).join());
	await ledgerHolds();
});

test("what no event told is found and named by the comparison, and stored", async () => {
	await millrace.ctl("stripe", "reconcile").catch(() => {});        /* what other tests have paid and not told */
	stripe.pageMax = 3;
	const { user, pkg, subscription } = await subscribed({ credits_usd: 3 });
	const buyer = await newUser(api);
	assertStatus(await buyer.api.post("/api/credits/purchase", { amountUsd: 7 }), 200);
	const bought = stripe.pay([...stripe.objects.values()].find((o) => o.client_reference_id === buyer.uid).id);
	const compare = () => millrace.ctl("stripe", "reconcile").then(({ stdout }) => stdout, (e) => { assert.equal(e.code, 1, String(e)); return e.stdout; });
	const said = await compare();
	assert.match(said, new RegExp(`^${subscription.id} \\(active\\) was not here$`, "m"));
	assert.match(said, /^cs_test_\w+ gave 7$/m);
	assert.match(said, /^in_\w+ gave 3$/m);
	assertAsThere((await subscriptions(user))[0], subscription, pkg);
	assert.deepEqual([await balance(user), await balance(buyer)], [3, 7]);
	assert.equal(await compare(), "Nothing differs from what Stripe has.\n");
	stripe.refund(bought.charge, 700);
	stripe.change(subscription, "updated", { status: "past_due" });
	const again = await compare();
	assert.match(again, new RegExp(`^${subscription.id} had status "active", and not "past_due"$`, "m"));
	assert.match(again, /^cs_test_\w+ took back 7, and not 0$/m);
	stripe.objects.delete(subscription.id);
	assert.match(await compare(), new RegExp(`^${subscription.id} is not at Stripe$`, "m"));
	/* Who subscribes while it walks is in no page that it has read: that is no difference. */
	await compare();
	const meanwhile = await subscribed();
	stripe.objects.delete(meanwhile.subscription.id);
	let told = false;
	stripe.onAsked = async (url) => {
		if (told || !url.startsWith("/v1/checkout/sessions?"))
			return;
		told = true;
		stripe.objects.set(meanwhile.subscription.id, meanwhile.subscription);
		await deliverAll(meanwhile.events);
	};
	const during = await compare();
	stripe.onAsked = null;
	assert.ok(told);
	assert.ok(!new RegExp(`${meanwhile.subscription.id} is not at Stripe`).test(during), during);
	assert.equal((await subscriptions(meanwhile.user)).length, 1);
	stripe.pageMax = 100;
	await ledgerHolds();
});

test("Stripe away for a while: the event waits, and is done once it is back; the stand-in had nothing to complain of", async () => {
	const { user, events } = await subscribed({ credits_usd: 1 });
	stripe.fail = [503, "cut", 503, 503];
	await deliverAll(events);
	assert.equal(await balance(user), 1);
	assert.deepEqual(stripe.faults.filter((f) => !/No such price: 'price_none'|No such customer|same parameters/.test(f)), []);
});
