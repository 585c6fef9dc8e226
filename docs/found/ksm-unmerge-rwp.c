// Expected: MADV_UNMERGEABLE unmerges pages of KSM, and they stay read-write-protected for
// userfaultfd, since nobody accesses them.
// Linux 7.3.4: with RWP_ASYNC they lose the protection; without it the call succeeds, and both
// pages still have the same frame. Needs CONFIG_KSM, CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define AT(page) ((char *)0x700000000000 + (page) * 4096L)

static int test(long features)
{
	long entry[2];
	mmap(AT(0), 2 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile long *)AT(0) = *(volatile long *)AT(1) = 1;
	madvise(AT(0), 2 * 4096, MADV_MERGEABLE);
	write(open("/sys/kernel/mm/ksm/run", O_WRONLY), "1", 1);
	sleep(2);
	write(open("/sys/kernel/mm/ksm/run", O_WRONLY), "0", 1);
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, features, 0 });
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 2 * 4096 }, 8 /* UFFDIO_REGISTER_MODE_RWP */, 0 });
	if (ioctl(uffd, _IOWR(UFFDIO, 9, long[3]), (long[3]){ (long)AT(0), 2 * 4096, 1 })) // UFFDIO_RWPROTECT
		puts("cannot be run: no UFFDIO_RWPROTECT"), exit(9);
	if (madvise(AT(0), 2 * 4096, MADV_UNMERGEABLE))
		perror("MADV_UNMERGEABLE");
	pread(open("/proc/self/pagemap", O_RDONLY), entry, 16, (long)AT(0) / 512);
	return (entry[0] << 9 == entry[1] << 9) + 2 * !(entry[0] & entry[1] & 1L << 57);
}

int main(void)
{
	int merged = 0, lost;
	if (!fork())
		_exit(test(1 << 17)); // UFFD_FEATURE_RWP
	wait(&merged);
	if (merged == 9 << 8)
		return 2;
	merged = merged == 1 << 8;
	lost = test(3 << 17); // and UFFD_FEATURE_RWP_ASYNC
	printf(merged || lost ? "BROKEN: MADV_UNMERGEABLE of read-write-protected pages%s%s\n" : "ok\n",
	       merged ? " leaves them merged in the synchronous mode;" : "", lost ? " ends their protection in the asynchronous mode" : "");
	return merged || lost;
}
