# Shared by the checks in this directory: a temporary directory, counting, and
# the nginx of a package install under a temporary root.
# shellcheck shell=sh

ROOT=$(cd "$(dirname "$0")/../.." && pwd -P)
T=$(mktemp -d /tmp/millrace-install.XXXXXX)
PASSED=0
FAILED=0
PIDS=

ok() {
	PASSED=$((PASSED + 1))
	printf 'ok - %s\n' "$1"
}
not_ok() {
	FAILED=$((FAILED + 1))
	printf 'not ok - %s\n' "$1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$*" | head -n 30 | sed 's/^/    # /'
}
# is NAME WANTED GOT
is() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "wanted: $2" "got: $3"; fi
}
# has NAME REGEX TEXT
has() {
	if printf '%s\n' "$3" | grep -Eq -- "$2"; then ok "$1"; else not_ok "$1" "wanted: $2" "in: $3"; fi
}
# hasnt NAME REGEX TEXT
hasnt() {
	if printf '%s\n' "$3" | grep -Eq -- "$2"; then not_ok "$1" "unwanted: $2" "in: $3"; else ok "$1"; fi
}

# Until the command is true; two minutes at most.
wait_for() {
	waited=0
	until eval "$1" || [ $waited -ge 1200 ]; do
		waited=$((waited + 1))
		sleep 0.1
	done
}
gone() { for p; do ! kill -0 "$p" 2>/dev/null || return 1; done; }

finish() {
	for p in $PIDS; do kill "$p" 2>/dev/null || true; done
	wait_for 'gone $PIDS'
	rm -rf "$T"
}
trap finish EXIT
trap 'exit 130' INT TERM

# A port of ours that nobody listens on.
free_port() {
	p=${1:-8610}
	while awk -v p="$(printf ':%04X' "$p")" '$4 == "0A" && substr($2, length($2) - 4) == p { f = 1 } END { exit !f }' \
		/proc/net/tcp /proc/net/tcp6 2>/dev/null; do
		p=$((p + 1))
	done
	printf '%s\n' "$p"
}

spawn() {
	[ -x "$ROOT/build/millrace-spawn" ] || make -s -C "$ROOT" build/millrace-spawn
	"$ROOT/build/millrace-spawn" "$@" 2>>"$T/spawn.log" &
	PIDS="$PIDS $!"
}

# The drop-in as a package lays it out, under the temporary root, with what Debian's nginx.conf has around
# it, and a certificate. $1: more at the http level. Sites go into conf.d.
nginx_layout() {
	mkdir -p "$T/etc/nginx/millrace" "$T/etc/nginx/conf.d" "$T/run" "$T/log" "$T/tmp"
	for f in "$ROOT"/nginx/*; do
		sed -e "s|/run/millrace|$T/run|g; s|/var/log/nginx|$T/log|g; s|/var/www|$T/www|g" \
			-e "s|/usr/share/millrace/web|$ROOT/web|g" "$f" \
			>"$T/etc/nginx/millrace/${f##*/}"
	done
	ln -s ../millrace/http.conf "$T/etc/nginx/conf.d/00-millrace.conf"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$T/key.pem" -out "$T/cert.pem" \
		2>/dev/null
	cat >"$T/etc/nginx/nginx.conf" <<-END
		$([ "$(id -u)" != 0 ] || echo 'user root;')
		worker_processes 1;
		pid $T/nginx.pid;
		error_log $T/log/error.log;
		events { worker_connections 768; }
		http {
			sendfile on;
			types_hash_max_size 2048;
			default_type application/octet-stream;
			client_body_temp_path $T/tmp/b; proxy_temp_path $T/tmp/p; fastcgi_temp_path $T/tmp/f;
			uwsgi_temp_path $T/tmp/u; scgi_temp_path $T/tmp/s;
			access_log $T/log/access.log;
			gzip on;
			$1
			include $T/etc/nginx/conf.d/*.conf;
		}
	END
}

nginx() { /usr/sbin/nginx -c "$T/etc/nginx/nginx.conf" -e "$T/log/error.log" "$@"; }

# Stand-ins for the pools' workers and for streamd, then nginx; until all of it answers at $1, a URL.
nginx_start() {
	[ -x "$ROOT/build/millrace-fcgi" ] || make -s -C "$ROOT" -j2 all
	for g in $("$ROOT/build/millrace-fcgi" --pools | cut -d ' ' -f 1 | grep -vx chat); do
		spawn --name "$g" --socket "$T/run/$g.sock" -- python3 "$ROOT/tests/install/standin.py" worker "$g"
	done
	spawn --name streamd --socket "$T/run/streamd.sock" -- python3 "$ROOT/tests/install/standin.py" streamd
	spawn --name chat --socket "$T/run/chat.sock" -- python3 "$ROOT/tests/install/standin.py" worker chat
	CHAT=${PIDS##* }
	nginx -q
	PIDS="$PIDS $(cat "$T/nginx.pid")"
	for path in leads chat documents; do wait_for "[ \"\$(code '$1/api/$path')\" = 200 ]"; done
}

# Reloads, until the old workers, which answer for a moment beside the new ones, are gone.
nginx_reload() {
	old=$(pgrep -P "$(cat "$T/nginx.pid")")
	nginx -s reload
	wait_for "! ps -o pid= -p '$(echo "$old" | paste -sd,)' >/dev/null"
}

get() { curl -s --max-time 120 --cacert "$T/cert.pem" "$@"; }
code() { get -o /dev/null -w '%{http_code}' "$@"; }
heads() { get -D - -o /dev/null "$@" | tr -d '\r'; }

# The pool of chat ends, with the stand-in that nginx_start has started.
stop_chat() {
	kill "$CHAT"
	wait_for '[ ! -e "$T/run/chat.sock" ]'
}

summary() {
	printf '%s passed, %s failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" -eq 0 ]
}
