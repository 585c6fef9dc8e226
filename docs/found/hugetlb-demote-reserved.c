// Expected: a huge page that mmap has reserved stays there for the mapping; a write to demote splits only
// pages that are free and not reserved.
// Linux 7.3.4: a write of 2 to demote splits both pages of 1 GiB, although one is reserved. An access to
// the mapping then raises SIGBUS. Needs root, a CPU with pages of 1 GiB, and 2 such pages in the pool, for
// example by hugepagesz=1G hugepages=2. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define POOL "/sys/kernel/mm/hugepages/hugepages-1048576kB/"
#define GIB (1L << 30)

static int get(const char *path)
{
	char text[32] = "";
	int file = open(path, O_RDONLY);

	return read(file, text, sizeof(text) - 1) > 0 ? atoi(text) : -1;
}

int main(void)
{
	int status, demote = open(POOL "demote", O_WRONLY), free = get(POOL "free_hugepages");
	char *p = mmap(0, GIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 30 << 26, -1, 0);

	if (free != 2 || p == MAP_FAILED || get(POOL "resv_hugepages") != 1 || write(demote, "2", 1) != 1)
		return puts("cannot be run: no 2 free pages of 1 GiB"), 2;
	free = get(POOL "free_hugepages");
	if (!vfork())
		_exit(*p = 0);
	wait(&status);
	if (free == 1 && !WIFSIGNALED(status))
		return puts("ok"), 0;
	printf("BROKEN: %d of 2 pages of 1 GiB are left after a demotion, 1 is reserved, and an access to it raises signal %d\n",
	       free, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return 1;
}
