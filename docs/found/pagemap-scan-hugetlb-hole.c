// Expected: PAGEMAP_SCAN with PM_SCAN_WP_MATCHING is atomic: this scan or the next reports a write.
// Linux 7.3.4: a scan that finds no page table write-protects what a page fault has mapped since
// then, and reports the page as not written. Needs CONFIG_HUGETLBFS, CONFIG_USERFAULTFD and root.
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define P ((char *)0x700000000000)
static int fd, pagemap;

// 2 if the page is written, 1 if not, 0 if the scan does not report it
static long scan(long flags)
{
	long found[3] = { 0 }, scan[12] = { 96, flags, (long)P, (long)P + HUGE, 0, (long)found, 1, 0, 0, 1 /* allowed */, 0, 3 };
	int regions = ioctl(pagemap, _IOWR('f', 16, long[12]), scan); // PAGEMAP_SCAN
	return regions < 1 ? 0 : found[2] & 2 ? 2 : 1;
}

static void *protect(void *none)
{
	return (void *)scan(1 /* PM_SCAN_WP_MATCHING */);
}

static void *punch(void *none) // holds i_mmap_rwsem of the file most of the time
{
	for (;;)
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, HUGE, HUGE);
}

int main(void)
{
	write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "2", 1);
	fd = memfd_create("m", MFD_HUGETLB);
	ftruncate(fd, 2 * HUGE);
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	for (int i = 0; i < 4000; i++)
		mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, HUGE);
	pthread_t thread;
	pthread_create(&thread, 0, punch, 0);
	int rounds = 0;
	for (time_t end = time(0) + 15; time(0) < end; rounds++) {
		mmap(P, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_NORESERVE, fd, 0);
		int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
		ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0xb001, 0 }); // WP_ASYNC, WP_UNPOPULATED, shared WP, WP
		if (ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)P, HUGE }, UFFDIO_REGISTER_MODE_WP }))
			return perror("register"), 2;
		void *first;
		pthread_create(&thread, 0, protect, 0);
		usleep(rand() % 1000);
		*(volatile char *)P = 1;
		pthread_join(thread, &first);
		long second = scan(0);
		if ((long)first == 1 && second == 1)
			return printf("BROKEN: round %d: a page was written, and neither the scan at that time nor the next reports it\n", rounds), 1;
		if (!first || !second)
			return printf("cannot scan: %ld %ld\n", (long)first, second), 2;
		munmap(P, HUGE);
		close(uffd);
	}
	return puts("ok"), 0;
}
