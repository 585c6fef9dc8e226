// Expected: pread of shared memory in swap fails with ENOMEM, or can be killed, if the memory cgroup that the
// memory belongs to is full. It does so for the first page of a huge page in swap (the control).
// Linux 7.3.4: for any other page of the huge page, pread runs in the kernel for ever, and SIGKILL does not
// end it. Needs cgroup2 with the memory controller, swap, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
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
#define SIZE (2l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

int main(void)
{
	char *p = mmap((char *)(1l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0), byte, text[32] = "";
	int memory = memfd_create("memory", 0), ended;
	pid_t child;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700) || put("/cg/a/cgroup.procs", "0"))
		return perror("cgroup2"), 2;
	p = mmap(p, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	if (ftruncate(memory, SIZE) || !memset(p, 1, SIZE) || madvise(p, SIZE, 25 /* MADV_COLLAPSE */))
		return perror("MADV_COLLAPSE"), 2;
	for (int i = 0; i < 4; i++)
		madvise(p, SIZE, MADV_PAGEOUT);
	// The process leaves the cgroup; what is in swap stays with the cgroup, which may have no memory.
	if (put("/cg/cgroup.procs", "0") || put("/cg/a/memory.max", "0"))
		return perror("memory.max"), 2;
	read(open("/cg/a/memory.swap.current", O_RDONLY), text, 31);
	if (atol(text) < SIZE)
		return printf("cannot be run: the huge page is not in swap: %s\n", text), 2;
	if (pread(memory, &byte, 1, 0) != -1 || errno != ENOMEM)
		return puts("cannot be run: the cgroup has memory"), 2;
	child = fork();
	if (!child) {
		close(1), close(2);
		_exit(pread(memory, &byte, 1, 4096) != -1 || errno != ENOMEM);
	}
	sleep(10);
	ended = waitpid(child, 0, WNOHANG);
	if (ended == child)
		return puts("ok"), 0;
	kill(child, SIGKILL);
	sleep(3);
	ended = waitpid(child, 0, WNOHANG);
	printf("BROKEN: pread runs for 10 s%s", ended ? "" : ", and SIGKILL does not end it");
	put("/cg/a/memory.max", "max");
	sleep(3);
	return puts(ended || waitpid(child, 0, WNOHANG) ? "; more memory for the cgroup ends it" : ""), 1;
}
