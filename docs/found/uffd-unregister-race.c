// Expected: a page of memory that is not registered with userfaultfd is not write-protected for it.
// Linux 7.3.4: UFFDIO_COPY with UFFDIO_COPY_MODE_WP, at the same time as UFFDIO_UNREGISTER, leaves such a
// page write-protected. A race: the program tries for 30 seconds. Needs root, for SCHED_FIFO and
// /proc/self/pagemap. cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#define SIZE 0x4000L
static char *p;
static int uffd;
static volatile int pause_now, paused;

// Registers and unregisters the memory, without end.
static void *change(void *unused)
{
	for (;;) {
		struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP };

		ioctl(uffd, UFFDIO_REGISTER, &reg);
		ioctl(uffd, UFFDIO_UNREGISTER, &reg.range);
		for (paused = pause_now; pause_now; paused = 1)
			sched_yield();
	}
	return unused;
}

int main(void)
{
	static char page[4096] = "x";
	struct sched_param priority = { 1 };
	struct uffdio_api api = { .api = UFFD_API };
	time_t end = time(0) + 30;
	pthread_t thread;
	int pagemap = open("/proc/self/pagemap", O_RDONLY), tries = 0;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ioctl(uffd, UFFDIO_API, &api))
		return perror("userfaultfd"), 2;
	p[4096] = 1;	// a page table
	pthread_create(&thread, 0, change, 0);
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		return perror("SCHED_FIFO"), 2;
	while (time(0) < end) {
		struct timespec nap = { 0, 100000 + tries++ * 7919 % 1000000 };
		struct uffdio_copy copy = { (uintptr_t)p, (uintptr_t)page, 4096, UFFDIO_COPY_MODE_WP };
		uint64_t entry = 0;

		nanosleep(&nap, 0);	// the other thread runs, and is interrupted somewhere
		ioctl(uffd, UFFDIO_COPY, &copy);
		for (pause_now = 1; !paused;)
			nanosleep(&nap, 0);
		pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8);
		if (entry >> 57 & 1)
			return puts("BROKEN: a page that is not registered is write-protected, after UFFDIO_COPY and UFFDIO_UNREGISTER at the same time"), 1;
		madvise(p, 4096, MADV_DONTNEED);
		paused = pause_now = 0;
	}
	return puts("ok"), 0;
}
