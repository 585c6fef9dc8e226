// Expected: locked pages stay in memory (mlock(2)). The twins: a write without O_DIRECT and
// POSIX_FADV_DONTNEED keep them. Linux 7.3.4: a direct write of 4 kB to the file takes them out of
// memory, and also the locked pages around it that it does not write. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (1L << 20)

static char text[SIZE];

// How many pages are in memory?
static int resident(char *p)
{
	unsigned char pages[SIZE / 4096];
	int n = 0;

	mincore(p, SIZE, pages);
	for (int i = 0; i < SIZE / 4096; i++)
		n += pages[i] & 1;
	return n;
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	char *p, *block = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int file, direct, twin, after;

	if (!size || fprintf(size, "16M") < 0 || fclose(size))
		return perror("zram"), 2;
	file = open("/dev/zram0", O_RDWR);
	direct = open("/dev/zram0", O_RDWR | O_DIRECT);
	for (long i = 0; i < SIZE; i++)
		text[i] = 1;
	if (pwrite(file, text, SIZE, 0) != SIZE || fsync(file) || posix_fadvise(file, 0, SIZE, POSIX_FADV_DONTNEED))
		return perror("/dev/zram0"), 2;
	posix_fadvise(file, 0, SIZE, POSIX_FADV_SEQUENTIAL);
	for (long i = 0; i < SIZE; i += 65536)
		pread(file, text, 65536, i);
	p = mmap(0, SIZE, PROT_READ, MAP_SHARED, file, 0);
	if (mlock(p, SIZE) || pwrite(file, block, 4096, SIZE / 2) != 4096 || fsync(file) || posix_fadvise(file, 0, SIZE, POSIX_FADV_DONTNEED))
		return perror("mlock"), 2;
	twin = resident(p);
	if (pwrite(direct, block, 4096, SIZE / 2) != 4096)
		return perror("a direct write"), 2;
	after = resident(p);
	if (twin != SIZE / 4096)
		return printf("%d pages are locked\n", twin), 2;
	printf(after == twin ? "ok\n" : "BROKEN: of 256 locked pages, %d are in memory after a direct write of one page\n", after);
	return after != twin;
}
