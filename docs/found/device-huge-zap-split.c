// Expected: MADV_DONTNEED and a write to the range work while a huge page migrates to a device.
// Linux 7.3.4: if the device provides small pages, the migration confuses the old huge page with the one
// that the write has mapped, and frees the latter while it is mapped. Each access to it waits for ever. A
// race, which a real-time thread wins. Needs CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE and root.
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE], broken[] = "BROKEN: a page that was written to can never be read again\n";
static volatile int begun;

static void *other(void *unused)
{
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 1 });
	for (int i = 1;; usleep(1000))
		if (begun)
			usleep(i++ * 700 % 20000), madvise(AT, HUGE, MADV_DONTNEED), *AT = 2, begun = 0; // a new huge page
}

static void late(int signal)
{
	write(1, broken, sizeof(broken) - 1), _exit(1);
}

int main(void)
{
	pthread_t thread;
	signal(SIGALRM, late);
	pthread_create(&thread, 0, other, 0);
	for (int i = 0; i < 300; i++) {
		int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
		mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(AT, HUGE, MADV_HUGEPAGE);
		memset(AT, 1, HUGE);
		ioctl(dmirror, _IOWR('H', 8, long[5]), (long[5]){ 0, 0, 1 }); // the next huge page fails (FAIL_ALLOC)
		begun = 1, alarm(5);
		ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 }); // migrate
		for (; begun || *(volatile char *)AT != 2; usleep(100))
			;
		close(dmirror);
	}
	return puts("ok"), 0;
}
