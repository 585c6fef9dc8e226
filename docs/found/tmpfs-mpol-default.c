// Expected: remount of a tmpfs with mpol=default takes its NUMA policy away, or fails.
// Linux 7.3.4: it succeeds, and the policy stays. Needs tmpfs, two NUMA nodes, and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The node that has the page of a new file.
static int node(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT, 0600), at = -1;
	char *p;

	if (fd < 0 || ftruncate(fd, 4096))
		return -1;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*p = 1;
	if (syscall(SYS_get_mempolicy, &at, 0, 0, p, 3)) // MPOL_F_NODE | MPOL_F_ADDR
		return -1;
	return at;
}

int main(void)
{
	unsigned long mask = 1; // node 0
	int before, local, after;

	mkdir("/mnt", 0755);
	if (mount("tmpfs", "/mnt", "tmpfs", 0, "mpol=bind:1"))
		return perror("mount with mpol="), 2;
	if (syscall(SYS_set_mempolicy, 2, &mask, 64)) // MPOL_BIND
		return perror("set_mempolicy"), 2;
	before = node("/mnt/a");
	if (mount("tmpfs", "/mnt", "tmpfs", MS_REMOUNT, "mpol=bind:0") || (local = node("/mnt/b")) < 0 ||
	    mount("tmpfs", "/mnt", "tmpfs", MS_REMOUNT, "mpol=bind:1"))
		return perror("remount"), 2;
	if (before != 1 || local != 0 || node("/mnt/c") != 1)
		return puts("mpol=bind does not work"), 2;
	if (mount("tmpfs", "/mnt", "tmpfs", MS_REMOUNT, "mpol=default"))
		return puts("ok"), 0;
	after = node("/mnt/d");
	if (after == 0)
		return puts("ok"), 0;
	printf("BROKEN: after a remount with mpol=default, pages of a process that is bound to node 0 are on node %d\n", after);
	return 1;
}
