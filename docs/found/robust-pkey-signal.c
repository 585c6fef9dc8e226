// Expected: if a process dies that holds a robust futex, the kernel sets FUTEX_OWNER_DIED and wakes a waiter
// (robust-futex-ABI.rst). Linux 7.3.4: not if a protection key of the futex denies access by default, and the
// process dies in a signal handler: the kernel reads the list with the rights of the handler. The twins die
// outside of a handler, or have no key. cc -static
#define _GNU_SOURCE
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
struct lock { void *next; unsigned word; } *lock;
static struct { void *next; long offset; void *pending; } head = { 0, 8, 0 };

static void handler(int number)
{
	(void)number;
	pause(); // SIGKILL comes here
}

static int wakes(int key, int in_handler, unsigned *word) // whether the waiter wakes
{
	pid_t holder, waiter = fork(), status, woken;

	if (!waiter) {
		sleep(1);
		syscall(SYS_futex, &lock->word, FUTEX_WAIT, lock->word, 0l, 0l, 0);
		_exit(0);
	}
	if (!(holder = fork())) {
		int pkey = key ? pkey_alloc(0, 0) : 0; // both reads and writes are allowed
		if (pkey < 0 || pkey_mprotect(lock, 4096, PROT_READ | PROT_WRITE, pkey))
			perror("a protection key"), _exit(2);
		lock->word = getpid() | FUTEX_WAITERS;
		head.next = lock, lock->next = &head;
		syscall(SYS_set_robust_list, &head, 24l);
		signal(SIGUSR1, handler);
		in_handler ? raise(SIGUSR1) : pause();
		_exit(0);
	}
	sleep(2);
	kill(holder, SIGKILL), waitpid(holder, &status, 0);
	sleep(1);
	*word = lock->word;
	woken = waitpid(waiter, &status, WNOHANG) == waiter;
	kill(waiter, SIGKILL), waitpid(waiter, &status, 0);
	return woken;
}

int main(void)
{
	unsigned word[3];
	lock = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int outside = wakes(1, 0, &word[0]), no_key = wakes(0, 1, &word[1]), found = wakes(1, 1, &word[2]);
	if (!outside || !no_key)
		return printf("cannot be run: %d %d\n", outside, no_key), 2;
	if (found)
		return puts("ok"), 0;
	printf("BROKEN: the holder is killed in a handler: the waiter sleeps on, and the lock is %#x; outside of "
	       "a handler, it is %#x; without a key %#x\n", word[2], word[0], word[1]);
	return 1;
}
