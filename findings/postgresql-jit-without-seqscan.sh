#!/bin/sh
# PostgreSQL 15 (Debian's 15.x): where enable_seqscan is off, as a session's setting or a function's SET, a query that has no other way than a
# sequential scan is compiled by JIT, however small its table is.
#
# In this version "off" adds 10,000,000,000 to the scan's cost (disable_cost), and jit_above_cost is 100,000: the plan is above it by the
# addition alone. A function that took a row of such a table took about 100 ms for it. A plan that a PL/pgSQL function keeps has that cost
# too, and the compiled code is not kept: each call compiles anew. The documentation of enable_seqscan ("Query Planning",
# 20.7.1) says that it "discourages" such scans, that of JIT ("When to JIT?", 32.2) that it is for long-running queries.
#
# What we do: our sessions have jit off (DB_SESSION in include/millrace/db.h).
#
# Seen on 28 November 2026 (15.18), one row in the table:
#	enable_seqscan on:     no JIT
#	enable_seqscan off:    JIT
#	in a function, calls of three: 3 JIT
set -eu
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
[ -x "$bin/postgres" ] || { echo "PostgreSQL 15 is not in $bin" && exit 2; }
dir=$(mktemp -d)
as=
if [ "$(id -u)" = 0 ]; then
	chown nobody "$dir"
	as='setpriv --reuid nobody --regid nogroup --clear-groups'
fi
cd /
# shellcheck disable=SC2086
ctl() { $as "$bin/pg_ctl" -D "$dir/data" -s -w -l "$dir/log" -o "-k $dir -c listen_addresses=''" "$@"; }
trap 'ctl stop -m immediate 2>/dev/null || true; rm -rf "$dir"' EXIT
# shellcheck disable=SC2086
$as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null 2>&1 || exit 2
sql() { "$bin/psql" -X -q -A -t -h "$dir" -U postgres -v ON_ERROR_STOP=1 "$@"; }
ctl start || exit 2
[ "$(sql -c 'SELECT pg_jit_available()')" = t ] || { echo "this PostgreSQL is built without JIT" && exit 2; }
sql -c 'CREATE TABLE small (n int); INSERT INTO small VALUES (1)' -c 'ANALYZE small' -c "
CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql SET enable_seqscan = off AS \$\$ BEGIN RETURN (SELECT n FROM small s WHERE n > 0); END \$\$"

status=0
told() { # WHAT EXPECTED OUTPUT
	case $3 in *JIT:*) got=JIT ;; *) got='no JIT' ;; esac
	echo "$1: $got"
	[ "$got" = "$2" ] || status=1
}
explain='EXPLAIN (ANALYZE, TIMING OFF) SELECT n FROM small WHERE n > 0'
told 'enable_seqscan on' 'no JIT' "$(sql -c "$explain")"
told 'enable_seqscan off' JIT "$(sql -c 'SET enable_seqscan = off' -c "$explain")"
calls=$(sql -c "LOAD 'auto_explain'" -c 'SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;
	SET auto_explain.log_nested_statements = on; SET client_min_messages = log' -c 'SELECT one()' -c 'SELECT one()' -c 'SELECT one()' 2>&1 | grep -c '^JIT:' || true)
echo "in a function, calls of three: $calls JIT"
[ "$calls" = 3 ] || status=1
exit $status
