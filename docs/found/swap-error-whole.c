// Expected: if the swap disk has lost one page, the other pages of the file can be read.
// Linux 7.3.4: a huge page of shared memory is read whole, and lost whole: none of its 512 pages can be
// read any more. Needs CONFIG_TRANSPARENT_HUGEPAGE, root and swap on a whole synchronous disk (as zram and
// pmem are). (To make reading fail, the program puts swap on a partition, and makes the partition smaller.)
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>
#define PAGES 512

static char disk[64], part[72];

// Adds (1) or resizes (3) a partition of so many pages.
static int partition(int op, long pages)
{
	struct blkpg_partition partition = { 2 << 20, pages * 4096, 1, "", "" };

	return ioctl(open(disk, O_RDWR), BLKPG, &(struct blkpg_ioctl_arg){ op, 0, sizeof(partition), &partition });
}

static long swap_free(void)
{
	char text[4096] = "";

	fread(text, 1, sizeof(text) - 1, fopen("/proc/meminfo", "r"));
	return atol(strstr(text, "SwapFree:") + 9);
}

int main(void)
{
	int memory = memfd_create("memory", 0), header[1024] = { [256] = 1, [257] = 1023 }, file, count = 0;
	char byte, *p;
	long before;

	fscanf(fopen("/proc/swaps", "r"), "%*[^\n] %60s", disk);
	sprintf(part, "%s1", disk);
	memcpy((char *)header + 4086, "SWAPSPACE2", 10);
	if (swapoff(disk) || partition(1, 1024) || (file = open(part, O_RDWR)) < 0)
		return perror("partition of the swap disk"), 2;
	if (write(file, header, 4096) != 4096 || fsync(file) || close(file) || swapon(part, 0))
		return perror("swapon"), 2;
	p = mmap((char *)(1l << 32), PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	before = swap_free();
	if (ftruncate(memory, PAGES * 4096) || !memset(p, 1, PAGES * 4096) || madvise(p, PAGES * 4096, 25 /* MADV_COLLAPSE */))
		return perror("MADV_COLLAPSE"), 2;
	for (int i = 0; i < 3; i++)
		madvise(p, PAGES * 4096, MADV_PAGEOUT);
	if (before - swap_free() != PAGES * 4)
		return puts("cannot be run: the huge page is not in swap"), 2;
	partition(3, 1023);	// the huge page fits only into pages 512 to 1023; the last one is lost now
	for (int page = 0; page < PAGES; page++)
		count += pread(memory, &byte, 1, page * 4096l) == 1;
	if (count >= PAGES - 1)
		return puts("ok"), 0;
	printf("BROKEN: the disk has lost 1 of %d pages, and %d can be read\n", PAGES, count);
	return 1;
}
