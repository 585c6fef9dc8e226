// Expected: pages of a locked mapping stay locked until they are unlocked (mlock(2)).
// Linux 7.3.4: when a hole is punched into a huge page of a memfd, the other 511 pages are not
// locked any more, and reclaim writes them to swap. Needs CONFIG_TRANSPARENT_HUGEPAGE, 2 MiB of
// free swap and root (for RLIMIT_MEMLOCK). cc -static
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

static int meminfo(const char *what)
{
	char text[4096] = "";
	read(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1);
	return atoi(strstr(text, what) + strlen(what));
}

// Locks 2 MiB, punches a hole of a page, and asks to reclaim the rest through another mapping.
// Returns how many kB go to swap.
static int swapped(int collapses)
{
	int memory = memfd_create("memory", 0), before = meminfo("SwapFree:");
	ftruncate(memory, HUGE);
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, memory, 0);
	memset(AT, 1, HUGE);
	if ((collapses && madvise(AT, HUGE, 25 /* MADV_COLLAPSE */)) || mlock(AT, HUGE))
		perror("MADV_COLLAPSE, mlock");
	fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
	mmap(OTHER, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_POPULATE, memory, 0);
	madvise(OTHER, HUGE, MADV_PAGEOUT);
	return before - meminfo("SwapFree:");
}

int main(void)
{
	int small = swapped(0), huge = swapped(1), broken = !small && huge;
	printf(broken ? "BROKEN: %d kB of a locked mapping go to swap after a hole was punched into a huge page\n" : "ok\n", huge);
	return broken;
}
