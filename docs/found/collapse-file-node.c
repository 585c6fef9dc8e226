// Expected: MADV_COLLAPSE takes the huge page "from the node providing the most native pages" (madvise(2)).
// Linux 7.3.4: for a file, it counts folios: 256 pages in one folio weigh less than two pages. For anonymous
// memory, it counts pages. Needs two nodes (numa=fake=2U), and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define K "/sys/kernel/mm/transparent_hugepage/hugepages-1024kB/"

static int node(void *p)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1L, &p, NULL, &status, 0) ? -1 : status;
}

static void bind(int to)
{
	unsigned long mask = 1UL << to;

	syscall(SYS_set_mempolicy, 2, &mask, 64); // MPOL_BIND
}

// Maps 256 pages of node 1 in a large folio, and two of node 0. Returns the node of the huge page.
static int collapse(int flags)
{
	char *area = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	int first, last;

	char *p = (char *)(((unsigned long)area + HUGE - 1) & -HUGE);
	if (madvise(p, HUGE / 2, MADV_HUGEPAGE))
		return -2;
	bind(1), memset(p, 1, HUGE / 2);
	madvise(p, HUGE, MADV_NOHUGEPAGE);
	bind(0), p[HUGE / 2] = p[HUGE / 2 + 4096] = 1;
	first = node(p), last = node(p + HUGE / 2);
	madvise(p, HUGE, MADV_HUGEPAGE);
	if (madvise(p, HUGE, 25)) // MADV_COLLAPSE
		return perror("collapse"), -3;
	return first == 1 && last == 0 ? node(p) : -4;
}

static void word(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY);
	if (write(fd, value, strlen(value)) < 0)
		perror(file), _exit(2);
	close(fd);
}

int main(void)
{
	int private, shared;

	word(K "enabled", "madvise"), word(K "shmem_enabled", "advise");
	private = collapse(MAP_PRIVATE), shared = collapse(MAP_SHARED);
	if (private != 1 || shared < 0)
		return printf("cannot be run: %d, %d\n", private, shared), 2;
	if (shared == 1)
		return puts("ok"), 0;
	printf("BROKEN: of 256 pages of node 1 and 2 of node 0, MADV_COLLAPSE makes a huge page of node %d; of the same of anonymous memory, of node %d\n", shared, private);
	return 1;
}
