#!/bin/sh
# PostgreSQL 15 (Debian's 15.x): a transaction with synchronous_commit = on that has written no WAL of its own before its commit record
# does not flush, though it has a transaction id or has notified. So it says nothing about what others have committed asynchronously before.
#
# The documentation of synchronous_commit ("Write Ahead Log", 20.5.1) says for `on` that commits wait until "the transaction's WAL records
# have been flushed to disk", and of asynchronous commit ("Asynchronous Commit", 30.4) that flushing a later synchronous transaction makes
# earlier asynchronous ones durable, since WAL is flushed in order. RecordTransactionCommit() looks whether WAL was written before the commit
# record (wrote_xlog) and waits only then: SELECT, NOTIFY and pg_current_xact_id() write none. A logical message does.
#
# What we do: settle() (sql/functions/events.sql) writes a logical message where WAL is behind, so that its commit flushes.
#
# Seen on 27 November 2026 (15.18), after a crash that comes behind an asynchronous INSERT and this:
#	SELECT 1                                          the row is gone
#	NOTIFY something                                  the row is gone
#	SELECT pg_current_xact_id()                       the row is gone
#	SELECT pg_logical_emit_message(true, 'x', '')     the row is there
# shellcheck disable=SC2086
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
ctl() { $as "$bin/pg_ctl" -D "$dir/data" -s -w -l "$dir/log" -o "-k $dir -c listen_addresses='' -c wal_writer_delay=10s" "$@"; }
trap 'ctl stop -m immediate 2>/dev/null || true; rm -rf "$dir"' EXIT
$as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null 2>&1 || exit 2
sql() { "$bin/psql" -X -q -A -t -h "$dir" -U postgres -v ON_ERROR_STOP=1 "$@"; }
ctl start || exit 2
sql -c 'CREATE TABLE kept (what text)'

# The background writer flushes now and then: a row that is there by that is tried again.
lost() {
	for try in 1 2 3; do
		sql -c "SET synchronous_commit = off" -c "INSERT INTO kept VALUES ('$try $1')"
		sql -c "SET synchronous_commit = on" -c "$1" >/dev/null
		ctl stop -m immediate
		ctl start
		[ "$(sql -c 'SELECT count(*) FROM kept' -c 'TRUNCATE kept')" = 0 ] && return 0
	done
	return 1
}

status=0
for what in 'SELECT 1' 'NOTIFY something' 'SELECT pg_current_xact_id()'; do
	if lost "$what"; then echo "$what: the row is gone"; else echo "$what: the row is there" && status=1; fi
done
what="SELECT pg_logical_emit_message(true, 'x', '')"
sql -c "SET synchronous_commit = off" -c "INSERT INTO kept VALUES ('message')"
sql -c "SET synchronous_commit = on" -c "$what" >/dev/null
ctl stop -m immediate
ctl start
if [ "$(sql -c 'SELECT count(*) FROM kept')" = 1 ]; then echo "$what: the row is there"; else echo "$what: the row is gone" && status=1; fi
exit $status
