// Half of a huge page on a device is unmapped. The page comes home whole when the device file is
// closed. The kernel does not note that the page is mapped in part, so it never splits the page,
// and the memory of the unmapped half is not given back. Needs CONFIG_TEST_HMM,
// CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE (2UL << 20)
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
static char mirror[HUGE];

static int count(const char *what)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/stats/%s", what);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		perror(path), exit(2);
	close(fd);
	return atoi(text);
}

// Unmaps half of a new huge page. Returns how many more huge pages count as mapped in part, and
// sets *huge to how many more huge pages there are.
static int partial(int on_device, int *huge)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR), before = count("nr_anon_partially_mapped"), there = count("nr_anon");
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = HUGE / 4096 };

	madvise(p, HUGE, MADV_HUGEPAGE);
	memset(p, 1, HUGE);
	if (on_device && ioctl(dev, MIGRATE_TO_DEV, &cmd))
		perror("/dev/hmm_dmirror0"), exit(2);
	munmap(p + HUGE / 2, HUGE / 2);
	close(dev);
	*huge = count("nr_anon") - there;
	return count("nr_anon_partially_mapped") - before;
}

int main(void)
{
	int huge, system = partial(0, &huge), device = partial(1, &huge);

	printf(system == 1 && device == 0 && huge == 1 ? "BROKEN: a huge page that was on a device is mapped by half, and does not count as mapped in part\n" : "ok\n");
	return system == 1 && device == 0 && huge == 1;
}
