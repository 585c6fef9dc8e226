// Expected: an access to a guard region raises SIGSEGV, also in a child (madvise(2)).
// Linux 7.3.4: mprotect of another thread, at the same time as MADV_GUARD_INSTALL, takes back the mark that
// the mapping has guard regions, and a child can read them. A race: the program tries for 30
// seconds. Needs root, for SCHED_FIFO. cc -static -lpthread
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define SIZE 0x4000L
static char *p;

// Changes the protection of all of the mapping, without end.
static void *protect(void *unused)
{
	for (;;)
		mprotect(p, SIZE, PROT_READ), mprotect(p, SIZE, PROT_READ | PROT_WRITE);
	return unused;
}

static int readable(void)
{
	int status;

	if (!fork())
		_exit(0 * *(volatile char *)p);
	wait(&status);
	return !status;
}

int main(void)
{
	struct sched_param priority = { 1 };
	struct timespec nap = { 0 };
	time_t end = time(0) + 30;
	pthread_t thread;
	int tries = 0;

	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (madvise(p, SIZE, 102 /* MADV_GUARD_INSTALL */) || readable())
		return puts("cannot be run: no MADV_GUARD_INSTALL"), 2;
	madvise(p, SIZE, 103 /* MADV_GUARD_REMOVE */);
	pthread_create(&thread, 0, protect, 0);
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		return perror("SCHED_FIFO"), 2;
	while (time(0) < end) {
		nap.tv_nsec = 100000 + tries++ * 7919 % 1000000;
		nanosleep(&nap, 0);	// the other thread runs, and is interrupted somewhere
		madvise(p, SIZE, 102);
		nanosleep(&nap, 0);	// it goes on
		if (readable())
			return printf("BROKEN: a child can read a guard region, if mprotect ran at the same time\n"), 1;
		madvise(p, SIZE, 103 /* MADV_GUARD_REMOVE */);
		munmap(p, SIZE);
		mmap(p, SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	}
	return puts("ok"), 0;
}
