// Expected: no fallocate of a device that is in use for swap (a comment in vfs_fallocate; fallocate of a
// swap file fails with ETXTBSY, and so does the twin in the program: write to the device). Linux 7.3.4:
// FALLOC_FL_ZERO_RANGE of the device succeeds, and memory of processes becomes 0. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>
#define SIZE (1L << 20)
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	static char head[4096];
	int fd, twin, error, lost = 0;
	char *p;

	if (!size || fprintf(size, "16M") < 0 || fclose(size))
		return perror("zram"), 2;
	((unsigned *)head)[256] = 1;
	((unsigned *)head)[257] = 4095;
	memcpy(head + 4086, "SWAPSPACE2", 10);
	fd = open("/dev/zram0", O_RDWR);
	if (pwrite(fd, head, 4096, 0) != 4096 || fsync(fd) || swapon("/dev/zram0", SWAP_FLAG_PREFER | 32767))
		return perror("swapon"), 2;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (long i = 0; i < SIZE; i++)
		p[i] = i % 100 + 1;
	madvise(p, SIZE, MADV_PAGEOUT);
	twin = pwrite(fd, head, 4096, 4096) < 0 ? errno : 0;
	error = fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 4096, (16L << 20) - 4096) ? errno : 0;
	for (long i = 0; i < SIZE; i++)
		lost += p[i] != i % 100 + 1;
	swapoff("/dev/zram0");
	if (twin != ETXTBSY)
		return printf("write to a swap device: %s\n", strerror(twin)), 2;
	printf(error || !lost ? "ok\n" : "BROKEN: write says ETXTBSY, fallocate says 0, and %d bytes of memory are lost\n", lost);
	return !error && lost;
}
