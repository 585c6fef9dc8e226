// Expected: a mmap of hugetlb that fails changes nothing in /proc/vmstat.
// Linux 7.3.4: nr_hugetlb falls by each huge page that the call has allocated and given back, and
// never recovers. Needs root (for nr_hugepages and nr_overcommit_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define MAP (MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)

static int set(const char *file, const char *value)
{
	return write(open(file, O_WRONLY), value, strlen(value)) < 0;
}

static long vmstat(void)
{
	FILE *f = fopen("/proc/vmstat", "r");
	char name[99];
	long n, found = -1;

	while (fscanf(f, "%98s %ld", name, &n) == 2)
		if (!strcmp(name, "nr_hugetlb"))
			found = n;
	return fclose(f), found;
}

int main(void)
{
	long before, after;
	char *p;

	if (set("/proc/sys/vm/nr_hugepages", "4") || set("/proc/sys/vm/nr_overcommit_hugepages", "1"))
		return perror("nr_hugepages"), 2;
	p = mmap(0, 4 * HUGE, PROT_READ | PROT_WRITE, MAP | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		return perror("mmap"), 2;
	memset(p, 1, 4 * HUGE);
	before = vmstat();
	if (before < 0)
		return puts("cannot be run: no nr_hugetlb"), 2;
	for (int i = 0; i < 3; i++)
		if (mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP, -1, 0) != MAP_FAILED)
			return puts("cannot be run: there are 2 more huge pages"), 2;
	after = vmstat();
	if (before == after)
		return puts("ok"), 0;
	printf("BROKEN: 4 huge pages are in use, and nr_hugetlb is %ld; after 3 calls of mmap that fail it is %ld\n", before, after);
	return 1;
}
