// Expected: a huge page that mmap has reserved is there when it is touched.
// Linux 7.3.4: if a private huge page is unmapped while something else uses it (here a pipe), the
// kernel gives its reservation back before the page is free. HugePages_Rsvd falls below 0, mmap
// reserves more than there is, and a touch raises SIGBUS. Needs hugetlb and root (for
// nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)

static char *map(int pages)
{
	return mmap(0, pages * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1) == 1, ends[2], status;
	char text[4096] = "", *p = map(1), *q;

	if (!ok || p == MAP_FAILED || pipe(ends))
		return perror("mmap"), 2;
	*p = 1;
	if (vmsplice(ends[1], &(struct iovec){ p, 4096 }, 1, 0) != 4096)
		return perror("vmsplice"), 2;
	munmap(p, HUGE);
	pread(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1, 0);
	p = map(3), q = map(1);
	if (q == MAP_FAILED)
		return puts("ok"), 0;
	if (!fork())
		_exit(p[0] + p[HUGE] + p[2 * HUGE] + *q);
	wait(&status);
	printf("BROKEN: HugePages_Rsvd: %llu; 4 huge pages are reserved where 3 are free, and a touch raises signal %d\n",
	       strtoull(strstr(text, "HugePages_Rsvd:") + 15, 0, 10), WTERMSIG(status));
	return 1;
}
