// Expected: mincore says of a page of a file whether it is in memory, also if it is not mapped.
// Linux 7.3.4: for hugetlb it says "yes" until a neighbour is touched, and then "no". Needs hugetlb
// and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)

int main(void)
{
	int memory = memfd_create("memory", MFD_HUGETLB);
	unsigned char before = 9, after = 9;

	if (write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1) != 1 || fallocate(memory, 0, 0, 2 * HUGE))
		return perror("hugetlb"), 2;
	if (mmap(AT, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0) == MAP_FAILED)
		return perror("mmap"), 2;
	mincore(AT + HUGE, 4096, &before);
	*AT = 1;
	mincore(AT + HUGE, 4096, &after);
	printf(before == after ? "ok\n" : "BROKEN: mincore of the second page: %d, and after a write to the first page: %d\n", before, after);
	return before != after;
}
