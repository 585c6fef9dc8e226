// Expected: a call that fails with EOPNOTSUPP changes nothing (the twin: BLKDISCARD). Linux 7.3.4:
// FALLOC_FL_PUNCH_HOLE of a block device throws away what was written but is not stored yet, and then
// says EOPNOTSUPP. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	int file, loop, twin, error;
	char *p, before;

	mkdir("/m", 0700);
	if (mount("none", "/m", "ramfs", 0, ""))
		return perror("ramfs"), 2;
	file = open("/m/disk", O_RDWR | O_CREAT, 0600);
	loop = open("/dev/loop0", O_RDWR);
	if (ftruncate(file, 1 << 20) || ioctl(loop, LOOP_SET_FD, file))
		return perror("/dev/loop0"), 2;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, loop, 0);
	*p = 7;
	twin = ioctl(loop, BLKDISCARD, (uint64_t[]) { 0, 4096 }) ? errno : 0;
	before = *p;
	error = fallocate(loop, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) ? errno : 0;
	if (twin != EOPNOTSUPP || error != EOPNOTSUPP || before != 7)
		return printf("BLKDISCARD: %d, a hole: %d, then %d\n", twin, error, before), 2;
	printf(*p == 7 ? "ok\n" : "BROKEN: fallocate says EOPNOTSUPP, and what was 7 is %d\n", *p);
	return *p != 7;
}
