// Expected: after clear_refs, a page to which nobody writes is not soft-dirty.
// Linux 7.3.4: munmap of one page of a huge page makes the 511 others soft-dirty. Needs
// CONFIG_MEM_SOFT_DIRTY and CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)

static int soft_dirty_pages(void)
{
	long entries[512] = { 0 };
	int count = 0;
	pread(open("/proc/self/pagemap", O_RDONLY), entries, sizeof entries, (long)AT / 512);
	for (int page = 0; page < 512; page++)
		count += entries[page] >> 55 & 1;
	return count;
}

int main(void)
{
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, MADV_HUGEPAGE);
	memset(AT, 1, HUGE);
	write(open("/proc/self/clear_refs", O_WRONLY), "4", 1);
	int cleared = soft_dirty_pages();
	munmap(AT, 4096);
	int split = soft_dirty_pages();
	printf("%s: %d pages are soft-dirty after clear_refs, %d after munmap of another page\n", split ? "BROKEN" : "ok", cleared, split);
	return split > 0;
}
