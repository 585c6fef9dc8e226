// Expected: a UFFDIO_UNREGISTER that fails changes nothing.
// Linux 7.3.4: one that ends within a huge page of hugetlb fails (EINVAL), and has removed the
// write protection of the huge page, which stays registered. Needs hugetlb, CONFIG_USERFAULTFD and
// root (for nr_hugepages). cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (2ul << 20)

// Returns whether pagemap shows the page as protected.
static int is_protected(char *p)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	return entry >> 57 & 1;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY), ok = write(pool, "1", 1) == 1;
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM };
	struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct uffdio_range part = { (uintptr_t)p, 4096 };

	if (!ok || p == MAP_FAILED || !(*p = 1) || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return perror("hugetlb or userfaultfd"), 2;
	if (!is_protected(p) || !ioctl(uffd, UFFDIO_UNREGISTER, &part))
		return puts("cannot be run: UFFDIO_UNREGISTER did not fail, or the page was not protected"), 2;
	if (is_protected(p))
		return puts("ok"), 0;
	*p = 2;
	puts("BROKEN: UFFDIO_UNREGISTER fails, and a huge page is not write-protected any more");
	return 1;
}
