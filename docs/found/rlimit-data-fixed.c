// Expected: mmap fails if it would exceed RLIMIT_DATA (setrlimit(2)).
// Linux 7.3.4: mmap with MAP_FIXED over memory that does not count (PROT_NONE) is not checked, and
// mprotect is not checked if RLIMIT_AS is nearly used up. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#define LIMIT (8L << 20)
#define SIZE (64L << 20)
#define MAP(addr, prot, flags) mmap(addr, SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | (flags), -1, 0)

// VmData of /proc/self/status, in MiB.
static int data(void)
{
	char text[4096] = "";
	FILE *status = fopen("/proc/self/status", "r");

	fread(text, 1, sizeof(text) - 1, status);
	fclose(status);
	return atoi(strstr(text, "VmData:") + 7) / 1024;
}

int main(void)
{
	struct rlimit limit = { LIMIT, LIMIT }, space = { SIZE + LIMIT, SIZE + LIMIT };
	char *p = MAP(0, PROT_NONE, 0);
	int fixed, changed;

	if (setrlimit(RLIMIT_DATA, &limit) || MAP(0, PROT_READ | PROT_WRITE, 0) != MAP_FAILED || !mprotect(p, SIZE, PROT_READ | PROT_WRITE))
		return puts("no limit"), 2;
	MAP(p, PROT_READ | PROT_WRITE, MAP_FIXED);
	fixed = data();
	p = MAP(p, PROT_NONE, MAP_FIXED);
	setrlimit(RLIMIT_AS, &space);
	mprotect(p, SIZE, PROT_READ | PROT_WRITE);
	changed = data();
	printf(fixed > 8 || changed > 8 ? "BROKEN: with RLIMIT_DATA of 8 MiB, VmData is %d MiB after mmap with MAP_FIXED, %d MiB after mprotect with RLIMIT_AS\n" : "ok\n", fixed, changed);
	return fixed > 8 || changed > 8;
}
