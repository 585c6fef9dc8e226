// PAGEMAP_SCAN with PM_SCAN_WP_MATCHING and no output buffer write-protects all pages, even those
// that do not match the categories, and forgets writes to them. Needs CONFIG_USERFAULTFD.
// cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct scan { uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret; };
#define PAGEMAP_SCAN_ _IOWR('f', 16, struct scan)
#define WP_MATCHING 1
#define WRITTEN 2
#define FILE_BACKED 4
#define WP_UNPOPULATED (1 << 13)
#define WP_ASYNC (1 << 15)

// Scans the anonymous page at p for these categories. Returns the number of regions found.
static int scan(char *p, int flags, int categories, uint64_t *region)
{
	struct scan arg = { .size = sizeof(arg), .flags = flags, .start = (uintptr_t)p, .end = (uintptr_t)p + 4096,
			    .vec = (uintptr_t)region, .vec_len = !!region, .mask = categories, .ret = categories };
	int pagemap = open("/proc/self/pagemap", O_RDONLY), found = ioctl(pagemap, PAGEMAP_SCAN_, &arg);
	close(pagemap);
	return found;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), written[3];
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_WP };
	uint64_t region[3];

	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	*p = 1;
	written[0] = scan(p, 0, WRITTEN, region);
	scan(p, WP_MATCHING, WRITTEN | FILE_BACKED, region);
	written[1] = scan(p, 0, WRITTEN, region);
	scan(p, WP_MATCHING, WRITTEN | FILE_BACKED, 0);
	written[2] = scan(p, 0, WRITTEN, region);
	if (written[0] != 1 || written[1] != 1)
		return perror("PAGEMAP_SCAN"), 2;
	printf(written[2] ? "ok\n" : "BROKEN: a scan for file-backed pages has write-protected an anonymous one\n");
	return !written[2];
}
