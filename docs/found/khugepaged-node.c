// Expected: "Khugepaged will allocate hugepage from the node has the max hit record" (mm/khugepaged.c).
// Linux 7.3.4: for folios of 64 kB, it counts the nodes of all pages of 2 MiB. So 128 pages of node 1 move to
// node 0, if the next 384 pages are there. Needs two nodes (numa=fake=2U), and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define THP "/sys/kernel/mm/transparent_hugepage/"

static int node(void *p)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1L, &p, NULL, &status, 0) ? -1 : status;
}

static void set(const char *path, const char *to)
{
	if (write(open(path, O_WRONLY), to, strlen(to)) < 0)
		perror(path), _exit(2);
}

static long collapses(void)
{
	char text[64] = "";

	return read(open(THP "hugepages-64kB/stats/collapse_alloc", O_RDONLY), text, 63) > 0 ? atol(text) : -1;
}

int main(void)
{
	char *area = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = (void *)(((unsigned long)area + HUGE - 1) & -HUGE);
	int to = 1, status, before = 0, after = 0;
	long first;

	set(THP "hugepages-64kB/enabled", "madvise"), set(THP "hugepages-2048kB/enabled", "never");
	madvise(p, HUGE, MADV_NOHUGEPAGE), memset(p, 1, HUGE);
	for (int i = 0; i < 512; i++) {
		void *page = p + i * 4096L;
		to = i < 128;
		syscall(SYS_move_pages, 0, 1L, &page, &to, &status, 2);
		before += i < 128 && node(page) == 1;
	}
	first = collapses();
	set(THP "khugepaged/scan_sleep_millisecs", "100");
	madvise(p, HUGE, MADV_HUGEPAGE);
	for (int i = 0; i < 50; i++) {
		for (int j = 0; j < 512; j++)
			p[j * 4096L]++;
		usleep(100000);
	}
	for (int i = 0; i < 128; i++)
		after += node(p + i * 4096L) == 1;
	if (before != 128 || collapses() - first < 32)
		return printf("cannot be run: %d pages, %ld folios\n", before, collapses() - first), 2;
	if (after == 128)
		return puts("ok"), 0;
	printf("BROKEN: of 128 pages that move_pages has put on node 1, %d are there after khugepaged has made folios of 16 pages\n", after);
	return 1;
}
