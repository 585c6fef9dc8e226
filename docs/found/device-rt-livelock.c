// Expected: a real-time thread can read memory that is on its way to a device.
// Linux 7.3.4: the unlock of the page wakes the thread, which preempts the migration before the
// migration drops its reference. The thread cannot bring the page home because of that reference,
// and faults again and again. Needs one CPU, CONFIG_TEST_HMM and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#define SIZE (512L * 4096)
static char mirror[SIZE], *at;
static volatile int go, rounds, all = 30;

static void *reader(void *unused)
{
	for (;; go = 0) {
		while (!go)
			usleep(100);
		usleep(rand() % 5000);
		(void)*(volatile char *)at;
	}
	return unused;
}

static void *migration(void *unused)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	for (; rounds < all; rounds++) {
		for (int page = 0; page < 512; page++)
			at[page * 4096] = 1;
		go = 1;
		ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)at, (long)mirror, 512 }); // migrate to the device
		while (go)
			usleep(100);
	}
	return unused;
}

int main(void)
{
	pthread_t thread[2];
	at = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_create(&thread[0], 0, migration, 0);
	pthread_create(&thread[1], 0, reader, 0);
	pthread_setschedparam(thread[1], SCHED_FIFO, &(struct sched_param){ 50 });
	pthread_setschedparam(pthread_self(), SCHED_FIFO, &(struct sched_param){ 60 });
	for (long seen = -1, base = 0; rounds < all; usleep(100000)) {
		struct rusage usage;
		getrusage(RUSAGE_SELF, &usage);
		if (rounds != seen)
			seen = rounds, base = usage.ru_minflt;
		else if (usage.ru_minflt - base > 5000)
			return puts("BROKEN: to read one page, a thread has faulted more than 5,000 times, and still does"), 1;
	}
	return puts("ok"), 0;
}
