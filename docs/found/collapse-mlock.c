// Expected: pages of a locked mapping are not written to swap (mlock(2)).
// Linux 7.3.4: after another mapping of the same memfd is collapsed to a huge page, no page of the
// locked mapping is locked any more, and reclaim writes them to swap. Needs
// CONFIG_TRANSPARENT_HUGEPAGE, 2 MiB of free swap and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
#define OTHER (AT + HUGE)

static int swap_free(void)
{
	char text[4096] = "";
	read(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1);
	return atoi(strstr(text, "SwapFree:") + 9);
}

// Locks one mapping, and asks to reclaim the same pages through the other. Returns how many kB go
// to swap.
static int swapped(int collapses)
{
	int memory = memfd_create("memory", 0), before = swap_free();
	ftruncate(memory, HUGE);
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, memory, 0);
	mmap(OTHER, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, memory, 0);
	memset(OTHER, 1, HUGE);
	if (mlock(AT, HUGE))
		perror("mlock");
	if (collapses && madvise(OTHER, HUGE, 25 /* MADV_COLLAPSE */))
		perror("MADV_COLLAPSE");
	madvise(OTHER, HUGE, MADV_PAGEOUT);
	return before - swap_free();
}

int main(void)
{
	int plain = swapped(0), collapsed = swapped(1), broken = !plain && collapsed;
	printf(broken ? "BROKEN: %d kB of a locked mapping go to swap after a collapse\n" : "ok\n", collapsed);
	return broken;
}
