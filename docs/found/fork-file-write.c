// Expected: what a process writes to a shared mapping reaches the file (mmap(2)). The twin: the same
// write by the process that made the mapping. Linux 7.3.4: fork gives the child a writable entry for a
// page of ext4 that the parent may only read. The write evades page_mkwrite, has no block, and is lost.
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (64L << 10)
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
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


// Writes page 8, and says what the file contains afterwards.
static int written(int child)
{
	static char text[SIZE];
	int pipes[2], status, fd = open("/m/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p, c;

	memset(text, 1, SIZE);
	if (fd < 0 || write(fd, text, SIZE) != SIZE || fsync(fd) || pwrite(fd, text, 1, 0) != 1)
		return perror("/m/file"), -1;
	// A pipe holds a page of the dirty folio, so that the folio remains whole when the file shrinks.
	if (pipe(pipes) || splice(fd, &(long) { 0 }, pipes[1], 0, 4096, 0) != 4096 || ftruncate(fd, 8192))
		return perror("splice"), -1;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 2;
	if (ftruncate(fd, SIZE) || madvise(p + SIZE - 4096, 4096, MADV_GUARD_INSTALL))
		return perror("MADV_GUARD_INSTALL"), -1;
	for (long i = 4096; i < SIZE - 4096; i += 4096)
		*(volatile char *)(p + i);
	if (!child)
		p[SIZE / 2] = 7;
	else if (!fork())
		p[SIZE / 2] = 7, _exit(0);
	else
		wait(&status);
	munmap(p, SIZE);
	close(pipes[0]);
	close(pipes[1]);
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) || pread(fd, &c, 1, SIZE / 2) != 1)
		return perror("fsync"), -1;
	close(fd);
	return c;
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	int twin, child;

	if (!size || fprintf(size, "16M") < 0 || fclose(size) || !mkfs("/dev/zram0"))
		return perror("zram"), 2;
	mkdir("/m", 0700);
	if (mount("/dev/zram0", "/m", "ext4", 0, ""))
		return perror("ext4"), 2;
	twin = written(0);
	child = written(1);
	if (twin != 7 || child < 0)
		return printf("without fork: %d\n", twin), 2;
	printf(child == 7 ? "ok\n" : "BROKEN: a child writes 7 to a shared mapping, and after fsync the file contains %d\n", child);
	return child != 7;
}
