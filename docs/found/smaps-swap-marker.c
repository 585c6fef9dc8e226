// Expected: write protection by userfaultfd does not change what smaps says of pages in swap.
// Linux 7.3.4: Swap of a private mapping of shared memory falls to 0. Needs CONFIG_USERFAULTFD and
// swap. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define LEN (16 * 4096L)

static long swap(char *at)
{
	char line[256];
	long from, to, here = 0, kb = -1;
	for (FILE *file = fopen("/proc/self/smaps", "r"); fgets(line, sizeof(line), file);)
		if (sscanf(line, "%lx-%lx", &from, &to) == 2)
			here = from == (long)at;
		else if (here)
			sscanf(line, "Swap: %ld", &kb);
	return kb;
}

int main(void)
{
	int memory = memfd_create("memory", 0), uffd = syscall(SYS_userfaultfd, 0);
	ftruncate(memory, LEN);
	char *shared = mmap(0, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	char *mine = mmap(0, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM };
	struct uffdio_register reg = { .range = { (long)mine, LEN }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = { (long)mine, LEN }, .mode = 1 };

	memset(shared, 1, LEN);
	for (int i = 0; i < 4; i++)
		madvise(shared, LEN, 21 /* MADV_PAGEOUT */);
	long before = swap(mine);
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return perror("userfaultfd"), 2;
	long after = swap(mine);
	printf(before == after ? "ok\n" : "BROKEN: Swap of a private mapping of shared memory: %ld kB, and %ld kB when it is write-protected by userfaultfd\n", before, after);
	return before != after;
}
