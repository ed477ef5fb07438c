#include <stdatomic.h>
#include <time.h>

#include <millrace/disk.h>

static atomic_llong full_at;

void
disk_full_note(void)
{
	atomic_store(&full_at, (long long)time(NULL));
}

int64_t
disk_full_at(void)
{
	return atomic_load(&full_at);
}

double
disk_full_read(void)
{
	return (double)disk_full_at();
}
