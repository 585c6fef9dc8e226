// Expected: a process cannot get more kernel memory than memory.max of its cgroup (cgroup-v2.rst). What the kernel
// stores for a file, like its locks (the control), is charged to the cgroup.
// Linux 7.3.4: what mbind stores for shared memory is charged to nobody. It belongs to the file, has no limit, and
// stays after munmap. Needs cgroup2 with the memory controller, CONFIG_NUMA and root (for the cgroup). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define LIMIT (16l << 20)
#define WINDOW 32000l // pages that are mapped at a time
#define WINDOWS 16l

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static long get(const char *file, const char *name)
{
	char text[4096] = "";
	int fd = open(file, O_RDONLY), n = read(fd, text, 4095);

	close(fd);
	return n > 0 ? atol(strstr(text, name) + strlen(name)) : -1;
}

int main(void)
{
	int memory = memfd_create("memory", 0), status;
	long before, used, n = 0;
	pid_t child;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700) ||
	    put("/cg/a/memory.max", "16777216") || put("/cg/a/memory.swap.max", "0") || ftruncate(memory, WINDOWS * WINDOW * 4096))
		return perror("cgroup2"), 2;
	// The control: locks of every second byte of a file
	child = fork();
	if (!child) {
		if (put("/cg/a/cgroup.procs", "0"))
			_exit(2);
		for (long i = 0; i < 400000; i++) {
			struct flock lock = { .l_type = F_WRLCK, .l_start = 1000000 - 2 * i, .l_len = 1 };
			if (fcntl(memory, F_SETLK, &lock))
				_exit(1);
		}
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (!status || WEXITSTATUS(status) == 2)
		return printf("cannot be run: the control has the status %x\n", status), 2;
	if (put("/cg/a/cgroup.procs", "0"))
		return perror("cgroup.procs"), 2;
	before = get("/proc/meminfo", "SUnreclaim:");
	for (long w = 0; w < WINDOWS; w++) {
		char *p = mmap(0, WINDOW * 4096, PROT_READ, MAP_SHARED, memory, w * WINDOW * 4096);

		for (long i = 0; i < WINDOW; i++, n++) {
			unsigned long mask = 1 + (i & 1);
			if (syscall(SYS_mbind, p + i * 4096, 4096, MPOL_BIND, &mask, 64, 0))
				return perror("mbind"), 2;
		}
		munmap(p, WINDOW * 4096);
	}
	used = get("/proc/meminfo", "SUnreclaim:") - before;
	if (used < LIMIT >> 10)
		return puts("ok"), 0;
	printf("BROKEN: with memory.max of %ld kB, %ld calls of mbind take %ld kB of slab; memory.current is %ld kB\n", LIMIT >> 10, n, used, get("/cg/a/memory.current", "") >> 10);
	return 1;
}
