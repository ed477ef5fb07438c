#!/bin/sh
# PostgreSQL 15 (Debian's 15.x)
#
# What it does: a prepared statement whose LIMIT is a parameter is planned anew at each execution, for good, also where all its plans are the same.
# Under plan_cache_mode = auto the generic plan is taken once it costs little more than the custom plans did. Of a LIMIT that is not known the planner
# says that a tenth of the rows is fetched, so the generic plan of a page of 20 from a large table costs some two hundred times what each custom plan does,
# although it is the same index scan under the same Limit. With the number in the statement the generic plan is taken from the sixth execution on.
#
# What the documentation says: PREPARE, Notes: "The current rule for this is that the first five executions are done with custom plans and the average
# estimated cost of those plans is calculated. Then a generic plan is created and its estimated cost is compared to the average custom-plan cost.
# Subsequent executions use the generic plan if its cost is not so much higher than the average custom-plan cost as to make repeated replanning seem
# preferable." That a LIMIT is guessed as a tenth of all rows is told nowhere; nor in SELECT, LIMIT Clause.
#
# What we do: where planning costs more than the reading, the function that reads a page says SET plan_cache_mode = force_generic_plan
# (sql/functions/), after a look at its generic plan.
#
# Seen on 2026-11-29 (15.20), 200,000 rows, 100 executions each:
#     LIMIT 20: 5 custom plans, 95 generic
#     LIMIT $2: 100 custom plans, 0 generic
#     LIMIT $2, all plans alike: yes
#     LIMIT $2, the generic plan's cost over the custom one's: more than 100
#     LIMIT $2, plan_cache_mode = force_generic_plan: 0 custom plans, 100 generic
#     FETCH FIRST $2 ROWS ONLY: 100 custom plans, 0 generic
#     LIMIT 20 OFFSET $2: 100 custom plans, 0 generic
set -eu
seen=$(sed -n 's/^#     //p' "$0")
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
$as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null 2>&1 || exit 2
sql() { "$bin/psql" -X -q -A -t -h "$dir" -U postgres -v ON_ERROR_STOP=1 "$@"; }
ctl start || exit 2
sql >/dev/null 2>&1 <<'END' || exit 2
CREATE TABLE note (id bigint PRIMARY KEY, title text);
INSERT INTO note SELECT i, 'note ' || i FROM generate_series(1, 200000) i;
ANALYZE note;
END
# What follows the condition, the second argument where it has one, a setting: which plans 100 executions had
plans() {
	{
		echo "SET plan_cache_mode = ${3:-auto}; PREPARE page(bigint${2:+, bigint}) AS SELECT * FROM note WHERE id < \$1 ORDER BY id DESC $1;"
		i=0
		while [ $((i += 1)) -le 100 ]; do echo "EXECUTE page($((200000 - i))${2:+, $2}) \\g /dev/null"; done
		echo "SELECT custom_plans || ' custom plans, ' || generic_plans || ' generic' FROM pg_prepared_statements WHERE name = 'page';"
	} | sql
}
# The plan of a page, made as the setting says
explain() { # FORM SETTING
	sql -c "PREPARE page(bigint, bigint) AS SELECT * FROM note WHERE id < \$1 ORDER BY id DESC LIMIT \$2" -c "SET plan_cache_mode = $2" \
		-c "EXPLAIN ($1) EXECUTE page(199000, 20)"
}
shape() { explain 'COSTS OFF' "$1" | sed 's/(id < .*)/(id < N)/'; }
cost() { explain 'COSTS ON' "$1" | sed -n '1s/.*\.\.\([0-9]*\)\..*/\1/p'; }
said=$(
	echo "LIMIT 20: $(plans 'LIMIT 20' '')"
	# shellcheck disable=SC2016
	{
		echo 'LIMIT $2:' "$(plans 'LIMIT $2' 20)"
		echo 'LIMIT $2, all plans alike:' "$([ "$(shape force_custom_plan)" = "$(shape force_generic_plan)" ] && echo yes || echo no)"
		echo 'LIMIT $2, the generic plan'\''s cost over the custom one'\''s:' \
			"$([ "$(cost force_generic_plan)" -gt $((100 * ($(cost force_custom_plan) + 1))) ] && echo more than 100 || echo no more)"
		echo 'LIMIT $2, plan_cache_mode = force_generic_plan:' "$(plans 'LIMIT $2' 20 force_generic_plan)"
		echo 'FETCH FIRST $2 ROWS ONLY:' "$(plans 'FETCH FIRST $2 ROWS ONLY' 20)"
		echo 'LIMIT 20 OFFSET $2:' "$(plans 'LIMIT 20 OFFSET $2' 0)"
	}
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
