// Expected: each access to a page that UFFDIO_POISON has poisoned raises SIGBUS, also after a hole was
// punched into the file: nothing has mapped another page there.
// Linux 7.3.4: that holds for a memfd with small pages. In one of hugetlb the access succeeds. Needs
// hugetlb, CONFIG_USERFAULTFD and root (for nr_hugepages). cc -static
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

struct poison { struct uffdio_range range; uint64_t mode; int64_t updated; };
#define UFFDIO_POISON_ _IOWR(UFFDIO, 8, struct poison)

// Poisons a page of a memfd, and punches a hole there if hole is not 0. Returns whether a read of the
// page raises SIGBUS, or -1 if the test cannot run.
static int faults(int flags, long size, int hole)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), memory = memfd_create("memory", flags), status = 0;
	char *p = (ftruncate(memory, size), mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, size }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct poison poison = { .range = reg.range };

	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(uffd, UFFDIO_POISON_, &poison) || ioctl(uffd, UFFDIO_UNREGISTER, &reg.range))
		return perror("userfaultfd"), -1;
	if (hole && fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size))
		return perror("fallocate"), -1;
	if (!vfork()) // in the same memory: fork does not copy poison
		_exit(*(volatile char *)p);
	wait(&status);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

int main(void)
{
	int pool = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1);
	int small = faults(0, 4096, 1), before = faults(MFD_HUGETLB, 2 << 20, 0), after = faults(MFD_HUGETLB, 2 << 20, 1);

	if (pool != 1 || small != 1 || before != 1 || after < 0)
		return 2;
	puts(after ? "ok" : "BROKEN: a poisoned huge page can be read after a hole was punched there");
	return !after;
}
