// Expected: ksm_zero_pages of /sys/kernel/mm/ksm is 0 when no page is mapped any more.
// Linux 7.3.4: fork copies the parent's count before it takes mmap_lock. Zero pages that KSM maps
// between the copy and the lock are not counted for the child, but are subtracted when the child
// exits. The count falls below 0. Needs CONFIG_KSM and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define SIZE (256 * 4096)
#define KSM "/sys/kernel/mm/ksm/"

static void set(const char *path, const char *text)
{
	if (write(open(path, O_WRONLY), text, strlen(text)) < 0)
		perror(path), _exit(2);
}

static long zero_pages(void)
{
	char text[32] = "";
	read(open(KSM "ksm_zero_pages", O_RDONLY), text, sizeof(text) - 1);
	return atol(text);
}

int main(void)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long before = zero_pages(), after;

	madvise(p, SIZE, MADV_MERGEABLE);
	set(KSM "use_zero_pages", "1"), set(KSM "pages_to_scan", "10000"), set(KSM "sleep_millisecs", "0"), set(KSM "run", "1");
	for (time_t end = time(0) + 10; time(0) < end; wait(0)) {
		memset(p, 0, SIZE);
		usleep(rand() % 20000);
		if (!fork())
			_exit(0);
	}
	set(KSM "run", "0");
	munmap(p, SIZE);
	after = zero_pages();
	printf(after == before ? "ok\n" : "BROKEN: ksm_zero_pages: %ld before, %ld when all is unmapped\n", before, after);
	return after != before;
}
