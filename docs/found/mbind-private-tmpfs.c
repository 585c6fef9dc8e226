// Expected: mbind of a private mapping of a file changes only where the private copies go ("will only be applied when an
// anonymous page is allocated on an attempt to write to the mapping", numa_memory_policy.rst).
// Linux 7.3.4: on tmpfs, it sets the policy of the file, for everybody. So a process that may only read the file
// decides where the pages of the owner go. Needs two NUMA nodes and root (to mount). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int node(char *p)
{
	int at = -1;

	*p = 1;
	return syscall(SYS_get_mempolicy, &at, 0, 0, p, 3 /* MPOL_F_NODE | MPOL_F_ADDR */) ? -1 : at;
}

int main(void)
{
	unsigned long zero = 1, one = 2;
	int fd, status, before, after;
	char *p;

	mkdir("/mnt", 0755);
	if (mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755"))
		return perror("mount"), 2;
	fd = open("/mnt/file", O_RDWR | O_CREAT, 0644);
	p = ftruncate(fd, 8192) ? MAP_FAILED : mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (syscall(SYS_set_mempolicy, 2 /* MPOL_BIND */, &zero, 64))
		return perror("set_mempolicy"), 2;
	before = node(p);
	if (!fork()) {
		int file = setresuid(1000, 1000, 1000) || open("/mnt/file", O_RDWR) >= 0 ? -1 : open("/mnt/file", O_RDONLY);
		char *q = mmap(0, 8192, PROT_READ, MAP_PRIVATE, file, 0);

		_exit(q == MAP_FAILED || syscall(SYS_mbind, q, 8192, 2, &one, 64, 0));
	}
	wait(&status);
	if (status || before)
		return puts("cannot be run"), 2;
	after = node(p + 4096);
	if (!after)
		return puts("ok"), 0;
	printf("BROKEN: the owner is bound to node 0, and his pages are on node %d, and on node %d after mbind of a private mapping by a reader\n", before, after);
	return 1;
}
