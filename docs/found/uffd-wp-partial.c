// Expected: a UFFDIO_WRITEPROTECT that fails changes nothing. UFFDIO_RWPROTECT (7.3) checks the
// whole range first.
// Linux 7.3.4: UFFDIO_WRITEPROTECT of a range that ends where nothing is registered fails (ENOENT),
// and has protected the beginning. Needs CONFIG_USERFAULTFD. cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), pagemap = open("/proc/self/pagemap", O_RDONLY);
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)p, 8192 }, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	uint64_t entry = 0;

	p[0] = p[4096] = 1;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	if (!ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return puts("cannot be run: UFFDIO_WRITEPROTECT did not fail"), 2;
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	if (!(entry >> 57 & 1))
		return puts("ok"), 0;
	puts("BROKEN: UFFDIO_WRITEPROTECT has failed, and a page is write-protected");
	return 1;
}
