// Expected: the status that move_pages reports for a page says where the page is then, or why it was not
// moved.
// Linux 7.3.4: for the second page of a huge page, the status is EBUSY, though the page was moved. Needs
// transparent huge pages and two NUMA nodes. cc -static
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define PAGES 512

// Moves the pages of 2 MiB to node 1. Returns how many are there then, although their status is an error.
static int false_errors(int advice, int *error)
{
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int nodes[PAGES], status[PAGES], now[PAGES], errors = 0;
	void *pages[PAGES];

	p = (char *)(((uintptr_t)p + HUGE - 1) & -HUGE);
	madvise(p, HUGE, advice);
	memset(p, 1, HUGE);
	for (int i = 0; i < PAGES; i++)
		pages[i] = p + i * 4096L, nodes[i] = 1;
	if (syscall(SYS_move_pages, 0, PAGES, pages, nodes, status, 2 /* MPOL_MF_MOVE */))
		return perror("move_pages"), -1;
	syscall(SYS_move_pages, 0, PAGES, pages, 0, now, 0);
	for (int i = 0; i < PAGES; i++)
		if (now[i] == 1 && status[i] < 0)
			errors++, *error = status[i];
	return errors;
}

int main(void)
{
	unsigned long node_0 = 1;
	int error = 0, small, huge;

	if (syscall(SYS_set_mempolicy, 2 /* MPOL_BIND */, &node_0, 64L))
		return perror("set_mempolicy"), 2;
	small = false_errors(MADV_NOHUGEPAGE, &error), huge = false_errors(MADV_HUGEPAGE, &error);
	if (small < 0 || huge < 0)
		return 2;
	if (!small && !huge)
		return puts("ok"), 0;
	printf("BROKEN: move_pages moves all pages, and reports status %d for %d small pages and for %d of a huge page\n", error, small, huge);
	return 1;
}
