// Expected: MADV_DONTNEED cannot empty sealed anonymous memory that is read-only (mseal.rst).
// Linux 7.3.4: it can, if the memory is MAP_ANONYMOUS | MAP_HUGETLB. Needs hugetlb and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Returns what sealed memory contains after MADV_DONTNEED, or -1 without the memory or mseal.
static int contents(int flags)
{
	char *p = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	*p = 1;
	mprotect(p, HUGE, PROT_READ);
	if (syscall(462 /* mseal */, p, HUGE, 0L))
		return -1;
	madvise(p, HUGE, MADV_DONTNEED);
	return *(volatile char *)p;
}

int main(void)
{
	int small, huge;

	if (write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1) != 1)
		return perror("nr_hugepages"), 2;
	small = contents(0), huge = contents(MAP_HUGETLB);
	if (small < 0 || huge < 0)
		return puts("cannot be run: no mseal, or no huge pages"), 2;
	if (small != huge)
		return printf("BROKEN: sealed read-only memory contains %d after MADV_DONTNEED; with MAP_HUGETLB %d\n", small, huge), 1;
	return puts("ok"), 0;
}
