// Expected: smaps counts a page in swap once, so Swap is at most the size of the mapping.
// Linux 7.3.4: in a read-only private mapping of shared memory, smaps counts the private copy of a
// page and also the page of the file. Needs swap, but not root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define LEN (16 * 4096)

static long swap(char *at)
{
	char line[256];
	long from, to, here = 0, kb = 0;
	for (FILE *file = fopen("/proc/self/smaps", "r"); fgets(line, sizeof(line), file);)
		if (sscanf(line, "%lx-%lx", &from, &to) == 2)
			here = from == (long)at;
		else if (here)
			sscanf(line, "Swap: %ld", &kb);
	return kb;
}

int main(void)
{
	int file = memfd_create("file", 0);
	ftruncate(file, LEN);
	char *shared = mmap(0, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	char *mine = mmap(0, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	for (int i = 0; i < LEN; i += 4096)
		shared[i] = 1, mine[i] = 2;
	for (int i = 0; i < 4; i++)
		madvise(mine, LEN, MADV_PAGEOUT), madvise(shared, LEN, MADV_PAGEOUT);
	long before = swap(mine);
	mprotect(mine, LEN, PROT_READ);
	long after = swap(mine);
	if (after <= LEN / 1024)
		return puts("ok"), 0;
	return printf("BROKEN: Swap of a mapping of %d kB: %ld kB, and read-only %ld kB\n", LEN / 1024, before, after), 1;
}
