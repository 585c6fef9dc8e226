// Expected: a mount of hugetlbfs with min_size=2M always has a huge page, allocated or reserved.
// Linux 7.3.4: if another process uses a surplus page, the mount loses each page that it frees, and keeps
// only the reservation. If no other page can be allocated, a touch of a file there raises SIGBUS. Needs
// hugetlb and root (to mount, and for the size of the pool). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define OTHER (MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)
static sigjmp_buf back;

static void caught(int signal)
{
	siglongjmp(back, signal);
}

// Maps a huge page, touches it, and returns the signal that this raises.
static int touch(int file, int flags)
{
	char *p = mmap(0, HUGE, PROT_READ | PROT_WRITE, flags, file, 0);
	int raised = p == MAP_FAILED ? 99 : sigsetjmp(back, 1);

	return raised ? raised : (*p = 0);
}

// With a pool of so many pages and of so many surplus pages, empties a file of the mount, and touches it.
static int run(const char *pages, const char *surplus)
{
	int ok = write(open("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", O_WRONLY), pages, 1) == 1, file;

	signal(SIGBUS, caught), mkdir("/tmp/huge", 0755);
	ok = ok && write(open("/proc/sys/vm/nr_overcommit_hugepages", O_WRONLY), surplus, 1) == 1;
	if (!ok || mount("none", "/tmp/huge", "hugetlbfs", 0, "min_size=2M") || touch(-1, OTHER))
		_exit(99);
	file = open("/tmp/huge/file", O_RDWR | O_CREAT, 0600);
	if (touch(file, MAP_SHARED) || ftruncate(file, 0))
		_exit(99);
	touch(-1, OTHER | MAP_NORESERVE);
	_exit(touch(file, MAP_SHARED));
}

int main(void)
{
	int with, without;

	if (!fork())
		run("2", "0");
	wait(&without), unlink("/tmp/huge/file"), umount("/tmp/huge");
	if (!fork())
		run("1", "1");
	wait(&with), with = WEXITSTATUS(with), without = WEXITSTATUS(without);
	if (with == 99 || without == 99)
		return perror("mount, nr_hugepages"), 2;
	if (!with)
		return puts("ok"), 0;
	printf("BROKEN: a touch in a mount with min_size=2M raises signal %d if there are surplus pages, and %d if there are none\n", with, without);
	return 1;
}
