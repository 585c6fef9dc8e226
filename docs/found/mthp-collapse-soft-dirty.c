// Expected: pages that were written to stay soft-dirty until soft-dirty is cleared.
// Linux 7.3.4: when khugepaged collapses read-only memory to folios of 64 kB, no page is soft-dirty
// any more; when memory is collapsed to a huge page, all are. Needs CONFIG_MEM_SOFT_DIRTY,
// CONFIG_TRANSPARENT_HUGEPAGE and root (to configure khugepaged). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define THP "/sys/kernel/mm/transparent_hugepage/"

static void set(const char *path, const char *to)
{
	if (write(open(path, O_WRONLY), to, strlen(to)) < 0)
		perror(path);
}

// Writes to 512 pages, makes them read-only and has them collapsed. Returns how many are then
// soft-dirty.
static int soft_dirty(char *at, int advice)
{
	static long entry[512];
	int count = 0;
	mmap(at, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(at, HUGE, MADV_NOHUGEPAGE);
	set("/proc/self/clear_refs", "4");
	for (int i = 0; i < 512; i++)
		at[i * 4096] = 1;
	mprotect(at, HUGE, PROT_READ);
	madvise(at, HUGE, MADV_HUGEPAGE);
	madvise(at, HUGE, advice);
	sleep(5);
	pread(open("/proc/self/pagemap", O_RDONLY), entry, sizeof(entry), (long)at / 512);
	for (int i = 0; i < 512; i++)
		count += entry[i] >> 55 & 1;
	return count;
}

int main(void)
{
	set(THP "hugepages-64kB/enabled", "madvise");
	set(THP "hugepages-2048kB/enabled", "never");
	set(THP "khugepaged/scan_sleep_millisecs", "100");
	int huge = soft_dirty((char *)0x700000000000, 25 /* MADV_COLLAPSE */), small = soft_dirty((char *)0x710000000000, MADV_HUGEPAGE);
	printf(small < 512 ? "BROKEN: of 512 pages that were written to, %d are soft-dirty after a collapse to folios of 64 kB, %d after one to a huge page\n" : "ok\n", small, huge);
	return small < 512;
}
