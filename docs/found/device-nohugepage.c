// Expected: MADV_NOHUGEPAGE keeps memory free of huge pages, also if it goes to a device.
// madvise(2): MADV_NOHUGEPAGE "Ensures that memory in the address range [...] will not be backed by
// transparent hugepages".
// Linux 7.3.4: memory that nobody has touched becomes a huge page on the device, and comes home as one.
// Needs CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE], text[1 << 16];

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR), huge;
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, MADV_NOHUGEPAGE);
	if (ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 })) // migrate to the device
		perror("/dev/hmm_dmirror0");
	*(volatile char *)AT = 1; // comes home
	for (int fd = open("/proc/self/smaps", O_RDONLY), n, end = 0; (n = read(fd, text + end, sizeof(text) - 1 - end)) > 0; end += n)
		;
	huge = atoi(strstr(strstr(text, "700000000000-"), "AnonHugePages:") + 14);
	printf(huge ? "BROKEN: %d kB of a range with MADV_NOHUGEPAGE are a huge page\n" : "ok\n", huge);
	return huge != 0;
}
