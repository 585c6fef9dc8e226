// Expected: "echo 2 > /proc/PID/clear_refs" clears the bits "for the anonymous pages", and "echo 3" for
// "the file mapped pages" (Documentation/filesystems/proc.rst).
// Linux 7.3.4: it is the other way round for anonymous pages in a private mapping of a file. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static long field(char *p, const char *name)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long start, end;
	long value = -1, inside = 0;

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)p && (unsigned long)p < end;
		else if (inside && !strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name));
	}
	if (smaps)
		fclose(smaps);
	return value;
}

static void clear(const char *what)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	if (write(fd, what, 1) != 1)
		perror("clear_refs"), exit(2);
	close(fd);
}

int main(void)
{
	int fd = memfd_create("file", 0);
	char *p, *twin = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long anon, after2, after3;

	ftruncate(fd, 65536);
	p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memset(p, 1, 65536), memset(twin, 1, 65536);
	anon = field(p, "Anonymous:");
	clear("2");
	if (anon != 64 || field(twin, "Referenced:"))
		return fprintf(stderr, "%ld, %ld\n", anon, field(twin, "Referenced:")), 2;
	after2 = field(p, "Referenced:");
	clear("3");
	after3 = field(p, "Referenced:");
	if (!after2)
		return printf("ok\n"), 0;
	printf("BROKEN: of %ld kB of anonymous pages, %ld kB stay referenced after 2, and %ld kB after 3\n", anon, after2, after3);
	return 1;
}
