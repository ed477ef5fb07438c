# Holds nginx/pools.conf against the programs' own tables, at `make`:
#	millrace-fcgi --paths | awk -f handlers/check-paths.awk nginx/pools.conf -
# Every path has to reach the pool that serves it; a pool with processes has a socket of its own,
# any other that of the system pool.

function wrong(text) {
	print "nginx/pools.conf: " text >"/dev/stderr"
	bad = 1
}

# nginx's regular expressions, as far as the map uses them, are POSIX's but for their groups.
FILENAME != "-" && $1 ~ /^"~/ {
	rule = $1; gsub(/^"~|"$/, "", rule); gsub(/\(\?:/, "(", rule)
	rules[++n_rules] = rule; targets[n_rules] = substr($2, 10, length($2) - 10)
	next
}
FILENAME != "-" && $1 == "default" { rest = substr($2, 10, length($2) - 10); next }
FILENAME != "-" && $1 == "upstream" { upstream = substr($2, 10) }
FILENAME != "-" && match($0, /server unix:[^;]*\/[a-z]+\.sock/) {
	socket = substr($0, RSTART, RLENGTH); sub(/.*\//, "", socket); sub(/\.sock$/, "", socket)
	sockets[upstream] = socket
	next
}
FILENAME != "-" { next }

{
	n_paths++
	processes[$1] = 1
	path = $2; gsub(/\{[^}]*\}/, "x", path)
	target = rest
	for (i = 1; i <= n_rules; i++) if (path ~ rules[i]) { target = targets[i]; break }
	if (target != $1) wrong($2 " is of the pool " $1 ", and is sent to " target)
}

END {
	if (!n_paths || !n_rules) wrong("there are no paths, or no rules")
	for (pool in processes) if (!(pool in sockets)) wrong("there is no upstream for the pool " pool)
	for (pool in sockets) {
		wanted = pool in processes || pool == "streamd" ? pool : "system"
		if (sockets[pool] != wanted) wrong("the pool " pool " is reached at " sockets[pool] ".sock, not " wanted ".sock")
	}
	exit bad
}
