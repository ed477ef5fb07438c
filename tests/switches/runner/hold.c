/*
 * In the test build, a file `hold-runner` in the runtime directory keeps the runner's batches
 * between their commits and their flush.
 */
#include <unistd.h>

#include <millrace/arena.h>
#include <millrace/config.h>

bool batch_is_stopped(void);

bool
batch_is_stopped(void)
{
	struct arena *a = arena_new();
	bool held = access(arena_printf(a, "%s/hold-runner", config()->runtime_dir).p, F_OK) == 0;

	arena_free(a);
	return held;
}
