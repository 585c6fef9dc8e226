// Expected: stack_guard_gap pages before the stack are "reserved for no other mapping"
// (Documentation/admin-guide/kernel-parameters.txt).
// Linux 7.3.4: mremap without MREMAP_FIXED grows a mapping up to the stack. Then an overflow of the stack
// writes into this mapping. brk and mmap keep the distance. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#define PAGE 4096L

static char *stack(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[256], *start = 0;

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[stack]"))
			sscanf(line, "%p", (void **)&start);
	return start;
}

int main(void)
{
	char *start = stack(), *hint = start - 100 * PAGE;
	char *p = mmap(start - 300 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *q = mmap(hint, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!start || p != start - 300 * PAGE || q == hint)
		return puts("cannot be run: mmap has mapped a page within the gap before the stack, or could not map one below the gap"), 2;
	if (mremap(p, PAGE, 300 * PAGE, MREMAP_MAYMOVE) != p)
		return puts("ok"), 0;
	start[-1] = 7;	// an overflow of the stack
	if (stack() != start || p[300 * PAGE - 1] != 7)
		return 2;
	return puts("BROKEN: mremap grows a mapping up to the stack, and an overflow of the stack writes there; mmap keeps 256 pages free"), 1;
}
