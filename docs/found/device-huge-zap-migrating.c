// Expected: a huge page can be dropped by MADV_DONTNEED while it comes home from a device.
// Linux 7.3.4: the call drops a reference that is not its own; kernel BUG in
// do_huge_pmd_device_private: page_ref_count(page) == 0. The program wins the race within a second.
// Needs CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE];
static volatile int go;

static void *drop(void *unused)
{
	for (;; go = 0) {
		while (!go)
			usleep(100);
		usleep(20 + rand() % 1500);
		madvise(AT, HUGE, MADV_DONTNEED);
	}
	return unused;
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	pthread_t thread;
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, MADV_HUGEPAGE);
	pthread_create(&thread, 0, drop, 0);
	pthread_setschedparam(thread, SCHED_FIFO, &(struct sched_param){ 50 }); // so that it preempts
	for (int i = 0; i < 300; i++) {
		for (int page = 0; page < 512; page++)
			AT[page * 4096] = 1;
		ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 }); // migrate to the device
		for (go = 1; go; usleep(100))
			(void)*(volatile char *)AT; // and back, by a fault
	}
	return puts("ok"), 0;
}
