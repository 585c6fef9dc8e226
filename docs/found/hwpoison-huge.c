// Expected: MADV_HWPOISON poisons the pages of its range, and MADV_SOFT_OFFLINE replaces them.
// Linux 7.3.4: if they are a huge page (THP), the calls handle only the first page of the range.
// Needs CONFIG_MEMORY_FAILURE, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)

static void ignore(int signal)
{
	(void)signal;
}

// Gives advice on 64 pages. Returns for how many of them pagemap then has another page frame.
static int changed(int advice, int size)
{
	long frames = (1L << 55) - 1, before[64], after[64];
	int count = 0, pagemap = open("/proc/self/pagemap", O_RDONLY);

	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, size);
	memset(AT, 1, HUGE);
	pread(pagemap, before, sizeof(before), (long)AT / 512);
	if (madvise(AT, 64 * 4096, advice))
		perror("madvise"), _exit(2);
	pread(pagemap, after, sizeof(after), (long)AT / 512);
	for (int i = 0; i < 64; i++)
		count += (before[i] & frames) != (after[i] & frames);
	return count;
}

int main(void)
{
	signal(SIGBUS, ignore);
	int poisoned[2] = { changed(100, MADV_NOHUGEPAGE), changed(100, MADV_HUGEPAGE) }; // MADV_HWPOISON
	int moved[2] = { changed(101, MADV_NOHUGEPAGE), changed(101, MADV_HUGEPAGE) }; // MADV_SOFT_OFFLINE
	int broken = poisoned[1] < poisoned[0] || moved[1] < moved[0];

	printf(broken ? "BROKEN: MADV_HWPOISON of 64 pages poisons %d, and %d of a huge page; MADV_SOFT_OFFLINE of 64 pages replaces %d, and %d of a huge page\n" : "ok\n", poisoned[0], poisoned[1], moved[0], moved[1]);
	return broken;
}
