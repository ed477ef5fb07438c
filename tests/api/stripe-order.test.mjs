/*
 * Stripe's events in any order, again and with gaps, while more happens at Stripe: 500 orders come to what their own order comes to.
 *
 * The inbox, and what stores, are the product's functions in the database. What the runner does between them (runner/jobs/stripe_sync.c) is done here a step at
 * a time, so that jobs overlap in every way. Each order is a transaction of its own that is undone.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { newUser, shared } from "../js/instance.mjs";
import { Stripe, clientOf } from "../standin/stripe.mjs";

const ORDERS = 500, PAGE = "https://app.example.com/";
let db, stripe, user, packages;
const history = [];          /* what has happened, in turn: { events, objects }, the objects of Stripe after it */

/* A checkout as ours are. */
const session = (mode, price, more) => clientOf(stripe).checkout.sessions.create({ mode, success_url: PAGE, cancel_url: PAGE, line_items: [{ price: price.id, quantity: 1 }],
	metadata: { millrace_user: user.uid }, ...more });

function happens(events) {
	history.push({ events, objects: structuredClone(stripe.objects) });
}

before(async () => {
	const millrace = await shared();
	/* one connection, which keeps its plans */
	db = new pg.Client({ host: join(millrace.runDir, "pg"), database: "millrace", user: "postgres" });
	await db.connect();
	user = await newUser(millrace.api);
	stripe = await new Stripe().start();
	const [small, big] = [[2000, 10], [4000, 30]].map(([cents, credits]) => ({ credits, ...stripe.price(cents, "month") }));
	packages = [small, big].map(({ id, credits, unit_amount }) => `INSERT INTO pricing_package (id, name, price_usd, credits_usd, stripe_price_id)
		VALUES ('${randomUUID()}', '${id}', ${unit_amount / 100}, ${credits}, '${id}')`);
	const { subscription, charge, events } = stripe.pay((await session("subscription", small, { subscription_data: { metadata: { millrace_user: user.uid } } })).id);
	happens(events);
	const bought = stripe.pay((await session("payment", stripe.price(800), { customer: subscription.customer })).id);
	happens(bought.events);
	happens(stripe.change(subscription, "updated", { status: "past_due" }));
	const { dispute, events: disputed } = stripe.dispute(charge);
	happens(disputed);
	happens(stripe.change(subscription, "updated", { status: "active", price: big }));
	const renewed = stripe.renewInParts(subscription, [3000, 1000]);
	happens(renewed.events);
	happens(stripe.refund(renewed.charges[1], 1000));
	happens(stripe.decide(dispute, "won"));
	happens(stripe.refund(bought.charge, 200));
	happens(stripe.change(subscription, "deleted", { status: "canceled", ended_at: 1800000000 }));
});
after(async () => {
	stripe?.stop();
	await db?.end();
});

const quoted = (o) => o === undefined ? "NULL" : `$j$${JSON.stringify(o)}$j$`;

/* The statements of one order. A job is a generator: what may happen between two of its steps may happen at each yield. */
class Order {
	sql = ["BEGIN", ...packages];
	began = new Map();           /* an object's id: how often a job has begun to read it */
	seen = new Set();
	said = [];                   /* for whom it may concern: what happened */
	step = -1;

	at(id) { return history[this.step].objects.get(id); }
	all(kind, fits) { return [...history[this.step].objects.values()].filter((o) => o.object === kind && fits(o)); }

	begin(id) {
		this.sql.push(`SELECT stripe_begin('${id}')`);
		this.began.set(id, (this.began.get(id) ?? 0) + 1);
		return this.began.get(id);
	}

	* subscription(id) {
		const version = this.begin(id);
		yield;
		const o = this.at(id);
		yield;
		this.sql.push(`SELECT stripe_subscription_store('${id}', ${version}, ${quoted(o)})`);
		return o;
	}

	* paid(id, version, o, subscription, intents) {
		const charges = this.all("charge", (c) => intents.includes(c.payment_intent));
		yield;
		const disputes = this.all("dispute", (d) => intents.includes(d.payment_intent));
		yield;
		this.sql.push(`SELECT stripe_payment_store('${id}', ${version}, ${[o, subscription].map(quoted)}, '{${intents}}',
		    ${[charges, disputes].map((data) => quoted({ data }))})`);
	}

	* session(id) {
		const version = this.begin(id);
		yield;
		const o = this.at(id);
		yield* this.paid(id, version, o, undefined, o.payment_intent ? [o.payment_intent] : []);
		if (o.subscription)
			yield* this.subscription(o.subscription);
	}

	* invoice(id) {
		const subscription = yield* this.subscription(this.at(id).parent.subscription_details.subscription);
		const version = this.begin(id);
		yield;
		const o = this.at(id);
		yield;
		yield* this.paid(id, version, o, subscription, this.all("invoice_payment", (p) => p.invoice === id).map((p) => p.payment.payment_intent));
	}

	* intent(intent) {
		const [one] = this.all("checkout.session", (s) => s.payment_intent === intent);
		if (one)
			return yield* this.session(one.id);
		yield;
		yield* this.invoice(this.all("invoice_payment", (p) => p.payment.payment_intent === intent)[0].invoice);
	}

	/* The webhook takes an event: a job's work, where it has not had it before. */
	deliver(event) {
		const o = event.data.object;
		this.said.push(event.type);
		this.sql.push(`SELECT stripe_event_add('${event.id}', '${event.type}', '${event.api_version}', ${quoted(o)})`);
		if (this.seen.has(event.id))
			return [];
		this.seen.add(event.id);
		return [{ subscription: () => this.subscription(o.id), "checkout.session": () => this.session(o.id), invoice: () => this.invoice(o.id) }[o.object]?.()
			?? this.intent(o.payment_intent)];
	}

	/* What is in the end; the transaction is undone. */
	async outcome() {
		this.sql.push(`SELECT jsonb_build_object(
			'subscriptions', (SELECT jsonb_agg(to_jsonb(s) - '{id,package_id,created_at,updated_at}'::text[] || jsonb_build_object('plan', p.name) ORDER BY s.stripe_subscription_id)
				FROM user_subscription s LEFT JOIN pricing_package p ON p.id = s.package_id WHERE s.owner_id = u.id),
			'payments', (SELECT jsonb_agg(to_jsonb(y) - '{id,package_id,created_at}'::text[] || jsonb_build_object('package', p.name) ORDER BY y.payment)
				FROM stripe_payment y LEFT JOIN pricing_package p ON p.id = y.package_id WHERE y.owner_id = u.id),
			'balance', u.balance_usd, 'entries', (SELECT sum(e.amount_usd) FROM ledger_entry e WHERE e.owner_id = u.id),
			'events', (SELECT count(*) FROM stripe_event e WHERE e.event = ANY ('{${[...this.seen]}}'))) AS state
			FROM app_user u WHERE u.id = '${user.uid}'`, "ROLLBACK");
		const { events, ...state } = (await db.query(this.sql.join(";"))).at(-2).rows[0].state;
		assert.equal(events, this.seen.size, "each event is there once");
		return state;
	}
}

const oneOf = (list) => list.splice(randomInt(list.length), 1)[0];
const every = () => history.flatMap(({ events }, step) => events.map((event) => ({ step, event })));

/* In their own order, each worked on before more happens. */
function inTurn() {
	const order = new Order();
	for (const { events } of history) {
		order.step++;
		for (const job of events.flatMap((e) => order.deliver(e)))
			while (!job.next().done);
	}
	return order.outcome();
}

/* What an event makes the runner read. */
function reads(event) {
	const order = new Order();
	order.step = history.length - 1;
	for (const job of order.deliver(event))
		while (!job.next().done);
	return [...order.began.keys()];
}

/* The events without which the last change of something would never be heard of. */
function needed(all) {
	const last = new Map(all.flatMap(({ event }) => reads(event).map((id) => [id, event])));
	return new Set(last.values());
}

function atRandom(all, needs) {
	const order = new Order(), loss = [0, 0.3, 1][randomInt(3)], jobs = [];
	const left = all.filter(({ event }) => needs.has(event) || Math.random() >= loss).flatMap((e) => randomInt(3) === 0 ? [e, e] : [e]);
	while (order.step < history.length - 1 || left.length > 0 || jobs.length > 0) {
		const told = left.filter(({ step }) => step <= order.step);
		const can = [order.step < history.length - 1 && "time", told.length > 0 && "event", jobs.length > 0 && "job"].filter(Boolean);
		const what = oneOf(can);
		if (what === "time") {
			order.said.push(`(${++order.step})`);
		} else if (what === "event") {
			const one = oneOf(told);
			left.splice(left.indexOf(one), 1);
			jobs.push(...order.deliver(one.event));
		} else {
			const job = jobs[randomInt(jobs.length)];
			if (job.next().done)
				jobs.splice(jobs.indexOf(job), 1);
		}
	}
	return order;
}

test("events shuffled, doubled and lost, their jobs overlapping: the same end as in order, 500 times", async () => {
	const wanted = await inTurn(), all = every(), needs = needed(all);
	assert.deepEqual([wanted.balance, wanted.entries], [38.5, 38.5], "10 and 30 for two periods, 8 bought; 2 of that given back, and a quarter of the second period");
	assert.deepEqual(wanted.subscriptions.map((s) => s.status), ["canceled"]);
	assert.deepEqual(wanted.payments.map((p) => [p.credited_usd, p.taken_usd]).sort(), [[10, 0], [30, 7.5], [8, 2]]);
	for (let n = 0; n < ORDERS; n++) {
		const order = atRandom(all, needs);
		assert.deepEqual(await order.outcome(), wanted, order.said.join(" "));
	}
	assert.ok(needs.size < all.length / 2, "there was something to lose");
});
