// Expected: in /proc/PID/smaps "the mapped addresses never go backwards, which implies no two regions
// will ever overlap" (Documentation/filesystems/proc.rst), also if it is read in parts.
// Linux 7.3.4: a region that grows over the next one after it was read is shown a second time, whole.
// cc -static
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (64L << 20)

// Reads smaps, and returns the kB of Rss in [from, to) of all regions of it. Once the header of the
// first of them is read, "grow" makes the regions of both halves one.
static long rss(char *from, int grow, int *regions)
{
	int fd = open("/proc/self/smaps", O_RDONLY), inside = 0;
	char line[4096];
	long start, end, last = 0;
	long sum = 0;

	for (size_t n = 0; read(fd, line + n, 1) == 1;) {
		if (line[n++] != '\n')
			continue;
		line[n] = 0, n = 0;
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			if ((inside = start >= (long)from && end <= (long)from + SIZE)) {
				++*regions;
				if (grow && mprotect(from, SIZE, PROT_READ | PROT_WRITE))
					perror("mprotect"), exit(2);
			}
			if (start < last)
				*regions += 100;
			last = end;
		} else if (inside && !strncmp(line, "Rss:", 4))
			sum += atol(line + 4);
	}
	return close(fd), sum;
}

int main(void)
{
	char *p = mmap(0, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + SIZE / 2;
	int regions = 0, twin_regions = 0;
	long sum, twin;

	if (mprotect(p, SIZE, PROT_READ | PROT_WRITE))
		return perror("mprotect"), 2;
	memset(p, 1, SIZE / 2);
	mprotect(p + SIZE / 2, SIZE / 2, PROT_READ);
	twin = rss(p, 0, &twin_regions), sum = rss(p, 1, &regions);
	if (regions < 100 && sum == twin)
		return printf("ok\n"), 0;
	printf("BROKEN: regions of smaps overlap: %ld kB are resident, smaps has %ld kB\n", twin, sum);
	return 1;
}
