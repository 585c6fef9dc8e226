// Expected: a write to a mapping of a sparse file needs the blocks of its page. Linux 7.3.4: ext4 takes
// blocks for the whole folio, and raises SIGBUS although the file system has blocks for the page. The
// twins: pwrite of the same byte, and a page whose folio is small. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#define SIZE (1L << 20)

static sigjmp_buf stop;

static void bus(int signal)
{
	siglongjmp(stop, signal);
}

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


static long space(void)
{
	struct statfs s;

	statfs("/m", &s);
	return s.f_bavail;
}

// Writes a byte through a mapping. Large folios if the file is read before.
static int fails(const char *name, int large)
{
	static char text[65536];
	volatile char *p;
	int fd = open(name, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, SIZE))
		return perror(name), -1;
	if (large) {
		posix_fadvise(fd, 0, SIZE, POSIX_FADV_SEQUENTIAL);
		for (long i = 0; i < SIZE; i += sizeof(text))
			pread(fd, text, sizeof(text), i);
	} else {
		posix_fadvise(fd, 0, SIZE, POSIX_FADV_RANDOM);
	}
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sigsetjmp(stop, 1))
		return 1;
	p[SIZE / 2] = 7;
	return 0;
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	int fill, small, large, before, fd;

	if (!size || fprintf(size, "16M") < 0 || fclose(size) || !mkfs("/dev/zram0"))
		return perror("zram"), 2;
	mkdir("/m", 0700);
	if (mount("/dev/zram0", "/m", "ext4", 0, ""))
		return perror("ext4"), 2;
	signal(SIGBUS, bus);
	fill = open("/m/fill", O_RDWR | O_CREAT, 0600);
	if (fallocate(fill, 0, 0, (space() - 8) * 4096))
		return perror("fallocate"), 2;
	small = fails("/m/small", 0);
	before = space();
	large = fails("/m/large", 1);
	fd = open("/m/large", O_RDWR);
	if (small || large < 0 || pwrite(fd, "7", 1, SIZE / 2) != 1 || fsync(fd))
		return perror("write"), 2;
	printf(large ? "BROKEN: a write to a mapping raises SIGBUS with %d free blocks, and pwrite of this byte succeeds\n" : "ok\n", before);
	return large;
}
