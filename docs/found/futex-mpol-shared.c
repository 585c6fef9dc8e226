// Expected: futex_wake finds a process that waits for the same word of a shared file. The memory
// policy of the file is that of all processes that map it. Linux 7.3.4: with FUTEX2_MPOL, only the
// process that has called mbind looks for this policy, and wakes nobody in the queue of its node.
// Without the flag, or if both processes call mbind (the twins), the waiter wakes. cc -static
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
enum { PREFERRED = 1, F_ADDR = 2, SIZE_U32 = 2, MPOL = 8, MANY = 8 };
static int fd, *seen; // what get_mempolicy says to the waiter
static int *map(void)
{
	return mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static long prefer(void *p)
{
	unsigned long mask = 2; // node 1
	return syscall(SYS_mbind, p, 4096, PREFERRED, &mask, 3, 0);
}

static long woken(int *word, int flags, int both) // of 8 waiters, one for each futex
{
	long sum = 0;

	for (int i = 0; i < MANY; i++) {
		pid_t child = fork();
		if (!child) {
			int *other = map(); // a mapping of its own
			unsigned long nodes = 0;
			if (both && prefer(other))
				_exit(2);
			syscall(SYS_get_mempolicy, &seen[0], &nodes, 64, other, F_ADDR);
			seen[1] = nodes;
			syscall(455, other + i, 0l, 0xfffffffful, SIZE_U32 | flags, 0, 0); // futex_wait
			_exit(0);
		}
		long n = 0;
		for (int tries = 0; tries < 10 && !n; tries++) {
			usleep(100000);
			n = syscall(454, word + i, 0xfffffffful, 1, SIZE_U32 | flags); // futex_wake
		}
		sum += n;
		kill(child, SIGKILL);
		waitpid(child, 0, 0);
	}
	return sum;
}

int main(void)
{
	seen = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = memfd_create("futex", 0);
	if (ftruncate(fd, 4096) || prefer(map()))
		return perror("a policy"), 2;
	int *word = map();
	prefer(word);
	long plain = woken(word, 0, 0), both = woken(word, MPOL, 1), one = woken(word, MPOL, 0);
	if (plain != MANY || both != MANY)
		return printf("cannot be run: %ld %ld\n", plain, both), 2;
	if (one == MANY)
		return puts("ok"), 0;
	printf("BROKEN: policy %d with nodes %#x in both processes; futex_wake with FUTEX2_MPOL wakes %ld "
	       "of %d waiters; without the flag %ld; if both call mbind %ld\n", seen[0], seen[1], one,
	       MANY, plain, both);
	return 1;
}
