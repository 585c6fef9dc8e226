// Expected: a page of shared memory that nobody has touched is missing where userfaultfd watches it.
// Linux 7.3.4: with huge pages, a touch of another page through another mapping fills 512 pages. A thread
// then reads a zero, and the monitor is not asked. Needs CONFIG_USERFAULTFD, CONFIG_TRANSPARENT_HUGEPAGE
// and root (for shmem_enabled). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (2l << 20)

static char *watched;

static void *reader(void *unused)
{
	return unused + *(volatile char *)(watched + SIZE / 2);
}

// Touches the first page through another mapping, reads another page in the watched one, and says
// whether the monitor was asked.
static int asked(const char *huge)
{
	int file = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_WRONLY), memory = memfd_create("memory", 0), uffd, event;
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t thread;
	char *other;

	dprintf(file, "%s", huge);
	ftruncate(memory, SIZE);
	watched = mmap((char *)(1l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	other = mmap((char *)(1l << 33), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	all.range = (struct uffdio_range){ (long)watched, SIZE };
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0, 0 }) || ioctl(uffd, UFFDIO_REGISTER, &all))
		return -1;
	*other = 1;
	pthread_create(&thread, 0, reader, 0);
	event = poll(&(struct pollfd){ uffd, POLLIN, 0 }, 1, 1000);
	ioctl(uffd, UFFDIO_UNREGISTER, &all.range);
	pthread_join(thread, 0);
	return event;
}

int main(void)
{
	int small = asked("never"), huge = asked("always");

	if (small == 1 && huge == 1)
		return puts("ok"), 0;
	printf("BROKEN: a read of a page that nobody has touched: the monitor is asked %d times; with huge pages of shared memory: %d times\n", small, huge);
	return 1;
}
