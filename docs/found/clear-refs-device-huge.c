// Expected: clear_refs ("4") clears the soft-dirty bit of all pages.
// Linux 7.3.4: a huge page on a device keeps it, small pages do not. Needs CONFIG_TEST_HMM,
// CONFIG_MEM_SOFT_DIRTY, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE];

// Moves 2 MiB to the device, and clears soft-dirty. Returns how many pages are then soft-dirty.
static int soft_dirty(int dmirror, int advice)
{
	static long entry[512];
	int count = 0;

	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, advice);
	memset(AT, 1, HUGE);
	if (ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 })) // migrate to the device
		perror("/dev/hmm_dmirror0"), _exit(2);
	if (write(open("/proc/self/clear_refs", O_WRONLY), "4", 1) != 1)
		perror("clear_refs"), _exit(2);
	pread(open("/proc/self/pagemap", O_RDONLY), entry, sizeof(entry), (long)AT / 512);
	for (int i = 0; i < 512; i++)
		count += entry[i] >> 55 & 1;
	return count;
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	int small = soft_dirty(dmirror, MADV_NOHUGEPAGE), huge = soft_dirty(dmirror, MADV_HUGEPAGE);

	printf(!small && huge ? "BROKEN: %d pages of a huge page on a device are soft-dirty after clear_refs\n" : "ok\n", huge);
	return !small && huge;
}
