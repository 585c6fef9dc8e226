// Expected: MADV_COLLAPSE brings the pages of a range home from a device and makes a huge page.
// Linux 7.3.4: if the first page of a huge page on the device was dropped, the first call fails with
// EINVAL, and the same call succeeds the second time. Needs CONFIG_TEST_HMM,
// CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define HUGE (2UL << 20)
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
static char mirror[HUGE];

// Drops a page of a huge page on the device. Returns the errors of two calls of MADV_COLLAPSE.
static void collapse(size_t dropped, int error[2])
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR);
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = HUGE / 4096 };

	madvise(p, HUGE, MADV_HUGEPAGE);
	memset(p, 1, HUGE);
	if (ioctl(dev, MIGRATE_TO_DEV, &cmd))
		perror("/dev/hmm_dmirror0"), exit(2);
	madvise(p + dropped * 4096, 4096, MADV_DONTNEED);
	for (int i = 0; i < 2; i++)
		error[i] = madvise(p, HUGE, 25 /* MADV_COLLAPSE */) ? errno : 0;
}

int main(void)
{
	int first[2], last[2], broken;

	collapse(0, first);
	collapse(511, last);
	broken = first[0] == EINVAL && !first[1] && !last[0];
	printf(broken ? "BROKEN: MADV_COLLAPSE of a huge page on a device says EINVAL, and then succeeds\n" : "ok\n");
	return broken;
}
