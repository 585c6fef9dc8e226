// Expected: after ftruncate to 100 bytes and back, and after a hole was punched, the bytes read as null, or the
// call fails (ftruncate(2): "the extended part reads as null bytes"; fallocate(2): "subsequent reads from this
// range will return zeros"). It is so if the page is in memory (the control).
// Linux 7.3.4: if the page is in swap, and its memory cgroup has no memory left, both calls succeed, and the
// old bytes come back. Needs cgroup2 with the memory controller, swap and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

// Returns how many bytes that were cut off or punched are not null, or -1 if the test cannot run.
static int stale(int swapped, int punches)
{
	int fd = memfd_create("memory", 0), count = 0;
	char *p, buf[4096], text[32] = "";

	put("/cg/a/memory.max", "max"), put("/cg/a/cgroup.procs", "0");
	p = ftruncate(fd, 4096) ? MAP_FAILED : mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(p, 7, 4096);
	for (int i = 0; swapped && i < 4; i++)
		madvise(p, 4096, MADV_PAGEOUT);
	munmap(p, 4096);
	// The process leaves the cgroup, which may have no memory. Its page stays with the cgroup.
	if (put("/cg/cgroup.procs", "0") || (swapped && put("/cg/a/memory.max", "0")))
		return perror("memory.max"), -1;
	read(open("/cg/a/memory.swap.current", O_RDONLY), text, 31);
	if (swapped && (atol(text) < 4096 || pread(fd, buf, 1, 0) != -1 || errno != ENOMEM))
		return puts("the page is not in swap"), -1;
	if (punches ? fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 3996) && 1 : ftruncate(fd, 100) || ftruncate(fd, 4096))
		return 0; // refused: fine
	put("/cg/a/memory.max", "max");
	if (pread(fd, buf, 4096, 0) != 4096)
		return perror("pread"), -1;
	for (int i = 100; i < 4096; i++)
		count += buf[i] != 0;
	return close(fd), count;
}

int main(void)
{
	int cut, hole;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700))
		return perror("cgroup2"), 2;
	if (stale(0, 0) || stale(0, 1) || (cut = stale(1, 0)) < 0 || (hole = stale(1, 1)) < 0)
		return puts("cannot be run"), 2;
	if (!cut && !hole)
		return puts("ok"), 0;
	printf("BROKEN: ftruncate has cut off 3996 bytes, and %d come back; a hole of 3996 bytes leaves %d of them\n", cut, hole);
	return 1;
}
