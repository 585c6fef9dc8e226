// Expected: KSM unmerges all pages that it has merged in the range of MADV_UNMERGEABLE (madvise(2)).
// Linux 7.3.4: a page that is on its way to swap, and is used elsewhere (here by vmsplice), comes back as
// a page of KSM. KSM forgets it, and reclaim cannot take it any more. Needs CONFIG_KSM and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static void ksm(const char *path, const char *text)
{
	if (write(open(path, O_WRONLY), text, strlen(text)) < 0)
		perror(path), _exit(2);
}

// Is the page there, and one of KSM (bit 21 of /proc/kpageflags)?
static int merged(char *p)
{
	uint64_t entry = 0, flags = 0;
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (uintptr_t)p / 4096 * 8);
	pread(open("/proc/kpageflags", O_RDONLY), &flags, 8, (entry & 0x7fffffffffffff) * 8);
	return entry >> 63 && flags >> 21 & 1;
}

int main(void)
{
	char *p = memset(mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 7, 8192);
	int ends[2], broken;

	ksm("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	ksm("/sys/kernel/mm/ksm/run", "1");
	if (madvise(p, 8192, MADV_MERGEABLE) || sleep(3) || !merged(p) || munmap(p + 4096, 4096) || pipe(ends) ||
	    vmsplice(ends[1], &(struct iovec){ p, 4096 }, 1, 0) != 4096 || madvise(p, 4096, MADV_PAGEOUT) || merged(p))
		return puts("KSM has merged nothing, or nothing goes to swap"), 2;
	broken = !madvise(p, 4096, MADV_UNMERGEABLE) && *(volatile char *)p == 7 && merged(p);
	close(ends[0]), close(ends[1]), sleep(3);
	madvise(p, 4096, MADV_PAGEOUT);
	printf(broken ? "BROKEN: a page is one of KSM after MADV_UNMERGEABLE%s\n" : "ok\n", merged(p) ? ", and MADV_PAGEOUT does nothing" : "");
	return broken;
}
