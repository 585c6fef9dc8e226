// Expected: UFFDIO_RWPROTECT makes a page inaccessible, for a device too.
// Linux 7.3.4: hmm_range_fault lets a device read the page, if the page is on the device. Needs
// CONFIG_TEST_HMM, CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define AT ((char *)0x700000000000)
static char copy[4096];

static int device(int dmirror, int command)
{
	return ioctl(dmirror, _IOWR('H', command, long[5]), (long[5]){ (long)AT, (long)copy, 1 });
}

// Protects a page from reads. Returns what a device may do then: 1 read, 2 write.
static int rights(int on_device)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR), uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, 0);

	mmap(AT, 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*AT = 1;
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 1 << 17 /* RWP */, 0 }))
		puts("cannot be run: no RWP"), fflush(stdout), _exit(2);
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT, 4096 }, 8 /* RWP */, 0 });
	if (on_device && device(dmirror, 2 /* migrate */))
		perror("/dev/hmm_dmirror0"), _exit(2);
	if (ioctl(uffd, _IOWR(UFFDIO, 9, long[3]), (long[3]){ (long)AT, 4096, 1 })) // UFFDIO_RWPROTECT
		puts("cannot be run: no UFFDIO_RWPROTECT"), fflush(stdout), _exit(2);
	if (device(dmirror, 4 /* hmm_range_fault, without a fault */))
		perror("/dev/hmm_dmirror0"), _exit(2);
	return copy[0] & 3;
}

int main(void)
{
	int system = rights(0), device = rights(1);

	printf(!system && device ? "BROKEN: a device may read a page that is protected from reads, if the page is on the device\n" : "ok\n");
	return !system && device;
}
