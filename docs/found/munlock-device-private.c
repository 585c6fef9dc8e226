// munlock() passes over device-private pages: they stay mlocked, and Mlocked: of /proc/meminfo
// never comes down again. Needs CONFIG_TEST_HMM and root. cc -static
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (256 * 4096)
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
static char mirror[SIZE];

static long mlocked(void)
{
	char line[128];
	long kb = -1;
	FILE *meminfo = fopen("/proc/meminfo", "r");
	while (fgets(line, sizeof(line), meminfo))
		sscanf(line, "Mlocked: %ld", &kb);
	fclose(meminfo);
	return kb;
}

int main(void)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR);
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = SIZE / 4096 };
	long before = mlocked();

	memset(p, 1, SIZE);
	if (mlock(p, SIZE) || ioctl(dev, MIGRATE_TO_DEV, &cmd))
		return perror("mlock or /dev/hmm_dmirror0"), 2;
	munlock(p, SIZE);
	munmap(p, SIZE);
	close(dev);
	printf(mlocked() > before ? "BROKEN: Mlocked: %ld kB before, %ld kB when all is unmapped\n" : "ok\n", before, mlocked());
}
