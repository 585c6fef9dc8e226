// Expected: MAP_ABOVE4G is "only map above 4GB" (asm/mman.h), as MAP_32BIT gives only addresses below
// 2 GiB, whatever the hint is.
// Linux 7.3.4: with a hint below 4 GiB, the mapping is at the hint. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#ifndef MAP_ABOVE4G
#define MAP_ABOVE4G 0x80
#endif

static char *map(unsigned long hint, int flag)
{
	return mmap((void *)hint, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flag, -1, 0);
}

int main(void)
{
	char *above = map(0x50000000, MAP_ABOVE4G), *below = map(0x500000000, MAP_32BIT), *none = map(0, MAP_ABOVE4G);

	if (above == MAP_FAILED || below == MAP_FAILED || none == MAP_FAILED)
		return perror("mmap"), 2;
	if (below >= (char *)0x80000000 || none < (char *)0x100000000)
		return fprintf(stderr, "twin: %p %p\n", below, none), 2;
	if (above >= (char *)0x100000000)
		return printf("ok\n"), 0;
	printf("BROKEN: MAP_ABOVE4G with a hint maps at %p, and MAP_32BIT with a hint at %p\n", above, below);
	return 1;
}
