// Expected: the part of a huge page that lies beyond the end of a file of tmpfs is given up when the
// file system is full (mm/shmem.c: "try to reclaim some space by splitting a few large folios beyond
// i_size").
// Linux 7.3.4: that holds for a huge page that a page fault has allocated. One that a collapse has made
// keeps the space. Needs CONFIG_TRANSPARENT_HUGEPAGE and root (to mount). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Makes a huge page for a file of 4 kB on a tmpfs of 3 MiB. Returns whether another file can have 2 MiB,
// or -1 if the test cannot run.
static int room(const char *options, int collapses)
{
	char *p = (char *)0x700000000000;
	struct stat stat;
	int one, other, ok;

	mkdir("/tmp/small", 0755);
	if (mount("none", "/tmp/small", "tmpfs", 0, options))
		return perror("mount"), -1;
	one = open("/tmp/small/one", O_RDWR | O_CREAT, 0600);
	other = open("/tmp/small/other", O_RDWR | O_CREAT, 0600);
	ftruncate(one, 4096);
	mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, one, 0);
	*p = 7;
	if ((collapses && madvise(p, HUGE, 25 /* MADV_COLLAPSE */)) || fstat(one, &stat) || stat.st_blocks != HUGE / 512)
		return puts("no huge page"), -1;
	ok = !fallocate(other, 0, 0, HUGE);
	munmap(p, HUGE);
	close(one);
	close(other);
	umount("/tmp/small");
	return ok;
}

int main(void)
{
	int fault = room("size=3M,huge=always", 0), collapse = room("size=3M", 1);

	if (fault != 1 || collapse < 0)
		return 2;
	puts(collapse ? "ok" : "BROKEN: ENOSPC on a tmpfs of 3 MiB with one file of 4 kB, which was collapsed");
	return !collapse;
}
