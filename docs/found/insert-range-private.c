// Expected: fallocate keeps what a process has written to a private mapping (mmap(2); the twin: a hole
// over the same page). unmap_mapping_range says the same: only truncation throws private data away.
// Linux 7.3.4: FALLOC_FL_INSERT_RANGE and COLLAPSE_RANGE of ext4 throw it away. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define SIZE (64L << 10)

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

// What a private mapping contains after fallocate.
static int after(int mode, long at)
{
	char text[SIZE], *p;
	int fd = open("/m/file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(text, 1, SIZE);
	if (fd < 0 || write(fd, text, SIZE) != SIZE)
		return perror("/m/file"), -1;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	p[SIZE / 2] = 7;
	if (fallocate(fd, mode, at, 4096))
		return perror("fallocate"), -1;
	return p[SIZE / 2];
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	int hole, insert, collapse;

	if (!size || fprintf(size, "16M") < 0 || fclose(size) || !mkfs("/dev/zram0"))
		return perror("zram"), 2;
	mkdir("/m", 0700);
	if (mount("/dev/zram0", "/m", "ext4", 0, ""))
		return perror("ext4"), 2;
	hole = after(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, SIZE / 2);
	insert = after(FALLOC_FL_INSERT_RANGE, 0);
	collapse = after(FALLOC_FL_COLLAPSE_RANGE, 0);
	if (hole != 7)
		return printf("after a hole: %d\n", hole), 2;
	printf(insert == 7 && collapse == 7 ? "ok\n" : "BROKEN: a private mapping with 7 has %d after FALLOC_FL_INSERT_RANGE, %d after FALLOC_FL_COLLAPSE_RANGE before it\n", insert, collapse);
	return insert != 7 || collapse != 7;
}
