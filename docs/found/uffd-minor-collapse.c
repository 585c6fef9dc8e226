// Expected: in a range that is registered for minor faults, a page that UFFDIO_CONTINUE has not
// mapped raises a fault.
// Linux 7.3.4: MADV_COLLAPSE maps all such pages, and later accesses get no event. In a range that
// is registered for missing pages, MADV_COLLAPSE refuses. Needs CONFIG_USERFAULTFD and
// CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (2l << 20)
#define COLLAPSE 25

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), memory = memfd_create("memory", 0), null[2];
	char *p = mmap((char *)(1l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	char *other = mmap((char *)(2l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_SIGBUS };
	struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE }, .mode = UFFDIO_REGISTER_MODE_MINOR };

	if (ftruncate(memory, SIZE) || pipe(null) || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	memset(other, 1, SIZE);
	if (write(null[1], p, 1) == 1)	// EFAULT stands for a fault that a monitor would have to serve
		return puts("cannot be run: an access to the page raises no minor fault"), 2;
	madvise(p, SIZE, COLLAPSE);
	if (write(null[1], p, 1) < 0)
		return puts("ok"), 0;
	puts("BROKEN: a page can be read without a minor fault, and nobody has mapped it");
	return 1;
}
