// Expected: what is written to a page after MADV_FREE stays, also if a device writes it.
// Linux 7.3.4: if the device has the page in its own memory when it writes, reclaim drops the page after
// it has come home. Needs CONFIG_TEST_HMM and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#define SIZE (16 * 4096L)
static char mirror[SIZE];

static int twos(volatile char *p)
{
	int count = 0;
	for (long i = 0; i < SIZE; i += 4096)
		count += p[i] == 2;
	return count;
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, SIZE);
	madvise(p, SIZE, MADV_FREE);
	if (ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)p, (long)mirror, 16 })) // migrate to the device
		perror("/dev/hmm_dmirror0");
	memset(mirror, 2, SIZE);
	if (ioctl(dmirror, _IOWR('H', 1, long[5]), (long[5]){ (long)p, (long)mirror, 16 })) // the device writes
		perror("/dev/hmm_dmirror0");
	int home = twos(p); // the pages come home
	madvise(p, SIZE, MADV_PAGEOUT);
	int later = twos(p), broken = home == 16 && later < 16;
	printf(broken ? "BROKEN: what a device wrote to %d pages after MADV_FREE is lost\n" : "ok\n", 16 - later);
	return broken;
}
