// Expected: fallocate punches a hole into a file, whatever happens to a page of the file.
// Linux 7.3.4: if a page of hugetlb fails while fallocate punches a hole that ends within this page, both
// wait for each other for ever, and SIGKILL does not end them. Needs hugetlb and root (for nr_hugepages,
// and for MADV_HWPOISON, which stands for the failure). cc -static -pthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define FULL 8
static char *last;
static volatile int started;

static void *fail(void *unused)
{
	struct sched_param priority = { 1 };

	pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
	while (!started)
		usleep(500);
	madvise(last, 4096, 100 /* MADV_HWPOISON */);
	return unused;
}

static void punch(void)
{
	int file = memfd_create("", MFD_HUGETLB);
	pthread_t thread;
	char *p;

	close(1), close(2), ftruncate(file, (FULL + 1) * HUGE);
	for (int i = 0; i < 500; i++) { // makes it last
		p = mmap(0, FULL * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		if (p == MAP_FAILED || madvise(p, FULL * HUGE, 23 /* MADV_POPULATE_WRITE */))
			_exit(2);
	}
	last = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, FULL * HUGE);
	*last = 1;
	pthread_create(&thread, 0, fail, 0), usleep(100000);
	started = 1;
	_exit(!!fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, FULL * HUGE + 4096));
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "60", 2) == 2, status = 0, ended = 1, round;
	pid_t child;

	for (round = 1; ok && ended && round <= 5; round++) {
		if (!(child = fork()))
			punch();
		for (int i = ended = 0; i < 100 && !ended; i++)
			usleep(100000), ended = waitpid(child, &status, WNOHANG);
		ok = !ended || !WIFEXITED(status) || !WEXITSTATUS(status);
	}
	if (!ok)
		return perror("mmap, nr_hugepages"), 2;
	if (ended)
		return puts("ok"), 0;
	kill(child, SIGKILL), sleep(5);
	printf("BROKEN: fallocate runs for 10 s%s\n", waitpid(child, 0, WNOHANG) ? "" : ", and SIGKILL does not end it");
	return 1;
}
