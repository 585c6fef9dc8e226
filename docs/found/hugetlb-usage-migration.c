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
#define HUGE (2L << 20)
static char *p;

static void *mover(void *unused)
{
	for (int to = 0, status;; to = !to)
		syscall(SYS_move_pages, 0, 1L, &p, &to, &status, 2 /* MPOL_MF_MOVE */);
	return unused;
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "8", 1) == 1;
	char text[8192] = "";
	pthread_t thread;

	p = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (!ok || p == MAP_FAILED || access("/sys/devices/system/node/node1", F_OK))
		return puts("cannot be run: no second node"), 2;
	pthread_create(&thread, 0, mover, 0);
	for (time_t end = time(0) + 5; time(0) < end; madvise(p, HUGE, MADV_DONTNEED))
		*p = 1, usleep(1000);
	munmap(p, HUGE);
	pread(open("/proc/self/status", O_RDONLY), text, sizeof(text) - 1, 0);
	ok = !atoi(strstr(text, "HugetlbPages:") + 13);
	printf(ok ? "ok\n" : "BROKEN: HugetlbPages: %d kB when all is unmapped\n", atoi(strstr(text, "HugetlbPages:") + 13));
	return !ok;
}
