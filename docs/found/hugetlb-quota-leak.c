// Expected: a fault that found no huge page takes nothing from the size of a hugetlbfs mount.
// Linux 7.3.4: each such fault uses up a page of size=. Later faults fail although huge pages are
// free and the mount is empty. Needs hugetlb and root (to mount, and for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Sets the number of huge pages, touches p in a child, and returns the signal that this raises.
static int touch(char *p, const char *pages)
{
	int status;

	if (write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), pages, 1) != 1)
		return -1;
	if (!fork())
		_exit(*p = 0);
	wait(&status);
	return WTERMSIG(status);
}

int main(void)
{
	struct statfs mounted;
	int first, second;
	char *p;

	mkdir("/tmp/huge", 0755);
	if (mount("none", "/tmp/huge", "hugetlbfs", 0, "size=2M"))
		return perror("mount"), 2;
	p = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, open("/tmp/huge/file", O_RDWR | O_CREAT, 0600), 0);
	if (p == MAP_FAILED || (first = touch(p, "0")) < 0 || statfs("/tmp/huge", &mounted))
		return perror("mmap, nr_hugepages, statfs"), 2;
	second = touch(p, "4");
	if (!second && mounted.f_bfree == 1)
		return puts("ok"), 0;
	printf("BROKEN: a touch raises signal %d if no huge page is free, and signal %d once 4 are free; in an empty mount, %ld of 1 pages are free\n",
	       first, second, (long)mounted.f_bfree);
	return 1;
}
