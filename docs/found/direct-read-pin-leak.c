// Expected: a direct read that has ended holds no memory. The twin: the same read in segments of 4 kB.
// Linux 7.3.4: if a device has blocks of 4 kB, and 256 segments end within a block, the part of a block is
// cut off, but its pages stay pinned for ever. Any user may do that who can read a file. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#define HUGE (2L << 20)

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

static long free_kb(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[100];
	long kb = 0;

	while (fgets(line, sizeof(line), f) && !sscanf(line, "MemFree: %ld", &kb))
		;
	fclose(f);
	return kb;
}

// Reads into 64 new huge pages, and unmaps them. How much free memory is missing afterwards?
static long missing(int fd, long odd)
{
	long before = free_kb();
	struct iovec iov[258];

	for (int round = 0; round < 64; round++) {
		char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		char *q = (char *)(((long)p + HUGE - 1) & -HUGE);

		madvise(q, HUGE, MADV_HUGEPAGE);
		memset(q, 1, HUGE);
		for (int i = 0; i < 258; i++)
			iov[i] = (struct iovec) { q + i * 4096L, 4096 };
		iov[254].iov_len = 4096 + odd;
		iov[255] = (struct iovec) { q + HUGE / 2 + 4096 - 512, 512 };
		iov[256] = (struct iovec) { q + HUGE / 2 + 4096, 3584 };
		iov[257].iov_len = 4096 - odd;
		if (preadv(fd, iov, 258, 0) != 257 * 4096)
			return perror("preadv"), -1;
		munmap(p, 2 * HUGE);
	}
	return before - free_kb();
}

int main(void)
{
	struct loop_config c = { .block_size = 4096 };
	static char text[HUGE];
	int fd = open("/dev/loop0", O_RDWR);
	long twin, leaked;

	c.fd = memfd_create("file", 0);
	if (fd < 0 || ftruncate(c.fd, 16L << 20) || ioctl(fd, LOOP_CONFIGURE, &c) || !mkfs("/dev/loop0"))
		return perror("/dev/loop0"), 2;
	mkdir("/m", 0755);
	if (mount("/dev/loop0", "/m", "ext4", 0, ""))
		return perror("ext4"), 2;
	fd = open("/m/file", O_RDWR | O_CREAT, 0644);
	if (write(fd, text, HUGE) != HUGE || fsync(fd) || setuid(1000))
		return perror("/m/file"), 2;
	fd = open("/m/file", O_RDONLY | O_DIRECT);
	missing(fd, 0);
	twin = missing(fd, 0);
	leaked = missing(fd, 512);
	if (twin < 0 || leaked < 0)
		return 2;
	printf(leaked - twin < 64 << 10 ? "ok\n" : "BROKEN: 64 direct reads of a user take %ld kB of memory for good, in segments of 4 kB %ld kB\n", leaked, twin);
	return leaked - twin >= 64 << 10;
}
