// Expected: a process cannot get more kernel memory than memory.max of its cgroup (cgroup-v2.rst). So BPF_MAP_CREATE
// of an array that is greater than memory.max fails with ENOMEM (the control). bpf_map_alloc_percpu() asks for a
// charge, too (__GFP_ACCOUNT), and memory.stat has a line "percpu".
// Linux 7.3.4: the memory of a per-CPU array or a per-CPU hash that BPF_MAP_CREATE allocates is charged to the root
// cgroup. Needs cgroup2 with the memory controller, CONFIG_BPF_SYSCALL and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define LIMIT (32l << 20)
#define VALUE 32768
#define COUNT 4096 // 128 MiB for each CPU

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static int map(int type)
{
	union bpf_attr attr = { .map_type = type, .key_size = 4, .value_size = VALUE, .max_entries = COUNT };

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long current(void)
{
	char text[32] = "";

	return read(open("/cg/a/memory.current", O_RDONLY), text, 31) > 0 ? atol(text) : -1;
}

static long percpu_kb(void)
{
	char text[4096] = "";

	return read(open("/proc/meminfo", O_RDONLY), text, 4095) > 0 ? atol(strstr(text, "Percpu:") + 7) : -1;
}

int main(void)
{
	int twin, array, hash;
	long before = percpu_kb(), used, used2;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700) ||
	    put("/cg/a/memory.max", "33554432") || put("/cg/a/memory.swap.max", "0") || put("/cg/a/cgroup.procs", "0"))
		return perror("cgroup2"), 2;
	twin = map(BPF_MAP_TYPE_ARRAY);
	if (twin >= 0)
		return puts("cannot be run: an array may be greater than memory.max"), 2;
	array = map(BPF_MAP_TYPE_PERCPU_ARRAY), used = percpu_kb() - before, close(array);
	sleep(2);
	before = percpu_kb(), hash = map(BPF_MAP_TYPE_PERCPU_HASH), used2 = percpu_kb() - before;
	if (array < 0 && hash < 0)
		return puts("ok"), 0;
	printf("BROKEN: with memory.max of %ld kB, a per-CPU array takes %ld kB, a per-CPU hash %ld kB; memory.current is %ld kB\n", LIMIT >> 10, used, used2, current() >> 10);
	return 1;
}
