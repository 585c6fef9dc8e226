// Expected: if the zswap pool of a cgroup reaches memory.zswap.max, it refuses to take any more stores before
// entries have left it (cgroup-v2.rst). It does so for small pages (the control).
// Linux 7.3.4: for each huge page, one entry is written back, and 512 are stored. So the pool grows far over the
// limit. Needs cgroup2 with memory, swap, CONFIG_ZSWAP, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2l << 20)
#define SIZE (44 * HUGE)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static long get(const char *file)
{
	char text[32] = "";
	int fd = open(file, O_RDONLY), n = read(fd, text, 31);

	close(fd);
	return n > 0 ? atol(text) : -1;
}

// Reclaims 2 MiB again and again. What zswap has not stored is thrown away. Returns the greatest size of the pool.
static long pool(const char *cgroup, int advice)
{
	char *p = mmap(0, SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), file[64];
	long size = 0, now;

	p = (char *)(((long)p + HUGE - 1) & -HUGE);
	sprintf(file, "%s/memory.zswap.max", cgroup);
	if (mkdir(cgroup, 0700) || put(file, "1048576"))
		return perror(file), -1;
	sprintf(file, "%s/cgroup.procs", cgroup);
	if (put(file, "0"))
		return perror(file), -1;
	madvise(p, SIZE, advice);
	sprintf(file, "%s/memory.zswap.current", cgroup);
	for (char *q = p; q < p + SIZE; q += HUGE) {
		for (long i = 0; i < HUGE; i++)
			q[i] = i % 4096 < 2048 ? rand() : 0; // half of a page cannot be compressed
		madvise(q, HUGE, MADV_PAGEOUT);
		now = get(file);
		if (now <= size)
			madvise(q, HUGE, MADV_DONTNEED);
		else
			size = now;
	}
	munmap(p, SIZE), put("/cg/cgroup.procs", "0");
	return size;
}

int main(void)
{
	long twin, huge;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") ||
	    put("/sys/module/zswap/parameters/enabled", "1"))
		return perror("cgroup2, zswap"), 2;
	twin = pool("/cg/a", MADV_NOHUGEPAGE), huge = pool("/cg/b", MADV_HUGEPAGE);
	if (twin < 512 << 10 || twin > 2 << 20)
		return printf("cannot be run: %ld, %ld bytes in zswap\n", twin, huge), 2;
	if (huge < 4 << 20)
		return puts("ok"), 0;
	printf("BROKEN: memory.zswap.max is 1024 kB, and memory.zswap.current %ld kB; for small pages it is %ld kB\n", huge >> 10, twin >> 10);
	return 1;
}
