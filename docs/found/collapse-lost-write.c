// Expected: what was written to shared memory stays there.
// Linux 7.3.4: a collapse of a huge page that is mapped by small entries forgets that an entry is
// dirty. If the write that made the entry dirty was the first one to the huge page, reclaim discards
// the page. Needs CONFIG_TRANSPARENT_HUGEPAGE and root (for shmem_enabled). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((volatile char *)(1l << 32))

// Writes to a huge page of shared memory through a small entry, then lets reclaim try to take it.
// Returns what the memory contains.
static int written(int collapses)
{
	int memory = memfd_create("memory", 0);
	void *p = (void *)AT;

	ftruncate(memory, HUGE);
	mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, memory, 0);
	*AT;	// reads a hole: the huge page is clean
	mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, memory, 0);
	madvise(p, HUGE, MADV_NOHUGEPAGE);
	*AT;
	*AT = 7;
	if (collapses && (madvise(p, HUGE, MADV_HUGEPAGE) || madvise(p, HUGE, 25 /* MADV_COLLAPSE */)))
		perror("MADV_COLLAPSE");
	mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_POPULATE, memory, 0);
	for (int i = 0; i < 3; i++)
		madvise(p, HUGE, 21 /* MADV_PAGEOUT: reclaim */);
	return *AT;
}

int main(void)
{
	int file = open("/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/shmem_enabled", O_WRONLY);
	int before = write(file, "always", 6) == 6 ? written(0) : 0, after = written(1);

	printf(before == after ? "ok\n" : "BROKEN: shared memory contains %d instead of %d, after it was collapsed\n", after, before);
	return before != after;
}
