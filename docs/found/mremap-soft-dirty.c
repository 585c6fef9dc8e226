// mremap() marks the pages that it moves soft-dirty, because the contents at the new address have
// changed. Where it moves a whole page table, it does not mark them, so pagemap does not show that
// these pages changed. Needs CONFIG_MEM_SOFT_DIRTY. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define TABLE (2UL << 20)

static int soft_dirty(char *p, int pages)
{
	static uint64_t entries[512];
	int pagemap = open("/proc/self/pagemap", O_RDONLY), dirty = 0;
	pread(pagemap, entries, pages * 8, (uintptr_t)p / 4096 * 8);
	close(pagemap);
	for (int i = 0; i < pages; i++)
		dirty += entries[i] >> 55 & 1;
	return dirty;
}

// Maps small pages that fill a whole page table, and fills them with this byte.
static char *table(int byte)
{
	char *p = mmap(0, 2 * TABLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)p + TABLE - 1) & ~(TABLE - 1));
	madvise(p, TABLE, MADV_NOHUGEPAGE);
	return memset(p, byte, TABLE);
}

int main(void)
{
	char *whole = table(1), *some = table(2), *to = table(3), *there = table(4);
	int clear_refs = open("/proc/self/clear_refs", O_WRONLY), moved, some_moved;

	if (write(clear_refs, "4", 1) != 1 || soft_dirty(to, 512))
		return perror("clear_refs"), 2;
	mremap(some, 16 * 4096, 16 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, there);
	mremap(whole, TABLE, TABLE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	some_moved = soft_dirty(there, 16);
	moved = soft_dirty(to, 512);
	if (some_moved != 16 || *to != 1)
		return printf("cannot be run: mremap made %d of 16 small pages soft-dirty, or moved no table\n", some_moved), 2;
	printf(moved < 512 ? "BROKEN: %d of 512 pages are soft-dirty after they were moved, 16 of 16 of a smaller area\n" : "ok\n", moved);
	return moved < 512;
}
