// Expected: FileHugePages of a node is the memory that it has for huge pages of files (as ShmemHugePages is).
// Linux 7.3.4: a migration does not move the count. Once the page is freed, the old node still has it, for good.
// Needs two nodes (numa=fake=2U), a swap device without use, tmpfs, and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)

// A line of the node's meminfo, in kB.
static long get(int node, const char *name)
{
	char file[64], text[8192] = "", *at;
	int fd;

	sprintf(file, "/sys/devices/system/node/node%d/meminfo", node);
	fd = open(file, O_RDONLY);
	if (read(fd, text, 8191) <= 0 || close(fd) || !(at = strstr(text, name)))
		perror(file), _exit(2);
	return atol(strchr(at, ':') + 1);
}

// Reads a huge page of the file, moves it to the other node, and drops it. Returns what its first node still has.
static long left(int fd, const char *name)
{
	char *area = mmap(0, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = (char *)(((unsigned long)area + HUGE - 1) & -HUGE);
	volatile char *page = p;
	void *address = p;
	int at = -1, to, status = -1;

	if (mmap(p, HUGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != p || madvise(p, HUGE, MADV_HUGEPAGE))
		perror(name), _exit(2);
	(void)*page;
	madvise(p, HUGE, 25); // MADV_COLLAPSE
	syscall(SYS_move_pages, 0, 1L, &address, NULL, &at, 0);
	long before = at < 0 ? -1 : get(at, name);
	to = !at;
	syscall(SYS_move_pages, 0, 1L, &address, &to, &status, 2), syscall(SYS_move_pages, 0, 1L, &address, NULL, &status, 0);
	if (before < 2048 || status != to)
		printf("cannot be run: %s %ld kB, node %d, then %d\n", name, before, at, status), exit(2);
	munmap(area, 2 * HUGE);
	posix_fadvise(fd, 0, HUGE, POSIX_FADV_DONTNEED), close(fd);
	return get(at, name);
}

int main(void)
{
	int shm = memfd_create("", 0), disk;
	char text[4096] = "", *name;
	long twin, file;

	if (read(open("/proc/swaps", O_RDONLY), text, 4095) <= 0 || !(name = strstr(text, "\n/")) || swapoff(strtok(++name, " \t")))
		return perror("swapoff"), 2;
	disk = open(name, O_RDONLY);
	if (disk < 0 || shm < 0 || ftruncate(shm, HUGE))
		return perror("open"), 2;
	twin = left(shm, "ShmemHugePages"), file = left(disk, "FileHugePages");
	if (!twin && !file)
		return puts("ok"), 0;
	printf("BROKEN: a huge page has moved and is freed: of its first node, FileHugePages is %ld kB, and ShmemHugePages (of the same of tmpfs) %ld kB\n", file, twin);
	return 1;
}
