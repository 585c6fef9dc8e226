// Expected: userfaultfd watches huge pages that shmat has mapped, as it watches those of mmap.
// Linux 7.3.4: UFFDIO_REGISTER fails with EINVAL. Needs CONFIG_USERFAULTFD, SYSVIPC, hugetlb and root (for
// nr_hugepages). cc -static
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>
#define HUGE (2L << 20)

static int uffd;

static int watch(void *p)
{
	struct uffdio_register all = { .range = { (long)p, HUGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	return ioctl(uffd, UFFDIO_REGISTER, &all) ? errno : 0;
}

int main(void)
{
	void *mapped, *shared;
	int first, second;

	if (write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "2", 1) != 1)
		return perror("nr_hugepages"), 2;
	mapped = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	shared = shmat(shmget(IPC_PRIVATE, HUGE, IPC_CREAT | SHM_HUGETLB | 0600), 0, 0);
	uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	if (mapped == MAP_FAILED || shared == (void *)-1 || ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0, 0 }))
		return perror("mmap, shmat, userfaultfd"), 2;
	first = watch(mapped);
	second = watch(shared);
	if (!first && !second)
		return puts("ok"), 0;
	printf("BROKEN: UFFDIO_REGISTER of a huge page of mmap: %s; of shmat: %s\n", strerror(first), strerror(second));
	return 1;
}
