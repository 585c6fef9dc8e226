// Expected: Committed_AS of /proc/meminfo returns to its earlier value when memory is unmapped.
// Linux 7.3.4: if write or fallocate makes anonymous shared memory longer, nothing is added, but its
// new size is subtracted at the end. Needs CAP_CHECKPOINT_RESTORE or root (for map_files).
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (64l << 20)

static int committed(void)
{
	char text[4096] = "";
	read(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1);
	return atoi(strstr(text, "Committed_AS:") + 13);
}

// Makes shared memory of 4 kB longer. Returns how many kB less are committed at the end.
static int less(int writes)
{
	int before = committed(), fd;
	long p = (long)mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[99];

	sprintf(path, "/proc/self/map_files/%lx-%lx", p, p + 4096);
	fd = open(path, O_RDWR);
	if (fd < 0 || (writes ? pwrite(fd, "", 1, SIZE - 1) != 1 : ftruncate(fd, SIZE)))
		perror(path), exit(2);
	close(fd);
	munmap((void *)p, 4096);
	return before - committed();
}

int main(void)
{
	mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);	// keeps Committed_AS above 0
	int truncated = less(0), written = less(1), broken = written - truncated > SIZE / 2048;
	printf(broken ? "BROKEN: Committed_AS falls by %d kB if ftruncate made memory longer, and by %d kB if write did\n" : "ok\n", truncated, written);
	return broken;
}
