// Expected: memory.peak shows the most memory that the cgroup had since "the most recent reset for that FD"
// (cgroup-v2.rst), as it does if no other descriptor is reset (the control).
// Linux 7.3.4: a reset through another descriptor takes the peak away: memory.peak falls to the usage at
// that time, though nobody has reset this descriptor again. Needs cgroup2 with the memory controller. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define SIZE (32l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static long get(int fd)
{
	char text[32] = "";

	return pread(fd, text, 31, 0) < 0 ? -1 : atol(text);
}

int main(void)
{
	int mine, other;
	long before, after;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700) || put("/cg/a/cgroup.procs", "0"))
		return perror("cgroup2"), 2;
	mine = open("/cg/a/memory.peak", O_RDWR), other = open("/cg/a/memory.peak", O_RDWR);
	if (write(mine, "reset", 5) != 5)
		return perror("memory.peak"), 2;
	munmap(memset(mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, SIZE), SIZE);
	before = get(mine);
	if (before < SIZE || write(other, "reset", 5) != 5)
		return printf("cannot be run: %ld\n", before), 2;
	after = get(mine);
	if (after >= before)
		return puts("ok"), 0;
	printf("BROKEN: the peak since the reset was %ld; a reset of another descriptor makes it %ld\n", before, after);
	return 1;
}
