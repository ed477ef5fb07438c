#!/bin/sh
# PostgreSQL 15 (Debian's 15.x): each statement that inserts or updates a row reads all CHECK constraints of the table anew from their stored
# form, a text of some hundred to thousand bytes each, and plans them, though the statement's own plan is kept.
#
# Ten CHECKs of the usual kind, x IN ('a', 'b', …), so make an INSERT of one row several times as slow, and cost more than a trigger in
# PL/pgSQL that looks at the same ten conditions, whose expressions are kept. An UPDATE that changes one column pays for all of them. The
# documentation of PREPARE says that a prepared statement "avoids repetitive parse analysis work", and that of constraints ("Check
# Constraints", 5.4.1) nothing of what they cost.
#
# What we do: a list of words is one CHECK, and tables that every request writes have few (sql/migrations). Those that a chat's beginning
# meets take a fifteenth of its time in the database.
#
# Seen on 29 November 2026 (15.20), microseconds a row:
#	no CHECK: 1.7
#	ten CHECKs: 50.9
#	the same in a trigger: 5.7
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

columns=$(seq -s ', ' -f 'c%.0f text' 10)
checks=$(seq -s ', ' -f "CHECK (c%.0f IN ('a', 'b', 'c', 'd', 'e'))" 10)
conditions=$(seq -s ' AND ' -f "NEW.c%.0f IN ('a', 'b', 'c', 'd', 'e')" 10)
sql -c "CREATE UNLOGGED TABLE plain ($columns)" -c "CREATE UNLOGGED TABLE checked ($columns, $checks)" -c "CREATE UNLOGGED TABLE triggered ($columns)" -c "
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
	IF NOT ($conditions) THEN RAISE check_violation; END IF;
	RETURN NEW;
END \$\$; CREATE TRIGGER look BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION look()"

# Microseconds of one INSERT of one row, whose plan is kept: the least of three times 5,000.
each() {
	for _ in 1 2 3; do
		sql -c "CREATE TEMP TABLE took (us numeric)" -c "DO \$\$ DECLARE began timestamptz := clock_timestamp(); BEGIN
			FOR i IN 1 .. 5000 LOOP INSERT INTO $1 VALUES ('a', 'b', 'c', 'd', 'e', 'a', 'b', 'c', 'd', 'e'); END LOOP;
			INSERT INTO took VALUES (extract(epoch FROM clock_timestamp() - began) * 200); END \$\$" -c "SELECT round(us, 1) FROM took"
	done | sort -n | head -n 1
}
plain=$(each plain) checked=$(each checked) triggered=$(each triggered)
echo "no CHECK: $plain"
echo "ten CHECKs: $checked"
echo "the same in a trigger: $triggered"
[ "$(sql -c "SELECT $checked > 3 * $plain AND $checked > 2 * $triggered")" = t ]
