// Expected: a page that contains the end of a file can be read (mmap(2)).
// Linux 7.3.4: fallocate gives a hugetlb file a size that ends within a huge page. If that page is not
// there, a read of it raises SIGBUS. Needs hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// Makes a file of one page and "more" bytes, punches a hole over its last page, and returns the signal
// that a read before the end raises.
static int reads(int flags, long page, int more)
{
	int memory = memfd_create("memory", flags), status;
	char *p = mmap(0, 2 * page, PROT_READ, MAP_SHARED, memory, 0);

	if (p == MAP_FAILED || fallocate(memory, 0, 0, page + more) ||
	    fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, page))
		return perror("mmap, fallocate"), -1;
	if (!fork())
		_exit(*(volatile char *)(p + page));
	wait(&status);
	return WTERMSIG(status);
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1) == 1;
	int small = reads(0, 4096, 100), whole = reads(MFD_HUGETLB, 2 << 20, 2 << 20), part = reads(MFD_HUGETLB, 2 << 20, 4096);

	if (!ok || small || whole || part < 0)
		return 2;
	printf(part ? "BROKEN: a read before the end of a hugetlb file of 2052 kB raises signal %d, and not in one of 4096 kB\n" : "ok\n", part);
	return !!part;
}
