// Expected: HugetlbPages of /proc/PID/status is the size of the huge pages that a process has (proc(5)).
// Linux 7.3.4: processes that map 1 GiB of shared hugetlb share a page table. A page counts only for
// the process that touched it first, and is taken from the count of the one that unmaps it last. So
// the count falls below 0. Needs hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (1L << 30)
#define AT ((char *)0x700000000000)

static unsigned long long hugetlb_pages(void)
{
	char text[8192] = "";
	pread(open("/proc/self/status", O_RDONLY), text, sizeof(text) - 1, 0);
	return strtoull(strstr(text, "HugetlbPages:") + 13, 0, 10);
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "2", 1) == 1, memory = memfd_create("memory", MFD_HUGETLB);
	unsigned long long mapped, unmapped;

	if (!ok || memory < 0 || ftruncate(memory, SIZE) ||
	    mmap(AT, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, memory, 0) != AT)
		return perror("memfd"), 2;
	if (!fork()) {
		*AT = 1;
		_exit(sleep(2));
	}
	sleep(1);
	ok = *(volatile char *)AT;
	mapped = hugetlb_pages();
	wait(0);
	munmap(AT, SIZE);
	unmapped = hugetlb_pages();
	if (ok == 1 && mapped == 2048 && !unmapped)
		return puts("ok"), 0;
	printf("BROKEN: HugetlbPages: %llu kB with a huge page mapped, %llu kB when it is unmapped\n", mapped, unmapped);
	return 1;
}
