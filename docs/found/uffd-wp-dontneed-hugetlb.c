// Expected: MADV_DONTNEED of a page counts as writing to it.
// Documentation/admin-guide/mm/userfaultfd.rst: "MADV_DONTNEED on anonymous (or MADV_REMOVE on a
// file mapping) will be treated as dirtying of memory".
// Linux 7.3.4: a private huge page of hugetlb becomes zero, and the asynchronous write protection
// (UFFD_FEATURE_WP_ASYNC) still says that nobody has changed it. A small page counts as written.
// Needs hugetlb, CONFIG_USERFAULTFD and root (for nr_hugepages). cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (2ul << 20)
#define WP_UNPOPULATED (1 << 13)
#define WP_ASYNC (1 << 15)

// Returns whether a page counts as not written to (bit 57 of pagemap) after MADV_DONTNEED.
static int unwritten(int flags)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), pagemap = open("/proc/self/pagemap", O_RDONLY);
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED };
	struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	uint64_t entry = 0;

	if (p == MAP_FAILED || !(*p = 1) || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) || madvise(p, SIZE, MADV_DONTNEED) || *p)
		return perror("hugetlb or userfaultfd"), -1;
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	return entry >> 57 & 1;
}

int main(void)
{
	int pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY), ok = write(pool, "1", 1) == 1;
	int small = unwritten(0), huge = unwritten(MAP_HUGETLB);

	if (!ok || small || huge < 0)
		return 2;
	puts(huge ? "BROKEN: a huge page has become zero and counts as not written to" : "ok");
	return huge;
}
