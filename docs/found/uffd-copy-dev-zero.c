// Expected: UFFDIO_COPY and UFFDIO_ZEROPAGE fill in missing pages of private memory of /dev/zero, as
// they do with MAP_ANONYMOUS: it is anonymous memory, and UFFDIO_REGISTER reports that both calls are
// available.
// Linux 7.3.4: UFFDIO_COPY fails with EFAULT, since /dev/zero has the size 0, and UFFDIO_ZEROPAGE makes
// the same check (only read). So nothing can fill the page in, and an access to it waits for ever. Needs
// CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define AT(page) ((char *)0x700000000000 + (page) * 4096L)
static char buffer[4096] __attribute__((aligned(4096)));

// Registers two pages at this address. Stores the error of UFFDIO_COPY to the first and that of
// UFFDIO_ZEROPAGE to the second, or 0 for success. Returns 0 if the pages cannot be registered.
static int filled(int uffd, char *at, int *copy, int *zero)
{
	struct uffdio_register reg = { { (long)at, 2 * 4096 }, UFFDIO_REGISTER_MODE_MISSING, 0 };
	if (ioctl(uffd, UFFDIO_REGISTER, &reg) || ~reg.ioctls & (1 << _UFFDIO_COPY | 1 << _UFFDIO_ZEROPAGE))
		return perror("UFFDIO_REGISTER"), 0;
	*copy = ioctl(uffd, UFFDIO_COPY, &(struct uffdio_copy){ (long)at, (long)buffer, 4096, 0, 0 }) ? errno : 0;
	*zero = ioctl(uffd, UFFDIO_ZEROPAGE, &(struct uffdio_zeropage){ { (long)at + 4096, 4096 }, 0, 0 }) ? errno : 0;
	return 1;
}

int main(void)
{
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK), copy, zero, copy2, zero2;
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_SIGBUS, 0 });
	mmap(AT(0), 2 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mmap(AT(8), 2 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE, open("/dev/zero", O_RDWR), 0);
	if (!filled(uffd, AT(0), &copy, &zero) || copy || zero || !filled(uffd, AT(8), &copy2, &zero2))
		return 2;
	int broken = copy2 == EFAULT || zero2 == EFAULT;
	return puts(broken ? "BROKEN: UFFDIO_COPY cannot fill in private memory of /dev/zero, so an access waits for ever" : "ok"), broken;
}
