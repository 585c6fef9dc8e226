// Expected: a read that meets a poisoned page returns what it has read before that page.
// Linux 7.3.4: a read of a hugetlb file fails with EIO, although it has read a whole huge page. Needs
// hugetlb and root (for nr_hugepages, and MADV_HWPOISON). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Reads 4 MiB of a file of which the byte at 2 MiB is poisoned, and returns the result.
static long got(int flags)
{
	char *p, *buffer = malloc(2 * HUGE);
	int file = memfd_create("", flags), status;

	ftruncate(file, 2 * HUGE);
	p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (p == MAP_FAILED)
		return -2;
	if (!fork()) // MADV_HWPOISON may kill
		memset(p, 1, 2 * HUGE), _exit(!!madvise(p + HUGE, 4096, 100 /* MADV_HWPOISON */));
	wait(&status);
	return WIFEXITED(status) && WEXITSTATUS(status) ? -2 : read(file, buffer, 2 * HUGE);
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "8", 1) == 1;
	long small = got(0), huge = got(MFD_HUGETLB);

	if (!ok || small == -2 || huge == -2)
		return perror("nr_hugepages, MADV_HWPOISON"), 2;
	if (huge == small)
		return puts("ok"), 0;
	printf("BROKEN: a read of 4 MiB up to a poisoned page at 2 MiB returns %ld with small pages, %ld with huge pages: %m\n", small, huge);
	return 1;
}
