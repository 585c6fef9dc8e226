// KSM merges a page that was written to, and drops its soft-dirty bit. pagemap then shows no write.
// Needs CONFIG_KSM, CONFIG_MEM_SOFT_DIRTY and root. cc -static
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define KSM "/sys/kernel/mm/ksm/"
#define PAGES 16

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path), exit(2);
	close(fd);
}

// Returns how many of the pages are soft-dirty.
static int soft_dirty(char *p)
{
	uint64_t entries[PAGES];
	int pagemap = open("/proc/self/pagemap", O_RDONLY), dirty = 0;
	pread(pagemap, entries, sizeof(entries), (uintptr_t)p / 4096 * 8);
	close(pagemap);
	for (int i = 0; i < PAGES; i++)
		dirty += entries[i] >> 55 & 1;
	return dirty;
}

int main(void)
{
	char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int before, after;

	memset(p, 1, PAGES * 4096);
	set("/proc/self/clear_refs", "4");
	memset(p, 2, PAGES * 4096);
	before = soft_dirty(p);
	set(KSM "pages_to_scan", "10000");
	set(KSM "sleep_millisecs", "20");
	madvise(p, PAGES * 4096, MADV_MERGEABLE);
	set(KSM "run", "1");
	sleep(3);
	set(KSM "run", "0");
	after = soft_dirty(p);
	printf(after < before ? "BROKEN: %d pages were written after soft-dirty was cleared, %d are soft-dirty after KSM\n" : "ok\n", before, after);
	return after < before;
}
