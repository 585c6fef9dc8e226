// Expected: UFFDIO_COPY fills a page of tmpfs where write(2) and a page fault get one: the space that a huge page takes
// beyond the end of another file is given up (mm/shmem.c: "try to reclaim some space by splitting a few large
// folios beyond i_size"). Write to the same page is the control.
// Linux 7.3.4: UFFDIO_COPY fails with ENOMEM. Needs userfaultfd, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)

int main(void)
{
	static char page[4096] __attribute__((aligned(4096)));
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), one, other, error = 0;
	struct uffdio_api api = { .api = UFFD_API };
	char *p = (char *)0x700000000000, *q;
	struct stat st;
	long copied = 0;

	mkdir("/mnt", 0755);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || mount("tmpfs", "/mnt", "tmpfs", 0, "size=3M,huge=always"))
		return perror("userfaultfd, mount"), 2;
	one = open("/mnt/one", O_RDWR | O_CREAT, 0600);
	ftruncate(one, 4096);
	p = mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, one, 0);
	*p = 7;
	if (fstat(one, &st) || st.st_blocks != HUGE / 512)
		return puts("no huge page"), 2;
	munmap(p, HUGE);
	other = open("/mnt/other", O_RDWR | O_CREAT, 0600);
	ftruncate(other, HUGE);
	q = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	struct uffdio_register reg = { .range = { (long)q, HUGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("UFFDIO_REGISTER"), 2;
	for (long i = 0; i < HUGE && !error; i += 4096) {
		struct uffdio_copy copy = { .dst = (long)q + i, .src = (long)page, .len = 4096 };

		if (ioctl(uffd, UFFDIO_COPY, &copy))
			error = errno;
		else
			copied += 4096;
	}
	if (!error)
		return puts("ok"), 0;
	if (pwrite(other, page, 4096, copied) != 4096)
		return perror("write"), 2;
	printf("BROKEN: UFFDIO_COPY fails after %ld kB: %s. write to the same page succeeds\n", copied / 1024, strerror(error));
	return 1;
}
