// Clearing soft-dirty leaves a device-private entry writable. The page comes home writable, and
// pagemap never shows a write to it. Needs CONFIG_TEST_HMM, CONFIG_MEM_SOFT_DIRTY and root.
// cc -static
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
static char mirror[4096];

static int soft_dirty(char *p)
{
	uint64_t entry = 0;
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	close(pagemap);
	return entry >> 55 & 1;
}

static int is_seen(int on_device)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR), clear = open("/proc/self/clear_refs", O_WRONLY);
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = 1 };

	*p = 1;
	if (on_device && ioctl(dev, MIGRATE_TO_DEV, &cmd))
		return perror("/dev/hmm_dmirror0"), 2;
	write(clear, "4", 1);
	*(volatile char *)p = 2;
	return soft_dirty(p);
}

int main(void)
{
	int system = is_seen(0), device = is_seen(1);
	printf(system == 1 && device == 0 ? "BROKEN: a write to a page in system memory makes it soft-dirty, a write to a page that came back from a device does not\n" : "ok\n");
}
