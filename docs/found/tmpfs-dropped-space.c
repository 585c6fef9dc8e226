// Expected: a file without blocks takes no space of a tmpfs ("size: the limit of allocated bytes for this
// tmpfs instance", Documentation/filesystems/tmpfs.rst).
// Linux 7.3.4: pages that a mapping has read in a hole, and that reclaim or drop_caches has dropped, still count
// against size=, in statfs and for ENOSPC, until somebody calls stat of that file. Needs root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#define SIZE (8L << 20)

static long shmem(void)
{
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");
	long kb = -1;

	while (fgets(line, sizeof(line), f) && sscanf(line, "Shmem: %ld", &kb) != 1)
		;
	return fclose(f), kb;
}

int main(void)
{
	int hole, other, drop = open("/proc/sys/vm/drop_caches", O_WRONLY), before, after;
	volatile char *p;
	struct statfs fs;
	struct stat st;
	long full, empty;

	mkdir("/mnt", 0755);
	if (mount("tmpfs", "/mnt", "tmpfs", 0, "size=8M,huge=never"))
		return perror("mount"), 2;
	hole = open("/mnt/hole", O_RDWR | O_CREAT, 0600);
	other = open("/mnt/other", O_RDWR | O_CREAT, 0600);
	p = ftruncate(hole, SIZE) ? MAP_FAILED : mmap(0, SIZE, PROT_READ, MAP_SHARED, hole, 0);
	for (long i = 0; i < SIZE; i += 4096)
		(void)p[i];
	munmap((void *)p, SIZE);
	full = shmem();
	if (write(drop, "1\n", 2) != 2 || (empty = shmem()) > full - SIZE / 1024 / 2)
		return puts("the pages are not dropped"), 2;
	statfs("/mnt", &fs);
	before = fallocate(other, 0, 0, SIZE / 2);
	fstat(hole, &st);
	after = fallocate(other, 0, 0, SIZE / 2);
	if (!before || after)
		return puts(after ? "cannot be run" : "ok"), after ? 2 : 0;
	printf("BROKEN: %ld kB of memory are freed, %ld kB of tmpfs are free, and fallocate fails; after a stat of the other file (%ld blocks), it succeeds\n",
	       full - empty, (long)fs.f_bfree * 4, (long)st.st_blocks);
	return 1;
}
