// Expected: each access to a page that UFFDIO_POISON has poisoned raises SIGBUS.
// Linux 7.3.4: after another mapping of the same memfd is collapsed to a huge page (MADV_COLLAPSE),
// the page can be read. Needs CONFIG_USERFAULTFD and CONFIG_TRANSPARENT_HUGEPAGE. cc -static
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

struct poison { struct uffdio_range range; uint64_t mode; int64_t updated; };
#define UFFDIO_POISON_ _IOWR(UFFDIO, 8, struct poison)

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), memory = memfd_create("memory", 0), null[2];
	char *p = mmap((char *)(1l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	char *other = mmap((char *)(2l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct poison poison = { .range = { (uintptr_t)p, 4096 } };

	if (ftruncate(memory, SIZE) || pipe(null) || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(uffd, UFFDIO_POISON_, &poison))
		return perror("userfaultfd"), 2;
	memset(other, 1, SIZE);
	if (write(null[1], p, 1) == 1)	// EFAULT instead of SIGBUS
		return puts("cannot be run: the page is not poisoned"), 2;
	if (madvise(other, SIZE, COLLAPSE))
		return perror("MADV_COLLAPSE"), 2;
	if (write(null[1], p, 1) < 0)
		return puts("ok"), 0;
	puts("BROKEN: a poisoned page can be read after another mapping was collapsed");
	return 1;
}
