// Expected: after LOOP_SET_CAPACITY, a loop device shows the file as far as it goes now (loop(4)). The twins:
// a direct read, and a device whose last page was not read before. Linux 7.3.4: the last page keeps the
// zeros behind the old end, and a write of one byte there stores them. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

// Doubles a file of 4608 bytes below a loop device. What do the device and the file contain afterwards?
static int grown(int cached, char *direct, int *lost)
{
	static char text[8192], block[4096] __attribute__((aligned(4096)));
	int fd = open("/dev/loop0", O_RDWR), file = memfd_create("file", 0), dio;
	char c;

	memset(text, 5, 8192);
	if (fd < 0 || write(file, text, 4608) != 4608 || ioctl(fd, LOOP_CONFIGURE, &(struct loop_config) { .fd = file }))
		return perror("/dev/loop0"), -1;
	if (cached && pread(fd, &c, 1, 4096) != 1)
		return perror("read"), -1;
	if (write(file, text, 8192 - 4608) != 8192 - 4608 || ioctl(fd, LOOP_SET_CAPACITY, 0))
		return perror("LOOP_SET_CAPACITY"), -1;
	dio = open("/dev/loop0", O_RDONLY | O_DIRECT);
	if (pread(dio, block, 4096, 4096) != 4096 || pread(fd, &c, 1, 6000) != 1)
		return perror("read"), -1;
	*direct = block[6000 - 4096];
	if (pwrite(fd, "\6", 1, 6100) != 1 || fsync(fd) || pread(file, text, 8192, 0) != 8192)
		return perror("write"), -1;
	*lost = 0;
	for (int i = 0; i < 8192; i++)
		*lost += text[i] != 5 && i != 6100;
	close(dio);
	ioctl(fd, LOOP_CLR_FD, 0);
	close(fd);
	close(file);
	return c;
}

int main(void)
{
	int lost, twin_lost, twin, c;
	char direct;

	twin = grown(0, &direct, &twin_lost);
	c = grown(1, &direct, &lost);
	if (twin != 5 || twin_lost || c < 0)
		return printf("a page that was not read before: %d, %d\n", twin, twin_lost), 2;
	if (c == 5 && !lost)
		return printf("ok\n"), 0;
	printf("BROKEN: behind the old end, a read shows %d, a direct read %d; then a write of 1 byte loses %d bytes of the file\n", c, direct, lost);
	return 1;
}
