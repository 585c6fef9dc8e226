// Expected: PAGEMAP_SCAN reports each matching page before walk_end, where it says that it stopped.
// Linux 7.3.4: if max_pages is less than a huge page, a scan that protects skips the first huge
// page, and says that it stopped behind this page. Needs CONFIG_HUGETLBFS, CONFIG_USERFAULTFD and
// root. cc -static
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
	write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "2", 1);
	mmap(AT(0), 1024 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	*(volatile char *)AT(0) = *(volatile char *)AT(512) = 1;
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0xb001, 0 }); // WP_ASYNC, WP_UNPOPULATED, shared WP, WP
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 1024 * 4096 }, UFFDIO_REGISTER_MODE_WP });
	long found[4][3], scan[12] = { 96, 1 /* PM_SCAN_WP_MATCHING */, (long)AT(0), (long)AT(1024), 0, (long)found, 4,
				       100 /* max_pages */, 0, 2 /* written */, 0, 2 };
	int regions = ioctl(open("/proc/self/pagemap", O_RDONLY), _IOWR('f', 16, long[12]), scan); // PAGEMAP_SCAN
	long stopped = (scan[4] - (long)AT(0)) / 4096;
	if (regions || !stopped)
		return puts("ok"), 0;
	return printf("BROKEN: the scan stopped at page %ld and has reported none of the pages before that, which are written\n", stopped), 1;
}
