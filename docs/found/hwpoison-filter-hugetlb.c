// Expected: memory that corrupt-filter-* of hwpoison excludes stays as it is (mm/hwpoison.rst).
// Linux 7.3.4: a page of hugetlb is marked as poisoned, and can never be allocated again. Needs
// CONFIG_HWPOISON_INJECT, hugetlb and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define DIR "/sys/kernel/debug/hwpoison/corrupt-filter-"
static volatile int usable;

static void set(const char *file, const char *value)
{
	if (write(open(file, O_WRONLY), value, strlen(value)) < 0)
		perror(file), _exit(2);
}

static void *map(long pages)
{
	return mmap(0, pages * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

static void killed(int signal)
{
	(void)signal;
	printf("BROKEN: the filter excludes the page, and MADV_HWPOISON says 0; then mmap reserves 4 huge pages, but only %d can be touched before SIGBUS\n", usable);
	fflush(stdout);
	_exit(1);
}

int main(void)
{
	char *p;

	set("/proc/sys/vm/nr_hugepages", "4");
	set(DIR "dev-major", "77");
	set(DIR "enable", "1");
	p = map(1);
	if (p == MAP_FAILED)
		return perror("hugetlb"), 2;
	*p = 1;
	if (madvise(p, HUGE, 100 /* MADV_HWPOISON */))
		return perror("MADV_HWPOISON"), 2;
	munmap(p, HUGE);
	p = map(4);
	if (p == MAP_FAILED)
		return perror("hugetlb"), 2;
	signal(SIGBUS, killed);
	for (; usable < 4; usable++)
		p[usable * HUGE] = 1;
	return puts("ok"), 0;
}
