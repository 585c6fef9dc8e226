// Expected: the pages of a buffer of perf count as pinned (VmPin) in the process that has mapped it.
// Linux 7.3.4: they are added in the process that maps the buffer first, and subtracted in the process
// that unmaps it last: RLIMIT_MEMLOCK does not hold. Needs CONFIG_PERF_EVENTS and root. cc -static
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *map(int fd, long pages)
{
	return mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int event(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1 };

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long pinned(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[128];
	long kb = -1;

	while (fgets(line, sizeof(line), status))
		sscanf(line, "VmPin: %ld", &kb);
	fclose(status);
	return kb;
}

// The child maps a buffer, then the parent maps it too. The child ends first.
static int round_trip(void)
{
	int fd = event(), ready[2];
	char byte;
	void *p;
	pid_t child;

	if (fd < 0 || pipe(ready))
		return 1;
	if (!(child = fork()))
		write(ready[1], "m", map(fd, 257) != MAP_FAILED), close(ready[1]), pause();
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1 || (p = map(fd, 257)) == MAP_FAILED)
		return 1;
	kill(child, SIGKILL), waitpid(child, 0, 0);
	return munmap(p, 257 * 4096) || close(fd) || close(ready[0]);
}

int main(void)
{
	struct rlimit limit = { 512 * 4096, 512 * 4096 };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setuid(12345) || event() < 0)
		return perror("an event of perf"), 2;
	if (map(event(), 1025) != MAP_FAILED)
		return puts("1025 pages are within the limit"), 2;
	for (int i = 0; i < 8; i++) {
		if (round_trip())
			return perror("a buffer of two processes"), 2;
		if (map(event(), 1025) == MAP_FAILED)
			continue;
		printf("BROKEN: RLIMIT_MEMLOCK is 2048 kB, and 4100 kB were pinned: VmPin is %ld kB\n", pinned());
		return 1;
	}
	if (pinned())
		return printf("BROKEN: nothing is pinned, and VmPin is %ld kB\n", pinned()), 1;
	return puts("ok"), 0;
}
