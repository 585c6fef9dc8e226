// PAGEMAP_SCAN sets the uffd-wp bit of a device-private entry, but the entry stays writable. The
// page comes home writable and unprotected. With CONFIG_PAGE_TABLE_CHECK the kernel warns. Needs
// CONFIG_TEST_HMM, CONFIG_USERFAULTFD and root. cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
struct scan { uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret; };
#define PAGEMAP_SCAN_ _IOWR('f', 16, struct scan)
#define WP_UNPOPULATED (1 << 13)
#define WP_ASYNC (1 << 15)
static char mirror[4096];

// Returns how many pages were written since the last call (PAGE_IS_WRITTEN), and write-protects
// these pages again (PM_SCAN_WP_MATCHING).
static int written(char *p)
{
	uint64_t region[3];
	int pagemap = open("/proc/self/pagemap", O_RDONLY), n;
	struct scan arg = { .size = sizeof(arg), .flags = 1 | 2, .start = (uintptr_t)p, .end = (uintptr_t)p + 4096,
			    .vec = (uintptr_t)region, .vec_len = 1, .mask = 2, .ret = 2 };
	n = ioctl(pagemap, PAGEMAP_SCAN_, &arg);
	close(pagemap);
	return n;
}

// Writes a page, scans it (which write-protects it), and reads it. Returns whether a second scan
// reports the page as written.
static int again(int uffd, int on_device)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR);
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = 1 };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_WP };

	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	*p = 1;
	if (on_device && ioctl(dev, MIGRATE_TO_DEV, &cmd))
		return perror("/dev/hmm_dmirror0"), 2;
	written(p);
	(void)*(volatile char *)p;
	return written(p);
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), system, device;
	struct uffdio_api api = { .api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED };

	if (ioctl(uffd, UFFDIO_API, &api))
		return perror("userfaultfd"), 2;
	system = again(uffd, 0);
	device = again(uffd, 1);
	printf(system == 0 && device == 1 ? "BROKEN: a page that was on a device loses its write protection by a read\n" : "ok\n");
}
