// Expected: when a thread ends, the kernel writes 0 to the word that set_tid_address(2) names, and
// wakes those who wait there, such as pthread_join.
// Linux 7.3.4: if the page of the word is write-protected by userfaultfd, the kernel does not ask
// the monitor, and does not write. Needs CONFIG_USERFAULTFD. cc -static
#define _GNU_SOURCE
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
static int *word, uffd, asked;

static void *monitor(void *unused)
{
	for (struct uffd_msg message; read(uffd, &message, sizeof(message)) == sizeof(message); asked++)
		ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)word, 4096 }, 0 });
	return unused;
}

static void *worker(void *protect)
{
	*word = 1;
	syscall(SYS_set_tid_address, word);
	if (protect && ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)word, 4096 }, 1 }))
		perror("UFFDIO_WRITEPROTECT"), _exit(2);
	syscall(SYS_exit, 0);
	return 0;
}

// Returns what the word is a second after the end of a thread.
static int after_end(void *protect)
{
	pthread_t thread;
	pthread_create(&thread, 0, worker, protect);
	sleep(1);
	return *(volatile int *)word;
}

int main(void)
{
	pthread_t thread;
	int plain, protected;

	uffd = syscall(SYS_userfaultfd, 0);
	word = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*word = 1;
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0, 0 }) || ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)word, 4096 }, UFFDIO_REGISTER_MODE_WP, 0 }))
		return perror("userfaultfd"), 2;
	pthread_create(&thread, 0, monitor, 0);
	plain = after_end(0), protected = after_end(word);
	printf(!plain && protected ? "BROKEN: a thread has ended, and the word that set_tid_address named is still %d; the monitor was asked %d times\n" : "ok\n", protected, asked);
	fflush(stdout);
	_exit(!plain && protected);
}
