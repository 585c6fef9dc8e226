// Expected: mremap makes the pages that it moves soft-dirty.
// Linux 7.3.4: it does not do so if they are a huge page on a device. Needs CONFIG_TEST_HMM,
// CONFIG_MEM_SOFT_DIRTY, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
#define TO (AT + 2 * HUGE)
static char mirror[HUGE], text[1 << 16];

// Clears soft-dirty, moves a huge page to the device if there is one, and then moves the mapping.
// Returns how many pages are soft-dirty at the new place, or -1 if there is no huge page.
static int soft_dirty(int dmirror)
{
	static long entry[512];
	int count = 0;

	mmap(AT, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, 4 * HUGE, MADV_HUGEPAGE);
	memset(AT, 1, 4 * HUGE);
	if (write(open("/proc/self/clear_refs", O_WRONLY), "4", 1) != 1)
		perror("clear_refs"), _exit(2);
	if (dmirror >= 0 && ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 })) // migrate
		perror("/dev/hmm_dmirror0"), _exit(2);
	for (int fd = open("/proc/self/smaps", O_RDONLY), n, end = 0; (n = read(fd, text + end, sizeof(text) - 1 - end)) > 0; end += n)
		;
	if (atoi(strstr(strstr(text, "700000000000-"), "AnonHugePages:") + 14) != 8192)
		return -1;
	mremap(AT, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, TO);
	pread(open("/proc/self/pagemap", O_RDONLY), entry, sizeof(entry), (long)TO / 512);
	for (int i = 0; i < 512; i++)
		count += entry[i] >> 55 & 1;
	return count;
}

int main(void)
{
	int system = soft_dirty(-1), device = soft_dirty(open("/dev/hmm_dmirror0", O_RDWR));

	printf(system && !device ? "BROKEN: mremap makes %d pages of a huge page soft-dirty, and %d of one on a device\n" : "ok\n", system, device);
	return system && !device;
}
