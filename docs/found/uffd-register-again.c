// Expected: a second UFFDIO_REGISTER of a range replaces the modes of the first.
// Linux 7.3.4: it does so, except if its modes are a part of those of the first: then accesses to
// missing pages still wait for a handler. Needs CONFIG_USERFAULTFD. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Registers a page with these modes, and then for write protection only. Returns whether a read of
// the page still faults.
static int faults(int modes)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), null[2];
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_SIGBUS };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = modes };

	if (pipe(null) || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), -1;
	reg.mode = UFFDIO_REGISTER_MODE_WP;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("UFFDIO_REGISTER"), -1;
	return write(null[1], p, 1) < 0;	// EFAULT stands for a fault that a monitor would have to serve
}

int main(void)
{
	int missing = faults(UFFDIO_REGISTER_MODE_MISSING);
	int both = faults(UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);

	if (missing || both < 0)
		return 2;
	puts(both ? "BROKEN: missing pages fault in a range that is registered for write protection only" : "ok");
	return both;
}
