# What failed of a suite's output: each "not ok" line, and each "# failed once" of node's tests,
# with what is said about it: the lines behind it up to the next case, or, where a suite says why
# first (lint), indented ones before it. Of each the first and the last lines, where there are many.
function begin(line) {
	finish()
	n = 0
	for (i = 1; i <= n_before; i++)
		lines[++n] = before[i]
	lines[++n] = line
	n_before = 0
	on = 1
}
function finish(   i) {
	while (n > 0 && lines[n] ~ /^[ \t]*$/)
		n--
	for (i = 1; on && i <= n; i++)
		if (n <= MOST || i <= MOST / 2 || i > n - MOST / 2)
			print lines[i]
		else if (i - 1 <= MOST / 2)
			print "    [...]"
	on = 0
}
BEGIN { MOST = 16 }
/^not ok/ || /^# failed once/ { begin($0); next }
/^ok/ || /^ *(✔|✖|▶|ℹ)/ || /^# once more/ || /^[0-9]+ passed, [0-9]+ failed/ || /^exit [0-9]+$/ { finish(); n_before = 0; next }
on { lines[++n] = $0; next }
/^(    |\t)/ { before[++n_before] = $0; next }
{ n_before = 0 }
END { finish() }
