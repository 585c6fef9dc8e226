// Expected: a tmpfs with huge=never does not allocate huge pages (Documentation/filesystems/tmpfs.rst), whatever
// the options of the internal mount (hugepages-2048kB/shmem_enabled) are. So it is for a file with a name (the control).
// Linux 7.3.4: a file that was unlinked before mmap gets a huge page. Needs CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Writes one byte to a new file through a mapping, and returns the kB that the file then has.
static long used(int unlinked)
{
	int fd = open("/mnt/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct stat st;
	char *p;

	if (unlinked)
		unlink("/mnt/file");
	p = ftruncate(fd, HUGE) ? MAP_FAILED : mmap((void *)0x700000000000, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED)
		return perror("mmap"), -1;
	*p = 1;
	fstat(fd, &st);
	munmap(p, HUGE);
	return close(fd), st.st_blocks / 2;
}

int main(void)
{
	int knob = open("/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/shmem_enabled", O_WRONLY);
	long named, unlinked;

	mkdir("/mnt", 0755);
	if (knob < 0 || write(knob, "always", 6) != 6 || mount("tmpfs", "/mnt", "tmpfs", 0, "huge=never"))
		return perror("cannot be run"), 2;
	named = used(0);
	unlinked = used(1);
	if (named != 4 || unlinked < 0)
		return puts("cannot be run"), 2;
	if (unlinked == 4)
		return puts("ok"), 0;
	printf("BROKEN: huge=never: a file of a tmpfs has %ld kB after a write of a byte, and %ld kB if it was unlinked\n", named, unlinked);
	return 1;
}
