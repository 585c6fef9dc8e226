// Expected: futex_wake finds a thread that waits in futex_wait at the same address, even if another
// thread has called mbind for this memory in between. Linux 7.3.4: with FUTEX2_MPOL, futex_wake
// looks in the queue of the new node only, and wakes nobody; with FUTEX2_NUMA as well (the twin,
// which keeps the node in memory), or without both, it wakes the thread. cc -static
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
enum { PREFERRED = 1, SIZE_U32 = 2, NUMA = 4, MPOL = 8, PRIVATE = 128, MANY = 8 };
static int *word, flags;
static long prefer(int node)
{
	unsigned long mask = 1ul << node;

	return syscall(SYS_mbind, word, 4096, PREFERRED, &mask, 3, 0);
}

static void *waiter(void *arg)
{
	syscall(455, arg, 0l, 0xfffffffful, flags, 0, 0); // futex_wait
	return 0;
}

static long woken(int more) // of 8 threads, one for each futex
{
	pthread_t thread;
	long sum = 0;

	flags = SIZE_U32 | PRIVATE | more;
	for (int i = 0; i < MANY; i++) {
		int *futex = word + 2 * i;
		futex[0] = 0, futex[1] = -1; // no node yet
		prefer(0);
		pthread_create(&thread, 0, waiter, futex);
		usleep(200000); // it waits
		prefer(1);
		long n = syscall(454, futex, 0xfffffffful, 1, flags); // futex_wake
		sum += n;
		prefer(0);
		if (n != 1)
			syscall(454, futex, 0xfffffffful, 1, flags);
		pthread_join(thread, 0);
	}
	return sum;
}

int main(void)
{
	word = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (prefer(1) || prefer(0))
		return perror("mbind"), 2;
	long plain = woken(0), numa = woken(NUMA | MPOL), mpol = woken(MPOL);
	if (plain != MANY || numa != MANY)
		return printf("cannot be run: %ld %ld\n", plain, numa), 2;
	if (mpol == MANY)
		return puts("ok"), 0;
	printf("BROKEN: after mbind, futex_wake with FUTEX2_MPOL wakes %ld of %d waiters; with FUTEX2_NUMA "
	       "as well %ld, without both %ld\n", mpol, MANY, numa, plain);
	return 1;
}
