// Expected: MADV_FREE in a child takes nothing from the memory of its parent, which has written to it.
// Linux 7.3.4: if the memory is read-only, and khugepaged has collapsed it to folios of 64 kB, the
// parent reads zeros after reclaim. Without the collapse, it keeps what it has written. Needs
// CONFIG_TRANSPARENT_HUGEPAGE and root (to configure khugepaged). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define THP "/sys/kernel/mm/transparent_hugepage/"

static void set(const char *path, const char *to)
{
	if (write(open(path, O_WRONLY), to, strlen(to)) < 0)
		perror(path);
}

// Writes to 512 pages, makes them read-only, and lets a child give them up. Returns how many pages the
// parent has lost after reclaim.
static int lost(char *p, int advice)
{
	int i, count = 0;

	mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, HUGE, MADV_NOHUGEPAGE);
	memset(p, 7, HUGE);
	mprotect(p, HUGE, PROT_READ);
	madvise(p, HUGE, advice);
	sleep(5);
	if (!fork())
		_exit(madvise(p, HUGE, MADV_FREE));
	wait(0);
	madvise(p, HUGE, MADV_PAGEOUT);
	for (i = 0; i < 512; i++)
		count += p[i * 4096] != 7;
	return count;
}

int main(void)
{
	int small, large;

	set(THP "hugepages-64kB/enabled", "madvise");
	set(THP "hugepages-2048kB/enabled", "never");
	set(THP "khugepaged/scan_sleep_millisecs", "100");
	small = lost((char *)0x700000000000, MADV_NOHUGEPAGE);
	large = lost((char *)0x710000000000, MADV_HUGEPAGE);
	printf(small || large ? "BROKEN: after MADV_FREE in a child, its parent has lost %d of 512 pages that were collapsed to 64 kB, and %d others\n" : "ok\n", large, small);
	return small || large;
}
