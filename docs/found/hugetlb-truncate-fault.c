// Expected: once ftruncate has made a file empty, it has no pages ("the extra data is lost", and what a
// later ftruncate adds "reads as null bytes", ftruncate(2)).
// Linux 7.3.4: a fault that began before ftruncate adds its page to a hugetlb file afterwards. The page
// lies behind the end, and comes back with its contents when the file grows. HugePages_Rsvd is wrong
// for ever. Needs hugetlb and root (only for nr_overcommit_hugepages). cc -static -pthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define SIZE (2L << 20)
static char *page;
static volatile int stop;
static sigjmp_buf back;

static void caught(int signal)
{
	siglongjmp(back, signal);
}

static void *touch(void *unused)
{
	for (;;)
		if (stop)
			stop = 2, usleep(100);
		else if (!sigsetjmp(back, 1))
			*(volatile char *)page = 7;
	return unused;
}

// For 8 s, makes a file empty and large again. Returns how often it was not empty and not null then.
static int stale(int flags)
{
	int count = 0, file = memfd_create("", flags);
	struct stat stat;
	pthread_t thread;

	if (ftruncate(file, SIZE) || (page = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED)
		_exit(255);
	signal(SIGBUS, caught), pthread_create(&thread, 0, touch, 0);
	for (time_t end = time(0) + 8; time(0) < end && count < 200;) {
		char byte = 0;

		munmap(mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), SIZE);
		stop = 0, usleep(rand() % 2000);
		ftruncate(file, 0), usleep(20000), fstat(file, &stat);
		for (stop = 1; stop == 1;)
			usleep(100);
		ftruncate(file, SIZE), pread(file, &byte, 1, 0);
		count += stat.st_blocks > 0 && byte == 7;
	}
	_exit(count);
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_overcommit_hugepages", O_WRONLY), "8", 1) == 1, small, huge;
	char text[4096] = "";

	if (!ok)
		return perror("nr_overcommit_hugepages"), 2;
	if (!fork())
		stale(0);
	wait(&small);
	if (!fork())
		setgid(65534), setuid(65534), stale(MFD_HUGETLB);
	wait(&huge), huge = WEXITSTATUS(huge), small = WEXITSTATUS(small);
	pread(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1, 0);
	if (!huge || huge == 255)
		return puts(huge ? "cannot be run" : "ok"), huge ? 2 : 0;
	printf("BROKEN: the empty file had a page, and its contents came back: %d times with huge pages, %d times with small ones; HugePages_Rsvd once all is over: %llu\n",
	       huge, small, strtoull(strstr(text, "HugePages_Rsvd:") + 15, 0, 10));
	return 1;
}
