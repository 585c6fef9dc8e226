// PAGEMAP_SCAN says that it write-protects a huge page on a device, and does not: each scan reports
// all its pages as written. UFFDIO_WRITEPROTECT does protect it. Needs CONFIG_TEST_HMM,
// CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_USERFAULTFD and root. cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE (2UL << 20)
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
struct scan { uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret; };
#define PAGEMAP_SCAN_ _IOWR('f', 16, struct scan)
#define WP_UNPOPULATED (1 << 13)
#define WP_ASYNC (1 << 15)
static char mirror[HUGE];

// Returns how many pages were written since the last call (PAGE_IS_WRITTEN), and write-protects
// these pages again (PM_SCAN_WP_MATCHING).
static int written(char *p)
{
	uint64_t region[3];
	int pagemap = open("/proc/self/pagemap", O_RDONLY), n;
	struct scan arg = { .size = sizeof(arg), .flags = 1 | 2, .start = (uintptr_t)p, .end = (uintptr_t)p + HUGE,
			    .vec = (uintptr_t)region, .vec_len = 1, .mask = 2, .ret = 2 };
	n = ioctl(pagemap, PAGEMAP_SCAN_, &arg);
	close(pagemap);
	return n == 1 ? (region[1] - region[0]) / 4096 : n;
}

// Writes 2 MiB once and scans them twice. Returns how many written pages the second scan reports.
static int again(int uffd, int on_device)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR);
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = HUGE / 4096 };
	struct uffdio_register reg = { .range = { (uintptr_t)p, HUGE }, .mode = UFFDIO_REGISTER_MODE_WP };

	madvise(p, HUGE, MADV_HUGEPAGE);
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		perror("userfaultfd"), _exit(2);
	memset(p, 1, HUGE);
	if (on_device && ioctl(dev, MIGRATE_TO_DEV, &cmd))
		perror("/dev/hmm_dmirror0"), _exit(2);
	return written(p) == 512 ? written(p) : -1;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), system, device;
	struct uffdio_api api = { .api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED };

	if (ioctl(uffd, UFFDIO_API, &api))
		return perror("userfaultfd"), 2;
	system = again(uffd, 0);
	device = again(uffd, 1);
	printf(system == 0 && device == 512 ? "BROKEN: the second scan reports %d pages on a device as written, although nobody has written to them\n" : "ok\n", device);
	return system == 0 && device == 512;
}
