// Expected: what a buffer of perf takes from the limit of its user comes back when it is unmapped.
// Linux 7.3.4: what it takes for a second mapping of the buffer never comes back. Needs
// CONFIG_PERF_EVENTS and root. cc -static
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (65l * 4096) // of the 129 pages that a user may have beyond RLIMIT_MEMLOCK

// Maps a buffer of a new event so many times, unmaps it, and closes the event.
static int buffer(int times)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1 };
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0), failed = fd < 0;
	void *maps[2];

	for (int i = 0; i < times; i++)
		if ((maps[i] = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
			failed = 1;
	for (int i = 0; i < times && !failed; i++)
		munmap(maps[i], SIZE);
	close(fd);
	return failed;
}

int main(void)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_MEMLOCK, &none) || setuid(12345))
		return perror("another user"), 2;
	for (int i = 0; i < 100; i++)
		if (buffer(1))
			return perror("a buffer of perf"), 2;
	if (buffer(2))
		return perror("a buffer of perf that is mapped twice"), 2;
	if (!buffer(1))
		return puts("ok"), 0;
	printf("BROKEN: a buffer was mapped and unmapped twice, and the next cannot be mapped: %m\n");
	return 1;
}
