#!/bin/sh
# socket.io-msgpack-parser 3.0.2 with the notepack.io 2.2.0 that it brings (npm)
#
# What it does: a whole number of 2^64 or more is written as MessagePack's 64-bit integer, of which only its value modulo 2^64 is left. The
# receiver gets another number, and nobody an error. An amount in wei of 20 and more digits is such a number; so is any large float, since those
# are whole: 2^64 and 1.5e300 arrive as 0. Socket.IO's default parser (JSON) carries them all.
#
# What the documentation says: Socket.IO's page on custom parsers and the README have it as one that encodes by MessagePack, with smaller
# messages, and nothing of numbers. MessagePack's specification has float 64 for what no integer holds. No issue of either was found.
#
# What we do: streamd speaks the default parser alone and says so to a client with this one (streamd/socketio/socketio.c). Amounts go out as
# decimal text.
#
# Seen on 2026-11-28, with Node 20.20:
#     100000000000000000000: default 100000000000000000000, msgpack 7766279631452242000
#     18446744073709552000: default 18446744073709552000, msgpack 0
#     1.5e+300: default 1.5e+300, msgpack 0
#     9007199254740991: default 9007199254740991, msgpack 9007199254740991
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
echo '{"private":true,"overrides":{"notepack.io":"2.2.0"}}' >package.json
npm --silent --no-fund --no-audit install socket.io-msgpack-parser@3.0.2 socket.io-parser@4.2.7 >/dev/null 2>&1 || exit 2
said=$(node - <<'END'
function arrives({ Encoder, Decoder }, value) {
	let data;
	const decoder = new Decoder();
	decoder.on("decoded", (packet) => { data = packet.data; });
	for (const piece of new Encoder().encode({ type: 2, nsp: "/", data: ["balance", value] }))
		decoder.add(piece);
	return data[1];
}
for (const value of [1e20, 2 ** 64, 1.5e300, Number.MAX_SAFE_INTEGER])
	console.log(`${value}: default ${arrives(require("socket.io-parser"), value)}, msgpack ${arrives(require("socket.io-msgpack-parser"), value)}`);
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
