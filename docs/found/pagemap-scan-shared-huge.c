// Expected: a page stays write-protected for userfaultfd until it is written to.
// Linux 7.3.4: PAGEMAP_SCAN protects a huge page of shared memory as a whole. When the mapping is
// split, all its pages lose the protection, and the next scan reports them as written. Needs
// CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_SHMEM, CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define AT(page) ((char *)0x700000000000 + (page) * 4096L)

static long scan(long protect)
{
	long found[512][3], pages = 0; // PAGEMAP_SCAN for pages that are written
	int n = ioctl(open("/proc/self/pagemap", O_RDONLY), _IOWR('f', 16, long[12]),
		      (long[12]){ 96, protect, (long)AT(0), (long)AT(512), 0, (long)found, 512, 0, 0, 2, 0, 2 });
	for (int i = 0; i < n; i++)
		pages += (found[i][1] - found[i][0]) / 4096;
	return pages;
}

int main(void)
{
	write(open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_WRONLY), "advise", 6);
	mmap(AT(0), 512 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	madvise(AT(0), 512 * 4096, MADV_HUGEPAGE);
	for (int i = 0; i < 512; i++)
		*(volatile char *)AT(i) = 1;
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0xb001, 0 }); // WP_ASYNC, WP_UNPOPULATED, shared WP, WP
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 512 * 4096 }, UFFDIO_REGISTER_MODE_WP });
	scan(1 /* PM_SCAN_WP_MATCHING */);
	long before = scan(0);
	mprotect(AT(0), 4096, PROT_READ);
	long after = scan(0);
	return after > before ? printf("BROKEN: mprotect of a page: a scan reports %ld pages as written, and %ld before\n", after, before), 1 : (puts("ok"), 0);
}
