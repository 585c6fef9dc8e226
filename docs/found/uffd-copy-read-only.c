// Expected: no more memory is committed than CommitLimit if overcommit_memory is 2 (proc_sys_vm(5)).
// The twin: mmap with PROT_WRITE fails. Linux 7.3.4: UFFDIO_COPY fills a private mapping of PROT_READ,
// which does not count. RLIMIT_DATA does not hold, either. cc -static
#define _GNU_SOURCE
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#define CHUNK (1L << 20)
#define SIZE (128 * CHUNK)
#define MAP(size, prot) mmap(0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)

// A number of a file of /proc, in kB.
static long number(const char *path, const char *name)
{
	char text[8192] = "";
	FILE *file = fopen(path, "r");

	fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	return atol(strstr(text, name) + strlen(name));
}

static void set(const char *path, long value)
{
	FILE *file = fopen(path, "w");

	fprintf(file, "%ld", value);
	fclose(file);
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct rlimit limit = { 32 << 20, 32 << 20 };
	char *text = MAP(CHUNK, PROT_READ | PROT_WRITE), *p = MAP(SIZE, PROT_READ);
	struct uffdio_register reg = { { (long)p, SIZE }, UFFDIO_REGISTER_MODE_MISSING, 0 };
	long before = number("/proc/meminfo", "Committed_AS:"), data, anon;
	int fd = syscall(SYS_userfaultfd, 0);

	memset(text, 7, CHUNK);
	set("/proc/sys/vm/overcommit_kbytes", 1);
	set("/proc/sys/vm/overcommit_memory", 2);
	setrlimit(RLIMIT_DATA, &limit);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	if (MAP(SIZE, PROT_READ | PROT_WRITE) != MAP_FAILED)
		return puts("no limit"), 2;
	for (char *at = p; at < p + SIZE; at += CHUNK)
		ioctl(fd, UFFDIO_COPY, &(struct uffdio_copy) { (long)at, (long)text, CHUNK, 0, 0 });
	data = number("/proc/self/status", "VmData:");
	anon = number("/proc/self/status", "RssAnon:");
	if (p[SIZE - 1] != 7)
		return puts("ok"), 0;
	printf("BROKEN: %ld kB of anonymous memory with CommitLimit %ld kB, RLIMIT_DATA 32768 kB: Committed_AS %ld kB, before %ld kB, VmData %ld kB\n",
	       anon, number("/proc/meminfo", "CommitLimit:"), number("/proc/meminfo", "Committed_AS:"), before, data);
	return 1;
}
