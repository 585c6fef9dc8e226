// Expected: mlock succeeds for mapped memory within RLIMIT_MEMLOCK, at least if that memory cannot be
// swapped anyway.
// Linux 7.3.4: mlock of secret memory fails with ENOMEM. Needs CONFIG_SECRETMEM, hugetlb and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define LEN (2L << 20)

// Maps that file, touches and locks it. Returns the error of mlock.
static int lock(int fd)
{
	char *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, LEN))
		p = mmap(0, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return perror("file"), -1;
	*p = 1;
	return mlock(p, LEN) ? errno : 0;
}

int main(void)
{
	int small, huge, secret;

	if (write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1) != 1)
		return perror("nr_hugepages"), 2;
	small = lock(memfd_create("small", 0)), huge = lock(memfd_create("huge", MFD_HUGETLB));
	secret = lock(syscall(447 /* memfd_secret */, 0));
	if (small < 0 || huge < 0 || secret < 0)
		return 2;
	if (!secret)
		return puts("ok"), 0;
	printf("BROKEN: error of mlock: %d for shared memory, %d for huge pages, %d for secret memory\n", small, huge, secret);
	return 1;
}
