// Expected: fork fails with ENOMEM only if memory is tight. Linux 7.3.4: fork also fails if a
// device has exclusive access to a page, and the lock of its folio is held for a moment. Here
// another process holds it, because it marks all pages idle. Without the device, no fork fails.
// Needs CONFIG_TEST_HMM, CONFIG_IDLE_PAGE_TRACKING and root. cc -static
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGES 2048L

static char mirror[PAGES * 4096], ones[4096];

static void mark_idle_for_ever(void)
{
	int bitmap = open("/sys/kernel/mm/page_idle/bitmap", O_RDWR);

	for (memset(ones, -1, sizeof(ones));;)
		for (off_t at = 0; pwrite(bitmap, ones, sizeof(ones), at) > 0;)
			at += sizeof(ones);
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR), forks[2] = {}, failed[2] = {}, child = fork();

	if (!child)
		mark_idle_for_ever();
	char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
	memset(p, 1, PAGES * 4096);
	for (time_t end = time(0) + 60; failed[1] < 3 && time(0) < end;) {
		int exclusive = (forks[0] + forks[1]) % 2;

		memset(p, 1, PAGES * 4096); // ends exclusive access
		if (exclusive && ioctl(dmirror, _IOWR('H', 5, long[5]), (long[5]){ (long)p, (long)mirror, PAGES }))
			continue;
		pid_t pid = fork();
		if (!pid)
			_exit(0);
		forks[exclusive]++;
		if (pid > 0)
			waitpid(pid, 0, 0);
		else if (errno == ENOMEM)
			failed[exclusive]++;
	}
	kill(child, SIGKILL);
	printf(failed[1] && !failed[0] ? "BROKEN: " : "ok: ");
	printf("with a device, %d of %d forks fail; without, %d of %d\n", failed[1], forks[1], failed[0], forks[0]);
	return failed[1] && !failed[0];
}
