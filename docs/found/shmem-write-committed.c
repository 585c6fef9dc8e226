// Expected: Committed_AS of /proc/meminfo returns to its earlier value when memory is unmapped.
// Linux 7.3.4: if write or fallocate makes anonymous shared memory longer, nothing is added, but its
// new size is subtracted at the end. Needs CONFIG_CHECKPOINT_RESTORE or root (for map_files).
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (64l << 20)

static long committed(void)
{
	char text[4096] = "";
	int fd = open("/proc/meminfo", O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return atol(strstr(text, "Committed_AS:") + 13);
}

// Makes shared memory of 4 kB longer. Returns how many kB less are committed at the end.
static long less(int writes)
{
	long before = committed(), end;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), path[99];
	int fd;

	sprintf(path, "/proc/self/map_files/%lx-%lx", (long)p, (long)p + 4096);
	fd = open(path, O_RDWR);
	if (fd < 0)
		perror(path), exit(2);
	if (writes)
		pwrite(fd, "", 1, SIZE - 1);
	else
		ftruncate(fd, SIZE);
	close(fd);
	munmap(p, 4096);
	end = committed();
	return before - end;
}

int main(void)
{
	char *more = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long truncated = less(0), written = less(1);

	munmap(more, SIZE);
	printf(written - truncated < SIZE / 2048 ? "ok\n" : "BROKEN: %ld kB less are committed after memory was unmapped that ftruncate had made longer, %ld kB less after write had\n", truncated, written);
	return written - truncated >= SIZE / 2048;
}
