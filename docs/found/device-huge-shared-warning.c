// A huge page that fork() shares migrates to a device. remove_migration_pmd() makes a
// device-private entry for it, tests the write bit of this entry as if the entry were present, and
// warns. Needs CONFIG_DEBUG_VM, CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE (2UL << 20)
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
static char mirror[2 * HUGE], text[8192];

int main(void)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR), log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), warned = 0;
	char *p = mmap(0, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = 2 * HUGE / 4096 };

	pid_t child;

	lseek(log, 0, SEEK_END);
	madvise(p, 2 * HUGE, MADV_HUGEPAGE);
	*p = 1;
	if (!(child = fork()))
		pause();
	if (ioctl(dev, MIGRATE_TO_DEV, &cmd))
		return perror("/dev/hmm_dmirror0"), kill(child, SIGKILL), 2;
	for (ssize_t n; (n = read(log, text, sizeof(text) - 1)) > 0;) {
		text[n] = 0;
		warned |= strstr(text, "WARNING") && strstr(text, "remove_migration_pmd");
	}
	kill(child, SIGKILL);
	puts(warned ? "BROKEN: the kernel takes a device-private entry for a present and writable one, and warns" : "ok");
	return warned;
}
