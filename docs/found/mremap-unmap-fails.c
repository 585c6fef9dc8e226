// Expected: Committed_AS of /proc/meminfo is as before when a process has ended.
// Linux 7.3.4: if memory for a VMA is missing at the end of mremap, the old mapping stays, and all of it
// counts in Committed_AS for good. Needs CONFIG_FAILSLAB, FAULT_INJECTION_DEBUG_FS and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGES 256
#define TO ((char *)0x700000000000)

static long committed(void)
{
	char text[4096] = "";
	pread(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1, 0);
	return atol(strstr(text, "Committed_AS:") + 13);
}

// Moves the middle of a mapping; the allocation with that number fails.
static void move(int number)
{
	char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fail = open("/proc/self/fail-nth", O_RDWR);

	memset(p, 1, PAGES * 4096);
	dprintf(fail, "%d", number);
	mremap(p + 4096, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, TO);
	dprintf(fail, "0");
}

int main(void)
{
	long before = committed(), after;

	if (write(open("/sys/kernel/debug/failslab/ignore-gfp-wait", O_WRONLY), "N", 1) != 1)
		return puts("cannot be run: no failslab in debugfs"), 2;
	for (int number = 1; number < 20; wait(0), number++)
		if (!fork())
			move(number), _exit(0);
	after = committed();
	printf(after - before > 512 ? "BROKEN: Committed_AS: %ld kB before, %ld kB when all processes have ended\n" : "ok\n", before, after);
	return after - before > 512;
}
