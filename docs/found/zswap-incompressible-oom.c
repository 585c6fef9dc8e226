// Expected: memory.max kills only if the usage "can't be reduced" (cgroup-v2.rst). A process with more memory than
// memory.max lives if swap has room for the rest. So it does without zswap, and with zswap and memory that can be
// compressed (the controls).
// Linux 7.3.4: zswap keeps pages that cannot be compressed as they are, in memory that is charged to the cgroup, and
// does not write them to the swap disk. Reclaim frees nothing, and the process is killed. Needs cgroup2, swap,
// CONFIG_ZSWAP and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (36l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static long swap_free(void)
{
	char text[4096] = "";
	int fd = open("/proc/meminfo", O_RDONLY), n = read(fd, text, 4095);

	close(fd);
	return n > 0 ? atol(strstr(text, "SwapFree:") + 9) : -1;
}

// A process with 36 MiB in a cgroup with 20 MiB. Returns its status.
static int run(const char *cgroup, const char *zswap, int random)
{
	char file[64];
	int status;

	sprintf(file, "%s/memory.max", cgroup);
	if (mkdir(cgroup, 0700) || put(file, "20971520") || put("/sys/module/zswap/parameters/enabled", zswap))
		perror(file), _exit(2);
	if (!fork()) {
		unsigned long *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), x = 88172645463325252;

		sprintf(file, "%s/cgroup.procs", cgroup);
		if (put(file, "0"))
			_exit(2);
		madvise(p, SIZE, MADV_NOHUGEPAGE);
		for (long i = 0; i < SIZE / 8; i++)
			x ^= x << 13, x ^= x >> 7, x ^= x << 17, p[i] = random ? x : i % 512;
		_exit(0);
	}
	wait(&status);
	return status;
}

int main(void)
{
	int disk, compressed, status;
	long room = swap_free();

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory"))
		return perror("cgroup2"), 2;
	disk = run("/cg/a", "0", 1), compressed = run("/cg/b", "1", 0);
	if (disk || compressed || room < SIZE >> 10)
		return printf("cannot be run: %x, %x, %ld kB of swap\n", disk, compressed, room), 2;
	status = run("/cg/c", "1", 1);
	if (!status)
		return puts("ok"), 0;
	printf("BROKEN: with %ld kB of free swap, a process is killed by signal %d at memory.max; without zswap, it lives\n", room, WTERMSIG(status));
	return 1;
}
