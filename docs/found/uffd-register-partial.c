// Expected: a UFFDIO_REGISTER that fails changes nothing.
// Linux 7.3.4: one that fails because the process has too many VMAs (ENOMEM) leaves the beginning
// of the range registered. Accesses there wait for a handler that knows nothing of the range. Needs
// CONFIG_USERFAULTFD. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), i = 0, null[2];
	char *p = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_SIGBUS };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 2 * 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (pipe(null) || ioctl(uffd, UFFDIO_API, &api) || mprotect(p + 4096, 2 * 4096, PROT_READ))
		return perror("userfaultfd"), 2;
	while (mmap(0, 4096, i++ % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		;	// up to vm.max_map_count
	if (!ioctl(uffd, UFFDIO_REGISTER, &reg))	// must split the second mapping
		return puts("cannot be run: UFFDIO_REGISTER did not fail"), 2;
	if (write(null[1], p, 1) == 1)	// EFAULT stands for a fault that a monitor would have to serve
		return puts("ok"), 0;
	puts("BROKEN: UFFDIO_REGISTER has failed, and a page is registered");
	return 1;
}
