// Expected: PAGEMAP_SCAN reports as soft-dirty the pages that pagemap shows as soft-dirty.
// Linux 7.3.4: clear_refs does not touch pages of hugetlb. pagemap never shows them as soft-dirty,
// and PAGEMAP_SCAN always does. Needs CONFIG_HUGETLBFS, CONFIG_MEM_SOFT_DIRTY and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
	write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "1", 1);
	char *p = mmap(0, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	*(volatile char *)p = 1;
	write(open("/proc/self/clear_refs", O_WRONLY), "4", 1);
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	long entry, found[4][3];
	pread(pagemap, &entry, 8, (long)p / 512);
	int regions = ioctl(pagemap, _IOWR('f', 16, long[12]), // PAGEMAP_SCAN
			    (long[12]){ 96, 0, (long)p, (long)p + (2 << 20), 0, (long)found, 4, 0, 0, 128 /* soft-dirty */, 0, 128 });
	int broken = regions != (entry >> 55 & 1);
	return puts(broken ? "BROKEN: a scan reports a page as soft-dirty that pagemap does not show as soft-dirty" : "ok"), broken;
}
