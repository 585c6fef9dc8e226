// Expected: MADV_REMOVE of a page counts as writing to it.
// Documentation/admin-guide/mm/userfaultfd.rst: "MADV_DONTNEED on anonymous (or MADV_REMOVE on a
// file mapping) will be treated as dirtying of memory".
// Linux 7.3.4: the page becomes zero, and the asynchronous write protection (UFFD_FEATURE_WP_ASYNC)
// still says that nobody has changed it. Needs CONFIG_USERFAULTFD. cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define WP_UNPOPULATED (1 << 13)
#define WP_ASYNC (1 << 15)

// Returns whether pagemap shows the page as protected, that is, as not written to.
static int is_protected(char *p)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	return entry >> 57 & 1;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), before, after;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };

	*p = 1;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return perror("userfaultfd"), 2;
	before = is_protected(p);
	if (!before || madvise(p, 4096, MADV_REMOVE))
		return perror("MADV_REMOVE"), 2;
	after = is_protected(p);
	printf(after ? "BROKEN: a page has become %d and counts as not written to\n" : "ok\n", *(volatile char *)p);
	return after;
}
