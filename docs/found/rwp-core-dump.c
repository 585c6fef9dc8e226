// Expected: a core dump contains the private anonymous memory of the process (core(5)), also what no
// access is allowed to.
// Linux 7.3.4: pages that UFFDIO_RWPROTECT protects are missing. Pages with PROT_NONE are there. Needs
// CONFIG_USERFAULTFD_RWP, CONFIG_COREDUMP and root (for core_pattern). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct rwprotect { struct uffdio_range range; uint64_t mode; };
#define UFFDIO_RWPROTECT_ _IOWR(UFFDIO, 9, struct rwprotect)

// Protects a page, and aborts.
static void die(int rwp)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t i, *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API, .features = 1 << 17 /* UFFD_FEATURE_RWP */ };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = 8 /* UFFDIO_REGISTER_MODE_RWP */ };
	struct rwprotect protect = { reg.range, 1 };

	for (i = 0; i < 512; i++)
		p[i] = i * 0x123456789abcdef1ULL;
	if (setrlimit(RLIMIT_CORE, &limit))
		_exit(2);
	if (!rwp && mprotect(p, 4096, PROT_NONE))
		_exit(2);
	if (rwp && (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_RWPROTECT_, &protect)))
		_exit(2);
	abort();
}

// Returns whether the core dump contains the page, or -1 if the test cannot run.
static int dumped(int rwp)
{
	uint64_t i, *core;
	struct stat stat;
	int status, file, found = 0;

	unlink("/tmp/core");
	if (!fork())
		die(rwp);
	wait(&status);
	file = open("/tmp/core", O_RDONLY);
	if (!WIFSIGNALED(status) || file < 0 || fstat(file, &stat))
		return -1;
	core = mmap(0, stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	for (i = 0; i + 512 <= (uint64_t)stat.st_size / 8; i += 512)
		found |= core[i + 1] == 0x123456789abcdef1ULL && core[i + 511] == 511 * 0x123456789abcdef1ULL;
	return found;
}

int main(void)
{
	int pattern = write(open("/proc/sys/kernel/core_pattern", O_WRONLY), "/tmp/core", 9) == 9, none = dumped(0), rwp = dumped(1);

	if (!pattern || none != 1 || rwp < 0)
		return puts("cannot be run: no RWP, or no core dump"), 2;
	puts(rwp ? "ok" : "BROKEN: a core dump lacks a page that is read-write-protected; a page with PROT_NONE is there");
	return !rwp;
}
