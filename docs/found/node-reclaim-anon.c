// Expected: a write of "64M swappiness=max" to /sys/devices/system/node/node0/reclaim reclaims anonymous
// memory of the node, as the same write to memory.reclaim does (the control): "This interface is equivalent
// to the memcg variant" (ABI/stable/sysfs-devices-node).
// Linux 7.3.4: if the node has little page cache, the write scans nothing and fails with EAGAIN.
// Needs cgroup2 with the memory controller, NUMA, swap and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (64l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static long get(const char *file, const char *word)
{
	char text[16384] = "", *found;
	int fd = open(file, O_RDONLY);

	read(fd, text, sizeof(text) - 1);
	close(fd);
	found = strstr(text, word);
	return found ? atol(found + strlen(word)) : -1;
}

int main(void)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long node = 1;
	long before, scanned;
	int bad, error;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700) || put("/cg/a/cgroup.procs", "0"))
		return perror("cgroup2"), 2;
	madvise(p, SIZE, MADV_NOHUGEPAGE);
	if (syscall(SYS_mbind, p, SIZE, 2 /* MPOL_BIND */, &node, 64, 0))
		return perror("mbind"), 2;
	memset(p, 1, SIZE);
	put("/proc/sys/vm/drop_caches", "1");
	scanned = get("/proc/vmstat", "pgscan_anon ");
	bad = put("/sys/devices/system/node/node0/reclaim", "16M swappiness=max"), error = errno;
	scanned = get("/proc/vmstat", "pgscan_anon ") - scanned;
	before = get("/proc/self/status", "VmSwap:");
	if (put("/cg/a/memory.reclaim", "16M swappiness=max"))
		return perror("cannot be run: memory.reclaim"), 2;
	if (!bad)
		return puts("ok"), 0;
	printf("BROKEN: node0/reclaim: %s, after %ld pages were scanned; memory.reclaim then swaps %ld kB out\n",
		strerror(error), scanned, get("/proc/self/status", "VmSwap:") - before);
	return 1;
}
