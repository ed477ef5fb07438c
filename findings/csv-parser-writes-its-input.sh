#!/bin/sh
# csv-parser 3.2.1 (npm)
#
# What it does: it undoes doubled quotes within the buffer that it was given. Whoever else has that buffer, as every other destination of the
# same stream has, gets the row with its text moved to the left and its last bytes twice: an upload that is read as CSV and stored at the same
# time is stored damaged, with its size unchanged and no error. Rows without doubled quotes are left alone, so it is rarely seen.
#
# What the documentation says: nothing of it in the README; Node's (stream, "readable.pipe(destination)") has a stream piped to several
# destinations, which get the same Buffer objects. Reported upstream with a mend in 2016 (its pull request 60), which was closed.
#
# What we do: an upload is stored first, and read from there by a reader that keeps what differs elsewhere (`room` in extract/sheet/csv.h).
# Beside csv-parser: hash and store first, or give it copies (`Buffer.from(chunk)`).
#
# Seen on 2026-11-28, with Node 20.20:
#     rows: said "yes" twice; plain
#     sent: 1,"said ""yes"" twice"
#     stored: 1,"said "yes" twicece"
#     the same bytes in csv-parse 7.0.3: rows equal, stored as sent
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install csv-parser@3.2.1 csv-parse@7.0.3 >/dev/null 2>&1 || exit 2
said=$(node - <<'END'
const fs = require("node:fs"), { finished } = require("node:stream/promises");
const text = 'id,note\n1,"said ""yes"" twice"\n2,plain\n';
async function upload(parser) {
	fs.writeFileSync("sent.csv", text);
	const source = fs.createReadStream("sent.csv"), rows = [];
	source.pipe(parser).on("data", (row) => rows.push(row.note));
	await Promise.all([finished(source.pipe(fs.createWriteStream("stored.csv"))), finished(parser)]);
	return { rows, stored: fs.readFileSync("stored.csv", "utf8") };
}
(async () => {
	const one = await upload(require("csv-parser")()), other = await upload(require("csv-parse").parse({ columns: true }));
	console.log(`rows: ${one.rows.join("; ")}`);
	console.log(`sent: ${text.split("\n")[1]}`);
	console.log(`stored: ${one.stored.split("\n")[1]}`);
	console.log(`the same bytes in csv-parse 7.0.3: rows ${String(one.rows) === String(other.rows) ? "equal" : "differ"}, stored ${other.stored === text ?
		"as sent" : "otherwise"}`);
})();
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
