// Expected: munlockall unlocks all pages of the process (munlockall(2)).
// Linux 7.3.4: memory of memfd_secret that mlockall(MCL_FUTURE) has locked stays locked and counted.
// Needs CONFIG_SECRETMEM. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (1L << 20)

// VmLck of /proc/self/status, in kB.
static int locked(void)
{
	char text[4096] = "";
	FILE *status = fopen("/proc/self/status", "r");

	fread(text, 1, sizeof(text) - 1, status);
	fclose(status);
	return atoi(strstr(text, "VmLck:") + 6);
}

int main(void)
{
	int memory = syscall(447 /* memfd_secret */, 0), late, after;
	char *p;

	if (memory < 0 || ftruncate(memory, SIZE))
		return puts("cannot be run: no memfd_secret"), 2;
	mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (mlockall(MCL_CURRENT) || munlockall() || locked())
		return printf("%d kB are locked\n", locked()), 2;
	mlockall(MCL_FUTURE);
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	late = locked();
	if (munlockall() || munlock(p, SIZE))
		return perror("munlock"), 2;
	after = locked();
	printf(after ? "BROKEN: of %d kB that are locked, %d kB of secret memory are still locked after munlockall and munlock\n" : "ok\n", late, after);
	return after != 0;
}
