// Expected: a page that UFFDIO_MOVE has moved is soft-dirty at its new address.
// Linux 7.3.4: the zero page is not. Needs CONFIG_USERFAULTFD, CONFIG_MEM_SOFT_DIRTY. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define PAGE 4096

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), broken;
	char *to = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *from = to + 2 * PAGE;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)to, 2 * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct { uint64_t dst, src, len, mode; int64_t moved; } move = { (uintptr_t)to, (uintptr_t)from, 2 * PAGE, 0, 0 };
	long entry[2];

	madvise(to, 4 * PAGE, MADV_NOHUGEPAGE);
	to[0] = to[PAGE] = 1;
	*(volatile char *)from;	// the zero page
	from[PAGE] = 2;
	write(open("/proc/self/clear_refs", O_WRONLY), "4", 1);
	madvise(to, 2 * PAGE, MADV_DONTNEED);
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(uffd, _IOWR(UFFDIO, 5, move) /* UFFDIO_MOVE */, &move))
		return perror("UFFDIO_MOVE"), 2;
	pread(open("/proc/self/pagemap", O_RDONLY), entry, sizeof(entry), (long)to / PAGE * 8);
	broken = (entry[1] >> 55 & 1) && !(entry[0] >> 55 & 1);
	puts(broken ? "BROKEN: UFFDIO_MOVE of the zero page does not make its destination soft-dirty, UFFDIO_MOVE of another page does" : "ok");
	return broken;
}
