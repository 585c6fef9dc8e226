// Expected: process_madvise advises fewer bytes than requested only "if an error occurred after some
// iovec elements were already processed" (process_madvise(2)). madvise advises 3 GiB at once.
// Linux 7.3.4: it stops within an element, after 2 GiB - 4 kB, without an error. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (3L << 30)

// A byte at the end of the memory, as a child sees it.
static int in_child(volatile char *p)
{
	int status;

	if (!fork())
		_exit(p[SIZE - 1]);
	wait(&status);
	return WEXITSTATUS(status);
}

int main(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, flags, -1, 0), *twin = mmap(0, SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
	struct iovec all = { p, SIZE };
	long advised;

	if (p == MAP_FAILED || twin == MAP_FAILED || pidfd < 0)
		return perror("mmap"), 2;
	p[SIZE - 1] = twin[SIZE - 1] = 7;
	if (madvise(twin, SIZE, MADV_WIPEONFORK) || in_child(twin))
		return perror("madvise"), 2;
	if ((advised = syscall(SYS_process_madvise, pidfd, &all, 1, MADV_WIPEONFORK, 0)) < 0)
		return perror("process_madvise"), 2;
	if (!in_child(p))
		return printf("ok\n"), 0;
	printf("BROKEN: MADV_WIPEONFORK of one element of %ld bytes advises %ld, and a child reads what is behind\n", SIZE, advised);
	return 1;
}
