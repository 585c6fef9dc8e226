// Expected: move_pages does not make pages soft-dirty.
// Linux 7.3.4: it does so if they are a huge page. Needs two nodes (CONFIG_NUMA_EMU, numa=fake=2U),
// CONFIG_MEM_SOFT_DIRTY and CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)

// Writes to 512 pages, clears soft-dirty, and moves the pages to another node and back. Returns how
// many pages are then soft-dirty, or -1 if that cannot be done.
static int soft_dirty(int advice)
{
	static void *pages[512];
	static int to[512], status[512];
	static long entry[512];
	int count = 0;
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, advice);
	memset(AT, 1, HUGE);
	if (write(open("/proc/self/clear_refs", O_WRONLY), "4", 1) != 1)
		return -1;
	for (int node = 1; node >= 0; node--) {
		for (int i = 0; i < 512; i++)
			pages[i] = AT + i * 4096, to[i] = node;
		if (syscall(SYS_move_pages, 0, 512L, pages, to, status, 2 /* MPOL_MF_MOVE */) || status[0] != node)
			return -1;
	}
	pread(open("/proc/self/pagemap", O_RDONLY), entry, sizeof(entry), (long)AT / 512);
	for (int i = 0; i < 512; i++)
		count += entry[i] >> 55 & 1;
	return count;
}

int main(void)
{
	int small = soft_dirty(MADV_NOHUGEPAGE), huge = soft_dirty(MADV_HUGEPAGE);
	printf(small < 0 || huge < 0 ? "cannot be run: no two nodes\n" : !small && huge ? "BROKEN: move_pages makes 512 pages soft-dirty that nobody wrote to, if they are a huge page\n" : "ok\n");
	return !small && huge > 0;
}
