// pagemap asks only the head page of a THP for the exclusive bit, and shows the answer for all its
// pages: 512 pages of the parent count as exclusive although the child maps 511 of them. Needs
// CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
int main(void)
{
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), c;
	int exclusive = 0, stop[2], gone[2], pagemap = open("/proc/self/pagemap", O_RDONLY);
	static uint64_t entries[512];

	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	madvise(p, HUGE, MADV_HUGEPAGE);
	*p = 1;
	if (pipe(stop) || pipe(gone))
		return 2;
	if (!fork()) {
		munmap(p, 4096);
		write(gone[1], "", 1);
		return read(stop[0], &c, 1);
	}
	read(gone[0], &c, 1);
	pread(pagemap, entries, sizeof(entries), (uintptr_t)p / 4096 * 8);
	for (int i = 0; i < 512; i++)
		exclusive += entries[i] >> 56 & 1;
	write(stop[1], "", 1);
	wait(0);
	printf(exclusive > 1 ? "BROKEN: %d pages are mapped exclusively, and a child maps 511 of them\n" : "ok\n", exclusive);
}
