// Expected: mprotect does not make pages soft-dirty.
// Linux 7.3.4: it does so if the pages belong to folios of 64 kB. Needs CONFIG_MEM_SOFT_DIRTY,
// CONFIG_TRANSPARENT_HUGEPAGE and root (to allow folios of 64 kB). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
#define THP "/sys/kernel/mm/transparent_hugepage/"

static void set(const char *path, const char *to)
{
	if (write(open(path, O_WRONLY), to, strlen(to)) < 0)
		perror(path);
}

// Writes to 512 pages, clears soft-dirty, and calls mprotect. Returns how many pages are then
// soft-dirty.
static int soft_dirty(int advice)
{
	static long entry[512];
	int count = 0;
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, advice);
	memset(AT, 1, HUGE);
	set("/proc/self/clear_refs", "4");
	mprotect(AT, HUGE, PROT_READ);
	pread(open("/proc/self/pagemap", O_RDONLY), entry, sizeof(entry), (long)AT / 512);
	for (int i = 0; i < 512; i++)
		count += entry[i] >> 55 & 1;
	return count;
}

int main(void)
{
	int huge = soft_dirty(MADV_HUGEPAGE), small = soft_dirty(MADV_NOHUGEPAGE);
	set(THP "hugepages-2048kB/enabled", "never");
	set(THP "hugepages-64kB/enabled", "madvise");
	int middle = soft_dirty(MADV_HUGEPAGE);
	printf(middle ? "BROKEN: mprotect makes %d of 512 pages soft-dirty that nobody wrote to; %d as small pages, %d as a huge page\n" : "ok\n", middle, small, huge);
	return middle != 0;
}
