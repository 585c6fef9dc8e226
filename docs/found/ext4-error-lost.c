// Expected: fsync reports that data written before was lost (fsync(2): EIO, ENOSPC; errseq.rst: each
// file description sees a writeback error once). The twin: the same file system, where fsync itself
// writes the data. Linux 7.3.4: if sync, or the flusher, writes it, ext4 discards the data, and fsync
// returns 0. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// Writes an empty file system of 16 MiB. A damaged bitmap says that no block is free.
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
	((char *)b)[12288 + 1] = 3;
	memset((char *)b + 12288 + 2, 0, 14);
	memcpy(b + 4096 + 32, (unsigned[]) { 040755, 4096, 0, 0, 0, 0, 2 << 16, 8, 0, 0, 8 }, 44);
	memcpy(b + 8192, "\2\0\0\0\14\0\1\2.\0\0\0\2\0\0\0\364\17\2\2..", 22);
	return pwrite(fd, b, sizeof(b), 0) == sizeof(b) && !fsync(fd) && !close(fd);
}

// Writes a file on a damaged file system. What does fsync say, and what does the file contain?
static int after(int synced, char *c)
{
	int fd, error;

	if (!mkfs("/dev/zram0") || mount("/dev/zram0", "/m", "ext4", 0, ""))
		return perror("ext4"), -1;
	fd = open("/m/file", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || write(fd, "7", 1) != 1)
		return perror("/m/file"), -1;
	if (synced)
		sync();
	error = fsync(fd) ? errno : 0;
	pread(fd, c, 1, 0);
	close(fd);
	return umount("/m") ? -1 : error;
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	char twin = 0, c = 0;
	int error;

	if (!size || fprintf(size, "16M") < 0 || fclose(size))
		return perror("zram"), 2;
	mkdir("/m", 0700);
	error = after(0, &twin);
	if (error <= 0)
		return printf("fsync on the damaged file system: %d\n", error), 2;
	error = after(1, &c);
	if (error < 0)
		return perror("umount"), 2;
	printf(error || c == '7' ? "ok\n" : "BROKEN: fsync after sync says that all is written, and the file contains %d instead of '7'\n", c);
	return !error && c != '7';
}
