// Expected: MPOL_BIND is "a strict policy that restricts memory allocation to the nodes specified" (mbind(2)).
// Linux 7.3.4: MADV_COLLAPSE takes the huge page from node 0 if no page of the range is present: all are in
// swap, or zero pages. A huge page of a fault keeps the policy. Needs two nodes (numa=fake=2U), swap. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)

static int node(void *p)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1L, &p, NULL, &status, 0) ? -1 : status;
}

// A range of the size of a huge page, with a policy: only node 1.
static char *map(int flags, int fd)
{
	char *area = mmap(0, 3 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = (void *)(((unsigned long)area + HUGE - 1) & -HUGE);
	unsigned long mask = 2;

	p = mmap(p, 2 * HUGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED || syscall(SYS_mbind, p, 2 * HUGE, 2, &mask, 64, 0)) // MPOL_BIND
		perror("mbind"), _exit(2);
	return p[HUGE] = 1, p;
}

int main(void)
{
	int fd = memfd_create("", 0), anonymous = MAP_PRIVATE | MAP_ANONYMOUS, before, gone;
	char *fault = map(anonymous, -1), *full = map(anonymous, -1), *zero = map(anonymous, -1), *out = map(anonymous, -1), *file;

	if (ftruncate(fd, 2 * HUGE))
		return perror("memfd"), 2;
	file = map(MAP_SHARED, fd), memset(file, 1, HUGE), madvise(file, HUGE, MADV_PAGEOUT);
	madvise(fault, HUGE, MADV_HUGEPAGE), memset(fault, 1, HUGE);
	memset(full, 1, HUGE), memset(out, 1, HUGE), before = node(out);
	for (long i = 0; i < HUGE; i += 4096)
		(void)*(volatile char *)(zero + i);
	madvise(out, HUGE, MADV_PAGEOUT), gone = node(out) < 0;
	if (madvise(full, HUGE, 25) || madvise(zero, HUGE, 25) || madvise(out, HUGE, 25) || madvise(file, HUGE, 25)) // MADV_COLLAPSE
		return perror("MADV_COLLAPSE"), 2;
	if (node(fault) != 1 || node(full) != 1 || before != 1 || !gone)
		return printf("cannot be run: %d %d %d %d\n", node(fault), node(full), before, gone), 2;
	if (node(zero) == 1 && node(out) == 1 && node(file) == 1)
		return puts("ok"), 0;
	printf("BROKEN: with MPOL_BIND to node 1, MADV_COLLAPSE takes a page of node %d for what was in swap, of node %d for zero pages, and of node %d for a file in swap; a fault takes one of node 1\n", node(out), node(zero), node(file));
	return 1;
}
