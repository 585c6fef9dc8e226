// Expected: once a process has written to /proc/self/mem, its threads see the new contents, and
// their later writes stay.
// Linux 7.3.4: MADV_DONTNEED of two mappings drops pages of the first one, and then waits until a
// monitor has read an event about the second one, without a flush of the TLB. Other threads go on
// with the dropped pages. Needs CONFIG_USERFAULTFD. cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (16 * 4096l)

static void *discard(void *p)
{
	return (void *)(long)madvise(p, SIZE + 4096, MADV_DONTNEED);
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_NONBLOCK), mem = open("/proc/self/mem", O_RDWR), stale = 0, lost = 0;
	volatile char *p = mmap(0, SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { .range = { (long)p + SIZE, 4096 }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffd_msg event;
	pthread_t thread;

	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_EVENT_REMOVE }) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	pthread_create(&thread, 0, discard, (void *)p);
	do
		for (int i = 0; i < SIZE; i += 4096)
			p[i] = 7;
	while (!poll(&(struct pollfd){ uffd, POLLIN }, 1, 0));	// until the thread waits
	for (int i = 0; i < SIZE; i += 4096) {
		pwrite(mem, "\5", 1, (long)p + i);
		stale += p[i] == 7;
		p[i] = 6;
	}
	read(uffd, &event, sizeof(event));
	pthread_join(thread, 0);
	for (int i = 0; i < SIZE; i += 4096)
		lost += p[i] == 5;
	printf(stale + lost ? "BROKEN: %d pages show what was there before a write to /proc/self/mem, and lose %d later writes\n" : "ok\n", stale, lost);
	return !!(stale + lost);
}
