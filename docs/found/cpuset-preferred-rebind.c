// Expected: when the nodes of a process' cpuset change, a relative policy means the same node of the new
// set (numa_memory_policy.rst: "that original nodemask will be remapped relative to the new set of allowed
// nodes"), and get_mempolicy returns what the user gave. The control is MPOL_INTERLEAVE.
// Linux 7.3.4: MPOL_PREFERRED and MPOL_PREFERRED_MANY stay on the old node, and what the user gave is
// overwritten. Needs two nodes, cgroup2 with the cpuset controller and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define PREFERRED 1
#define INTERLEAVE 3
#define PREFERRED_MANY 5
#define RELATIVE (1 << 14)
#define STATIC (1 << 15)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

// The node of a page of a policy for the first of the allowed nodes, which change from 1 to 0 and 1.
static int relative(int mode)
{
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int node = -1;
	long mask = 1;

	if (put("/cg/a/cpuset.mems", "1") || syscall(SYS_mbind, p, 4096, mode | RELATIVE, &mask, 8, 0) || put("/cg/a/cpuset.mems", "0-1"))
		return -1;
	*p = 1;
	syscall(SYS_get_mempolicy, &node, 0, 0, p, 3 /* MPOL_F_NODE | MPOL_F_ADDR */);
	return node;
}

// What get_mempolicy returns of a policy for physical node 1, once the cpuset had only node 0 for a while.
static long fixed(int mode)
{
	long mask = 2;

	if (syscall(SYS_set_mempolicy, mode | STATIC, &mask, 8) || put("/cg/a/cpuset.mems", "0") || put("/cg/a/cpuset.mems", "0-1"))
		return -1;
	mask = -1;
	syscall(SYS_get_mempolicy, 0, &mask, 64, 0, 0);
	syscall(SYS_set_mempolicy, 0, 0, 0);
	return mask;
}

int main(void)
{
	int node, many;
	long mask, masks;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+cpuset") || mkdir("/cg/a", 0700) ||
	    put("/cg/a/cpuset.mems", "0-1") || put("/cg/a/cgroup.procs", "0"))
		return perror("cgroup2"), 2;
	if (relative(INTERLEAVE) != 0 || fixed(INTERLEAVE) != 2)
		return printf("cannot be run: MPOL_INTERLEAVE: node %d, nodes %ld\n", relative(INTERLEAVE), fixed(INTERLEAVE)), 2;
	node = relative(PREFERRED), many = relative(PREFERRED_MANY), mask = fixed(PREFERRED), masks = fixed(PREFERRED_MANY);
	if (!node && !many && mask == 2 && masks == 2)
		return puts("ok"), 0;
	printf("BROKEN: relative node 0 of nodes 0-1 is node %d (PREFERRED), %d (PREFERRED_MANY); static nodes 2 become %ld and %ld\n",
		node, many, mask, masks);
	return 1;
}
