// Expected: a direct read writes its buffer and nothing else, if the buffer has the alignment that statx
// reports (stx_dio_mem_align: 512). The twin: a loop device, which reports the same. Linux 7.3.4: zram
// ignores where in a page a segment begins and ends: a read writes whole pages, and so does a write. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000
#endif

// Reads and writes 4 kB at an address that is a multiple of 512. How many bytes around the buffer change,
// and how many bytes on the device are wrong?
static int around(const char *path, int *wrong)
{
	static char block[4096];
	int fd = open(path, O_RDWR), dio = open(path, O_RDWR | O_DIRECT), changed = 0;
	char *p = mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *buffer = p + 4096 + 512;
	struct statx x;

	memset(block, 1, 4096);
	if (pwrite(fd, block, 4096, 0) != 4096 || fsync(fd) || statx(dio, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x))
		return perror(path), -1;
	if (x.stx_dio_mem_align > 512)
		return printf("%s wants buffers aligned to %u\n", path, x.stx_dio_mem_align), -1;
	memset(p, 7, 4 * 4096);
	if (pread(dio, buffer, 4096, 0) != 4096)
		return perror("direct read"), -1;
	for (char *q = p; q < p + 4 * 4096; q++)
		changed += q < buffer || q >= buffer + 4096 ? *q != 7 : *q != 1;
	for (int i = 0; i < 4 * 4096; i++)
		p[i] = i / 512;
	if (pwrite(dio, buffer, 4096, 4096) != 4096 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) || pread(fd, block, 4096, 4096) != 4096)
		return perror("direct write"), -1;
	*wrong = 0;
	for (int i = 0; i < 4096; i++)
		*wrong += block[i] != buffer[i];
	return changed;
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	struct loop_config c = { .fd = memfd_create("file", 0), .block_size = 4096 };
	int loop = open("/dev/loop0", O_RDWR), twin, twin_wrong, changed, wrong;

	if (!size || fprintf(size, "16M") < 0 || fclose(size))
		return perror("zram"), 2;
	if (loop < 0 || ftruncate(c.fd, 1 << 20) || ioctl(loop, LOOP_CONFIGURE, &c))
		return perror("/dev/loop0"), 2;
	twin = around("/dev/loop0", &twin_wrong);
	changed = around("/dev/zram0", &wrong);
	if (twin || twin_wrong || changed < 0)
		return printf("loop: %d, %d\n", twin, twin_wrong), 2;
	if (!changed && !wrong)
		return printf("ok\n"), 0;
	printf("BROKEN: a direct read of 4096 bytes overwrites %d bytes around its buffer; after a direct write, %d of 4096 bytes on the device are wrong\n", changed, wrong);
	return 1;
}
