// clear_refs does not clear the soft-dirty bit of a pinned small page, since a device may write to
// it unseen. It does clear the bit of a pinned huge page. Needs CONFIG_GUP_TEST,
// CONFIG_MEM_SOFT_DIRTY, CONFIG_TRANSPARENT_HUGEPAGE, debugfs and root. cc -static
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE (2UL << 20)
struct pin { uint64_t addr, size; uint32_t flags; };
#define PIN_START _IOW('g', 7, struct pin)
#define PIN_STOP _IO('g', 8)
#define FOR_WRITE 1

// Pins 2 MiB for writing and clears soft-dirty. Returns whether the first page is still soft-dirty.
static int soft_dirty(int gup_test, int advice)
{
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	struct pin pin = { .addr = (uintptr_t)p, .size = HUGE, .flags = FOR_WRITE };
	int clear_refs = open("/proc/self/clear_refs", O_WRONLY), pagemap = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	madvise(p, HUGE, advice);
	memset(p, 1, HUGE);
	if (ioctl(gup_test, PIN_START, &pin) || write(clear_refs, "4", 1) != 1)
		perror("/sys/kernel/debug/gup_test"), _exit(2);
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	ioctl(gup_test, PIN_STOP);
	return entry >> 55 & 1;
}

int main(void)
{
	int gup_test = open("/sys/kernel/debug/gup_test", O_RDWR);
	int small = soft_dirty(gup_test, MADV_NOHUGEPAGE), huge = soft_dirty(gup_test, MADV_HUGEPAGE);

	printf(small && !huge ? "BROKEN: a small page that is pinned for writing stays soft-dirty, a huge one does not\n" : "ok\n");
	return small && !huge;
}
