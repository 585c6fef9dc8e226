// Expected: what a file gains when a write extends it is 0 (mmap(2): what is written to a mapping behind the
// end of a file is not written to the file). The twins: a write without O_DIRECT, ftruncate, fallocate.
// Linux 7.3.4: a direct write that extends a file of ext4 adds what was written behind its end. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

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

// Writes 7 behind the end of a file of 100 bytes, makes the file longer, and says what it contains at this
// place: now, and on the disk.
static int extended(int how, int *disk)
{
	static char text[4096] __attribute__((aligned(4096)));
	int fd = open("/m/file", O_RDWR | O_CREAT | O_TRUNC, 0600), dio = open("/m/file", O_RDWR | O_DIRECT);
	char *p, c = -1;

	memset(text, 1, 4096);
	if (fd < 0 || dio < 0 || write(fd, text, 100) != 100 || fsync(fd))
		return perror("/m/file"), -1;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[200] = 7;
	if (how == 0 ? ftruncate(fd, 8192) : how == 1 ? fallocate(fd, 0, 0, 8192) : pwrite(how == 2 ? fd : dio, text, 4096, 4096) != 4096)
		return perror("extend"), -1;
	munmap(p, 4096);
	if (pread(fd, &c, 1, 200) != 1 || fsync(fd) || pread(dio, text, 4096, 0) != 4096)
		return perror("read"), -1;
	*disk = text[200];
	close(fd);
	close(dio);
	return c;
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	int c, disk;

	if (!size || fprintf(size, "16M") < 0 || fclose(size) || !mkfs("/dev/zram0"))
		return perror("zram"), 2;
	mkdir("/m", 0700);
	if (mount("/dev/zram0", "/m", "ext4", 0, ""))
		return perror("ext4"), 2;
	for (int how = 0; how < 3; how++)
		if (extended(how, &disk) || disk)
			return printf("ftruncate, fallocate or write: %d\n", how), 2;
	c = extended(3, &disk);
	if (c < 0)
		return 2;
	if (!c && !disk)
		return printf("ok\n"), 0;
	printf("BROKEN: a file of 100 bytes that a direct write extends to 8192 bytes has %d instead of 0 at 200, and %d on the disk\n", c, disk);
	return 1;
}
