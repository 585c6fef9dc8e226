// Expected: PAGEMAP_SCAN reports and write-protects huge pages that are written.
// Linux 7.3.4: with max_pages less than a huge page, the scan splits the huge page. Its small pages
// are not huge, so none is reported or protected, here and in any later scan. Needs
// CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_USERFAULTFD and root. cc -static
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
	write(open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY), "madvise", 7);
	mmap(AT(0), 512 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT(0), 512 * 4096, MADV_HUGEPAGE);
	*(volatile char *)AT(0) = 1;
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0xb001, 0 }); // WP_ASYNC, WP_UNPOPULATED, shared WP, WP
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 512 * 4096 }, UFFDIO_REGISTER_MODE_WP });
	long found[4][3], scan[12] = { 96, 0, (long)AT(0), (long)AT(512), 0, (long)found, 4, 0, 0,
				       2 | 64 /* written, huge */, 0, 2 };
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	int before = ioctl(pagemap, _IOWR('f', 16, long[12]), scan); // PAGEMAP_SCAN
	scan[1] = 1 /* PM_SCAN_WP_MATCHING */, scan[7] = 100 /* max_pages */;
	int limited = ioctl(pagemap, _IOWR('f', 16, long[12]), scan);
	int broken = before == 1 && limited == 0;
	return puts(broken ? "BROKEN: a scan with a limit of 100 pages reports nothing of a huge page that is written" : "ok"), broken;
}
