// Expected: a process that waits in prctl can be killed.
// Linux 7.3.4: PR_FUTEX_HASH_SET_SLOTS waits until no thread uses the old hash, without looking for
// signals. A futex call that waits for a page holds it up. Needs userfaultfd with kernel faults
// (root). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define FUTEX_HASH 78
#define SET_SLOTS 1
static char *page, stack[2][65536] __attribute__((aligned(16)));
static int other[16];

static int requeue(void *unused)
{
	(void)unused;
	return syscall(SYS_futex, page, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1L, other, 0) < 0;
}

static int resize(void *unused)
{
	(void)unused;
	return prctl(FUTEX_HASH, SET_SLOTS, 64, 0, 0) != 0;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), status, gone;
	struct uffdio_zeropage zero;
	pid_t waiter, killed;

	page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0, 0 }) ||
	    ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)page, 4096 }, UFFDIO_REGISTER_MODE_MISSING, 0 }))
		return perror("userfaultfd"), 2;
	if (prctl(FUTEX_HASH, SET_SLOTS, 16, 0, 0))
		return puts("cannot be run: no PR_FUTEX_HASH"), 2;
	waiter = clone(requeue, stack[0] + 65536, CLONE_VM | SIGCHLD, 0);
	sleep(1);
	killed = clone(resize, stack[1] + 65536, CLONE_VM | SIGCHLD, 0);
	sleep(1);
	kill(killed, SIGKILL);
	sleep(5);
	gone = waitpid(killed, &status, WNOHANG);
	zero = (struct uffdio_zeropage){ { (long)page, 4096 }, 0, 0 };
	ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
	waitpid(waiter, &status, 0);
	if (gone)
		return puts("ok"), 0;
	waitpid(killed, &status, 0);
	printf("BROKEN: 5 s after SIGKILL, the process still waits in prctl; it dies only once a page arrives that another process waits for\n");
	return 1;
}
