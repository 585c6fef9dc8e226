// Expected: what a process writes to a shared mapping stays there (mmap(2)). The twins: BLKFLSBUF, which
// drops the page cache, too, and write in place of the mapping. Linux 7.3.4: BLKBSZSET writes the pages,
// and then throws away what is written to the mapping at this time. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (1L << 20)

static volatile long *p, missing;
static volatile int stop;
static int fd;

// Counts in the mapping, or in the device with write. Is the number still there?
static void *count(void *with_write)
{
	for (long n = 1, seen; !stop && !missing; n++) {
		seen = *p;
		if (with_write)
			pread(fd, &seen, sizeof(seen), 0);
		missing = n - 1 - seen;
		if (!with_write)
			*p = n;
		else if (pwrite(fd, &n, sizeof(n), 0) != sizeof(n))
			perror("write");
	}
	return 0;
}

// Sets the block size, or flushes, until a number is missing, or 300 times. How many numbers are missing?
static long lost(int flush, void *with_write)
{
	pthread_t thread;

	missing = stop = 0;
	*p = 0;
	pthread_create(&thread, 0, count, with_write);
	for (int i = 0; i < 300 && !missing; i++) {
		for (long at = 4096; at < SIZE; at += 4096)
			((volatile char *)p)[at] = i;
		if (flush ? ioctl(fd, BLKFLSBUF, 0) : ioctl(fd, BLKBSZSET, &(int) { i & 1 ? 512 : 4096 }))
			return perror("ioctl"), -1;
	}
	stop = 1;
	pthread_join(thread, 0);
	return missing;
}

int main(void)
{
	int file = memfd_create("file", 0);
	long twin, with_write, mapped;

	fd = open("/dev/loop0", O_RDWR);
	if (fd < 0 || ftruncate(file, SIZE) || ioctl(fd, LOOP_CONFIGURE, &(struct loop_config) { .fd = file }))
		return perror("/dev/loop0"), 2;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	twin = lost(1, 0);
	with_write = lost(0, "");
	mapped = lost(0, 0);
	if (twin || with_write || mapped < 0)
		return printf("BLKFLSBUF: %ld, write: %ld\n", twin, with_write), 2;
	printf(mapped ? "BROKEN: after BLKBSZSET, the last %ld numbers that were written to a mapping are lost\n" : "ok\n", mapped);
	return mapped != 0;
}
