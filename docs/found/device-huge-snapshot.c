// Expected: hmm_range_fault tells a device that pages in the memory of another device are not
// mapped, and that a fault would bring them home. It says this of small pages and of a huge page.
// Linux 7.3.4: of a huge page, hmm_range_fault says that an access is impossible (HMM_PFN_ERROR).
// Needs CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE];

// Moves 2 MiB to the first device. Returns what the second device sees of the first page.
static int snapshot(int advice)
{
	static unsigned char pages[512];
	int first = open("/dev/hmm_dmirror0", O_RDWR), second = open("/dev/hmm_dmirror1", O_RDWR);
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, advice);
	memset(AT, 1, HUGE);
	if (ioctl(first, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 }) ||
	    ioctl(second, _IOWR('H', 4, long[5]), (long[5]){ (long)AT, (long)pages, 512 }))
		perror("/dev/hmm_dmirror");
	close(first), close(second);
	return pages[0];
}

int main(void)
{
	int small = snapshot(MADV_NOHUGEPAGE), huge = snapshot(MADV_HUGEPAGE), broken = small == 0 && huge == 0xff;
	puts(broken ? "BROKEN: another device is told that a huge page on a device cannot be accessed" : "ok");
	return broken;
}
