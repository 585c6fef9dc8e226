// Expected: if a process is killed that holds robust futexes, the kernel sets FUTEX_OWNER_DIED in each
// and wakes a waiter (robust-futex-ABI.rst). Linux 7.3.4: if the process is killed while the unlock of
// one by FUTEX_ROBUST_UNLOCK waits for the page of the list head, the kernel forgets the whole list: the
// waiters of both locks sleep for ever. The twin is killed just before this call. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define ROBUST_UNLOCK 512
struct lock { struct lock *next; unsigned word; } *locks; // shared: 0 is being unlocked, 1 stays locked
static struct { void *next; long offset; void *pending; } *head;

static void holder(int call)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	head = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	head->next = &locks[1], locks[1].next = (void *)head, head->offset = 8, head->pending = &locks[0];
	locks[0].word = locks[1].word = getpid() | FUTEX_WAITERS;
	syscall(SYS_set_robust_list, head, 24l);
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_PAGEFAULT_FLAG_WP, 0 }) ||
	    ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)head, 4096 }, UFFDIO_REGISTER_MODE_WP, 0 }) ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)head, 4096 }, UFFDIO_WRITEPROTECT_MODE_WP }))
		perror("userfaultfd"), _exit(2);
	if (call)
		syscall(SYS_futex, &locks[0].word, FUTEX_WAKE | ROBUST_UNLOCK, 1, 0l, &head->pending, 0);
	pause();
}

static int awake(int call, int *dead) // how many of the waiters of the two locks wake
{
	pid_t pid[3], status, n = 0;

	for (int i = 0; i < 3; i++)
		if (!(pid[i] = fork())) {
			if (i == 2)
				holder(call);
			usleep(200000);
			syscall(SYS_futex, &locks[i].word, FUTEX_WAIT, locks[i].word, 0l, 0l, 0);
			_exit(0);
		}
	sleep(1);
	kill(pid[2], SIGKILL), waitpid(pid[2], &status, 0);
	sleep(1);
	*dead = !!(locks[1].word & FUTEX_OWNER_DIED);
	for (int i = 0; i < 2; i++)
		n += waitpid(pid[i], &status, WNOHANG) == pid[i], kill(pid[i], SIGKILL), waitpid(pid[i], &status, 0);
	return n;
}

int main(void)
{
	int twin, dead;
	locks = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int control = awake(0, &twin), n = awake(1, &dead);
	if (control != 2 || !twin)
		return printf("cannot be run: %d\n", control), 2;
	if (n == 2)
		return puts("ok"), 0;
	printf("BROKEN: the holder of two robust futexes is killed: %d of 2 waiters wake, and FUTEX_OWNER_DIED of "
	       "the lock that it kept is %d (if it is killed just before FUTEX_WAKE with FUTEX_ROBUST_UNLOCK: %d, and %d)\n",
	       n, dead, control, twin);
	return 1;
}
