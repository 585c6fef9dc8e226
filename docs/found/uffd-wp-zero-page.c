// A zero page that is write-protected for userfaultfd loses the protection on its way to a device
// and back. Needs CONFIG_TEST_HMM, CONFIG_USERFAULTFD and root. cc -static
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
static char mirror[4096];

static int protected(char *p)
{
	uint64_t entry = 0;
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	close(pagemap);
	return entry >> 57 & 1;
}

int main(void)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR), uffd = syscall(SYS_userfaultfd, O_CLOEXEC), before;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = 1 };
	struct uffdio_range range = { .start = (uintptr_t)p, .len = 4096 };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = range, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };

	(void)*(volatile char *)p;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return perror("userfaultfd"), 2;
	before = protected(p);
	if (ioctl(dev, MIGRATE_TO_DEV, &cmd))
		return perror("/dev/hmm_dmirror0"), 2;
	(void)*(volatile char *)p;
	printf(before && !protected(p) ? "BROKEN: the page comes back and is not write-protected any more\n" : "ok\n");
}
