// Expected: a write to a page of a mapping behind the end of a device that has become smaller raises
// SIGBUS (mmap(2)), or msync says that it is lost. The twins: a page that is not mapped yet, and a file
// that becomes smaller. Linux 7.3.4: the write succeeds, msync says 0, and the data is lost. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define SIZE (1L << 20)

static sigjmp_buf stop;

static void bus(int signal)
{
	siglongjmp(stop, signal);
}

// Does a write raise SIGBUS?
static int raises(volatile char *p)
{
	if (sigsetjmp(stop, 1))
		return 1;
	*p = 7;
	return 0;
}

int main(void)
{
	int file, loop, twin, raised, error;
	char *p, *q, c;

	mkdir("/m", 0700);
	if (mount("none", "/m", "tmpfs", 0, ""))
		return perror("tmpfs"), 2;
	signal(SIGBUS, bus);
	file = open("/m/disk", O_RDWR | O_CREAT, 0600);
	loop = open("/dev/loop0", O_RDWR);
	if (ftruncate(file, SIZE) || ioctl(loop, LOOP_SET_FD, file))
		return perror("/dev/loop0"), 2;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, loop, 0);
	q = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	p[SIZE / 2] = q[SIZE / 2] = 1;
	if (fsync(loop) || ftruncate(file, 16384) || ioctl(loop, LOOP_SET_CAPACITY))
		return perror("LOOP_SET_CAPACITY"), 2;
	twin = raises(q + SIZE / 2) && raises(p + SIZE / 2 + 65536);
	raised = raises(p + SIZE / 2);
	error = msync(p, SIZE, MS_SYNC) || fsync(loop);
	if (ftruncate(file, SIZE) || ioctl(loop, LOOP_SET_CAPACITY) || fsync(loop) || pread(file, &c, 1, SIZE / 2) != 1)
		return perror("LOOP_SET_CAPACITY"), 2;
	if (!twin)
		return printf("no SIGBUS behind the end\n"), 2;
	printf(raised || error || c == 7 ? "ok\n" : "BROKEN: behind the end of a smaller device, 7 is written, msync and fsync succeed, and the disk contains %d\n", c);
	return !raised && !error && c != 7;
}
