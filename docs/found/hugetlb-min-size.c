// Expected: a hugetlbfs mount reserves pages so that allocated and reserved ones are together at least
// min_size= (Documentation/admin-guide/mm/hugetlbpage.rst). If more are allocated, it reserves none.
// Linux 7.3.4: with min_size= and without size=, each page that is freed stays reserved, and others
// cannot have it. Needs hugetlb and root (to mount, and for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Mounts with these options, allocates all 4 pages and frees one. Returns whether another mapping can
// have the page, or -1 if the test cannot run.
static int free_for_others(const char *options)
{
	char *other;
	int file;

	mkdir("/tmp/huge", 0755);
	if (mount("none", "/tmp/huge", "hugetlbfs", 0, options))
		return perror("mount"), -1;
	file = open("/tmp/huge/file", O_RDWR | O_CREAT, 0600);
	if (fallocate(file, 0, 0, 4 * HUGE) || fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE))
		return perror("fallocate"), -1;
	other = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (other != MAP_FAILED)
		munmap(other, HUGE);
	unlink("/tmp/huge/file");
	close(file);
	umount("/tmp/huge");
	return other != MAP_FAILED;
}

int main(void)
{
	int pool = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1);
	int both = free_for_others("min_size=4M,size=8M"), minimum = free_for_others("min_size=4M");

	if (pool != 1 || both != 1 || minimum < 0)
		return 2;
	puts(minimum ? "ok" : "BROKEN: 1 of 4 huge pages is free; a mount with min_size=4M uses the other 3, and keeps the free one reserved; with size=, it does not");
	return !minimum;
}
