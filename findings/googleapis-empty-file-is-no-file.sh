#!/bin/sh
# @googleapis/drive 26.0.1 (npm)
#
# What it does: content that is an empty string is taken for no content. files.update() with `media.body: ""` asks for a change of the
# metadata alone: it resolves like every other, and the file keeps its old text. files.create() makes a file without content and without the type that
# media.mimeType names. An empty stream is sent as it should be.
#
# What the documentation says: files.update changes "a file's metadata, content, or both" (v3.d.ts), and its examples set `media.body` to a string; that an
# empty one is none, nothing. Drive itself keeps files of no bytes.
#
# What we do: Drive is only read (runner/outside/drive.c), and a file of no bytes is read as one. With this client: Readable.from([]) for "".
#
# Seen on 2026-11-29, with Node 20.20:
#     update with "one line": PATCH /upload/drive/v3/files/f, with a part of text/plain: "one line"
#     update with "": PATCH /drive/v3/files/f, with no part
#     update with an empty stream: PATCH /upload/drive/v3/files/f, with a part of text/plain: ""
#     create with "": POST /drive/v3/files, with no part
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install @googleapis/drive@26.0.1 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'JS'
const { createServer } = require("node:http"), { Readable } = require("node:stream"), { drive } = require("@googleapis/drive");
let asked;
const server = createServer(async (request, response) => {
	let body = "";
	for await (const part of request)
		body += part;
	const [, type, content] = /content-type: (text\S*)\r\n\r\n(.*?)\r\n--/is.exec(body) ?? [];
	asked = `${request.method} ${request.url.split("?")[0]}, with ${type ? `a part of ${type}: ${JSON.stringify(content)}` : "no part"}`;
	response.writeHead(200, { "Content-Type": "application/json" });
	response.end('{"id":"f"}');
});
server.listen(0, "127.0.0.1", async () => {
	const rootUrl = `http://127.0.0.1:${server.address().port}/`, { files } = drive({ version: "v3" });
	const media = (body) => ({ requestBody: { name: "notes" }, media: { mimeType: "text/plain", body } });
	for (const [name, method, body] of [['"one line"', "update", "one line"], ['""', "update", ""], ["an empty stream", "update", Readable.from([])], ['""', "create", ""]]) {
		await files[method]({ ...(method === "update" && { fileId: "f" }), ...media(body) }, { rootUrl });
		console.log(`${method} with ${name}: ${asked}`);
	}
	process.exit();
});
JS
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
