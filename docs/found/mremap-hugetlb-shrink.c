// Expected: mremap to a smaller size unmaps what lies behind the new end, up to the old end.
// Linux 7.3.4: if the range begins in a hugetlb mapping and ends in the small pages behind it, mremap
// rounds the old end up to 2 MiB, and drops small pages that lie behind the range. munmap of the same
// range does not. Needs hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
#define MAP (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

// Maps a huge page and 512 small ones behind it, unmaps one small page, and returns whether the last
// small page is still there.
static int left(int remaps)
{
	unsigned char there;
	char *p = mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP | MAP_HUGETLB, -1, 0);
	char *q = mmap(AT + HUGE, HUGE, PROT_READ | PROT_WRITE, MAP, -1, 0);

	if (p == MAP_FAILED || q == MAP_FAILED)
		return perror("mmap"), -1;
	q[HUGE - 1] = 1;
	if (remaps ? mremap(p, HUGE + 4096, HUGE, 0) != p : munmap(q, 4096))
		return perror("mremap, munmap"), -1;
	return !mincore(q + HUGE - 4096, 4096, &there);
}

int main(void)
{
	int pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY), ok = write(pool, "2", 1) == 1;
	int unmapped = left(0), remapped = left(1);

	if (!ok || unmapped != 1 || remapped < 0)
		return 2;
	puts(remapped ? "ok" : "BROKEN: mremap from 2052 kB to 2048 kB unmaps 2048 kB behind the huge page");
	return !remapped;
}
