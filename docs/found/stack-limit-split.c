// Expected: RLIMIT_STACK is "the maximum size of the process stack"; growth beyond it raises SIGSEGV
// (setrlimit(2)).
// Linux 7.3.4: mprotect of the lowest page of the stack starts the limit anew. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGE 4096L
#define LIMIT (1L << 20)
#define ROUNDS 16

// VmStk of /proc/self/status, in kB.
static int size(void)
{
	static char text[4096];
	FILE *status = fopen("/proc/self/status", "r");

	memset(text, 0, sizeof(text));
	fread(text, 1, sizeof(text) - 1, status);
	fclose(status);
	return atoi(strstr(text, "VmStk:") + 6);
}

// Lets the stack of a child grow downwards from "low". Returns its size in MiB, or 0 after SIGSEGV.
static int grow(volatile char *low, int rounds)
{
	int status;

	if (!fork()) {
		for (int i = 0; i < rounds; i++) {
			for (long at = 0; at < LIMIT - 64 * PAGE; at += PAGE)
				*(low -= PAGE) = 1;
			if (rounds == ROUNDS && mprotect((char *)low, PAGE, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ | PROT_WRITE | PROT_EXEC))
				_exit(99);
		}
		_exit(size() / 1024);
	}
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

int main(void)
{
	struct rlimit limit = { LIMIT, LIMIT };
	char here, *low = (char *)((long)&here & -PAGE);
	int plain, split;

	setrlimit(RLIMIT_STACK, &limit);
	plain = grow(low, 2);
	split = grow(low, ROUNDS);
	printf(split > 1 ? "BROKEN: with RLIMIT_STACK of 1 MiB, a stack grows to %d MiB after mprotect; without mprotect, to %d MiB%s\n" : "ok\n", split, plain, plain ? "" : " (0 means SIGSEGV)");
	return split > 1;
}
