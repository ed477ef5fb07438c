/*
 * A unit test's few words. A case is one CHECK: it prints "ok - name" or "not ok - name
 * (file:line)". main ends with `return test_end();`, which prints the last line, "N passed, N
 * failed".
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <millrace/arena.h>

static int tests_passed, tests_failed;

#define CHECK(name, condition) test_check((name), (condition), __FILE__, __LINE__)
/* Many values under one name: only one that fails is told. */
#define EACH(good, condition, ...) test_each(&(good), (condition), __VA_ARGS__)

static inline void
test_check(const char *name, bool good, const char *file, int line)
{
	if (good) {
		tests_passed++;
		printf("ok - %s\n", name);
	} else {
		tests_failed++;
		printf("not ok - %s (%s:%d)\n", name, file, line);
	}
	fflush(stdout);
}

__attribute__((format(printf, 3, 4))) static inline void
test_each(bool *good, bool condition, const char *format, ...)
{
	va_list args;

	if (condition)
		return;
	*good = false;
	va_start(args, format);
	printf("# fails for: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

static inline int
test_end(void)
{
	printf("%d passed, %d failed\n", tests_passed, tests_failed);
	return tests_failed == 0 ? 0 : 1;
}

/*
 * Runs fn(arg) in a child and waits. The result is the child's exit status (0 where fn returns), or
 * -1 where a signal ended it; what it wrote to standard error is in `said`, cut at `room`.
 */
static inline int
test_in_child(void (*fn)(void *arg), void *arg, char *said, size_t room)
{
	int ends[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t child;

	fflush(stdout);
	if (pipe(ends) != 0 || (child = fork()) < 0)
		abort();
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		fn(arg);
		_exit(0);
	}
	close(ends[1]);
	while (n < room - 1 && (got = read(ends[0], said + n, room - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	close(ends[0]);
	if (waitpid(child, &status, 0) < 0)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A pseudo-random number that is the same in every run; *state begins as anything but 0. */
static inline uint32_t
test_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
