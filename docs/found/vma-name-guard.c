// Expected: an access to a guard region raises SIGSEGV, also in a child (madvise(2)).
// Linux 7.3.4: PR_SET_VMA_ANON_NAME of the memory next to a mapping with guard regions forgets that the
// mapping has any, and a child can read them. Needs CONFIG_ANON_VMA_NAME. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGE 4096L
#define NAME(p) prctl(0x53564d41 /* PR_SET_VMA */, 0, p, 8 * PAGE, "name")

// Installs a guard region in shared memory, and returns whether a child can read it.
static int readable(int named)
{
	char *p = mmap(0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	if (p == MAP_FAILED || NAME(p) || madvise(p, PAGE, 102 /* MADV_GUARD_INSTALL */))
		return perror("mmap, PR_SET_VMA, MADV_GUARD_INSTALL"), 2;
	if (named && NAME(p + 8 * PAGE))
		return puts("cannot be run: no PR_SET_VMA_ANON_NAME"), 2;
	if (!fork()) {
		*(volatile char *)p;
		_exit(0);
	}
	wait(&status);
	return !status;
}

int main(void)
{
	int unnamed = readable(0), named = readable(1);

	if (unnamed || named > 1)
		return 2;
	puts(named ? "BROKEN: a child can read a guard region, after the memory behind it got a name" : "ok");
	return named;
}
