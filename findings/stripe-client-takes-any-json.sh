#!/bin/sh
# stripe 23.1.0 (npm)
#
# What it does: it takes a reply for an object of Stripe's where its body is JSON and has no member `error`, whatever the status is. A proxy, a load
# balancer or a firewall between, which says in JSON of its own that nothing was done, as {"message":"no healthy upstream"} with 503, makes
# refunds.create() resolve with that object. Its id and status are undefined, and nothing is thrown. A 503 in HTML is an error, and so is
# Stripe's own.
#
# What the documentation says: Stripe's API reference ("Errors") has codes of 4xx for a request that failed and 5xx for its servers' errors. RFC 9110
# (15): a client understands a status by its first digit. No issue was found.
#
# What we do: a call of ours has succeeded where the status is 2xx and the object is of the kind that was asked for, with an id
# (runner/outside/stripe.c).
#
# Seen on 2026-11-29, with Node 20.20:
#     503 {"message":"no healthy upstream"}: resolves, id undefined, status undefined, asked 3
#     404 {"message":"no Route matched with those values"}: resolves, id undefined, status undefined, asked 1
#     403 {"code":"blocked"}: resolves, id undefined, status undefined, asked 1
#     301 {}: resolves, id undefined, status undefined, asked 1
#     503 <h1>503</h1>: rejects, StripeAPIError, asked 3
#     402 {"error":{"type":"card_error","message":"declined"}}: rejects, StripeCardError, asked 1
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install stripe@23.1.0 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'END'
const { createServer } = require("node:http");
const Stripe = require("stripe");
let reply, asked;
const server = createServer((request, response) => {
	asked++;
	request.resume().on("end", () => response.writeHead(reply[0], { "Content-Type": reply[1], Location: "/" }).end(reply[2]));
});
server.listen(0, "127.0.0.1", async () => {
	const { port } = server.address();
	const make = Stripe.default ?? Stripe;
	const stripe = new make("sk_test_x", { host: "127.0.0.1", port, protocol: "http", telemetry: false });
	for (reply of [
		[503, "application/json", '{"message":"no healthy upstream"}'],
		[404, "application/json", '{"message":"no Route matched with those values"}'],
		[403, "application/json", '{"code":"blocked"}'],
		[301, "application/json", "{}"],
		[503, "text/html", "<h1>503</h1>"],
		[402, "application/json", '{"error":{"type":"card_error","message":"declined"}}'],
	]) {
		asked = 0;
		const end = await stripe.refunds.create({ payment_intent: "pi_1" }).then(
			(refund) => `resolves, id ${refund.id}, status ${refund.status}`, (error) => `rejects, ${error.type}`);
		console.log(`${reply[0]} ${reply[2]}: ${end}, asked ${asked}`);
	}
	server.closeAllConnections();
	server.close();
});
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
