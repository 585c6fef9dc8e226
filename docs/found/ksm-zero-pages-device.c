// A page that KSM has replaced by the zero page migrates to a device. The kernel still counts it,
// so ksm_zero_pages never comes down again. Needs CONFIG_KSM, CONFIG_TEST_HMM and root. cc -static
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define KSM "/sys/kernel/mm/ksm/"
#define SIZE (16 * 4096)
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
static char mirror[SIZE];

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path), exit(2);
	close(fd);
}

static long zero_pages(void)
{
	char text[32] = "";
	int fd = open(KSM "ksm_zero_pages", O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return atol(text);
}

int main(void)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int dev = open("/dev/hmm_dmirror0", O_RDWR);
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = SIZE / 4096 };
	long before = zero_pages(), merged, after;

	memset(p, 0, SIZE);
	madvise(p, SIZE, MADV_MERGEABLE);
	set(KSM "use_zero_pages", "1");
	set(KSM "pages_to_scan", "10000");
	set(KSM "sleep_millisecs", "20");
	set(KSM "run", "1");
	sleep(3);
	set(KSM "run", "0");
	merged = zero_pages();
	if (ioctl(dev, MIGRATE_TO_DEV, &cmd))
		return perror("/dev/hmm_dmirror0"), 2;
	munmap(p, SIZE);
	after = zero_pages();
	if (merged == before)
		return printf("cannot be run: KSM has merged nothing\n"), 2;
	printf(after > before ? "BROKEN: ksm_zero_pages: %ld before, %ld when all is unmapped\n" : "ok\n", before, after);
	return after > before;
}
