// Expected: a PAGEMAP_SCAN that has scanned the whole range sets walk_end to its end
// (include/uapi/linux/fs.h).
// Linux 7.3.4: if it finds more than 512 regions, walk_end is in the middle of the range, although
// all is scanned and all regions fit into the vector. cc -static
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

struct scan { uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret; };
#define PAGEMAP_SCAN_ _IOWR('f', 16, struct scan)
#define PRESENT 8
#define PAGES 2048
static uint64_t region[PAGES][3];

int main(void)
{
	char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct scan arg = { .size = sizeof(arg), .start = (uintptr_t)p, .end = (uintptr_t)p + PAGES * 4096,
			    .vec = (uintptr_t)region, .vec_len = PAGES, .mask = PRESENT, .ret = PRESENT };
	int pagemap = open("/proc/self/pagemap", O_RDONLY), i, found;

	madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
	for (i = 0; i < PAGES; i += 2)
		p[i * 4096] = 1;
	found = ioctl(pagemap, PAGEMAP_SCAN_, &arg);
	if (found < 0)
		return perror("PAGEMAP_SCAN"), 2;
	i = (arg.walk_end - arg.start) / 4096;
	if (found == PAGES / 2 && i == PAGES)
		return puts("ok"), 0;
	printf("BROKEN: %d regions, up to page %d, but walk_end is page %d\n", found,
	       (int)((region[found - 1][1] - arg.start) / 4096), i);
	return 1;
}
