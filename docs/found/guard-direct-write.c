// Expected: only MADV_GUARD_REMOVE and unmapping end a guard region (madvise(2)). The twin: a direct
// write keeps it if no page of the folio behind the write is mapped. Linux 7.3.4: a direct write to
// another page of the same large folio of the page cache ends it. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (1L << 20)
#define GUARD (SIZE / 2 + 4096)
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static char text[SIZE];
static int fds[2];

// Is the guard page there after a direct write to the page before it? Another mapping has the pages
// up to `end`.
static int guarded(int file, int direct, long end)
{
	char *p = mmap(0, SIZE, PROT_READ, MAP_SHARED, file, 0), *other = mmap(0, SIZE, PROT_READ, MAP_SHARED, file, 0);
	int after;

	// Readahead allocates large folios.
	posix_fadvise(file, 0, SIZE, POSIX_FADV_DONTNEED);
	for (long i = 0; i < SIZE; i += 65536)
		pread(file, text, 65536, i);
	if (madvise(p + GUARD, 4096, MADV_GUARD_INSTALL) || write(fds[1], p + GUARD, 1) > 0)
		return perror("MADV_GUARD_INSTALL"), -1;
	for (long i = 0; i < end; i += 4096)
		((volatile char *)other)[i];
	if (pwrite(direct, mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096, GUARD - 4096) != 4096)
		return perror("a direct write"), -1;
	after = write(fds[1], p + GUARD, 1) != 1;
	munmap(p, SIZE);
	munmap(other, SIZE);
	return after;
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	int file, direct, twin, after;

	if (!size || fprintf(size, "16M") < 0 || fclose(size) || pipe(fds))
		return perror("zram"), 2;
	file = open("/dev/zram0", O_RDWR);
	direct = open("/dev/zram0", O_RDWR | O_DIRECT);
	for (long i = 0; i < SIZE; i++)
		text[i] = 1;
	if (pwrite(file, text, SIZE, 0) != SIZE || fsync(file) || posix_fadvise(file, 0, SIZE, POSIX_FADV_SEQUENTIAL))
		return perror("/dev/zram0"), 2;
	twin = guarded(file, direct, 0);
	after = guarded(file, direct, SIZE);
	if (twin != 1 || after < 0)
		return printf("no guard: %d %d\n", twin, after), 2;
	puts(after ? "ok" : "BROKEN: a direct write to the page before a guard page ends the guard: the page can be read");
	return !after;
}
