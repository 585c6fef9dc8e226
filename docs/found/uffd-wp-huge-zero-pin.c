// Expected: a page stays write-protected for userfaultfd until it is written to.
// Linux 7.3.4: a pin for reading (FOLL_LONGTERM) replaces the huge zero page by a huge page of the
// process's own, which is writable. A small zero page stays protected. Needs CONFIG_GUP_TEST,
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
	mmap(AT(0), 1024 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT(512), 512 * 4096, MADV_HUGEPAGE);
	(void)*(volatile char *)AT(0), (void)*(volatile char *)AT(512); // a zero page, and a huge one
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_PAGEFAULT_FLAG_WP, 0 });
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 1024 * 4096 }, UFFDIO_REGISTER_MODE_WP });
	ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)AT(0), 1024 * 4096 }, UFFDIO_WRITEPROTECT_MODE_WP });
	int pins = open("/sys/kernel/debug/gup_test", O_RDWR);
	long entries[2];
	for (int i = 0; i < 2; i++) {
		ioctl(pins, _IOW('g', 7, long[3]), (long[3]){ (long)AT(i * 512), 4096, 0 }); // pin for reading
		ioctl(pins, _IO('g', 8)); // unpin
		pread(open("/proc/self/pagemap", O_RDONLY), &entries[i], 8, (long)AT(i * 512) / 512);
	}
	int broken = (entries[0] >> 57 & 1) && !(entries[1] >> 57 & 1);
	return puts(broken ? "BROKEN: a huge zero page loses its write protection by a pin for reading, a small one does not" : "ok"), broken;
}
