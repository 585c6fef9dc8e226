// The huge zero page that mremap() has moved is soft-dirty. After a split, its small pages are not
// soft-dirty, so pagemap does not show that they changed. Needs CONFIG_MEM_SOFT_DIRTY and
// CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2UL << 20)

static int soft_dirty(char *p)
{
	uint64_t entry = 0;
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	close(pagemap);
	return entry >> 55 & 1;
}

int main(void)
{
	char *p = mmap(0, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *to;
	int clear_refs = open("/proc/self/clear_refs", O_WRONLY), moved, split;

	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	to = p + HUGE;
	madvise(p, HUGE, MADV_HUGEPAGE);
	(void)*(volatile char *)p;
	if (write(clear_refs, "4", 1) != 1 || mremap(p, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return perror("clear_refs or mremap"), 2;
	moved = soft_dirty(to);
	munmap(to + HUGE / 2, HUGE / 2);
	split = soft_dirty(to);
	printf(moved && !split ? "BROKEN: the page is soft-dirty after it was moved, and not any more after a split\n" : "ok\n");
	return moved && !split;
}
