// MADV_GUARD_INSTALL over a page of shared memory that is write-protected for userfaultfd never
// returns: zapping the page leaves a marker of the protection, which counts as a page to be zapped.
// Needs CONFIG_USERFAULTFD and CONFIG_SHMEM. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define GUARD_INSTALL 102

// Returns 0 if the guard region is installed, 2 if the test cannot run.
static int install(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), memfd = memfd_create("memory", 0);
	char *p = ftruncate(memfd, 8192) ? 0 : mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	struct uffdio_range range = { .start = (uintptr_t)p, .len = 4096 };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = range, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };

	p[0] = p[4096] = 1;
	if (madvise(p + 4096, 4096, GUARD_INSTALL))
		return puts("cannot be run: no MADV_GUARD_INSTALL of shared memory"), fflush(stdout), 2;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return perror("userfaultfd"), 2;
	return madvise(p, 4096, GUARD_INSTALL) ? 2 : 0;
}

int main(void)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(install());
	for (int i = 0; i < 50 && !waitpid(child, &status, WNOHANG); i++)
		usleep(100000);
	if (!kill(child, 0) && !waitpid(child, &status, WNOHANG)) {
		printf("BROKEN: MADV_GUARD_INSTALL runs for 5 s and does not return\n");
		kill(child, SIGKILL);
		return 1;
	}
	if (WEXITSTATUS(status) == 0)
		printf("ok\n");
	return WEXITSTATUS(status);
}
