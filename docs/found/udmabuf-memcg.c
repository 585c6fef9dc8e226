// Expected: memory.max limits what the processes of a cgroup can take from the kernel, as it does for the
// arrays of pipes. Linux 7.3.4: the arrays of a dma-buf of udmabuf are charged to no cgroup; 8 MiB of a
// memfd are enough for any number of them. Needs CONFIG_UDMABUF, CONFIG_MEMCG and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (8L << 20)
#define ITEMS 128

static struct { struct udmabuf_create_list head; struct udmabuf_create_item item[ITEMS]; } list = { { 0, ITEMS } };

static int set(char *path, char *text)
{
	return write(open(path, O_WRONLY), text, strlen(text)) < 0;
}

static long number(char *path, char *name)
{
	static char text[8192];
	text[pread(open(path, O_RDONLY), text, sizeof(text) - 1, 0)] = 0;
	return atol(strstr(text, name) + strlen(name));
}

int main(void)
{
	int minor = 0, memfd, device, buffers = 0, twin;
	FILE *misc = fopen("/proc/misc", "r");

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	write(open("/sys/module/udmabuf/parameters/size_limit_mb", O_WRONLY), "2048", 4);	// 64 before 7.3
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	mkdir("/cg", 0755), mount("none", "/cg", "cgroup2", 0, 0), mkdir("/cg/a", 0755);
	if (set("/cg/cgroup.subtree_control", "+memory") || set("/cg/a/memory.max", "32M") || set("/cg/a/cgroup.procs", "0"))
		return perror("cgroup"), 2;
	if (set("/proc/self/oom_score_adj", "-1000") || setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 60000, 60000 }))
		return perror("limits"), 2;
	if (!fork()) {	// the twin: pipes
		set("/proc/self/oom_score_adj", "1000");
		for (int i = 0, p[2]; i < 20000; i++)
			if (pipe(p) || fcntl(p[0], F_SETPIPE_SZ, 1 << 20) < 0)
				_exit(1);
		_exit(0);
	}
	wait(&twin);
	device = open("/dev/udmabuf", O_RDWR), memfd = memfd_create("pages", MFD_ALLOW_SEALING);
	if (device < 0 || ftruncate(memfd, SIZE) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return perror("udmabuf"), 2;
	for (int i = 0; i < ITEMS; i++)
		list.item[i] = (struct udmabuf_create_item){ memfd, 0, 0, SIZE };
	long before = number("/proc/meminfo", "MemAvailable:");
	while (buffers < 64 && ioctl(device, UDMABUF_CREATE_LIST, &list) >= 0)
		buffers++;
	long taken = (before - number("/proc/meminfo", "MemAvailable:")) / 1024, charged = number("/cg/a/memory.current", "") >> 20;
	printf(taken > 64 ? "BROKEN: a cgroup with memory.max = 32 MiB takes %ld MB of the machine with %d dma-bufs; memory.current: %ld MiB; 20000 pipes: %s\n" : "ok\n", taken, buffers, charged, twin ? "refused" : "allowed");
	return taken > 64;
}
