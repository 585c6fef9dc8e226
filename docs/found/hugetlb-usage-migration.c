// Expected: HugetlbPages of /proc/PID/status is 0 when a process has unmapped its huge pages.
// Linux 7.3.4: huge pages that are unmapped while they migrate stay in the count. Needs two NUMA nodes
// (numa=fake=2U), hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#define PAGES 4
#define HUGE (2L << 20)
#define NODES "/sys/devices/system/node/"
static char *p;
static volatile int ends;

static unsigned long long hugetlb_pages(void)
{
	char text[8192] = "";
	int fd = open("/proc/self/status", O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return strtoull(strstr(text, "HugetlbPages:") + 13, 0, 10);
}

static void *mover(void *unused)
{
	void *pages[PAGES];
	int nodes[PAGES], status[PAGES];

	for (int to = 0; !ends; to = !to) {
		for (int i = 0; i < PAGES; i++)
			pages[i] = p + i * HUGE, nodes[i] = to;
		syscall(SYS_move_pages, 0, (long)PAGES, pages, nodes, status, 2 /* MPOL_MF_MOVE */);
	}
	return unused;
}

int main(void)
{
	int pool0 = open(NODES "node0/hugepages/hugepages-2048kB/nr_hugepages", O_WRONLY);
	int pool1 = open(NODES "node1/hugepages/hugepages-2048kB/nr_hugepages", O_WRONLY);
	unsigned long long after;
	pthread_t thread;

	if (write(pool0, "8", 1) != 1 || write(pool1, "8", 1) != 1)
		return puts("there are no two nodes"), 2;
	p = mmap(0, PAGES * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		return perror("mmap"), 2;
	pthread_create(&thread, 0, mover, 0);
	for (time_t end = time(0) + 5; time(0) < end;) {
		for (int i = 0; i < PAGES; i++)
			p[i * HUGE] = 1;
		usleep(1000);
		madvise(p, PAGES * HUGE, MADV_DONTNEED);
	}
	ends = 1;
	pthread_join(thread, 0);
	munmap(p, PAGES * HUGE);
	after = hugetlb_pages();
	printf(after ? "BROKEN: HugetlbPages: %llu kB when all is unmapped\n" : "ok\n", after);
	return !!after;
}
