// Expected: futex_wake wakes the threads that wait. If the node beside a futex is -1, each call of
// futex_wait chooses a node and stores it. Linux 7.3.4: one call overwrites the node that another call has
// stored meanwhile; who waits on the first node never wakes. userfaultfd makes the store of the first call
// late; the twin calls one after the other. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
enum { PREFERRED = 1, FLAGS = 2 /* SIZE_U32 */ | 4 /* NUMA */ | 8 /* MPOL */ };
static int fd, *word;

static pid_t waiter(int delay, int node, int late) // in a process of its own
{
	pid_t pid = fork();

	if (pid)
		return pid;
	unsigned long mask = 1ul << node;
	int *own = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_writeprotect wp = { { (long)own, 4096 }, UFFDIO_WRITEPROTECT_MODE_WP };

	if (own[0] || (node && syscall(SYS_mbind, own, 4096, PREFERRED, &mask, 3, 0)))
		perror("mbind"), _exit(2);
	if (late) {
		if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_WP_HUGETLBFS_SHMEM, 0 }) ||
		    ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)own, 4096 }, UFFDIO_REGISTER_MODE_WP, 0 }) ||
		    ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
			perror("userfaultfd"), _exit(2);
		if (!fork()) { // the monitor lets the store pass after 2 s
			sleep(2);
			wp.mode = 0;
			ioctl(uffd, UFFDIO_WRITEPROTECT, &wp);
			_exit(0);
		}
	}
	usleep(delay);
	syscall(455, own, 0l, 0xfffffffful, FLAGS, 0, 0); // futex_wait
	_exit(0);
}

static long woken(int late, int *node) // of 2 waiters
{
	word[0] = 0, word[1] = -1;
	pid_t first = waiter(0, 1, late), second = waiter(1000000, 0, 0);
	usleep(1500000);
	*node = word[1];
	sleep(2);
	long n = syscall(454, word, 0xfffffffful, 2, FLAGS); // futex_wake
	kill(first, SIGKILL), kill(second, SIGKILL);
	waitpid(first, 0, 0), waitpid(second, 0, 0);
	return n;
}

int main(void)
{
	int node, other;

	fd = memfd_create("futex", 0);
	if (ftruncate(fd, 4096))
		return perror("memfd"), 2;
	word = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long twin = woken(0, &other), late = woken(1, &node);
	if (twin != 2)
		return printf("cannot be run: %ld\n", twin), 2;
	if (late == 2)
		return puts("ok"), 0;
	printf("BROKEN: futex_wake wakes %ld of 2 waiters; the node was %d when one of them began to wait, and is %d now (one after the other: %ld waiters, node %d)\n",
	       late, node, word[1], twin, other);
	return 1;
}
