// Expected: ftruncate returns.
// Linux 7.3.4: ftruncate of shared memory to a page inside a huge page that is in swap never
// returns, and SIGKILL does not end it. Needs swap and CONFIG_TRANSPARENT_HUGEPAGE, and no
// privilege. cc -static
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (2l << 20)
#define PAGEOUT 21
#define COLLAPSE 25

static long swap_free(void)
{
	char text[4096] = "";
	FILE *meminfo = fopen("/proc/meminfo", "r");
	fread(text, 1, sizeof(text) - 1, meminfo);
	return atol(strstr(text, "SwapFree:") + 9);
}

int main(void)
{
	int memory = memfd_create("memory", 0), tries = 3, ended;
	char *p = mmap((char *)(1l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	long before = swap_free();
	pid_t child;

	if (ftruncate(memory, SIZE))
		return perror("memfd"), 2;
	memset(p, 1, SIZE);
	if (madvise(p, SIZE, COLLAPSE))
		return perror("MADV_COLLAPSE"), 2;
	while (tries--)
		madvise(p, SIZE, PAGEOUT);
	if (before - swap_free() < SIZE / 1024)
		return puts("cannot be run: the huge page is not in swap"), 2;
	child = fork();
	if (!child) {
		close(1), close(2);
		_exit(!!ftruncate(memory, 256 * 4096));
	}
	sleep(5);
	ended = waitpid(child, 0, WNOHANG);
	if (ended == child && p[4096] == 1)
		return puts("ok"), 0;
	if (ended == child)
		return puts("BROKEN: what lies before the new end of the memory is lost"), 1;
	kill(child, SIGKILL);
	sleep(2);
	printf("BROKEN: ftruncate runs for 5 s%s\n", waitpid(child, 0, WNOHANG) ? "" : ", and SIGKILL does not end it");
	return 1;
}
