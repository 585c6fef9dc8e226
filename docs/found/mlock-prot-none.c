// Expected: locked memory stays in RAM (mlock(2)): no access to it reads from swap.
// Linux 7.3.4: what mlockall has found inaccessible stays in swap after mprotect has made it accessible,
// except if it is private and becomes writable. Needs swap. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define PAGES 16
#define SIZE (PAGES * 4096L)

// Returns how many locked pages are in RAM, before anything has accessed them.
static int resident(int flags, int access)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	unsigned char in[PAGES];
	int count = 0;

	memset(p, 1, SIZE);
	madvise(p, SIZE, MADV_PAGEOUT);
	mincore(p, SIZE, in);
	for (int i = 0; i < PAGES; i++)
		count += in[i] & 1;
	if (count)
		return -1; // no swap
	mprotect(p, SIZE, PROT_NONE);
	if (mlockall(MCL_CURRENT) || mprotect(p, SIZE, access))
		return perror("mlockall, mprotect"), -1;
	mincore(p, SIZE, in);
	for (int i = 0; i < PAGES; i++)
		count += in[i] & 1;
	munlockall();
	return count;
}

int main(void)
{
	int written = resident(MAP_PRIVATE, PROT_READ | PROT_WRITE), read = resident(MAP_PRIVATE, PROT_READ);
	int shared = resident(MAP_SHARED, PROT_READ | PROT_WRITE);

	if (written != PAGES || read < 0 || shared < 0)
		return printf("cannot be run: %d, %d, %d\n", written, read, shared), 2;
	if (read != PAGES || shared != PAGES)
		return printf("BROKEN: of 16 locked pages, %d are in RAM if they are private and can be read, %d if they are shared\n", read, shared), 1;
	return puts("ok"), 0;
}
