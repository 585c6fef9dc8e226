// Expected: a collapse does not make pages soft-dirty (soft-dirty.rst: the bit is set if the page was
// written to).
// Linux 7.3.4: MADV_COLLAPSE and khugepaged make all 512 pages soft-dirty, and nobody has written to
// them. Needs CONFIG_MEM_SOFT_DIRTY and CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)

static int soft_dirty(void)
{
	static long entry[512];
	int count = 0;
	pread(open("/proc/self/pagemap", O_RDONLY), entry, sizeof(entry), (long)AT / 512);
	for (int i = 0; i < 512; i++)
		count += entry[i] >> 55 & 1;
	return count;
}

int main(void)
{
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(AT, 1, HUGE);
	if (write(open("/proc/self/clear_refs", O_WRONLY), "4", 1) != 1 || soft_dirty())
		return puts("cannot be run: no soft-dirty"), 2;
	if (madvise(AT, HUGE, 25 /* MADV_COLLAPSE */))
		return puts("ok"), 0; // 6.12 refuses
	int count = soft_dirty();
	if (!count)
		return puts("ok"), 0;
	printf("BROKEN: a collapse makes %d pages soft-dirty that nobody wrote to\n", count);
	return 1;
}
