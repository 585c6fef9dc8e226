// Expected: a process with PR_MCE_KILL_EARLY gets SIGBUS as soon as memory that it has mapped is corrupt.
// Linux 7.3.4: not for a page of a folio of 64 kB, and not for one of a huge page of shared memory. Needs
// CONFIG_MEMORY_FAILURE, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#define SIZE (2L << 20)

static volatile int signals;

static void told(int number)
{
	signals += number == SIGBUS;
}

static int set(const char *file, const char *text)
{
	int f = open(file, O_WRONLY), failed = write(f, text, strlen(text)) < 0;

	close(f);
	return failed;
}

// Reports a memory error of the second page, and returns how many signals this raises.
static int poison(char *p)
{
	char text[32];
	long entry;

	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)(p + 4096) / 512);
	sprintf(text, "0x%lx", (entry & ((1l << 55) - 1)) << 12);
	signals = 0;
	if (set("/sys/devices/system/memory/hard_offline_page", text))
		perror("hard_offline_page"), _exit(2);
	usleep(100000);
	return signals;
}

static char *map(int file, int advice)
{
	static char *at = (char *)(1l << 32);
	int flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	char *p = mmap(at += SIZE, SIZE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, file, 0);

	if (file >= 0 && ftruncate(file, SIZE))
		perror("ftruncate"), _exit(2);
	madvise(p, SIZE, advice);
	return memset(p, 1, SIZE);
}

int main(void)
{
	char *small, *folio, *shared, *huge;
	int all[4];

	signal(SIGBUS, told);
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	small = map(-1, MADV_NOHUGEPAGE);
	if (set("/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/enabled", "never") || set("/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled", "always"))
		return perror("hugepages-64kB"), 2;
	folio = map(-1, MADV_HUGEPAGE);
	shared = map(memfd_create("small", 0), MADV_NOHUGEPAGE);
	huge = map(memfd_create("huge", 0), MADV_HUGEPAGE);
	if (madvise(huge, SIZE, 25 /* MADV_COLLAPSE */))
		return perror("MADV_COLLAPSE"), 2;
	all[0] = poison(small), all[1] = poison(folio), all[2] = poison(shared), all[3] = poison(huge);
	if (all[0] == 1 && all[1] == 1 && all[2] == 1 && all[3] == 1)
		return puts("ok"), 0;
	printf("BROKEN: signals for an error in a small anonymous page: %d, in an anonymous folio of 64 kB: %d, in a small shared page: %d, in a huge shared page: %d\n",
	       all[0], all[1], all[2], all[3]);
	return 1;
}
