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
	int fd = open("/proc/self/status", O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return strtoull(strstr(text, "HugetlbPages:") + 13, 0, 10);
}

int main(void)
{
	int pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY), ok = write(pool, "2", 1) == 1;
	int memory = memfd_create("memory", MFD_HUGETLB), done[2], ends[2];
	unsigned long long mapped, unmapped;
	char *p, c;

	if (!ok || memory < 0 || ftruncate(memory, SIZE) || pipe(done) || pipe(ends))
		return perror("memfd"), 2;
	p = mmap(AT, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, memory, 0);
	if (p == MAP_FAILED)
		return perror("mmap"), 2;
	if (!fork()) {
		*p = 1;
		write(done[1], "", 1);
		read(ends[0], &c, 1);
		_exit(0);
	}
	read(done[0], &c, 1);
	if (*(volatile char *)p != 1)
		return puts("the page is not shared"), 2;
	mapped = hugetlb_pages();
	write(ends[1], "", 1);
	wait(0);
	munmap(p, SIZE);
	unmapped = hugetlb_pages();
	if (mapped == 2048 && !unmapped)
		return puts("ok"), 0;
	printf("BROKEN: HugetlbPages: %llu kB with a huge page mapped, %llu kB when it is unmapped\n", mapped, unmapped);
	return 1;
}
