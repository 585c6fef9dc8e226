// Expected: UFFDIO_MOVE of a page in the memory of a device does not say that there is no page.
// UFFDIO_MOVE(2const): with UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES, holes are "accounted as successfully moved".
// Linux 7.3.4: ENOENT for a huge page on a device; EFAULT for a small one. Needs CONFIG_TEST_HMM,
// CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE];

// Moves 2 MiB on a device by UFFDIO_MOVE. Returns the error.
static int moved(int uffd, int dmirror, int advice)
{
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, advice);
	memset(AT, 1, HUGE);
	if (ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 }))
		perror("/dev/hmm_dmirror0");
	return ioctl(uffd, _IOWR(0xaa, 5, long[5]), (long[5]){ (long)AT + HUGE, (long)AT, HUGE, 2 }) ? errno : 0; // UFFDIO_MOVE, ALLOW_SRC_HOLES
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API });
	mmap(AT + HUGE, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT + HUGE, HUGE }, UFFDIO_REGISTER_MODE_MISSING });
	int huge = moved(uffd, dmirror, MADV_HUGEPAGE), small = moved(uffd, dmirror, MADV_NOHUGEPAGE);
	int broken = small != ENOENT && huge == ENOENT;
	puts(broken ? "BROKEN: UFFDIO_MOVE says that a huge page on a device is missing" : "ok");
	return broken;
}
