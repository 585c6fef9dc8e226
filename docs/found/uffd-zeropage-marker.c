// Expected: UFFDIO_ZEROPAGE and UFFDIO_MOVE fill in a page if an access to it is a missing fault.
// Linux 7.3.4: if the page was write-protected before it was there (WP_UNPOPULATED), they fail with
// EEXIST, and the access goes on being a missing fault. UFFDIO_COPY fills the page in. Needs
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

int main(void)
{
	mmap(AT(0), 4 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0x12081, 0 }); // MOVE, WP_UNPOPULATED, SIGBUS, WP
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 3 * 4096 },
		UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP });
	ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)AT(0), 2 * 4096 }, UFFDIO_WRITEPROTECT_MODE_WP });
	*(volatile long *)AT(3) = 1;
	int zero = ioctl(uffd, UFFDIO_ZEROPAGE, &(struct uffdio_zeropage){ { (long)AT(0), 4096 }, 0, 0 }) ? errno : 0;
	int move = ioctl(uffd, _IOWR(UFFDIO, 5, long[5]), (long[5]){ (long)AT(1), (long)AT(3), 4096, 0 }) ? errno : 0; // UFFDIO_MOVE
	int other = ioctl(uffd, UFFDIO_ZEROPAGE, &(struct uffdio_zeropage){ { (long)AT(2), 4096 }, 0, 0 });
	int word = memfd_create("word", 0), missing = write(word, AT(0), 8) < 0; // EFAULT stands for a missing fault
	int copy = ioctl(uffd, UFFDIO_COPY, &(struct uffdio_copy){ (long)AT(0), (long)AT(3), 4096, UFFDIO_COPY_MODE_WP, 0 });
	int broken = zero == EEXIST && move == EEXIST && !other && missing && !copy;
	return puts(broken ? "BROKEN: a page exists for UFFDIO_ZEROPAGE and UFFDIO_MOVE, and is missing for an access" : "ok"), broken;
}
