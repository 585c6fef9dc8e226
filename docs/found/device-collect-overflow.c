// Expected: memory can migrate to a device while MADV_DONTNEED drops it.
// Linux 7.3.4: the kernel writes past the end of two arrays of 512 page numbers, and maps a huge
// page at an address that is not a multiple of 2 MiB: WARNING in folio_add_new_anon_rmap, Oops. The
// program wins the race within some seconds. Needs CONFIG_PT_RECLAIM, CONFIG_TEST_HMM,
// CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
#define THP "/sys/kernel/mm/transparent_hugepage/"
static char mirror[HUGE];
static volatile int go;

static void *drop(void *unused)
{
	for (;; go = 0) {
		while (!go)
			usleep(100);
		usleep(20 + rand() % 4000);
		madvise(AT, HUGE, MADV_DONTNEED);
	}
	return unused;
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	pthread_t thread;
	write(open(THP "hugepages-64kB/enabled", O_WRONLY), "madvise", 7);
	write(open(THP "hugepages-2048kB/enabled", O_WRONLY), "never", 5);
	mmap(AT, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, MADV_HUGEPAGE);
	pthread_create(&thread, 0, drop, 0);
	pthread_setschedparam(thread, SCHED_FIFO, &(struct sched_param){ 50 }); // so that it preempts
	for (int i = 0; i < 300; i++) {
		for (int page = 0; page < 512; page++)
			AT[page * 4096] = 1;
		go = 1;
		ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 }); // migrate to the device
		while (go)
			usleep(100);
		madvise(AT, HUGE, MADV_DONTNEED);
	}
	return puts("ok"), 0;
}
