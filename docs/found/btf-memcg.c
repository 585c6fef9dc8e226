// Expected: a process cannot get more kernel memory than memory.max of its cgroup (cgroup-v2.rst). So BPF_MAP_CREATE
// of an array that is greater than memory.max fails with ENOMEM (the control).
// Linux 7.3.4: BPF_BTF_LOAD keeps up to 16 MB for each descriptor, and charges none of it. Needs cgroup2 with the
// memory controller, CONFIG_BPF_SYSCALL and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define LIMIT (32l << 20)
#define SIZE (15l << 20)
#define COUNT 8

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
	char *data = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct btf_header *header = (void *)data;
	unsigned *type = (void *)(data + sizeof(*header));
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 1 << 20, .max_entries = 64 };
	union bpf_attr load = { .btf = (unsigned long)data, .btf_size = SIZE };
	long before, used;
	int loaded = 0;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700) ||
	    put("/cg/a/memory.max", "33554432") || put("/cg/a/memory.swap.max", "0") || put("/cg/a/cgroup.procs", "0"))
		return perror("cgroup2"), 2;
	if (syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map)) >= 0)
		return puts("cannot be run: an array may be greater than memory.max"), 2;
	// One type, "int", and 15 MiB of names
	memset(data, 0, SIZE);
	header->magic = BTF_MAGIC, header->version = BTF_VERSION, header->hdr_len = sizeof(*header);
	header->type_len = 16, header->str_off = 16, header->str_len = SIZE - sizeof(*header) - 16;
	type[0] = 1, type[1] = BTF_KIND_INT << 24, type[2] = 4, type[3] = BTF_INT_SIGNED << 24 | 32;
	memcpy(&type[4], "\0int", 4);
	before = get("/proc/meminfo", "MemFree:");
	while (loaded < COUNT && syscall(SYS_bpf, BPF_BTF_LOAD, &load, sizeof(load)) >= 0)
		loaded++;
	used = before - get("/proc/meminfo", "MemFree:");
	if (!loaded)
		return perror("BPF_BTF_LOAD"), 2;
	if (loaded < COUNT)
		return puts("ok"), 0;
	printf("BROKEN: with memory.max of %ld kB, %d descriptors of BTF take %ld kB; memory.current is %ld kB\n", LIMIT >> 10, loaded, used, get("/cg/a/memory.current", "") >> 10);
	return 1;
}
