// mremap(2) says that MREMAP_FIXED unmaps any mapping at the new address, for new_size bytes. Since
// 6.17 the old range may have holes. Where the old range has a hole, the mapping at the new address
// stays, with its contents. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#define P 4096UL

int main(void)
{
	char *p = mmap(0, 8 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *to = p + 4 * P;
	unsigned char resident;

	memset(p, 1, 8 * P);
	munmap(p + P, P); // the old range: a page, and a hole
	if (mremap(p, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return puts("ok"), 0; // this kernel moves no range with a hole
	if (!mincore(to + P, P, &resident))
		return printf("BROKEN: the page behind the moved one is still mapped, and contains %d\n", to[P]), 1;
	return puts("ok"), 0;
}
