// Expected: mincore shows the pages that are in memory.
// Linux 7.3.4: for a huge page of shared memory in swap, it shows the state of the first small page
// for all 512. Needs CONFIG_TRANSPARENT_HUGEPAGE and 2 MiB of free swap. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)(1l << 32))

static int resident(void)
{
	unsigned char page[512];
	int count = 0;
	mincore(AT, HUGE, page);
	for (int i = 0; i < 512; i++)
		count += page[i] & 1;
	return count;
}

// How many pages were read from swap since boot.
static int read_in(void)
{
	static char text[1 << 16];
	fread(text, 1, sizeof(text) - 1, fopen("/proc/vmstat", "r"));
	return atoi(strstr(text, "pswpin ") + 7);
}

int main(void)
{
	int memory = memfd_create("memory", 0), before, reads, shown;

	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	if (ftruncate(memory, HUGE) || madvise(memset(AT, 1, HUGE), HUGE, 25 /* MADV_COLLAPSE */))
		return perror("MADV_COLLAPSE"), 2;
	for (int i = 0; i < 3; i++)
		madvise(AT, HUGE, 21 /* MADV_PAGEOUT */);
	before = resident(), reads = read_in();
	madvise(AT, HUGE, MADV_WILLNEED);
	shown = resident() - before, reads = read_in() - reads;
	printf(shown > reads ? "BROKEN: MADV_WILLNEED has read %d pages of 512 from swap, and mincore shows %d more than before\n" : "ok\n", reads, shown);
	return shown > reads;
}
