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

finish() {
	for p in $PIDS; do kill "$p" 2>/dev/null || true; done
	for p in $PIDS; do
		n=0
		while kill -0 "$p" 2>/dev/null && [ $n -lt 100 ]; do
			n=$((n + 1))
			sleep 0.1
		done
	done
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

summary() {
	printf '%s passed, %s failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" -eq 0 ]
}
