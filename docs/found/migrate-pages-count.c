// Expected: migrate_pages returns "the number of pages that could not be moved" (migrate_pages(2)).
// Linux 7.3.4: a huge page that cannot be moved counts as 1, not as 512 pages. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#define HUGE (2L << 20)

static int node(void *p)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1L, &p, NULL, &status, 0) ? -1 : status;
}

// How many pages of the process cannot be moved away from the node of p.
static long failed(void *p)
{
	unsigned long from = 1UL << node(p), to = 3 ^ from;

	return syscall(SYS_migrate_pages, 0, 8L, &from, &to);
}

static char *map(int advice)
{
	char *area = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = (void *)(((unsigned long)area + HUGE - 1) & -HUGE);

	return madvise(p, HUGE, advice) ? NULL : memset(p, 1, HUGE);
}

int main(void)
{
	int pipes[2][2];
	char *small = map(MADV_NOHUGEPAGE), *huge = map(MADV_HUGEPAGE);
	struct iovec some = { small, 16 * 4096 }, one = { huge, 4096 };
	long before, twin, after;
	int at;

	if (!small || !huge || pipe(pipes[0]) || pipe(pipes[1]))
		return perror("setup"), 2;
	madvise(huge, HUGE, 25 /* MADV_COLLAPSE */);
	before = failed(huge);
	if (vmsplice(pipes[0][1], &some, 1, 0) != 16 * 4096)
		return perror("vmsplice"), 2;
	twin = failed(small);
	close(pipes[0][0]), close(pipes[0][1]);
	if (vmsplice(pipes[1][1], &one, 1, 0) != 4096)
		return perror("vmsplice"), 2;
	at = node(huge), after = failed(huge);
	fprintf(stderr, "%ld %ld %ld, node %d %d\n", before, twin, after, at, node(huge + HUGE / 2));
	if (before < 0 || twin - before < 16 || at != node(huge + HUGE / 2))
		return 2;
	if (after - before >= 512)
		return printf("ok\n"), 0;
	printf("BROKEN: of 16 small pages that cannot be moved, migrate_pages counts %ld, and of a huge page of 512, %ld\n", twin - before, after - before);
	return 1;
}
