// smaps divides a small page by the processes that map it, also on a device. It counts a huge page
// on a device whole for each process, and as shared even if only one process maps it. Needs
// CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUGE (2UL << 20)
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
static char mirror[HUGE];

// Returns a row of smaps, in kB, for the mapping with this page.
static long smaps(char *p, const char *row)
{
	char line[512];
	unsigned long from, to;
	int inside = 0;
	long kb = -1, found;
	FILE *file = fopen("/proc/self/smaps", "r");

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= (uintptr_t)p && (uintptr_t)p < to;
		else if (inside && !strncmp(line, row, strlen(row)) && sscanf(line + strlen(row), ": %ld", &found) == 1)
			kb = found;
	}
	fclose(file);
	return kb;
}

// Returns the Pss, in kB, of 2 MiB on a device that two processes map. Sets *alone to the shared
// memory, in kB, that smaps shows before the second process exists.
static long half(int dev, int advice, long *alone)
{
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = HUGE / 4096 };
	long pss;
	pid_t child;

	madvise(p, HUGE, advice);
	memset(p, 1, HUGE);
	if (ioctl(dev, MIGRATE_TO_DEV, &cmd))
		perror("/dev/hmm_dmirror0"), _exit(2);
	*alone = smaps(p, "Shared_Dirty") + smaps(p, "Shared_Clean");
	child = fork();
	if (!child)
		return pause();
	pss = smaps(p, "Pss");
	kill(child, SIGKILL);
	wait(0);
	return pss;
}

int main(void)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR);
	long shared, huge_shared, small = half(dev, MADV_NOHUGEPAGE, &shared), huge = half(dev, MADV_HUGEPAGE, &huge_shared);

	printf(small == 1024 && huge > small ? "BROKEN: Pss of 2 MiB that two processes map: %ld kB in small pages, %ld kB as a huge page; Shared when one maps it: %ld and %ld kB\n" : "ok\n",
	       small, huge, shared, huge_shared);
	return small == 1024 && huge > small;
}
