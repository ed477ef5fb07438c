# Makes C of named queries:
#	awk -v mode=header|source -v who=api -f sql/generate.awk sql/queries/api/*.sql
# header: the typed functions of one directory; of the runner's there are two: who=runner has
# db_NAME, which asks once on a connection, and who=job what a job calls. source: over all
# directories, the statements themselves.
#
# A query:	-- name: conversation_list		its C name
#		-- args: rows int8, before uuid		$1, $2 with their PostgreSQL types
#		-- row: body json, cursor uuid		columns, checked against the server
#		-- keep			its reply is kept for Idempotency-Key
#		-- reads		changes nothing: nothing of it waits for the disk
#		-- wakes		makes a job that a client waits for
#		-- scratch		a job gives an arena for its rows: they are large
#		-- ends			ends a job's run
#		-- batched		a runner's short write: runner/queue/commit.h
#		-- late			batched, in no hurry for its flush: it shares the next
#		-- many OTHER		those that come together go as one OTHER, with an
#					array (text[]) of each argument and a row for each
#		-- posted		batched, by who does not wait: post_NAME
#		SELECT …;
# A job has job_NAME(j, &res, …), and job_end_NAME(j, …) for what ends its run. Arguments named
# run_id, runner_name and attempt are the job's own there, and given for it; a query that ends a run
# has these three first, then `after`, the seq of the run's last event.
# Other comment lines directly above `-- name:` become the C function's comment.

function c_type(t) {
	if (t == "uuid") return "struct uuid"
	if (t == "int4" || t == "int8") return "int64_t"
	if (t == "bool") return "bool"
	if (t == "text[]" || t == "uuid[]") return "struct str_list"
	return "struct str"
}

function c_arg(t, n) {
	if (t == "uuid") return "{ .type = SQL_UUID, .u = " n " }"
	if (t == "int4" || t == "int8") return "{ .type = SQL_INT, .i = " n " }"
	if (t == "bool") return "{ .type = SQL_BOOL, .b = " n " }"
	if (t == "bytea") return "{ .type = SQL_BYTES, .s = " n " }"
	if (t == "text[]") return "{ .type = SQL_TEXTS, .list = " n " }"
	if (t == "uuid[]") return "{ .type = SQL_UUIDS, .list = " n " }"
	return "{ .type = SQL_TEXT, .s = " n " }"
}

function literal(s) {
	gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); gsub(/\n/, "\\n\"\n\t    \"", s)
	return "\"" s "\""
}

# "a int8, b uuid" into names[] and types[]; the count is returned.
function pairs(s,    n, i, part, w) {
	n = split(s, part, /, */)
	if (s ~ /^ *$/) return 0
	for (i = 1; i <= n; i++) { split(part[i], w, " "); names[i] = w[1]; types[i] = w[2] }
	return n
}

function emit_function(    n, i, params, list) {
	n = pairs(args)
	params = ""; list = ""
	for (i = 1; i <= n; i++) {
		params = params ", " c_type(types[i]) " " names[i]
		list = list (i > 1 ? ",\n\t\t" : "") c_arg(types[i], names[i])
	}
	if (comment != "") printf "/*\n%s */\n", comment
	print "MUST_CHECK static inline enum err"
	if (who == "api") print "sql_" name "(struct req *r, answer_fn *answer" params ")"
	else if (who == "stream") print "pipe_" name "(struct pipe *p, struct arena *scratch, pipe_done *done, void *done_arg" params ")"
	else if (posted) print "post_" name "(pipe_done *done, void *done_arg" params ")"
	else if (batched) print "commit_" name "(struct arena *a, PGresult **out" params ")"
	else print "db_" name "(struct db *db, struct arena *a, PGresult **out" params ")"
	print "{"
	if (n > 0) printf "\tconst struct sql_arg args[] = {\n\t\t%s\n\t};\n\n", list
	given = n > 0 ? "args" : "NULL"
	if (who == "api") print "\treturn req_ask(r, &query_" name ", " given ", " n ", answer);"
	else if (who == "stream") print "\tconst struct pipe_statement s = { .query = &query_" name ", .args = " given ", .n_args = " n " };\n\n\treturn pipe_send(p, scratch, &s, 1, done, done_arg);"
	else if (posted) print "\treturn commit_post(&query_" name ", " given ", done, done_arg);"
	else if (batched) print "\treturn commit_query(a, &query_" name ", " given ", out);"
	else print "\treturn db_query(db, a, &query_" name ", " given ", out);"
	print "}\n"
}

# What a job gives for it.
function job_arg(t, n) {
	if (n == "run_id") return c_arg(t, "j->run")
	if (n == "runner_name") return c_arg(t, "str_from(runner.name)")
	if (n == "attempt") return c_arg(t, "j->attempt")
	return ends && n == "after" ? c_arg(t, "0") : ""
}

function emit_job(    n, i, params, list, own) {
	n = pairs(args)
	if (ends && args !~ /^run_id uuid, runner_name text, attempt int4, after int8(,|$)/) {
		print file ": " name ": what ends a run takes run_id, runner_name, attempt, after first" >"/dev/stderr"
		exit failed = 1
	}
	params = ""; list = ""
	for (i = 1; i <= n; i++) {
		own = job_arg(types[i], names[i])
		if (own == "") params = params ", " c_type(types[i]) " " names[i]
		list = list (i > 1 ? ",\n\t\t" : "") (own == "" ? c_arg(types[i], names[i]) : own)
	}
	if (comment != "") printf "/*\n%s */\n", comment
	if (ends) {
		printf "static inline struct outcome\njob_end_%s(struct job *j%s)\n{\n", name, params
		printf "\tstruct sql_arg args[] = {\n\t\t%s\n\t};\n\n\treturn job_end(j, &query_%s, args);\n}\n\n", list, name
		return
	}
	printf "MUST_CHECK static inline enum err\njob_%s(struct job *j%s, PGresult **out%s)\n{\n", name,
		scratch ? ", struct arena *a" : "", params
	if (n > 0) printf "\tconst struct sql_arg args[] = {\n\t\t%s\n\t};\n\n", list
	print "\treturn job_query(j, " (scratch ? "a" : "j->a") ", &query_" name ", " (n == 0 ? "NULL" : "args") ", out);\n}\n"
}

function emit_source(    n, i, m) {
	sub(/;[ \n\t]*$/, "", sql)
	n = pairs(args)
	if (n > 0) {
		printf "static const char *const args_%s[] = {", name
		for (i = 1; i <= n; i++) printf " \"%s\",", types[i]
		print " };"
	}
	m = n; n = pairs(row)
	if (n > 0) {
		printf "static const char *const row_%s[] = {", name
		for (i = 1; i <= n; i++) printf " \"%s\", \"%s\",", names[i], types[i]
		print " };"
	}
	if (many != "") print "extern const struct query query_" many ";"
	printf "const struct query query_%s = {\n\t.name = \"%s\",\n\t.sql = %s,\n", name, name, literal(sql)
	if (keep) printf "\t.sql_keep = %s,\n", literal("WITH r AS (" sql ") SELECT r.*, idempotency_keep($" (m + 1) ", row_to_json(r)) FROM r")
	if (m > 0) printf "\t.arg_types = args_%s,\n", name
	printf "\t.n_args = %d,\n", m
	if (n > 0) printf "\t.columns = row_%s,\n", name
	printf "\t.n_columns = %d,\n%s};\n\n", n, (reads ? "\t.reads = true,\n" : "") (wakes ? "\t.wakes = true,\n" : "") (batched ? "\t.batched = true,\n" : "") (late ? "\t.late = true,\n" : "") (many != "" ? "\t.many = &query_" many ",\n" : "")
	all = all "\t&query_" name ",\n"
}

function finish() {
	if (name == "") return
	if (mode == "source") emit_source()
	else {
		print "extern const struct query query_" name ";\n"
		if (who == "job") emit_job()
		else if (!ends) emit_function()
	}
	name = ""
}

BEGIN {
	print "/* Generated from sql/queries by sql/generate.awk. */"
	if (mode == "source") print "#include <millrace/query.h>\n#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n"
	if (who == "runner") print "#include \"runner/queue/commit.h\"\n"
	if (who == "job") print "#include \"runner/queue/job.h\"\n#include \"runner/runner.h\"\n"
}
FNR == 1 { finish(); pending = "" }
/^-- name: / { finish(); name = $3; file = FILENAME; args = ""; row = ""; keep = reads = wakes = scratch = ends = batched = late = posted = 0; many = ""; sql = ""; comment = pending; pending = ""; next }
/^-- args:/ { sub(/^-- args: */, ""); args = $0; next }
/^-- row:/ { sub(/^-- row: */, ""); row = $0; next }
/^-- keep *$/ { keep = 1; next }
/^-- reads *$/ { reads = 1; next }
/^-- wakes *$/ { wakes = 1; next }
/^-- scratch *$/ { scratch = 1; next }
/^-- ends *$/ { ends = 1; next }
/^-- batched *$/ { batched = 1; next }
/^-- late *$/ { batched = late = 1; next }
/^-- many [a-z_]+ *$/ { many = $3; next }
/^-- posted *$/ { batched = posted = 1; next }
/^-- / { t = $0; sub(/^-- /, " * ", t); pending = pending t "\n"; next }
/^ *$/ { next }
name != "" { sql = sql (sql == "" ? "" : "\n") $0; pending = "" }
END {
	if (failed) exit 1
	finish()
	if (mode == "source") {
		print "const struct query *const all_queries[] = {\n" all "};"
		print "const size_t n_all_queries = sizeof(all_queries) / sizeof(*all_queries);"
	}
}
