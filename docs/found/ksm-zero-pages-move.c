// KSM marks the zero page that it puts in the place of a page of zeroes, and counts it. UFFDIO_MOVE
// drops this mark when it moves the page, so ksm_zero_pages never comes down again. Needs
// CONFIG_KSM, CONFIG_USERFAULTFD and root. cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define KSM "/sys/kernel/mm/ksm/"
#define SIZE (16 * 4096)
#define MOVE (1 << 16)
struct move { uint64_t to, from, len, mode; int64_t moved; };
#define UFFDIO_MOVE_ _IOWR(UFFDIO, 0x05, struct move)

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
	char *q = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API, .features = MOVE };
	struct uffdio_register reg = { .range = { (uintptr_t)q, SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct move move = { .to = (uintptr_t)q, .from = (uintptr_t)p, .len = SIZE };
	long before = zero_pages(), merged, after;

	memset(p, 0, SIZE);
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	madvise(p, SIZE, MADV_MERGEABLE);
	set(KSM "use_zero_pages", "1");
	set(KSM "pages_to_scan", "10000");
	set(KSM "sleep_millisecs", "20");
	set(KSM "run", "1");
	sleep(3);
	set(KSM "run", "0");
	merged = zero_pages();
	if (ioctl(uffd, UFFDIO_MOVE_, &move))
		return perror("UFFDIO_MOVE"), 2;
	munmap(p, SIZE);
	munmap(q, SIZE);
	after = zero_pages();
	if (merged == before)
		return printf("cannot be run: KSM has merged nothing\n"), 2;
	printf(after > before ? "BROKEN: ksm_zero_pages: %ld before, %ld when all is unmapped\n" : "ok\n", before, after);
	return after > before;
}
