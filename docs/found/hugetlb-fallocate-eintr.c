// Expected: fallocate that fails does not change the size of the file.
// Linux 7.3.4: if a signal interrupts fallocate of a hugetlb file, it fails with EINTR and has set the
// size to what was asked for. Needs hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#define SIZE (32l << 20)

static void ignore(int signal)
{
	(void)signal;
}

// Returns the size of a memfd after fallocate was interrupted, or -1 if it was not.
static long size(int flags)
{
	int memory = memfd_create("memory", flags);
	struct stat stat;

	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value.tv_usec = 2000 }, 0);
	if (!fallocate(memory, 0, 0, SIZE) || errno != EINTR || fstat(memory, &stat))
		return -1;
	return stat.st_size;
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "16", 2) == 2;
	long small, huge;

	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = ignore }, 0);
	small = size(0), huge = size(MFD_HUGETLB);
	if (!ok || small > 0 || huge < 0)
		return printf("nothing was interrupted: %ld %ld\n", small, huge), 2;
	printf(huge ? "BROKEN: fallocate fails with EINTR, and the file has %ld MiB\n" : "ok\n", huge >> 20);
	return huge > 0;
}
