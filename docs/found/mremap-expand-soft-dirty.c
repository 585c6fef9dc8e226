// Pages that mremap() adds to an area are new, but not soft-dirty, so these addresses look
// unchanged. (Pages that mmap() adds are soft-dirty.) Needs CONFIG_MEM_SOFT_DIRTY. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
	char *p = mmap(0, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int clear_refs = open("/proc/self/clear_refs", O_WRONLY), grown, mapped;

	memset(p, 1, 8 * 4096);
	munmap(p + 2 * 4096, 4096);
	munmap(p + 5 * 4096, 4096);
	if (write(clear_refs, "4", 1) != 1 || mremap(p, 2 * 4096, 3 * 4096, 0) != p)
		return perror("clear_refs or mremap"), 2;
	grown = soft_dirty(p + 2 * 4096) || p[2 * 4096] == 1;
	mmap(p + 5 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mapped = soft_dirty(p + 5 * 4096);
	printf(mapped && !grown ? "BROKEN: a page that mremap has added is zero, and not soft-dirty\n" : "ok\n");
	return mapped && !grown;
}
