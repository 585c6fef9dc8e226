// Expected: UFFDIO_MOVE succeeds for a hole. UFFDIO_MOVE(2const) says that holes are "accounted as
// successfully moved" with UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES. Linux 7.3.4: it fails with EFAULT if
// the hole is write-protected for userfaultfd (UFFD_FEATURE_WP_UNPOPULATED). cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define AT ((char *)0x700000000000)
#define ALLOW_SRC_HOLES 2
#define WP_UNPOPULATED (1 << 13)
#define MOVE _IOWR(UFFDIO, 5, long[5])

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_range hole = { (long)AT, 4096 }, target = { (long)AT + 8192, 4096 };
	long move[5] = { target.start, hole.start, 4096, ALLOW_SRC_HOLES };

	mmap(AT, 3 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_PAGEFAULT_FLAG_WP | WP_UNPOPULATED }) ||
	    ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ hole, UFFDIO_REGISTER_MODE_WP }) ||
	    ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ target, UFFDIO_REGISTER_MODE_MISSING }) || ioctl(uffd, MOVE, move))
		return perror("cannot be run"), 2;
	ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ hole, UFFDIO_WRITEPROTECT_MODE_WP });
	move[4] = 0;
	int broken = ioctl(uffd, MOVE, move) ? errno : 0;
	if (broken)
		printf("BROKEN: UFFDIO_MOVE of a hole succeeds; of a write-protected hole, it fails with error %d\n", broken);
	else
		puts("ok");
	return !!broken;
}
