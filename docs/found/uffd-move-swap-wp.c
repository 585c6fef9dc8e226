// Expected: a page that UFFDIO_MOVE has moved is not write-protected, so PAGEMAP_SCAN reports what
// is written to it then.
// Linux 7.3.4: a page that was in swap keeps its mark of write protection. After it has been read,
// it is writable and has the mark, so writes to it are never reported. (And WARNING in
// __page_table_check_ptes_set.) Needs CONFIG_USERFAULTFD and swap. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define PAGE 4096
#define WP_MATCHING 1
#define WRITTEN 2
#define WP_ASYNC (1 << 15)
struct scan { uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret; };
static int uffd, pagemap;

// Is this page "written"? The scan also write-protects it, if it is.
static int written(char *p)
{
	uint64_t region[3];
	return ioctl(pagemap, _IOWR('f', 16, struct scan), &(struct scan){ .size = sizeof(struct scan), .flags = WP_MATCHING, .start = (long)p, .end = (long)p + PAGE, .vec = (long)region, .vec_len = 1, .mask = WRITTEN, .ret = WRITTEN });
}

static void watch(char *p, int mode)
{
	if (ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)p, 2 * PAGE }, mode, 0 }))
		perror("UFFDIO_REGISTER"), _exit(2);
}

int main(void)
{
	char *to = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *from = to + 2 * PAGE;
	struct { uint64_t dst, src, len, mode; int64_t moved; } move = { (long)to, (long)from, 2 * PAGE, 0, 0 };
	int stayed, swapped;
	uint64_t entry[2];

	uffd = syscall(SYS_userfaultfd, 0), pagemap = open("/proc/self/pagemap", O_RDONLY);
	madvise(to, 4 * PAGE, MADV_NOHUGEPAGE);
	from[0] = from[PAGE] = 1;
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, WP_ASYNC, 0 }))
		return perror("UFFDIO_API"), 2;
	watch(from, UFFDIO_REGISTER_MODE_WP), watch(to, UFFDIO_REGISTER_MODE_MISSING);
	ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)from, 2 * PAGE }, 1 });
	madvise(from + PAGE, PAGE, MADV_PAGEOUT);
	pread(pagemap, entry, sizeof(entry), (long)from / PAGE * 8);
	if (entry[0] >> 62 != 2 || entry[1] >> 62 != 1)
		return puts("no page in swap"), 2;
	if (ioctl(uffd, _IOWR(UFFDIO, 5, move) /* UFFDIO_MOVE */, &move))
		return perror("UFFDIO_MOVE"), 2;
	*(volatile char *)to, *(volatile char *)(to + PAGE);
	watch(to, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
	written(to), written(to + PAGE);
	to[0] = to[PAGE] = 2;
	stayed = written(to), swapped = written(to + PAGE);
	if (stayed != 1)
		return perror("PAGEMAP_SCAN"), 2;
	puts(swapped ? "ok" : "BROKEN: a page was in swap when UFFDIO_MOVE moved it, and PAGEMAP_SCAN misses what is written to it");
	return !swapped;
}
