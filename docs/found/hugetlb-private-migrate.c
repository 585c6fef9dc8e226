// Expected: move_pages moves a huge page, whatever the options of its mount. (A page that it cannot move is
// "currently busy", says the man page: "Try again later".)
// Linux 7.3.4: a private page of a mount of hugetlbfs with size= or min_size= can never be moved, and
// MADV_SOFT_OFFLINE of it fails. Needs two NUMA nodes (numa=fake=2U), hugetlb and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)
static int offline[3], mounts;

// Moves a page of a new mount to the other node, in at most a hundred attempts; returns 1 if it moves.
static int moves(const char *options, int flags)
{
	int file, to, status, n = 0;
	char *p;

	mkdir("/tmp/huge", 0755);
	if (mount("none", "/tmp/huge", "hugetlbfs", 0, options) || (file = open("/tmp/huge/file", O_RDWR | O_CREAT, 0600)) < 0)
		return -1;
	p = mmap(0, HUGE, PROT_READ | PROT_WRITE, flags, file, 0);
	if (p == MAP_FAILED)
		return -1;
	*p = 1;
	if (syscall(SYS_move_pages, 0, 1L, &p, 0, &status, 0))
		return -1;
	for (to = !status; n++ < 100 && status != to; usleep(1000))
		syscall(SYS_move_pages, 0, 1L, &p, &to, &status, 2 /* MPOL_MF_MOVE */);
	offline[mounts++] = madvise(p, 4096, 101 /* MADV_SOFT_OFFLINE */);
	return status == to;
}

int main(void)
{
	int private, shared, limited;

	if (write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "9", 1) != 1 || access("/sys/devices/system/node/node1", F_OK))
		return puts("cannot be run: no second node"), 2;
	private = moves("", MAP_PRIVATE), shared = moves("size=8M", MAP_SHARED), limited = moves("size=8M", MAP_PRIVATE);
	if (private < 0 || shared < 0 || limited < 0)
		return perror("mount, open, mmap, move_pages"), 2;
	if (private == limited && !offline[2])
		return puts("ok"), 0;
	printf("BROKEN: of a private huge page, %d is moved; if the mount has size=8M, %d of a shared one, and %d of a private one in 100 attempts; MADV_SOFT_OFFLINE: %d, %d, %d\n",
	       private, shared, limited, offline[0], offline[1], offline[2]);
	return 1;
}
