// Expected: FUTEX_UNLOCK_PI gives the lock to the thread that waits for it. If userfaultfd has
// write-protected the page of the lock, the kernel asks the monitor first, as for a plain write.
// Linux 7.3.4: for a private futex it fails with EFAULT without asking, and the other thread waits
// for ever. Needs CONFIG_USERFAULTFD. cc -static
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
static int *word, uffd, asked;

static int protect(int on)
{
	return ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)word, 4096 }, on });
}

static void *monitor(void *unused)
{
	for (struct uffd_msg message; read(uffd, &message, sizeof(message)) == sizeof(message); asked++)
		protect(0);
	return unused;
}

static void *waiter(void *got)
{
	*(volatile int *)got = !syscall(SYS_futex, word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
	syscall(SYS_futex, word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
	return 0;
}

// Locks, lets a thread wait, and unlocks. Returns whether the thread has the lock a second later.
static int hand_over(int protected)
{
	static int got[2];
	pthread_t thread;
	*word = 0;
	syscall(SYS_futex, word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
	pthread_create(&thread, 0, waiter, &got[protected]);
	sleep(1);
	if (protected && protect(1))
		perror("UFFDIO_WRITEPROTECT"), _exit(2);
	syscall(SYS_futex, word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
	sleep(1);
	return got[protected];
}

int main(void)
{
	pthread_t thread;
	int plain, protected;

	uffd = syscall(SYS_userfaultfd, 0);
	word = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*word = 0;
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0, 0 }) || ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)word, 4096 }, UFFDIO_REGISTER_MODE_WP, 0 }))
		return perror("userfaultfd"), 2;
	pthread_create(&thread, 0, monitor, 0);
	plain = hand_over(0), protected = hand_over(1);
	printf(plain && !protected ? "BROKEN: a thread waits for a lock that was unlocked in a write-protected page; the monitor was asked %d times\n" : "ok\n", asked);
	fflush(stdout);
	_exit(plain && !protected);
}
