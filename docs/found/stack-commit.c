// Expected: Committed_AS of /proc/meminfo is as before when all that was mapped is unmapped.
// Linux 7.3.4: a MAP_GROWSDOWN mapping that is not accounted (read-only, or MAP_NORESERVE) is charged for
// the pages by which it grows, and munmap does not give them back. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define AT ((char *)0x700000000000)

static long committed(void)
{
	char text[4096] = "";
	int fd = open("/proc/meminfo", O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return atol(strstr(text, "Committed_AS:") + 13);
}

int main(void)
{
	long before = committed(), after;
	for (int i = 0; i < 10; i++) {
		if (mmap(AT, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0) != AT)
			return perror("mmap"), 2;
		for (int j = 0; j < 256; j++)
			*(volatile char *)(AT - j * 4096);
		munmap(AT - 256 * 4096, 257 * 4096);
	}
	after = committed();
	printf(after - before > 9000 ? "BROKEN: Committed_AS: %ld kB before, %ld kB when all is unmapped\n" : "ok %ld %ld\n", before, after);
	return after - before > 9000;
}
