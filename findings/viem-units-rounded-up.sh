#!/bin/sh
# viem 2.57.20 beside ethers 6.17.0 (npm)
#
# What it does: parseUnits() rounds an amount that has more decimals than the token, half away from zero, and says nothing. ethers refuses the
# same text. Where one balance has two views, as USDC on Arc has (18 decimals natively, 6 by its ERC-20 contract), "send all" by formatUnits()
# of the one and parseUnits() of the other asks for up to half a unit more than is there, and the smallest balances become one unit out of none.
#
# What the documentation says: viem's page on parseUnits has it "multiply" a text by ten to the power of the decimals; of rounding, nothing.
# Its issues (695, 4855) are about how it rounds, not that it does.
#
# What we do: evm_units() (lib/evm/text.c) refuses digits that the currency does not have, as ethers does. Who formats must cut, not round.
#
# Seen on 2026-11-28, with Node 20.20:
#     balance 1999999600000000000 of 18 decimals is 1.9999996
#     viem: 2000000 of 6 decimals, more than the balance
#     ethers: refused (too many decimals for format)
#     0.0000005 by viem: 1, by ethers: refused
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install viem@2.57.20 ethers@6.17.0 >/dev/null 2>&1 || exit 2
said=$(node - <<'END'
const viem = require("viem"), ethers = require("ethers");
const balance = 1999999600000000000n, text = viem.formatUnits(balance, 18);
function refusal(amount) {
	try {
		return String(ethers.parseUnits(amount, 6));
	} catch (error) {
		return error.shortMessage;
	}
}
console.log(`balance ${balance} of 18 decimals is ${text}`);
const units = viem.parseUnits(text, 6);
console.log(`viem: ${units} of 6 decimals, ${units * 10n ** 12n > balance ? "more than" : "within"} the balance`);
console.log(`ethers: refused (${refusal(text)})`);
console.log(`0.0000005 by viem: ${viem.parseUnits("0.0000005", 6)}, by ethers: ${/decimals/.test(refusal("0.0000005")) ? "refused" : "taken"}`);
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
