// Expected: after LOOP_SET_STATUS64 with another offset, /dev/loop0 shows the file from there (loop(4);
// the twin: a page that is not mapped). Linux 7.3.4: a mapped page shows the old place of the file, to
// read, too, and is written to the new place. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	struct loop_info64 info;
	int file, loop;
	char *p, twin = 0, c = 0, d = 0;

	mkdir("/m", 0700);
	if (mount("none", "/m", "tmpfs", 0, ""))
		return perror("tmpfs"), 2;
	file = open("/m/disk", O_RDWR | O_CREAT, 0600);
	loop = open("/dev/loop0", O_RDWR);
	for (int i = 0; i < 16; i++) {
		char text[8192];
		memset(text, i, sizeof(text));
		pwrite(file, text, sizeof(text), i * 8192);
	}
	if (ioctl(loop, LOOP_SET_FD, file) || ioctl(loop, LOOP_GET_STATUS64, &info))
		return perror("/dev/loop0"), 2;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, loop, 0);
	if (pread(loop, &twin, 1, 4096) != 1 || twin != *p)
		return perror("read"), 2;
	info.lo_offset = 32768;
	if (ioctl(loop, LOOP_SET_STATUS64, &info))
		return perror("LOOP_SET_STATUS64"), 2;
	pread(loop, &twin, 1, 8192);
	pread(loop, &c, 1, 0);
	p[100] = 9;
	fsync(loop);
	pread(file, &d, 1, 32768);
	if (twin != 5)
		return printf("a page that is not mapped: %d\n", twin), 2;
	printf(c == 4 && d == 4 ? "ok\n" : "BROKEN: with another offset, a read of a mapped page shows %d instead of 4, and a write to the page makes this byte %d in the file\n", c, d);
	return c != 4 || d != 4;
}
