// Expected: when a process has unmapped all of its huge pages, none of them is reserved any more.
// Linux 7.3.4: mremap of a part of a private hugetlb mapping forgets the reservations of the rest, and
// HugePages_Rsvd counts them for good. Needs hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define TO ((char *)0x700000000000)

static int meminfo(const char *what)
{
	char text[4096] = "";
	int fd = open("/proc/meminfo", O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return atoi(strstr(text, what) + strlen(what));
}

int main(void)
{
	int pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY), ok = write(pool, "4", 1) == 1;
	int before = meminfo("HugePages_Rsvd:"), after;
	char *p = mmap(0, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (!ok || p == MAP_FAILED)
		return perror("mmap"), 2;
	if (mremap(p, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, TO) != TO)
		return perror("mremap"), 2;
	munmap(p, 4 * HUGE);
	munmap(TO, HUGE);
	after = meminfo("HugePages_Rsvd:");
	if (after == before)
		return puts("ok"), 0;
	p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	printf("BROKEN: HugePages_Rsvd: %d before, %d when all is unmapped; 4 huge pages are free, and mmap of 2 %s\n", before,
	       after, p == MAP_FAILED ? "fails" : "works");
	return 1;
}
