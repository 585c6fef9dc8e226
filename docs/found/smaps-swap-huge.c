// Expected: Swap of smaps is at most the size of the mapping.
// Linux 7.3.4: a mapping of one page of shared memory has 2 MiB in swap if the page lies in a huge
// page that was swapped out whole. Needs swap and CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (2l << 20)
#define PAGEOUT 21
#define COLLAPSE 25

// Returns "Swap:" of smaps, in kB, of the mapping that begins at p.
static long swap(char *p)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long start, at = 0, end;
	long kb = -1;
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			at = start;
		if (at == (unsigned long)p)
			sscanf(line, "Swap: %ld", &kb);
	}
	fclose(smaps);
	return kb;
}

int main(void)
{
	int memory = memfd_create("memory", 0), tries = 3;
	char *p = mmap((char *)(1l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0), *page;

	if (ftruncate(memory, SIZE))
		return perror("memfd"), 2;
	memset(p, 1, SIZE);
	if (madvise(p, SIZE, COLLAPSE))
		return perror("MADV_COLLAPSE"), 2;
	while (tries--)
		madvise(p, SIZE, PAGEOUT);
	page = mmap(0, 4096, PROT_READ, MAP_SHARED, memory, 5 * 4096);
	if (swap(p) != SIZE / 1024)
		return puts("cannot be run: the huge page is not in swap"), 2;
	if (swap(page) <= 4)
		return puts("ok"), 0;
	printf("BROKEN: a mapping of 4 kB has %ld kB in swap\n", swap(page));
	return 1;
}
