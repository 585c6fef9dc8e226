// Expected: if the swap disk has lost one page, the other pages of the memory can be read.
// Linux 7.3.4: a folio of 64 kB is read from swap whole. If this fails, no page of it can be read, also
// not when the disk works again. Needs CONFIG_TRANSPARENT_HUGEPAGE, root and swap on a whole synchronous
// disk (as zram and pmem are). (To make reading fail, the program puts swap on a partition, and makes the
// partition smaller.) cc -static
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

static void folios(const char *enabled)
{
	write(open("/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled", O_WRONLY), enabled, strlen(enabled));
}

static long slot(char *page)
{
	long entry = 0;

	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)page / 512);
	return entry >> 62 & 1 ? (entry & ((1l << 55) - 1)) >> 5 : -1;
}

static int readable(char *p)
{
	int out = memfd_create("out", 0), count = 0;

	for (int page = 0; page < PAGES; page++)
		count += write(out, p + page * 4096, 1) == 1;
	return count;
}

// Moves a folio to swap, loses its last page, and returns how many pages can be read then and later.
static int lost(char *p, const char *enabled, int *later)
{
	int count;

	folios("always");
	memset(p, 1, PAGES * 4096);
	for (int i = 0; i < 3; i++)
		madvise(p, PAGES * 4096, MADV_PAGEOUT);
	for (int page = 0; page < PAGES; page++)
		if (slot(p) < 0 || slot(p) % PAGES || slot(p + page * 4096) != slot(p) + page)
			return -1;
	folios(enabled);
	partition(3, slot(p) + PAGES - 1);
	count = readable(p);
	partition(3, 1024);
	*later = readable(p);
	return count;
}

int main(void)
{
	int header[1024] = { [256] = 1, [257] = 1023 }, file, whole, whole_later = 0, single, single_later = 0;
	char *p = mmap((char *)(1l << 32), 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	fscanf(fopen("/proc/swaps", "r"), "%*[^\n] %60s", disk);
	sprintf(part, "%s1", disk);
	memcpy((char *)header + 4086, "SWAPSPACE2", 10);
	if (swapoff(disk) || partition(1, 1024) || (file = open(part, O_RDWR)) < 0)
		return perror("partition of the swap disk"), 2;
	if (write(file, header, 4096) != 4096 || fsync(file) || close(file) || swapon(part, 0))
		return perror("swapon"), 2;
	single = lost(p, "never", &single_later);
	whole = lost(p + PAGES * 4096, "always", &whole_later);
	if (single < 0 || whole < 0)
		return printf("cannot be run: no folio of 64 kB is in swap (%d, %d)\n", single, whole), 2;
	if (whole >= PAGES - 1 && whole_later >= PAGES - 1)
		return puts("ok"), 0;
	printf("BROKEN: of %d pages of which the disk has lost one, %d can be read, and %d when the disk works again; with folios of 64 kB off, %d and %d\n",
	       PAGES, whole, whole_later, single, single_later);
	return 1;
}
