// Clearing soft-dirty leaves a migration entry writable. A page that compaction moves at that
// moment comes back writable, and pagemap never shows a write to it. No device is needed. Needs
// CONFIG_MEM_SOFT_DIRTY, CONFIG_COMPACTION and root. cc -static
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGES 16384L
#define HOLES 60000L

static char *map(long pages)
{
	char *p = mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(p, pages * 4096, MADV_NOHUGEPAGE);
	for (long i = 0; i < pages; i++)
		p[i * 4096] = 1;
	return p;
}

static void compact_for_ever(void)
{
	for (int compact = open("/proc/sys/vm/compact_memory", O_WRONLY);;) {
		char *p = map(HOLES);

		for (long i = 0; i < HOLES; i += 2)
			madvise(p + i * 4096, 4096, MADV_DONTNEED);
		write(compact, "1", 1);
		munmap(p, HOLES * 4096);
	}
}

int main(void)
{
	static uint64_t entries[PAGES];
	int clear = open("/proc/self/clear_refs", O_WRONLY), pagemap = open("/proc/self/pagemap", O_RDONLY), child = fork();
	long lost = 0;

	if (!child)
		compact_for_ever();
	char *p = map(PAGES);
	for (time_t end = time(0) + 60; !lost && time(0) < end;) {
		write(clear, "4", 1);
		for (long i = 0; i < PAGES; i++)
			p[i * 4096]++;
		pread(pagemap, entries, sizeof(entries), (uintptr_t)p / 4096 * 8);
		for (long i = 0; i < PAGES; i++)
			lost += !(entries[i] >> 55 & 1);
	}
	kill(child, SIGKILL);
	printf(lost ? "BROKEN: %ld pages were written after soft-dirty was cleared, and are not soft-dirty\n" : "ok\n", lost);
}
