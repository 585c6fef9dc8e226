// Expected: mlock locks pages that are in swap as it locks all others.
// Linux 7.3.4: it reads them in, and leaves them evictable: /proc/meminfo does not count them as locked,
// and /proc/kpageflags says neither "mlocked" nor "unevictable". Needs swap. cc -static
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (8l << 20)

static long value(const char *name)
{
	char text[8192] = "";
	FILE *meminfo = fopen("/proc/meminfo", "r");

	fread(text, 1, sizeof(text) - 1, meminfo);
	fclose(meminfo);
	return atol(strstr(text, name) + strlen(name));
}

// Writes to memory, calls MADV_PAGEOUT for it "times" times, locks it, and returns by how many kB
// "Mlocked" grew.
static long locked(int times)
{
	long before = value("Mlocked:"), swap = value("SwapFree:");
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int all = times;

	madvise(p, SIZE, MADV_NOHUGEPAGE);
	memset(p, 1, SIZE);
	while (times--)
		madvise(p, SIZE, MADV_PAGEOUT);
	if (all && swap - value("SwapFree:") < SIZE / 1024)
		puts("cannot be run: the memory is not in swap"), exit(2);
	if (mlock(p, SIZE))
		perror("mlock"), exit(2);
	sleep(2);	// the counters of each CPU reach /proc/meminfo
	return value("Mlocked:") - before;
}

int main(void)
{
	long fresh = locked(0), swapped = locked(3);

	if (swapped >= fresh / 2)
		return puts("ok"), 0;
	printf("BROKEN: mlock of %ld kB locks %ld kB; if the memory is in swap, mlock locks %ld kB\n", SIZE / 1024, fresh, swapped);
	return 1;
}
