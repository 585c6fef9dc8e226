// Expected: shared memory uses shmem_enabled "only ... when the per-size knob is set to 'inherit'"
// (Documentation/admin-guide/mm/transhuge.rst, of SysV memory, memfd and shared anonymous memory). Linux 7.3.4:
// SysV memory, and a memfd that is written to, follow only shmem_enabled. Needs THP and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>
#define HUGE (2L << 20)

static long huge(void) // ShmemHugePages in kB
{
	char text[4096] = "", *at;
	int fd = open("/proc/meminfo", O_RDONLY);

	read(fd, text, sizeof text - 1), close(fd);
	at = strstr(text, "ShmemHugePages:");
	return at ? strtol(at + 15, 0, 10) : -1;
}

static int set(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "/sys/kernel/mm/transparent_hugepage/%s", name), fd = open(path, O_WRONLY);
	return write(fd, value, strlen(value)) < 0 || close(fd);
}

int main(void)
{
	char *space = mmap(0, 8 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at = (char *)((long)space + HUGE - (long)space % HUGE), *p;
	long start = huge(), twin, sysv, memfd;
	int fd = memfd_create("", 0), id = shmget(IPC_PRIVATE, HUGE, IPC_CREAT | 0600);

	if (set("shmem_enabled", "always") || set("hugepages-2048kB/shmem_enabled", "never") || start < 0 || id < 0)
		return perror("shmem_enabled"), 2;
	p = mmap(at, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	*p = 1, twin = huge() - start;
	p = shmat(id, at + 2 * HUGE, SHM_REMAP);
	if (p == (void *)-1 || twin || ftruncate(fd, HUGE))
		return perror("shmat"), 2;
	*p = 1, sysv = huge() - start;
	write(fd, "", 1), memfd = huge() - start - sysv;
	printf(sysv || memfd ? "BROKEN: shmem_enabled of 2048 kB says never; huge pages in kB: %ld in shared anonymous memory, %ld in SysV memory, %ld in a memfd after write\n" : "ok\n", twin, sysv, memfd);
	return sysv || memfd;
}
