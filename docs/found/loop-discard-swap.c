// Expected: nothing changes a file that is in use for swap (fallocate fails with ETXTBSY: the twin in the
// program; so does write). Linux 7.3.4: BLKDISCARD of a loop device over the file frees its blocks: other
// files get them, and memory of processes and these files overwrite each other. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>
#define SIZE (4L << 20)
#define SWAP (6L << 20)
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

// Writes an empty file system of 16 MiB.
static int mkfs(const char *path)
{
	static unsigned b[4096 * 9 / 4];
	int fd = open(path, O_RDWR);

	memcpy(b + 256, (unsigned[]) { 128, 4096, 0, 4087, 117, 0, 2, 2, 32768, 32768, 128, 0, 0, 0, 0x1ef53, 1 }, 64);
	b[256 + 14] = 0x1ef53;
	b[256 + 19] = 1;
	b[256 + 21] = 11;
	b[256 + 22] = 128;
	b[256 + 24] = 0x42;
	memcpy(b + 1024, (unsigned[]) { 2, 3, 4, 4087 | 117 << 16, 1 }, 20);
	memset(b + 2048, 255, 8192);
	memset((char *)b + 8192 + 1, 0, 511);
	((char *)b)[8192 + 1] = 1;
	((char *)b)[12288 + 1] = 3;
	memset((char *)b + 12288 + 2, 0, 14);
	memcpy(b + 4096 + 32, (unsigned[]) { 040755, 4096, 0, 0, 0, 0, 2 << 16, 8, 0, 0, 8 }, 44);
	memcpy(b + 8192, "\2\0\0\0\14\0\1\2.\0\0\0\2\0\0\0\364\17\2\2..", 22);
	return pwrite(fd, b, sizeof(b), 0) == sizeof(b) && !close(fd);
}

static char text[SWAP];

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	int file, loop, other, twin, error, lost = 0, damaged = 0;
	char *p;

	if (!size || fprintf(size, "16M") < 0 || fclose(size) || !mkfs("/dev/zram0"))
		return perror("zram"), 2;
	mkdir("/m", 0700);
	if (mount("/dev/zram0", "/m", "ext4", 0, ""))
		return perror("ext4"), 2;
	file = open("/m/swap", O_RDWR | O_CREAT, 0600);
	((unsigned *)text)[256] = 1;
	((unsigned *)text)[257] = SWAP / 4096 - 1;
	memcpy(text + 4086, "SWAPSPACE2", 10);
	loop = open("/dev/loop0", O_RDWR);
	if (write(file, text, SWAP) != SWAP || fsync(file) || ioctl(loop, LOOP_CONFIGURE, &(struct loop_config) { .fd = file }))
		return perror("/dev/loop0"), 2;
	if (swapon("/m/swap", SWAP_FLAG_PREFER | 32767))
		return perror("swapon"), 2;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (long i = 0; i < SIZE; i++)
		p[i] = i % 100 + 1;
	madvise(p, SIZE, MADV_PAGEOUT);
	twin = fallocate(file, 3, 4096, SWAP - 4096) ? errno : 0;
	error = ioctl(loop, BLKDISCARD, (long[]) { 4096, SWAP - 4096 }) ? errno : 0;
	// Another file takes all blocks that are free.
	other = open("/m/other", O_RDWR | O_CREAT, 0600);
	memset(text, 'x', SWAP);
	while (write(other, text, 65536) == 65536)
		;
	fsync(other);
	posix_fadvise(other, 0, 0, POSIX_FADV_DONTNEED);
	for (long i = 0; i < SIZE; i++)
		lost += p[i] != i % 100 + 1;
	memset(p, 'm', SIZE);
	madvise(p, SIZE, MADV_PAGEOUT);
	for (long at = 0, got; (got = pread(other, text, SWAP, at)) > 0; at += got)
		for (long i = 0; i < got; i++)
			damaged += text[i] != 'x';
	swapoff("/m/swap");
	if (twin != ETXTBSY)
		return printf("fallocate of a swap file: %s\n", strerror(twin)), 2;
	printf(error || !lost ? "ok\n" : "BROKEN: fallocate says ETXTBSY, BLKDISCARD says 0: %d bytes of memory are lost, %d bytes of another file contain memory\n", lost, damaged);
	return !error && lost;
}
