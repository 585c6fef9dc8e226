// Expected: a change of cpuset.mems moves the memory of the tasks in the cgroup to the new nodes, and changes the
// policies of mbind (cgroup-v2.rst). It does so while the first thread of a process lives (the control).
// Linux 7.3.4: if the first thread of a process has ended (pthread_exit), all memory of the process stays on a
// node that its cgroup may not use. Needs cgroup2 with cpuset, two nodes (numa=fake=2U) and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGES 1024

static int ready[2], cue[2], result[2];
static struct { int moved; unsigned long mask; } told;

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static void *second(void *p)
{
	int at, mode;
	char byte;

	sleep(1);
	write(ready[1], "", 1), read(cue[0], &byte, 1);
	for (int i = 0; i < PAGES; i++)
		told.moved += !syscall(SYS_get_mempolicy, &at, 0, 0, p + i * 4096, MPOL_F_NODE | MPOL_F_ADDR) && at == 1;
	syscall(SYS_get_mempolicy, &mode, &told.mask, 64, p, MPOL_F_ADDR);
	write(result[1], &told, sizeof(told));
	_exit(0);
}

// A process with two threads. The first thread ends, or waits.
static int run(const char *cgroup, int ends)
{
	char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte, file[64];
	unsigned long zero = 1;
	pthread_t thread;

	sprintf(file, "%s/cpuset.mems", cgroup);
	told.moved = 0;
	if (mkdir(cgroup, 0700) || put(file, "0") || pipe(ready) || pipe(cue) || pipe(result))
		return perror(file), -1;
	if (!fork()) {
		sprintf(file, "%s/cgroup.procs", cgroup);
		if (put(file, "0") || syscall(SYS_mbind, p, PAGES * 4096, MPOL_BIND, &zero, 64, 0))
			perror("mbind");
		memset(p, 1, PAGES * 4096);
		pthread_create(&thread, 0, second, p);
		if (ends)
			pthread_exit(0);
		pause();
	}
	read(ready[0], &byte, 1);
	if (put(file, "1"))
		return perror(file), -1;
	sleep(1), write(cue[1], "", 1);
	return read(result[0], &told, sizeof(told)) == sizeof(told) ? told.moved : -1;
}

int main(void)
{
	int twin, moved;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+cpuset"))
		return perror("cgroup2"), 2;
	twin = run("/cg/a", 0);
	if (twin != PAGES || told.mask != 2)
		return printf("cannot be run: %d pages have moved, the mask is %lx\n", twin, told.mask), 2;
	moved = run("/cg/b", 1);
	if (moved == PAGES && told.mask == 2)
		return puts("ok"), 0;
	printf("BROKEN: cpuset.mems is 1; %d of %d pages are on node 1, and a policy has the mask %lx; while the first thread lives, %d are, and 2\n", moved, PAGES, told.mask, twin);
	return 1;
}
