// Expected: mlock fails, or the memory stays in RAM until it is unlocked (mlock(2)).
// Linux 7.3.4: mlock of memory with MAP_DROPPABLE succeeds, and reclaim drops what the memory contains. For
// the same memory, mmap with MAP_LOCKED fails. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#define PAGES 16
#define SIZE (PAGES * 4096L)

int main(void)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, 8 /* MAP_DROPPABLE */ | MAP_ANONYMOUS, -1, 0);
	int refused = mmap(0, SIZE, PROT_READ | PROT_WRITE, 8 | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == MAP_FAILED, lost = 0;

	if (p == MAP_FAILED)
		return puts("cannot be run: no MAP_DROPPABLE"), 2;
	memset(p, 1, SIZE);
	if (mlock(p, SIZE))
		return puts("ok"), 0;
	madvise(p, SIZE, MADV_PAGEOUT); // EINVAL, if the memory is locked
	for (long i = 0; i < SIZE; i += 4096)
		lost += p[i] != 1;
	if (lost)
		return printf("BROKEN: mlock succeeds, and %d of 16 pages lose their contents; MAP_LOCKED %s\n", lost, refused ? "fails" : "succeeds"), 1;
	return puts("ok"), 0;
}
