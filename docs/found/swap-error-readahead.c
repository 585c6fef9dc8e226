// Expected: if the swap disk has lost one page, MADV_WILLNEED (a hint) does not lose others.
// Linux 7.3.4: MADV_WILLNEED reads the pages in one request, which fails as a whole. All pages of the
// request are lost for good, although the disk has all but one. Needs root and swap on a whole disk. (To
// make reading fail, the program puts swap on a partition, and makes the partition smaller.) cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>
#define PAGES 16

static char disk[64], part[72];

// Adds (1) or resizes (3) a partition of so many pages.
static int partition(int op, long pages)
{
	struct blkpg_partition partition = { 1 << 20, pages * 4096, 1, "", "" };

	return ioctl(open(disk, O_RDWR), BLKPG, &(struct blkpg_ioctl_arg){ op, 0, sizeof(partition), &partition });
}

static char *memory(int flags, int file, long pages)
{
	char *p = mmap(0, pages * 4096, PROT_READ | PROT_WRITE, flags, file, 0);

	memset(p, 1, pages * 4096);
	madvise(p, pages * 4096, MADV_PAGEOUT);
	return p;
}

// Moves pages to swap, loses the last one there, and returns how many can be read.
static int readable(int willneed)
{
	int file = memfd_create("memory", 0), count = 0;
	char *p, *first = memory(MAP_PRIVATE | MAP_ANONYMOUS, -1, 1), byte;
	long slot;

	pread(open("/proc/self/pagemap", O_RDONLY), &slot, 8, (long)first / 512);
	slot = (slot & ((1l << 55) - 1)) >> 5;
	if (ftruncate(file, PAGES * 4096))
		return -1;
	p = memory(MAP_SHARED, file, PAGES);
	partition(3, slot + PAGES);
	if (willneed)
		madvise(p, PAGES * 4096, MADV_WILLNEED);
	partition(3, 1024);
	if (!willneed)
		partition(3, slot + PAGES);
	for (int page = 0; page < PAGES; page++)
		count += pread(file, &byte, 1, page * 4096) == 1;
	partition(3, 1024);
	return count;
}

int main(void)
{
	int header[1024] = { [256] = 1, [257] = 1023 }, file, with, without;

	fscanf(fopen("/proc/swaps", "r"), "%*[^\n] %60s", disk);
	sprintf(part, "%s1", disk);
	memcpy((char *)header + 4086, "SWAPSPACE2", 10);
	if (swapoff(disk) || partition(1, 1024) || (file = open(part, O_RDWR)) < 0)
		return perror("partition of the swap disk"), 2;
	if (write(file, header, 4096) != 4096 || fsync(file) || close(file) || swapon(part, 0))
		return perror("swapon"), 2;
	without = readable(0);
	with = readable(1);
	if (without == PAGES - 1 && with >= PAGES - 1)
		return puts("ok"), 0;
	printf("BROKEN: of %d pages of which the disk has lost one, %d can be read; %d after MADV_WILLNEED\n", PAGES, without, with);
	return 1;
}
