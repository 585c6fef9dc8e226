// Expected: what a process has written to its memory stays there, whatever its child does with its
// copy.
// Linux 7.3.4: if fork has shared a page, process_vm_readv makes a copy of it, and the copy is not
// dirty. MADV_FREE in a later child then gives up the page that it shares with its parent, and
// reclaim throws away what the parent has written. Needs no privilege. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (32 * 4096)
static char buffer[SIZE];

// Writes to memory, and lets a child free its copy. If "reads" is not 0, process_vm_readv has read
// the memory before. Returns how many pages are lost.
static int lost(int reads)
{
	char *p = memset(mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 7, SIZE);
	int pages = 0, end[2];

	pipe(end);
	if (!fork())	// shares the pages until they have been read
		_exit(close(end[1]) + read(end[0], buffer, 1));
	if (reads && process_vm_readv(getpid(), &(struct iovec){ buffer, SIZE }, 1, &(struct iovec){ p, SIZE }, 1, 0) != SIZE)
		perror("process_vm_readv");
	close(end[1]);
	wait(0);
	if (!fork())
		_exit(madvise(p, SIZE, MADV_FREE));
	wait(0);
	madvise(p, SIZE, MADV_PAGEOUT);
	for (int i = 0; i < SIZE; i += 4096)
		pages += p[i] != 7;
	return pages;
}

int main(void)
{
	int plain = lost(0), read = lost(1);
	printf(read ? "BROKEN: %d of 32 pages have lost what the parent has written, after MADV_FREE in a child; %d if nobody has read them\n" : "ok\n", read, plain);
	return read > 0;
}
