// Expected: once a call that should change mappings has failed, UFFDIO_COPY works again.
// Linux 7.3.4: after a brk that fails, it says EAGAIN for good, so whoever waits for a missing page
// waits for ever. munmap, which fails in the same way, has no such effect. Needs CONFIG_USERFAULTFD.
// cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
static char source[4096];
static int uffd;

static void *monitor(void *unused)
{
	for (struct uffd_msg msg; read(uffd, &msg, sizeof(msg)) > 0;)
		;
	return unused;
}

// Registers the first of two pages, seals the second, and tries to unmap both. Returns how often
// UFFDIO_COPY to the first then says EAGAIN.
static int fails(char *p, int shrink)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)p, .src = (uintptr_t)source, .len = 4096 };
	int again = 0;

	if (ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING }) ||
	    syscall(462 /* mseal */, p + 4096, 4096, 0) || (shrink ? syscall(SYS_brk, p) == (long)p : !munmap(p, 8192)))
		_exit(2);
	while (again < 300 && ioctl(uffd, UFFDIO_COPY, &copy))
		usleep(10000), again++;
	return again;
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_UNMAP };
	char *heap = (char *)(((uintptr_t)sbrk(0) + 4095) & -4096);
	pthread_t thread;
	int plain, shrunk;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (ioctl(uffd, UFFDIO_API, &api) || brk(heap + 8192) || pthread_create(&thread, 0, monitor, 0))
		return perror("userfaultfd, brk"), 2;
	plain = fails(mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0);
	shrunk = fails(heap, 1);
	printf(shrunk == 300 ? "BROKEN: UFFDIO_COPY has said EAGAIN %d times in 3 s after a brk that failed, and %d times after munmap\n" : "ok\n", shrunk, plain);
	return shrunk == 300;
}
