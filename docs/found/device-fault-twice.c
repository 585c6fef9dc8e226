// Expected: two threads can read the same page of a device.
// Linux 7.3.4: one thread takes a reference to a page that is free already: kernel BUG in
// migrate_vma_split_folio (folio_ref_zero_or_close_to_overflow). The program wins the race within
// seconds. Needs CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE];
static volatile int go;

static void *reader(void *unused)
{
	setpriority(PRIO_PROCESS, syscall(SYS_gettid), -20); // so that it preempts
	for (;; go = 0) {
		while (!go)
			usleep(100);
		usleep(20 + rand() % 20000);
		(void)*(volatile char *)(AT + 4096);
	}
	return unused;
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	pthread_t thread;
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, MADV_HUGEPAGE);
	pthread_create(&thread, 0, reader, 0);
	for (int i = 0; i < 200; i++) {
		madvise(AT, HUGE, MADV_DONTNEED);
		AT[0] = 1; // a huge page
		ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 }); // migrate to the device
		madvise(AT, 4096, MADV_DONTNEED); // small entries map the huge page now
		for (go = 1; go; usleep(100))
			(void)*(volatile char *)(AT + 4096); // a fault, which splits the huge page
	}
	return puts("ok"), 0;
}
