// Expected: clear_refs leaves a page soft-dirty that is pinned for writing, since a device may write
// to it unseen. Linux 7.3.4: it clears the bit if the page is mapped without permission to write.
// Needs CONFIG_GUP_TEST, CONFIG_MEM_SOFT_DIRTY, debugfs and root. cc -static
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct pin { uint64_t addr, size; uint32_t flags; };
#define PIN_START _IOW('g', 7, struct pin)
#define PIN_STOP _IO('g', 8)
#define FOR_WRITE 1

// Pins a page for writing, protects it, and clears soft-dirty. Returns whether it stays soft-dirty.
static int soft_dirty(int gup_test, int prot)
{
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pin pin = { .addr = (uintptr_t)p, .size = 4096, .flags = FOR_WRITE };
	int clear_refs = open("/proc/self/clear_refs", O_WRONLY), pagemap = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	memset(p, 1, 4096);
	if (ioctl(gup_test, PIN_START, &pin) || mprotect(p, 4096, prot) || write(clear_refs, "4", 1) != 1)
		perror("/sys/kernel/debug/gup_test"), _exit(2);
	pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
	ioctl(gup_test, PIN_STOP);
	return entry >> 55 & 1;
}

int main(void)
{
	int gup_test = open("/sys/kernel/debug/gup_test", O_RDWR);
	int writable = soft_dirty(gup_test, PROT_READ | PROT_WRITE), protected = soft_dirty(gup_test, PROT_READ);

	printf(writable && !protected ? "BROKEN: a page that is pinned for writing stays soft-dirty, and not if it is read-only\n" : "ok\n");
	return writable && !protected;
}
