// Expected: fallocate at the greatest offset fails, or allocates one page, and close frees it.
// Linux 7.3.4: on a memfd of hugetlb it allocates all free huge pages, at offsets that no file can have.
// close does not find them, and the kernel dies. Needs 2 free huge pages. Root is only needed to make
// them: the program gives up its privileges. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	struct stat stat;
	int memory, pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY);

	if (write(pool, "4", 1) != 1 || setuid(65534))
		return perror("nr_hugepages, setuid"), 2;
	memory = memfd_create("memory", MFD_HUGETLB);
	if (memory < 0)
		return perror("memfd_create"), 2;
	fallocate(memory, 0, LLONG_MAX - 1, 1);
	if (fstat(memory, &stat) || stat.st_blocks > (2 << 20) / 512) {
		printf("BROKEN: fallocate of 1 byte has allocated %ld huge pages\n", (long)stat.st_blocks * 512 >> 21);
		fflush(stdout);
		close(memory); // the kernel dies
		return 1;
	}
	close(memory);
	return puts("ok"), 0;
}
