#!/bin/sh
# nchan 1.3.6 (Debian 12: libnginx-mod-nchan 1:1.3.6+dfsg-2, nginx 1.22.1), fastify-sse-v2 4.2.2 (npm)
#
# What it does: both cut a message into `data:` lines at line feeds alone. A carriage return in it is a line end for whoever reads the stream,
# so that what stands behind it is a field of an unknown name, and dropped: of a program's progress, "10 %\r20 %\rdone", a browser gets "10 %".
# The publisher is answered 202. hono 4.13.19 cuts there too, and its reader gets the text with line feeds.
#
# What the standard says (HTML, 9.2.5): a line of a stream ends with CR LF, LF or CR alone. Neither README names a byte that a message may not
# have. No issue of either was found.
#
# What we do: an event's data is one line of JSON, in which a carriage return is written \r (include/millrace/sse.h). Who publishes text through
# nchan does the same, or replaces carriage returns.
#
# Seen on 2026-11-28, with Node 20.20 and its reader eventsource-parser 3.1.1:
#     sent: "10 %\r20 %\rdone"
#     nchan: "10 %", answered 202
#     fastify-sse-v2: "10 %"
#     hono: "10 %\n20 %\ndone"
set -eu
seen=$(sed -n 's/^#     //p' "$0")
for program in nginx curl node npm; do
	command -v $program >/dev/null || { echo "no $program" >&2; exit 2; }
done
nginx -v 2>&1 | grep -q '/1\.22\.1$' || { echo "another nginx: $(nginx -v 2>&1)" >&2; exit 2; }
T=$(mktemp -d)
trap '[ ! -s "$T/pid" ] || kill "$(cat "$T/pid")"; rm -rf "$T"' EXIT
cd "$T"
chmod 777 .
apt-get -q download libnginx-mod-nchan=1:1.3.6+dfsg-2 >/dev/null 2>&1 || exit 2
dpkg -x ./*.deb .
npm --silent --no-fund --no-audit install eventsource-parser@3.1.1 fastify@5.12.8 fastify-sse-v2@4.2.2 hono@4.13.19 >/dev/null 2>&1 || exit 2
cat >nginx.conf <<END
load_module $(find "$T/usr" -name ngx_nchan_module.so);
pid $T/pid;
error_log $T/log;
events {}
http {
	access_log off;
	client_body_temp_path $T/a;
	proxy_temp_path $T/b;
	fastcgi_temp_path $T/c;
	uwsgi_temp_path $T/d;
	scgi_temp_path $T/e;
	server {
		listen unix:$T/socket;
		location = /publish { nchan_publisher; nchan_channel_id one; }
		location = /subscribe { nchan_subscriber; nchan_channel_id one; }
	}
}
END
nginx -p "$T" -e "$T/log" -c "$T/nginx.conf" || exit 2
printf '10 %%\r20 %%\rdone' >sent
api() { curl -s --unix-socket socket "$@"; }
answer=$(api -o /dev/null -w '%{http_code}' --data-binary @sent -H 'Content-Type: text/plain' http://nchan/publish)
api --max-time 1 -H 'Accept: text/event-stream' http://nchan/subscribe >nchan || true
said=$(node - "$answer" <<'END'
const fs = require("node:fs");
const { createParser } = require("eventsource-parser");
const sent = fs.readFileSync("sent", "utf8");
function read(text) {
	const got = [];
	createParser({ onEvent: (event) => got.push(event.data) }).feed(text);
	return got.map((data) => JSON.stringify(data)).join(", ");
}
(async () => {
	console.log(`sent: ${JSON.stringify(sent)}`);
	console.log(`nchan: ${read(fs.readFileSync("nchan", "utf8"))}, answered ${process.argv[2]}`);
	const fastify = require("fastify")(), { FastifySSEPlugin } = require("fastify-sse-v2");
	fastify.register(FastifySSEPlugin);
	fastify.get("/", (request, reply) => { reply.sse((async function* () { yield { data: sent }; })()); });
	console.log(`fastify-sse-v2: ${read((await fastify.inject("/")).body)}`);
	await fastify.close();
	const { Hono } = require("hono"), { streamSSE } = require("hono/streaming"), hono = new Hono();
	hono.get("/", (c) => streamSSE(c, (stream) => stream.writeSSE({ data: sent })));
	console.log(`hono: ${read(await (await hono.request("/")).text())}`);
})();
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
