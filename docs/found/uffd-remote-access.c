// Expected: who reads the memory of a process gets what userfaultfd fills in (twin:
// process_vm_readv, which waits for it). Linux 7.3.4: a read of /proc/PID/mem fails with EIO, and the
// monitor hears nothing. Needs CONFIG_USERFAULTFD. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
static char page[4096];
static int fd, events;

// Fills each page that is missing with 'm'.
static void *monitor(void *arg)
{
	struct uffd_msg msg;

	while (read(fd, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_copy copy = { msg.arg.pagefault.address & -4096, (long)page, 4096 };
		events++, ioctl(fd, UFFDIO_COPY, &copy);
	}
	return arg;
}

int main(void)
{
	char *p = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), c = '?';
	struct uffdio_register reg = { { (long)p, 2 * 4096 }, UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { UFFD_API };
	int mem = open("/proc/self/mem", O_RDONLY), error;
	pthread_t thread;
	long twin, got;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC), memset(page, 'm', 4096);
	if (fd < 0 || mem < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg) || pthread_create(&thread, 0, monitor, 0))
		return perror("userfaultfd"), 2;
	twin = process_vm_readv(getpid(), &(struct iovec){ &c, 1 }, 1, &(struct iovec){ p, 1 }, 1, 0);
	if (twin != 1 || c != 'm' || events != 1)
		return perror("process_vm_readv"), 2;
	got = pread(mem, &c, 1, (long)p + 4096), error = errno;
	if (got == 1 && c == 'm')
		return printf("ok\n"), 0;
	printf("BROKEN: process_vm_readv reads %ld byte that userfaultfd fills in; a read of /proc/PID/mem says %ld (%s), after %d event\n", twin, got, strerror(error), events);
	return 1;
}
