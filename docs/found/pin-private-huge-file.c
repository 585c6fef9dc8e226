// Expected: a pin for reading of a private mapping of a file returns.
// Linux 7.3.4: if the file has a huge page there, a long-term pin (FOLL_LONGTERM) faults for ever.
// Needs CONFIG_GUP_TEST and huge pages of shared memory. Run as root; cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define PIN_LONGTERM_TEST_START _IOW('g', 7, long[3])
#define HUGE (2L << 20)

// Maps a new file privately, with a huge page or small pages as "advice" says, and pins the first
// 4096 bytes for reading.
static int pin(int advice)
{
	int file = memfd_create("file", 0), gup_test = open("/sys/kernel/debug/gup_test", O_RDWR);
	char *p = ftruncate(file, HUGE) ? 0 : mmap((void *)0x700000000000, HUGE, PROT_READ, MAP_PRIVATE, file, 0);

	if (madvise(p, HUGE, advice) || gup_test < 0)
		return perror("cannot be run"), 2;
	return !!ioctl(gup_test, PIN_LONGTERM_TEST_START, (long[3]){ (uintptr_t)p, 4096, 0 });
}

// The status of pin(), or -1 if it has not returned after 5 s.
static int try(int advice)
{
	int status, tries = 50;
	pid_t child = fork();

	if (!child)
		_exit(pin(advice));
	while (!waitpid(child, &status, WNOHANG)) {
		if (!tries--)
			return kill(child, SIGKILL), waitpid(child, &status, 0), -1;
		usleep(100000);
	}
	return WEXITSTATUS(status);
}

int main(void)
{
	const char *path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

	write(open(path, O_WRONLY), "advise", strlen("advise"));
	int small = try(MADV_NOHUGEPAGE), huge = try(MADV_HUGEPAGE);
	if (small || huge > 0)
		return puts("cannot be run: no pins"), 2;
	if (huge)
		return puts("BROKEN: a long-term pin for reading of a private huge page of a file runs for 5 s and does not return"), 1;
	return puts("ok"), 0;
}
