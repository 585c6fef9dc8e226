// PAGEMAP_SCAN sets the uffd-wp bit of a migration entry, but the entry stays writable. So a page
// that compaction moves at that moment comes back writable and unprotected. With
// CONFIG_PAGE_TABLE_CHECK the kernel warns. No device is needed. Needs CONFIG_USERFAULTFD,
// CONFIG_COMPACTION and root. cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGES 16384L
#define HOLES 60000L
#define WP_UNPOPULATED (1 << 13)
#define WP_ASYNC (1 << 15)
struct scan { uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret; };
#define PAGEMAP_SCAN_ _IOWR('f', 16, struct scan)

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

// Returns how many pages were written since the last call (PAGE_IS_WRITTEN), and write-protects
// these pages again (PM_SCAN_WP_MATCHING).
static long written(char *p)
{
	static uint64_t regions[PAGES][3];
	int pagemap = open("/proc/self/pagemap", O_RDONLY), n;
	struct scan arg = { .size = sizeof(arg), .flags = 1 | 2, .start = (uintptr_t)p, .end = (uintptr_t)p + PAGES * 4096,
			    .vec = (uintptr_t)regions, .vec_len = PAGES, .mask = 2, .ret = 2 };
	long pages = 0;

	n = ioctl(pagemap, PAGEMAP_SCAN_, &arg);
	close(pagemap);
	for (int i = 0; i < n; i++)
		pages += (regions[i][1] - regions[i][0]) / 4096;
	return pages;
}

int main(void)
{
	int child = fork(), uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED };
	long again = 0;

	if (!child)
		compact_for_ever();
	char *p = map(PAGES);
	struct uffdio_register reg = { .range = { (uintptr_t)p, PAGES * 4096 }, .mode = UFFDIO_REGISTER_MODE_WP };
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), kill(child, SIGKILL), 2;
	for (time_t end = time(0) + 60; !again && time(0) < end;) {
		for (long i = 0; i < PAGES; i++)
			p[i * 4096]++;
		written(p);
		again = written(p);
		usleep(1000);
	}
	kill(child, SIGKILL);
	printf(again ? "BROKEN: %ld pages that nobody wrote to have lost their write protection\n" : "ok\n", again);
}
