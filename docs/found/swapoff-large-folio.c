// Expected: swapoff brings pages back, and each of them is mapped once, as before.
// Linux 7.3.4: if MADV_DONTNEED takes a page while a fault reads it from swap as a part of a folio of 512 kB, the
// folio stays in the swap cache, and belongs to nobody. swapoff then maps its first page, and counts all 128
// pages as mapped. So each other page is counted twice, and the folio is freed while it counts as mapped.
// Needs zram, folios of 512 kB, PREEMPT or 2 CPUs, and root. cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#define SIZE (512l << 10)
#define PAGES (SIZE >> 12)

static char *p = (char *)(1l << 32);
static volatile long at;

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// Takes the last page away at the time "at".
static void *take(void *unused)
{
	struct timespec t = { at / 1000000, at % 1000000 * 1000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0);
	madvise(p + SIZE - 4096, 4096, MADV_DONTNEED);
	return unused;
}

static long number(const char *file, const char *name)
{
	static char text[30000];
	int fd = open(file, O_RDONLY), n = read(fd, text, sizeof(text) - 1);
	char *found;

	close(fd);
	text[n > 0 ? n : 0] = 0;
	found = strstr(text, name);
	return found ? atol(found + strlen(name)) : -1;
}

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

int main(void)
{
	static char log[1 << 20];
	char *head = calloc(1, 4096), text[4096] = "", old[100];
	unsigned char in[PAGES] = { 0 };
	uint64_t entry, mapped;
	int major, minor, fd, maps, counts, tries, twice = 0;
	long anon;

	read(open("/proc/swaps", O_RDONLY), text, 4095);
	if (strchr(text, '\n') && sscanf(strchr(text, '\n') + 1, "%99s", old) == 1)
		swapoff(old);
	memset(text, 0, 100);
	if (put("/sys/block/zram0/disksize", "64M") || read(open("/sys/block/zram0/dev", O_RDONLY), text, 99) < 3 || sscanf(text, "%d:%d", &major, &minor) != 2)
		return perror("zram"), 2;
	mknod("/zram", S_IFBLK | 0600, makedev(major, minor));
	((unsigned *)head)[256] = 1, ((unsigned *)head)[257] = (64 << 8) - 1;
	memcpy(head + 4086, "SWAPSPACE2", 10);
	fd = open("/zram", O_RDWR);
	if (write(fd, head, 4096) != 4096 || close(fd) || put("/sys/kernel/mm/transparent_hugepage/hugepages-512kB/enabled", "always") || swapon("/zram", 0))
		return perror("swapon"), 2;
	anon = number("/proc/vmstat", "nr_anon_pages ");
	for (tries = 0; tries < 100; tries++) {
		pthread_attr_t attr;
		pthread_t thread;

		mmap(p, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		for (long i = 0; i < SIZE; i++)
			p[i] = random() % 13 + i % 5;
		for (int i = 0; i < 4; i++)
			madvise(p, SIZE, MADV_PAGEOUT);
		at = now() + 4000 + tries % 10 * 300;
		pthread_attr_init(&attr), pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_FIFO), pthread_attr_setschedparam(&attr, &(struct sched_param){ 1 });
		if (pthread_create(&thread, &attr, take, 0))
			return perror("pthread_create"), 2;
		while (now() < at - 1000)
			;
		*(volatile char *)(p + SIZE - 4096);
		pthread_join(thread, 0);
		mincore(p, SIZE, in);
		maps = open("/proc/self/pagemap", O_RDONLY);
		pread(maps, &entry, 8, ((uintptr_t)p >> 12) * 8);
		if (in[0] && !(entry >> 63))
			break;
	}
	if (tries == 100)
		return puts("cannot be run: the folio is never left in the swap cache"), 2;
	if (swapoff("/zram"))
		return perror("swapoff"), 2;
	counts = open("/proc/kpagecount", O_RDONLY);
	for (long i = 0; i < PAGES - 1; i++) {
		pread(maps, &entry, 8, (((uintptr_t)p >> 12) + i) * 8);
		pread(counts, &mapped, 8, (entry & ((1l << 55) - 1)) * 8);
		twice += mapped > 1;
	}
	munmap(p, SIZE);
	sleep(1);
	anon = number("/proc/vmstat", "nr_anon_pages ") - anon;
	klogctl(3, log, sizeof(log) - 1);
	printf(twice ? "BROKEN: swapoff counts %d of %ld pages twice as mapped; when they are unmapped, nr_anon_pages is %ld too great, and the kernel says %s\n" : "ok\n",
	       twice, PAGES - 1, anon, strstr(log, "Bad page state") ? "Bad page state" : "nothing of bad pages");
	return !!twice;
}
