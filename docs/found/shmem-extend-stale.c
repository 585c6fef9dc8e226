// Expected: if ftruncate makes a file longer, the extended part reads as null bytes.
// Linux 7.3.4: in tmpfs with huge=always, it shows what was written behind the end of the file through a
// mapping, in up to 511 pages. Without huge pages, the write raises SIGBUS. Needs tmpfs and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define HUGE (2L << 20)

static sigjmp_buf stop;
static char bytes[HUGE];

static void bus(int signal)
{
	siglongjmp(stop, signal);
}

// Writes behind the end of a file of one page. Returns how many bytes of the file are not null once it is
// longer.
static int stale(const char *options)
{
	char *p = mmap(0, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd, count = 0;

	if (mount("tmpfs", "/mnt", "tmpfs", 0, options))
		return perror("mount"), -1;
	fd = open("/mnt/file", O_RDWR | O_CREAT, 0600);
	ftruncate(fd, 4096);
	p = (char *)(((uintptr_t)p + HUGE - 1) & -HUGE);
	p = mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (!sigsetjmp(stop, 1))
		for (long i = 0; i < HUGE; i++)
			((volatile char *)p)[i] = i >= 4096;
	if (ftruncate(fd, HUGE) || pread(fd, bytes, HUGE, 0) != HUGE)
		return perror("file"), -1;
	for (long i = 0; i < HUGE; i++)
		count += bytes[i] != 0;
	umount2("/mnt", MNT_DETACH);
	return count;
}

int main(void)
{
	int small, huge;

	signal(SIGBUS, bus), mkdir("/mnt", 0755);
	small = stale("huge=never"), huge = stale("huge=always");
	if (small < 0 || huge < 0)
		return 2;
	if (!small && !huge)
		return puts("ok"), 0;
	printf("BROKEN: %d bytes of the longer file are not null; with huge=always %d bytes\n", small, huge);
	return 1;
}
