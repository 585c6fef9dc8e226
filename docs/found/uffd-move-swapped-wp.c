// Expected: UFFDIO_MOVE drops write protection if the destination is not registered for it.
// Linux 7.3.4: a page in swap keeps the uffd-wp bit of its entry; a present page does not. With
// CONFIG_PAGE_TABLE_CHECK the kernel warns at swap-in. Needs CONFIG_USERFAULTFD, swap and root.
// cc -static
#define _GNU_SOURCE
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
	*(volatile long *)AT(0) = *(volatile long *)AT(1) = 1;
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 1 << 16 | 1, 0 }); // MOVE, WP
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 2 * 4096 }, UFFDIO_REGISTER_MODE_WP });
	ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)AT(0), 2 * 4096 }, UFFDIO_WRITEPROTECT_MODE_WP });
	madvise(AT(0), 4096, MADV_PAGEOUT);
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(2), 2 * 4096 }, UFFDIO_REGISTER_MODE_MISSING });
	ioctl(uffd, _IOWR(UFFDIO, 5, long[5]), (long[5]){ (long)AT(2), (long)AT(0), 2 * 4096, 0 }); // UFFDIO_MOVE
	long entries[2];
	pread(open("/proc/self/pagemap", O_RDONLY), entries, 16, (long)AT(2) / 512);
	int broken = (entries[0] >> 57 & 1) != (entries[1] >> 57 & 1);
	puts(broken ? "BROKEN: a page that was in swap is moved with its uffd-wp bit, a present page without" : "ok");
	fflush(stdout);
	(void)*(volatile long *)AT(2);
	return broken;
}
