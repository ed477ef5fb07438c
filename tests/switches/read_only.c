/*
 * In the test build, the last statement of a unit that is marked `-- reads` as a whole runs in a
 * transaction that may only read: the server refuses it where a mark is wrong.
 */
#include <millrace/query.h>

extern const struct query query_read_only;

const struct query query_read_only = {
	.name = "read_only",
	.sql = "SELECT set_config('transaction_read_only', 'on', true)",
	.reads = true,
};
