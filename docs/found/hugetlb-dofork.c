// Expected: MADV_DOFORK undoes MADV_DONTFORK (madvise(2)).
// Linux 7.3.4: not for hugetlb, where it fails with EINVAL. Needs hugetlb and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)

int main(void)
{
	int status, failed;
	char *p;

	if (write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1) != 1)
		return perror("nr_hugepages"), 2;
	p = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		return perror("hugetlb"), 2;
	*p = 1;
	if (madvise(p, HUGE, MADV_DONTFORK))
		return perror("MADV_DONTFORK"), 2;
	failed = madvise(p, HUGE, MADV_DOFORK) ? errno : 0;
	if (!fork())
		_exit(*(volatile char *)p != 1);
	wait(&status);
	if (failed || status)
		return printf("BROKEN: MADV_DOFORK: %s; the child ends with signal %d when it reads the page\n", strerror(failed), WTERMSIG(status)), 1;
	return puts("ok"), 0;
}
