// Expected: each access to a page that UFFDIO_POISON has poisoned raises SIGBUS, in a child, too.
// Linux 7.3.4: that holds for private memory. In shared memory the child reads zero. Needs
// CONFIG_USERFAULTFD. cc -static
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

struct poison { struct uffdio_range range; uint64_t mode; int64_t updated; };
#define UFFDIO_POISON_ _IOWR(UFFDIO, 8, struct poison)

// Returns whether a read of the page by a child raises SIGBUS, or -1 if the test cannot run.
static int faults(int flags)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), status = 0;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct poison poison = { .range = reg.range };

	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_POISON_, &poison))
		return perror("userfaultfd"), -1;
	if (!fork())
		_exit(*(volatile char *)p);
	wait(&status);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

int main(void)
{
	int private = faults(MAP_PRIVATE), shared = faults(MAP_SHARED);

	if (private != 1 || shared < 0)
		return 2;
	puts(shared ? "ok" : "BROKEN: a child can read a poisoned page of shared memory");
	return !shared;
}
