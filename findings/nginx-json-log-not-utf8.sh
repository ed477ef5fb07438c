#!/bin/sh
# nginx 1.22.1 (Debian 12: nginx 1.22.1-9+deb12u11), its access log in JSON
#
# What it does: `log_format … escape=json` writes bytes from 0x80 on as they came. One request for /caf%E9, which $uri shows decoded, or one whose
# User-Agent has a name in ISO 8859-1, makes a line that is no JSON, since it is not UTF-8. Python's json refuses it, and a program that reads the
# log as text ends there; jq takes such bytes for U+FFFD, so that nothing is seen where it is tried by jq.
#
# What the documentation says (ngx_http_log_module, log_format): with json "all characters not allowed in JSON strings will be escaped".
# RFC 8259 (8.1): JSON text is UTF-8. RFC 3986 (2.5) has no encoding for what is behind %, RFC 9110 (5.5) none for bytes of a field's value.
#
# What we do: every value of the log is a string, and what has such a byte is not written there (nginx/log.conf).
#
# Seen on 2026-11-29, with Python 3:
#     /caf%C3%A9: {'uri': '/café', 'agent': 'curl'}
#     /caf%E9: no JSON: 'utf-8' codec can't decode byte 0xe9 in position 12: invalid continuation byte
#     by café/1: no JSON: 'utf-8' codec can't decode byte 0xe9 in position 23: invalid continuation byte
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$T"' EXIT
cd "$T"
chmod 777 .
apt-get -q download nginx=1.22.1-9+deb12u11 >/dev/null 2>&1 || exit 2
dpkg -x ./*.deb .
cat >nginx.conf <<END
daemon off;
master_process off;
pid nginx.pid;
error_log stderr emerg;
events { }
http {
	log_format json escape=json '{"uri":"\$uri","agent":"\$http_user_agent"}';
	access_log json.log json;
	client_body_temp_path temp;
	proxy_temp_path temp;
	fastcgi_temp_path temp;
	uwsgi_temp_path temp;
	scgi_temp_path temp;
	server {
		listen unix:$T/socket;
		return 204;
	}
}
END
usr/sbin/nginx -p "$T" -c "$T/nginx.conf" 2>/dev/null &
server=$!
n=0
until [ -S socket ] || [ $((n += 1)) -gt 50 ]; do sleep 0.1; done
get() { curl -sf -o /dev/null --unix-socket socket "$@"; }
{ get -A curl http://host/caf%C3%A9 && get -A curl http://host/caf%E9 && get -A "$(printf 'caf\351/1')" http://host/; } || exit 2
said=$(PYTHONIOENCODING=utf-8 python3 - <<'END'
import json

for what, line in zip(("/caf%C3%A9", "/caf%E9", "by café/1"), open("json.log", "rb")):
    try:
        print("%s: %s" % (what, json.loads(line)))
    except ValueError as e:
        print("%s: no JSON: %s" % (what, e))
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
