// Expected: what a process has written to a private mapping stays, whatever others do to the file.
// Linux 7.3.4: a hole that is punched into a hugetlb memfd (fallocate, MADV_REMOVE) takes such
// pages away. With small pages they stay. Needs hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (2l << 20)

// Writes 1 to a private mapping, and punches a hole into the memfd. Returns what the mapping then
// contains.
static int left(int flags)
{
	int memory = memfd_create("memory", flags);
	char *p;

	if (memory < 0 || ftruncate(memory, SIZE))
		return perror("memfd"), -1;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory, 0);
	if (p == MAP_FAILED)
		return perror("mmap"), -1;
	*p = 1;
	if (fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE))
		return perror("fallocate"), -1;
	return *(volatile char *)p;
}

int main(void)
{
	int pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY), ok = write(pool, "2", 1) == 1;
	int small = left(0), huge = left(MFD_HUGETLB);

	if (!ok || small != 1 || huge < 0)
		return 2;
	puts(huge ? "ok" : "BROKEN: what was written to a private huge page is lost when a hole is punched into the file");
	return !huge;
}
