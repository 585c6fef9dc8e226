// Expected: MPOL_INTERLEAVE "specifies that page allocations be interleaved across the set of nodes" (mbind(2)).
// Linux 7.3.4: if small pages are interleaved on two nodes, MADV_COLLAPSE takes all huge pages from node 0. Huge
// pages of faults are interleaved. Needs two nodes (numa=fake=2U). cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define COUNT 8

static int node(void *p)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1L, &p, NULL, &status, 0) ? -1 : status;
}

static char *map(int mode)
{
	char *area = mmap(0, (COUNT + 1) * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = (void *)(((unsigned long)area + HUGE - 1) & -HUGE);
	unsigned long mask = 3;

	if (area == MAP_FAILED || syscall(SYS_mbind, area, (COUNT + 1) * HUGE, mode, &mask, 64, 0))
		perror("mbind"), _exit(2);
	return p;
}

// How many pages are on node 1.
static int on1(char *p, long step)
{
	int count = 0;

	for (long at = 0; at < COUNT * HUGE; at += step)
		count += node(p + at) == 1;
	return count;
}

int main(void)
{
	char *fault = map(3), *small = map(3); // MPOL_INTERLEAVE
	int before, after, twin;

	madvise(fault, COUNT * HUGE, MADV_HUGEPAGE), memset(fault, 1, COUNT * HUGE), twin = on1(fault, HUGE);
	memset(small, 1, COUNT * HUGE), before = on1(small, 4096);
	if (madvise(small, COUNT * HUGE, 25)) // MADV_COLLAPSE
		return perror("MADV_COLLAPSE"), 2;
	after = on1(small, HUGE);
	if (before != COUNT * 256 || twin != COUNT / 2)
		return printf("cannot be run: %d small pages, %d huge pages\n", before, twin), 2;
	if (after == COUNT / 2)
		return puts("ok"), 0;
	printf("BROKEN: with MPOL_INTERLEAVE, %d of %d small pages are on node 1, and after MADV_COLLAPSE %d of %d huge pages; of those of faults, %d\n", before, COUNT * 512, after, COUNT, twin);
	return 1;
}
