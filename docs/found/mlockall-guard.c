// Expected: when mlockall returns, all mapped pages are in memory (mlockall(2)).
// Linux 7.3.4: behind a guard region, mlockall locks no page of the mapping, and succeeds. If mprotect
// made the guard, mlockall locks all. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#define PAGE 4096L
#define COUNT 256

// A stack of a thread: COUNT pages behind one that cannot be accessed.
static char *stack(void)
{
	return mmap(0, (1 + COUNT) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int resident(char *stack)
{
	unsigned char in_memory[COUNT];
	int count = 0;

	mincore(stack + PAGE, COUNT * PAGE, in_memory);
	for (int i = 0; i < COUNT; i++)
		count += in_memory[i] & 1;
	return count;
}

int main(void)
{
	char *old = stack(), *between = mmap(0, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *new = stack();

	if (between == MAP_FAILED || mprotect(old, PAGE, PROT_NONE) || madvise(new, PAGE, 102 /* MADV_GUARD_INSTALL */))
		return puts("cannot be run: no MADV_GUARD_INSTALL"), 2;
	if (mlockall(MCL_CURRENT))
		return perror("mlockall"), 2;
	printf(resident(new) < COUNT ? "BROKEN: mlockall succeeds, and of %d pages %d are in memory behind a guard region, %d behind PROT_NONE\n" : "ok\n", COUNT, resident(new), resident(old));
	return resident(new) < COUNT;
}
