// Expected: UFFDIO_UNREGISTER wakes the threads that wait for a page of the range.
// Linux 7.3.4: it wakes a thread that waits for a missing page, but not one that waits because a
// page is write-protected: that one sleeps until the userfaultfd is closed. Needs
// CONFIG_USERFAULTFD. cc -static -lpthread
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int written;
static void *touch(void *p)
{
	*(volatile char *)p = 2;
	written = 1;
	return 0;
}

// Returns whether a thread that waits in a range registered with this mode goes on when the range
// is unregistered.
static int woken(int mode)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), result;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = mode };
	struct uffdio_writeprotect wp = { .range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	pthread_t thread;

	written = 0;
	if (mode == UFFDIO_REGISTER_MODE_WP)
		*p = 1;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    (mode == UFFDIO_REGISTER_MODE_WP && ioctl(uffd, UFFDIO_WRITEPROTECT, &wp)))
		return perror("userfaultfd"), -1;
	pthread_create(&thread, 0, touch, p);
	sleep(1);
	if (written || ioctl(uffd, UFFDIO_UNREGISTER, &reg.range))
		return perror("UFFDIO_UNREGISTER"), -1;
	sleep(2);
	result = written;
	close(uffd);
	pthread_join(thread, 0);
	return result;
}

int main(void)
{
	int missing = woken(UFFDIO_REGISTER_MODE_MISSING), wp = woken(UFFDIO_REGISTER_MODE_WP);

	if (missing != 1 || wp < 0)
		return 2;
	puts(wp ? "ok" : "BROKEN: a thread still waits for a page that is not registered any more");
	return !wp;
}
