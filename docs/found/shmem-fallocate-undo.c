// Expected: fallocate that fails for want of space allocates nothing, with huge pages as without.
// Linux 7.3.4: with huge=always it keeps the first huge page, if the range begins inside that page. Needs
// tmpfs and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// Fails to allocate 6 MB of a file in a tmpfs of 8 MB, of which another file has 4 MB. Returns how many
// bytes of the file are allocated after that.
static long left(const char *options)
{
	struct stat file = { .st_blocks = -1 };
	int fd;

	if (mount("tmpfs", "/mnt", "tmpfs", 0, options))
		return -1;
	if (fallocate(open("/mnt/other", O_RDWR | O_CREAT, 0600), 0, 0, 4 << 20))
		return -1;
	fd = open("/mnt/file", O_RDWR | O_CREAT, 0600);
	ftruncate(fd, 8 << 20);
	if (fallocate(fd, 0, (2 << 20) - 4096, 6 << 20) == -1 && errno == ENOSPC)
		fstat(fd, &file);
	umount2("/mnt", MNT_DETACH);
	return file.st_blocks * 512;
}

int main(void)
{
	long small, huge;

	mkdir("/mnt", 0755);
	small = left("size=8m,huge=never"), huge = left("size=8m,huge=always");
	if (small < 0 || huge < 0)
		return perror("tmpfs"), 2;
	if (!small && !huge)
		return puts("ok"), 0;
	printf("BROKEN: fallocate fails with ENOSPC, and the file has got %ld kB; with huge=always %ld kB\n", small >> 10, huge >> 10);
	return 1;
}
