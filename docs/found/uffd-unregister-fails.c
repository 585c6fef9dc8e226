// Expected: a UFFDIO_UNREGISTER that fails changes nothing.
// Linux 7.3.4: one that fails because the process has too many VMAs (ENOMEM) has removed the write
// protection. The range is still registered, and a write to it goes through without an event. Needs
// CONFIG_USERFAULTFD. cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

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
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), i = 0;
	char *p = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 3 * 4096 }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct uffdio_range middle = { (uintptr_t)p + 4096, 4096 };

	memset(p, 1, 3 * 4096);
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return perror("userfaultfd"), 2;
	while (mmap(0, 4096, i++ % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		;	// up to vm.max_map_count
	if (!is_protected(p + 4096) || !ioctl(uffd, UFFDIO_UNREGISTER, &middle))
		return puts("cannot be run: UFFDIO_UNREGISTER did not fail, or the page was not protected"), 2;
	if (is_protected(p + 4096))
		return puts("ok"), 0;
	p[4096] = 2;
	puts("BROKEN: UFFDIO_UNREGISTER fails, and a page is not write-protected any more");
	return 1;
}
