// Expected (Documentation/admin-guide/mm/userfaultfd.rst): read-write protection works on shmem,
// and is preserved across page reclaim.
// Linux 7.3.4: a page of shared memory loses the protection when it is reclaimed; a private page
// keeps it. Needs CONFIG_USERFAULTFD, swap and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

// Returns 1 if an access to a protected page in swap succeeds.
static int reaches(int sharing)
{
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 1 << 17 | UFFD_FEATURE_SIGBUS, 0 }); // RWP
	*(volatile char *)p = 1;
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)p, 4096 }, 8 /* UFFDIO_REGISTER_MODE_RWP */ });
	if (ioctl(uffd, _IOWR(UFFDIO, 9, long[3]), (long[3]){ (long)p, 4096, 1 })) // UFFDIO_RWPROTECT
		puts("cannot be run: no UFFDIO_RWPROTECT"), exit(2);
	int word = memfd_create("word", 0);
	if (write(word, p, 1) == 1)
		return 0; // it was never protected: not this bug
	for (int i = 0; i < 4; i++)
		madvise(p, 4096, MADV_PAGEOUT);
	return write(word, p, 1) == 1;
}

int main(void)
{
	int broken = reaches(MAP_SHARED) && !reaches(MAP_PRIVATE);
	return puts(broken ? "BROKEN: an access to a page that was protected and is in swap goes through in shared memory" : "ok"), broken;
}
